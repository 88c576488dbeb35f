//! The file of an import job against a reader of it, written by what the Developer Guide says of the
//! format ("Importing users into user pools from a CSV file") and by nothing else here: a header of
//! all columns; a row a line; values between commas, without quotation marks; `\\,` for a comma
//! inside one; white space around one does not count; 16,000 characters a row; `true` and `false`;
//! `mm/dd/yyyy`; seconds since 1970; a verified address in each.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fit::{Fit, Route};
use crate::fuzz::{SECRET, config, json, spoiled};
use crate::model::{MfaOption, User};
use crate::ports::{CreateWith, ImportOptions, Target, WithoutRow};
use crate::settings::Settings;

const COLUMNS: [&str; 15] = [
    "cognito:username",
    "cognito:mfa_enabled",
    "name",
    "nickname",
    "birthdate",
    "updated_at",
    "email",
    "email_verified",
    "phone_number",
    "phone_number_verified",
    "address",
    "custom:note",
    "custom:level",
    "custom:vip",
    "custom:since",
];

/// What the reader makes of a row, by column; nothing for what is empty.
type Row = BTreeMap<&'static str, String>;

/// Reads a whole file; an error is what makes Cognito refuse a row, or read it in a way of its own.
fn read(file: &str) -> Result<Vec<Row>, String> {
    let mut lines = file.strip_suffix('\n').ok_or("no line end")?.split('\n');
    if lines.next() != Some(&*COLUMNS.join(",")) {
        return Err("another header".to_owned());
    }
    lines.map(read_row).collect()
}

fn read_row(line: &str) -> Result<Row, String> {
    let count = line.chars().count();
    if count > 16_000 || line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return Err(format!("no line of text: {count} characters"));
    }
    let values = values(line)?;
    if values.len() != COLUMNS.len() {
        return Err(format!("{} values", values.len()));
    }
    let mut row = Row::new();
    for (column, value) in COLUMNS.into_iter().zip(values) {
        if let Some(value) = profile_value(column, value.trim())? {
            row.insert(column, value);
        }
    }
    let verified =
        row.get("email_verified").is_some_and(|value| value == "true") && row.contains_key("email");
    let said = ["cognito:username", "cognito:mfa_enabled"].iter().all(|name| row.contains_key(name));
    if verified && said { Ok(row) } else { Err("it lacks what every row needs".to_owned()) }
}

fn values(line: &str) -> Result<Vec<String>, String> {
    let (mut values, mut is_escaped) = (vec![String::new()], false);
    for character in line.chars() {
        let last = values.len() - 1;
        match (character, is_escaped) {
            ('\\', false) => is_escaped = true,
            (',', false) => values.push(String::new()),
            (',', true) => {
                values[last].push(',');
                is_escaped = false;
            }
            (_, true) => return Err("a backslash before something else".to_owned()),
            (other, false) => values[last].push(other),
        }
    }
    let is_quoted = |value: &String| value.trim().starts_with('"') || value.trim().ends_with('"');
    if is_escaped || values.iter().any(is_quoted) {
        Err("an escape or a quotation".to_owned())
    } else {
        Ok(values)
    }
}

/// A value as the profile then has it.
fn profile_value(column: &str, value: &str) -> Result<Option<String>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let is_number =
        |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = match column {
        "birthdate" => match value.split('/').collect::<Vec<_>>()[..] {
            [month, day, year] if is_number(month, 2) && is_number(day, 2) && is_number(year, 4) => {
                format!("{year}-{month}-{day}")
            }
            _ => return Err("no birthdate".to_owned()),
        },
        "updated_at" if !is_number(value, value.len()) => return Err("no seconds".to_owned()),
        "cognito:mfa_enabled" | "email_verified" | "phone_number_verified" | "custom:vip"
            if !matches!(value, "true" | "false") =>
        {
            return Err("neither true nor false".to_owned());
        }
        "custom:since" => return Err("a date in no documented form".to_owned()),
        _ => value.to_owned(),
    };
    Ok(Some(value))
}

