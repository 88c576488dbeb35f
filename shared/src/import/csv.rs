//! Rows of a CSV import job, as Cognito reads them.
//!
//! Source: Developer Guide, "Importing users into user pools from a CSV file". There are no
//! quotes; `\,` is a comma inside a value, and nothing else can be escaped; whitespace around a
//! value is dropped. What a row might change is refused here, and restored another way.

use jiff::civil::Date;

use crate::ports::NewUser;
use crate::settings::{PoolSettings, SchemaAttribute};

/// The most characters of a row (same source).
const MOST_CHARACTERS: usize = 16_000;

const USERNAME: &str = "cognito:username";
const MFA_ENABLED: &str = "cognito:mfa_enabled";

/// The addresses that a pool can verify.
const ADDRESSES: [&str; 2] = ["email", "phone_number"];

/// A file for one pool.
pub(super) struct Sheet<'a> {
    /// From `GetCSVHeader`.
    pub columns: &'a [String],
    pub target: &'a PoolSettings,
}

impl Sheet<'_> {
    /// The first line.
    pub fn header(&self) -> String {
        self.columns.join(",") + "\n"
    }

    /// The user's line, or why none can carry the user; the reason holds no value. `sms`: whether
    /// they get a code by SMS as second factor.
    pub fn row(&self, user: &NewUser, sms: bool) -> Result<String, String> {
        if let Some(name) = user.attributes.keys().find(|name| !self.columns.contains(name)) {
            return Err(format!("it has no column for {name}"));
        }
        if !self.has_verified_address(user) {
            let wanted = self.target.auto_verified_attributes.join(" or ");
            return Err(format!("they have no verified {wanted}"));
        }
        let cells = self.columns.iter().map(|column| self.cell(column, user, sms));
        let row = cells.collect::<Result<Vec<_>, _>>()?.join(",");
        if row.chars().count() > MOST_CHARACTERS {
            return Err(format!("it would have more than {MOST_CHARACTERS} characters"));
        }
        Ok(row + "\n")
    }

    /// At least one of the addresses that the pool verifies itself must be there and verified.
    fn has_verified_address(&self, user: &NewUser) -> bool {
        self.target
            .auto_verified_attributes
            .iter()
            .any(|address| value(user, address).is_some() && is_verified(user, address))
    }

    fn cell(&self, column: &str, user: &NewUser, sms: bool) -> Result<String, String> {
        match column {
            USERNAME if user.username.is_empty() => Err("they have no username".to_owned()),
            USERNAME => escaped(column, &user.username),
            MFA_ENABLED => self.mfa_enabled(user, sms),
            _ => match column.strip_suffix("_verified").filter(|address| ADDRESSES.contains(address)) {
                Some(address) if is_verified(user, address) && value(user, address).is_none() => {
                    Err(format!("{column} is true without an address"))
                }
                Some(address) => Ok(is_verified(user, address).to_string()),
                None => match value(user, column) {
                    Some(value) => self.attribute(column, value),
                    None => Ok(String::new()),
                },
            },
        }
    }

    /// Where the pool asks everyone for a second factor, all must have a number to send it to.
    fn mfa_enabled(&self, user: &NewUser, sms: bool) -> Result<String, String> {
        let has_number = value(user, "phone_number").is_some();
        match self.target.mfa_configuration.as_deref() {
            None | Some("OFF") => Ok("false".to_owned()),
            Some("ON") if !has_number => {
                Err("the new pool asks everyone for a second factor, and they have no phone_number"
                    .to_owned())
            }
            Some("ON") => Ok("true".to_owned()),
            Some(_) => Ok((sms && has_number).to_string()),
        }
    }

    fn attribute(&self, name: &str, value: &str) -> Result<String, String> {
        let unwritable = |what: &str| Err(format!("{name} {what}"));
        let kind = self
            .target
            .attribute(name)
            .map(|SchemaAttribute { attribute_data_type, .. }| attribute_data_type);
        match (name, kind.map(String::as_str)) {
            ("birthdate", _) => match value.parse::<Date>() {
                Ok(date) if date.year() > 0 && date.to_string() == value => {
                    Ok(date.strftime("%m/%d/%Y").to_string())
                }
                _ => unwritable("is no date of the form YYYY-MM-DD"),
            },
            ("updated_at", _) if !value.bytes().all(|byte| byte.is_ascii_digit()) => {
                unwritable("is no number of seconds")
            }
            (_, Some("Boolean")) if !matches!(value, "true" | "false") => unwritable("is not true or false"),
            (_, Some("DateTime")) => unwritable("is a date, whose form in a row is not documented"),
            _ => escaped(name, value),
        }
    }
}

