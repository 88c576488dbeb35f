use cognito_sim::{Config, DataType, ImportBehaviour, MfaMode, PoolConfig, Quotas, SchemaAttribute};
use serde_json::json;

use super::{LATER, World, counts, named};
use crate::harness::{Sim, attribute};

#[test]
fn a_header_has_every_column_in_some_order() {
    let pool = || PoolConfig::default().attribute(SchemaAttribute::string("tenant", 0, 9));
    let World { sim, columns } = World::new(pool());
    let mut sorted = columns.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        [
            "address",
            "birthdate",
            "cognito:mfa_enabled",
            "cognito:username",
            "custom:tenant",
            "email",
            "email_verified",
            "family_name",
            "gender",
            "given_name",
            "locale",
            "middle_name",
            "name",
            "nickname",
            "phone_number",
            "phone_number_verified",
            "picture",
            "preferred_username",
            "profile",
            "updated_at",
            "website",
            "zoneinfo",
        ]
    );
    let again = sim.ok("GetCSVHeader", json!({}));
    assert_eq!(again["CSVHeader"], json!(columns), "a pool does not change it");
    let other = World::over(Sim::with(Config { quotas: Quotas::off(), ..Config::seeded(2) }, pool()));
    assert_ne!(other.columns, columns, "but the seed does");
}

#[test]
fn a_file_that_does_not_fit_fails_the_job() {
    let world = named();
    let good = world.users(1);
    for bad in [
        String::new(),
        format!("\u{feff}{good}"),
        good.replace("cognito:username,", ""),
        good.replace("nickname", "name"),
        good.replace('\n', "\r\n"),
        world.file(&vec![String::new(); 500_001]),
    ] {
        let job = world.start(&bad);
        let failed = world.at(world.wait(), &job);
        assert_eq!((counts(&failed), &failed["Status"]), ([0, 0, 0], &json!("Failed")));
        let message = failed["CompletionMessage"].as_str().expect("a reason");
        assert!(message.len() <= 128 && failed.get("CompletionDate").is_some());
    }
}

/// What rows of good and of bad values come to, each in a pool of its own.
fn fates(pool: &PoolConfig, good: &[&[(&str, &str)]], bad: &[&[(&str, &str)]]) {
    let name = if pool.username_attributes.is_empty() { "ann" } else { "a@x.org" };
    let rows = good.iter().map(|values| (values, "[SUCCEEDED]", 1));
    for (values, wanted, users) in rows.chain(bad.iter().map(|values| (values, "[FAILED]", 0))) {
        let world = World::new(pool.clone());
        let fate = world.fate(&world.row(name, values));
        assert!(fate.starts_with(&format!("{wanted} Line Number 2 - ")), "{values:?}: {fate}");
        assert!(!fate.contains("x.org"), "no personal data in logs");
        assert_eq!(world.count(LATER), users);
    }
}

#[test]
fn a_row_is_read_strictly() {
    let long = "x".repeat(2049);
    let schema = PoolConfig::default()
        .attribute(SchemaAttribute::number("level", 1, 9))
        .attribute(SchemaAttribute::string("code", 2, 4).immutable())
        .attribute(SchemaAttribute::typed("flag", DataType::Boolean))
        .attribute(SchemaAttribute::string("given_name", 0, 99).required());
    let given = ("given_name", "Ann");
    fates(
        &schema,
        &[
            &[given],
            &[given, ("name", r"Smith\, Ann"), ("birthdate", "02/29/2000"), ("updated_at", "1471453471")],
            &[given, ("custom:code", "abc"), ("custom:level", "9"), ("custom:flag", "true")],
            &[("given_name", " \t Ann  "), ("email", " a@x.org ")],
            &[given, ("email_verified", "true"), ("phone_number_verified", "false")],
            &[given, ("name", "say \"hi\"")],
        ],
        &[
            &[],
            &[("given_name", "  ")],
            &[given, ("cognito:username", "")],
            &[given, ("cognito:username", "a b")],
            &[given, ("cognito:username", "a\tb")],
            &[given, ("cognito:mfa_enabled", "")],
            &[given, ("cognito:mfa_enabled", "TRUE")],
            &[given, ("cognito:mfa_enabled", "true")],
            &[given, ("email_verified", "TRUE")],
            &[given, ("email_verified", "false")],
            &[given, ("email_verified", "")],
            &[given, ("email", "")],
            &[given, ("email", "nobody")],
            &[given, ("phone_number_verified", "true")],
            &[given, ("phone_number", "0123")],
            &[given, ("name", "Smith, Ann")],
            &[given, ("name", "\"Smith\\, Ann\"")],
            &[given, ("name", r"back\slash")],
            &[given, ("name", r"two\\")],
            &[given, ("name", "a\u{2028}b")],
            &[given, ("name", &long)],
            &[given, ("birthdate", "2000-02-29")],
            &[given, ("birthdate", "02/30/2000")],
            &[given, ("updated_at", "-1")],
            &[given, ("updated_at", "1.5")],
            &[given, ("custom:level", "10")],
            &[given, ("custom:code", "a")],
            &[given, ("custom:flag", "True")],
        ],
    );
}