fn target() -> Value {
    let typed = |name: &str, kind: &str| json!({"Name": name, "AttributeDataType": kind});
    let mut schema: Vec<Value> = ["name", "nickname", "birthdate", "email", "phone_number", "address", "custom:note"]
        .into_iter()
        .map(|name| json!({"Name": name, "AttributeDataType": "String", "StringAttributeConstraints": {"MaxLength": "2048"}}))
        .collect();
    schema.extend([
        typed("updated_at", "Number"),
        typed("custom:level", "Number"),
        typed("custom:vip", "Boolean"),
        typed("email_verified", "Boolean"),
        typed("phone_number_verified", "Boolean"),
        typed("custom:since", "DateTime"),
    ]);
    json!({"AutoVerifiedAttributes": ["email"], "MfaConfiguration": "OPTIONAL", "SchemaAttributes": schema})
}

fn fit(pool: Value) -> crate::Result<Fit> {
    let target = Target {
        settings: Settings::new(pool, json!({"MfaConfiguration": "OPTIONAL", "SmsMfaConfiguration": {}})),
        columns: COLUMNS.map(str::to_owned).into(),
        ..Target::default()
    };
    let options = ImportOptions {
        create_with: CreateWith::ImportJob,
        without_row: WithoutRow::List,
        ..ImportOptions::default()
    };
    Fit::new(&target, &options)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-zA-Z0-9,;:'=+é日👍-]{1,10}",
        1 => any::<String>(),
        1 => "[,\\\\\"' \t\r\na\u{85}\u{a0}\u{feff}\u{2028}\u{200b}]{0,6}",
        1 => prop::sample::select(vec![",", "é", "x"]).prop_map(|letter| letter.repeat(2048)),
        1 => Just(SECRET.to_owned()),
    ]
}