fn value<'a>(user: &'a NewUser, name: &str) -> Option<&'a str> {
    user.attributes.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

fn is_verified(user: &NewUser, address: &str) -> bool {
    value(user, &format!("{address}_verified")).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The value as a cell that reads back to it, or why there is none.
fn escaped(name: &str, value: &str) -> Result<String, String> {
    let what = if value.contains(is_line_break) {
        "has a line break"
    } else if value.contains('\\') {
        "has a backslash"
    } else if value.trim() != value || value.starts_with(is_control) || value.ends_with(is_control) {
        "begins or ends with white space"
    } else if value.contains(is_control) {
        "has a control character"
    } else if value.starts_with('"') || value.ends_with('"') {
        "begins or ends with a quotation mark"
    } else {
        return Ok(value.replace(',', "\\,"));
    };
    Err(format!("{name} {what}"))
}

/// What any reader of lines may take for the end of one.
const fn is_line_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What would not arrive as it is: a byte order mark too.
fn is_control(character: char) -> bool {
    character.is_control() || character == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    const COLUMNS: [&str; 11] = [
        "cognito:username",
        "name",
        "birthdate",
        "updated_at",
        "email",
        "email_verified",
        "phone_number",
        "phone_number_verified",
        "cognito:mfa_enabled",
        "custom:note",
        "custom:vip",
    ];

    fn row_in(pool: serde_json::Value, attributes: &[(&str, &str)], sms: bool) -> Result<String, String> {
        let target = PoolSettings::deserialize(pool).unwrap();
        let columns = COLUMNS.map(str::to_owned);
        let attributes = attributes.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let user = NewUser { username: "ann".to_owned(), attributes };
        Sheet { columns: &columns, target: &target }.row(&user, sms)
    }

    fn row(attributes: &[(&str, &str)]) -> Result<String, String> {
        let pool = json!({
            "AutoVerifiedAttributes": ["email"],
            "SchemaAttributes": [{"Name": "custom:vip", "AttributeDataType": "Boolean"}],
        });
        let verified = [("email", "a@x.test"), ("email_verified", "true")];
        row_in(pool, &[&verified, attributes].concat(), false)
    }

    #[test]
    fn a_row_is_in_the_order_of_the_columns_and_in_cognitos_forms() {
        let attributes = [
            ("name", "Doe, Ann"),
            ("birthdate", "1990-02-28"),
            ("updated_at", "1700000000"),
            ("custom:note", "a \"quoted\" word, and é"),
            ("custom:vip", "true"),
            ("email_verified", "True"),
        ];
        assert_eq!(
            row(&attributes).unwrap(),
            "ann,Doe\\, Ann,02/28/1990,1700000000,a@x.test,true,,false,false,a \"quoted\" word\\, and é,true\n"
        );
    }

    #[test]
    fn what_a_row_would_change_is_not_written() {
        let refused = [
            (("name", "a\nb"), "name has a line break"),
            (("name", "a\u{2028}b"), "name has a line break"),
            (("name", "a\\b"), "name has a backslash"),
            (("name", " a"), "name begins or ends with white space"),
            (("name", "a\u{a0}"), "name begins or ends with white space"),
            (("name", "\u{1}a"), "name begins or ends with white space"),
            (("name", "a\u{1}b"), "name has a control character"),
            (("name", "\"a\""), "name begins or ends with a quotation mark"),
            (("birthdate", "1990-02-30"), "birthdate is no date of the form YYYY-MM-DD"),
            (("birthdate", "0000-05-01"), "birthdate is no date of the form YYYY-MM-DD"),
            (("birthdate", "1990-2-28"), "birthdate is no date of the form YYYY-MM-DD"),
            (("updated_at", "1.5"), "updated_at is no number of seconds"),
            (("custom:vip", "yes"), "custom:vip is not true or false"),
            (("custom:none", "x"), "it has no column for custom:none"),
            (("phone_number_verified", "true"), "phone_number_verified is true without an address"),
            (("email_verified", "false"), "they have no verified email"),
        ];
        for (attribute, reason) in refused {
            assert_eq!(row(&[attribute]).unwrap_err(), reason, "{attribute:?}");
        }
        let longest = "x".repeat(MOST_CHARACTERS - "ann,,,,a@x.test,true,,false,false,,".len());
        assert_eq!(row(&[("custom:note", &longest)]).unwrap().chars().count(), MOST_CHARACTERS + 1);
        assert!(row(&[("custom:note", &format!("{longest}é"))]).unwrap_err().contains("16000 characters"));
    }

    #[test]
    fn the_second_factor_fits_the_pool() {
        let pool = |mfa: &str| json!({"AutoVerifiedAttributes": ["email"], "MfaConfiguration": mfa});
        let ann = [("email", "a@x.test"), ("email_verified", "true")];
        let with_number = [&ann[..], &[("phone_number", "+1")]].concat();
        let enabled = |mfa, attributes: &[_], sms| {
            row_in(pool(mfa), attributes, sms).map(|row| row.split(',').nth(8).unwrap().to_owned())
        };
        assert_eq!(enabled("OFF", &with_number, true).unwrap(), "false");
        assert_eq!(enabled("OPTIONAL", &with_number, true).unwrap(), "true");
        assert_eq!(enabled("OPTIONAL", &with_number, false).unwrap(), "false");
        assert_eq!(enabled("OPTIONAL", &ann, true).unwrap(), "false");
        assert_eq!(enabled("ON", &with_number, false).unwrap(), "true");
        assert!(enabled("ON", &ann, false).unwrap_err().ends_with("no phone_number"));
    }

    /// A reader by the letter of the documentation: no quotes, `\,` is a comma, and white space
    /// around a value is dropped.
    fn read(line: &str) -> Vec<String> {
        let (mut cells, mut cell, mut characters) = (Vec::new(), String::new(), line.chars().peekable());
        while let Some(character) = characters.next() {
            match character {
                '\\' => cell.extend(characters.next_if_eq(&',').or(Some('\\'))),
                ',' => cells.push(std::mem::take(&mut cell)),
                _ => cell.push(character),
            }
        }
        cells.push(cell);
        cells.into_iter().map(|cell| cell.trim().to_owned()).collect()
    }

    /// Text that is hard to carry, and all other.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[,\\\\\"' \t\r\na\u{85}\u{a0}\u{feff}é]{0,8}"]
    }

    proptest! {
        #[test]
        fn a_row_reads_back_to_the_user_or_is_not_written(username in text(), name in text(), note in text()) {
            let pool = json!({"AutoVerifiedAttributes": ["email"]});
            let target = PoolSettings::deserialize(pool).unwrap();
            let columns = COLUMNS.map(str::to_owned);
            let attributes = [("email", "a@x.test"), ("email_verified", "true"), ("name", &name), ("custom:note", &note)];
            let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let user = NewUser { username: username.clone(), attributes };
            let written = Sheet { columns: &columns, target: &target }.row(&user, false);
            let is_easy = |text: &String| text.chars().all(|c| c.is_ascii_graphic() && !"\\\"".contains(c));
            match written {
                Ok(row) => {
                    let row = row.strip_suffix('\n').unwrap();
                    prop_assert!(!row.contains(is_line_break));
                    let cells = read(row);
                    prop_assert_eq!(cells.len(), COLUMNS.len());
                    prop_assert_eq!([&cells[0], &cells[1], &cells[9]], [&username, &name, &note]);
                }
                Err(reason) => {
                    let is_nameless = username.is_empty();
                    prop_assert!(is_nameless || ![username, name, note].iter().all(is_easy), "{}", reason);
                }
            }
        }
    }
}