#[test]
fn second_factors_have_to_fit_the_pool() {
    let phone = ("phone_number", "+4915112345678");
    let on = ("cognito:mfa_enabled", "true");
    let mode = |mfa: MfaMode| PoolConfig { mfa, ..PoolConfig::default() };
    fates(&mode(MfaMode::Off), &[&[phone]], &[&[phone, on]]);
    fates(&mode(MfaMode::Optional), &[&[], &[phone, on]], &[&[on]]);
    fates(&mode(MfaMode::On), &[&[phone, on]], &[&[phone], &[on]]);
}

#[test]
fn an_address_the_pool_verifies_has_to_be_verified() {
    let phone = ("phone_number", "+4915112345678");
    let unverified = ("email_verified", "");
    let verifies = |names: &[&str]| PoolConfig {
        auto_verified_attributes: names.iter().map(|name| (*name).to_owned()).collect(),
        ..PoolConfig::default()
    };
    let by_phone: &[(&str, &str)] = &[phone, ("phone_number_verified", "true"), unverified];
    fates(&verifies(&["phone_number"]), &[by_phone], &[&[], &[phone]]);
    fates(&verifies(&["email"]), &[&[]], &[by_phone]);
    fates(&verifies(&["email", "phone_number"]), &[&[], by_phone], &[&[unverified]]);
}

#[test]
fn an_imported_user_is_as_the_row_says() {
    let world = World::new(PoolConfig { mfa: MfaMode::Optional, ..PoolConfig::default() });
    let row = world.row(
        "Ann",
        &[
            ("name", r" Smith\, Ann "),
            ("birthdate", "02/01/1985"),
            ("updated_at", "1471453471"),
            ("phone_number", "+4915112345678"),
            ("phone_number_verified", "false"),
            ("cognito:mfa_enabled", "true"),
        ],
    );
    world.start(&world.file(&[row]));
    let user = world.user("Ann");
    let mut attributes = user.attributes.clone();
    attributes.sort();
    let expected = [
        ("birthdate", "1985-02-01"),
        ("email", "Ann@x.org"),
        ("email_verified", "true"),
        ("name", "Smith, Ann"),
        ("phone_number", "+4915112345678"),
        ("phone_number_verified", "false"),
        ("updated_at", "1471453471"),
    ];
    assert_eq!(attributes, expected.map(|(name, value)| (name.into(), value.to_owned())));
    assert!(user.mfa.sms && user.mfa.preferred.is_none());
    let listed = world.sim.ok("ListUsers", json!({}))["Users"][0].clone();
    assert_eq!(listed["UserStatus"], "RESET_REQUIRED");
    assert_eq!(listed["MFAOptions"], json!([{"DeliveryMedium": "SMS", "AttributeName": "phone_number"}]));
}

#[test]
fn who_exists_is_skipped() {
    let world = World::with(
        PoolConfig { alias_attributes: vec!["email".to_owned()], ..PoolConfig::default() },
        ImportBehaviour { bad_share: 1.0, ..ImportBehaviour::default() },
    );
    let rows = ["ann", "ANN", "bob"].map(|name| world.row(name, &[("email", &format!("{name}@x.org"))]));
    let taken = world.row("cy", &[("email", "Bob@x.org")]);
    let job = world.start(&world.file(&[&rows[..], &[taken]].concat()));
    let log = world.log(&job);
    assert_eq!(log[1], "[SKIPPED] Line Number 3 - The user already exists.");
    assert_eq!(log[3], "[SKIPPED] Line Number 5 - The user already exists.");
    assert_eq!(counts(&world.at(LATER, &job)), [2, 2, 0]);
    assert!(world.fate(&world.row("e@x.org", &[])).starts_with("[FAILED]"), "it could be an alias");
}

#[test]
fn where_an_address_signs_in_it_is_the_name_and_becomes_a_sub() {
    let pool = || PoolConfig::with_email_sign_in("people");
    let world = World::new(pool());
    let job = world.start(&world.file(&[world.row("a@x.org", &[]), world.row("A@x.org", &[])]));
    assert_eq!(counts(&world.at(LATER, &job)), [1, 1, 0]);
    let user = world.sim.ok("ListUsers", json!({}))["Users"][0].clone();
    assert_eq!(user["Username"].as_str(), attribute(&user, "sub"));
    assert_eq!(user["Username"].as_str().map(str::len), Some(36));
    assert_eq!(attribute(&user, "email"), Some("a@x.org"));
    fates(
        &pool(),
        &[&[]],
        &[
            &[("email", "b@x.org")],
            &[("email", ""), ("email_verified", "")],
            &[("cognito:username", "ann")],
            &[("cognito:username", "+4915112345678"), ("phone_number", "+4915112345678")],
        ],
    );
}