fn users() -> impl Strategy<Value = Vec<User>> {
    let texts = prop::collection::btree_map(
        prop::sample::select(vec!["name", "nickname", "address", "custom:note"]),
        value(),
        0..4,
    );
    let typed = (
        prop::option::of(prop_oneof![
            "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]",
            "[0-9]{4}-[0-9]{2}-[0-9]{2}",
            value()
        ]),
        prop::option::of(prop_oneof!["[0-9]{1,10}", value()]),
        prop::option::of(prop_oneof!["-?[0-9]{1,6}", value()]),
        prop::option::of(prop_oneof!["true|false", value()]),
        prop::option::weighted(0.05, "2020-02-29"),
    );
    let addresses =
        (prop::bool::weighted(0.9), any::<bool>(), prop::option::of(any::<bool>()), any::<bool>());
    let user = (value(), texts, typed, addresses).prop_map(
        |(username, texts, typed, (verified, phone, said, sms))| {
            let mut attributes: BTreeMap<String, String> =
                texts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let (birthdate, updated_at, level, vip, since) = typed;
            let typed = [
                ("birthdate", birthdate),
                ("updated_at", updated_at),
                ("custom:level", level),
                ("custom:vip", vip),
                ("custom:since", since),
                ("email", Some("a@x.test".to_owned())),
                ("email_verified", Some(verified.to_string())),
                ("phone_number", phone.then(|| "+1".to_owned())),
                ("phone_number_verified", said.map(|said| said.to_string())),
            ];
            attributes.extend(typed.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
            let option = MfaOption { delivery_medium: Some("SMS".to_owned()), attribute_name: None };
            User {
                sub: "s".to_owned(),
                username,
                attributes,
                enabled: true,
                status: "CONFIRMED".to_owned(),
                created_at: None,
                modified_at: None,
                mfa_options: sms.then_some(option).into_iter().collect(),
            }
        },
    );
    prop::collection::vec(user, 1..5)
}

/// What a row has to say of a user.
fn said_of(user: &User) -> Row {
    let text = |name: &str| user.attributes.get(name).filter(|value| !value.is_empty());
    let is_true = |name: &str| text(name).is_some_and(|value| value == "true");
    let mut row: Row =
        COLUMNS.into_iter().filter_map(|column| Some((column, text(column)?.clone()))).collect();
    row.insert("cognito:username", user.username.clone());
    let has_codes = !user.mfa_options.is_empty() && text("phone_number").is_some();
    row.insert("cognito:mfa_enabled", has_codes.to_string());
    for verified in ["email_verified", "phone_number_verified"] {
        row.insert(verified, is_true(verified).to_string());
    }
    row
}

/// Nothing about the user is hard to carry.
fn is_easy(user: &User) -> bool {
    let is_plain = |text: &String| {
        text.chars().all(|c| c.is_ascii_graphic() && !"\"\\".contains(c)) && text.len() <= 2048
    };
    let has = |name: &str, form: fn(&str) -> bool| user.attributes.get(name).is_none_or(|value| form(value));
    let (is_verified, phone) =
        (said_of(user)["email_verified"] == "true", user.attributes.contains_key("phone_number"));
    is_verified
        && (phone || said_of(user)["phone_number_verified"] == "false")
        && !user.username.is_empty()
        && user.attributes.values().chain([&user.username]).all(is_plain)
        && has("birthdate", |date| {
            date.len() == 10 && date.starts_with("19") && matches!(&date[4..], "-02-28" | "-12-31")
        })
        && has("updated_at", |value| value.bytes().all(|byte| byte.is_ascii_digit()))
        && has("custom:level", |value| value.parse::<u32>().is_ok())
        && has("custom:vip", |value| matches!(value, "true" | "false"))
        && !user.attributes.contains_key("custom:since")
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn a_file_reads_back_to_the_users_or_they_are_not_in_it(users in users()) {
        let fit = fit(target()).unwrap();
        let (mut file, mut expected) = (fit.sheet().header(), Vec::new());
        for user in &users {
            match fit.route(user) {
                Route::Row(row) => {
                    file += &row;
                    expected.push(said_of(user));
                }
                Route::Not(reason) => {
                    prop_assert!(!is_easy(user), "{reason}");
                    prop_assert!(!reason.contains(SECRET), "{reason}");
                }
                Route::Api(_) => prop_assert!(false, "nobody asked for it"),
            }
        }
        prop_assert_eq!(read(&file), Ok(expected));
    }

    /// Whatever Cognito answers of the new pool.
    #[test]
    fn no_settings_of_the_new_pool_panic(pool in spoiled(vec![target()]), any in json(), users in users()) {
        for pool in [pool, any] {
            let Ok(fit) = fit(pool) else { continue };
            for user in &users {
                if let Route::Not(reason) = fit.route(user) {
                    prop_assert!(!reason.contains(SECRET) || fit.target.auto_verified_attributes.concat().contains(SECRET)
                        || fit.target.username_attributes.concat().contains(SECRET)
                        || fit.target.schema_attributes.iter().any(|attribute| attribute.name.contains(SECRET)), "{reason}");
                }
                fit.objections(&user.attributes);
            }
        }
    }
}

#[test]
fn the_reader_reads_by_the_documentation() {
    let row = |line: &str| read(&format!("{}\n{line}\n", COLUMNS.join(",")));
    let read = row(r"ann,false, Doe\, Ann ,,02/28/1990,1700000000,a@x.test,true,,false,,,,,").unwrap();
    let value = |name| read[0].get(name).map(String::as_str);
    assert_eq!(
        [value("name"), value("birthdate"), value("nickname")],
        [Some("Doe, Ann"), Some("1990-02-28"), None]
    );
    for refused in [
        r"ann,false,a\b,,,,a@x.test,true,,false,,,,,",
        r#"ann,false,"a",,,,a@x.test,true,,false,,,,,"#,
        "ann,false,a\rb,,,,a@x.test,true,,false,,,,,",
        "ann,false,a,,,,a@x.test,false,,false,,,,,",
        "ann,false,a,,,,a@x.test,true,,false,,,,",
        "ann,,a,,,,a@x.test,true,,false,,,,,",
        "ann,false,a,,1990-02-28,,a@x.test,true,,false,,,,,",
    ] {
        assert!(row(refused).is_err(), "{refused}");
    }
}

#[test]
fn a_user_without_a_name_is_in_no_file() {
    let attributes = [("email", "a@x.test"), ("email_verified", "true")];
    let user = |username: &str| User {
        sub: "s".to_owned(),
        username: username.to_owned(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        enabled: true,
        status: "CONFIRMED".to_owned(),
        created_at: None,
        modified_at: None,
        mfa_options: Vec::new(),
    };
    let fit = fit(target()).unwrap();
    assert!(matches!(fit.route(&user("ann")), Route::Row(_)));
    let reason = "no row of an import job can carry the user: they have no username".to_owned();
    assert_eq!(fit.route(&user("")), Route::Not(reason));
}
