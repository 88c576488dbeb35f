use cognito_sim::{DataType, GroupRecord, PoolConfig, SchemaAttribute, UserRecord, UserStatus};
use serde_json::json;

use crate::harness::{NOW, Sim, attribute, attributes};

fn schema() -> PoolConfig {
    PoolConfig::named("people")
        .attribute(SchemaAttribute::number("level", 1, 9))
        .attribute(SchemaAttribute::string("code", 2, 4).immutable())
        .attribute(SchemaAttribute::typed("flag", DataType::Boolean))
        .attribute(SchemaAttribute::typed("since", DataType::DateTime))
}

#[test]
fn creating_a_user_answers_it() {
    let sim = Sim::named();
    let body = json!({"Username": "Ann", "MessageAction": "SUPPRESS", "UserAttributes": attributes(&[("email", "a@x.org")])});
    let user = &sim.ok("AdminCreateUser", body)["User"];
    assert_eq!(user["Username"], "Ann");
    assert_eq!(user["UserStatus"], "FORCE_CHANGE_PASSWORD");
    assert_eq!(user["Enabled"], true);
    assert_eq!(user["UserCreateDate"], json!(1_700_000_000.123));
    assert_eq!(user["UserLastModifiedDate"], json!(1_700_000_000.123));
    assert_eq!(attribute(user, "email"), Some("a@x.org"));
    assert_eq!(attribute(user, "sub").map(str::len), Some(36));
    let same = sim.ok("AdminGetUser", json!({"Username": "Ann"}));
    assert_eq!(attribute(&same, "sub"), attribute(user, "sub"));
    assert_eq!(sim.cognito.meter().messages_sent, 0);
}

#[test]
fn a_message_is_sent_unless_suppressed() {
    let sim = Sim::named();
    sim.ok("AdminCreateUser", json!({"Username": "ann"}));
    assert_eq!(sim.cognito.meter().messages_sent, 1);
    sim.ok("AdminCreateUser", json!({"Username": "ann", "MessageAction": "RESEND"}));
    assert_eq!(sim.cognito.meter().messages_sent, 2);
    sim.ok("AdminSetUserPassword", json!({"Username": "ann", "Password": "Abcdef1!", "Permanent": true}));
    let again = json!({"Username": "ann", "MessageAction": "RESEND"});
    assert_eq!(sim.code("AdminCreateUser", again), "UnsupportedUserStateException");
    let nobody = json!({"Username": "bob", "MessageAction": "RESEND"});
    assert_eq!(sim.code("AdminCreateUser", nobody), "UserNotFoundException");
    sim.ok("AdminResetUserPassword", json!({"Username": "ann"}));
    assert_eq!(sim.cognito.meter().messages_sent, 3);
}

#[test]
fn names_are_unique_whatever_their_case_unless_case_counts() {
    let sim = Sim::named();
    sim.ok("AdminCreateUser", json!({"Username": "ann"}));
    assert_eq!(sim.code("AdminCreateUser", json!({"Username": "ANN"})), "UsernameExistsException");
    let sim = Sim::new(PoolConfig { case_sensitive: true, ..PoolConfig::default() });
    sim.ok("AdminCreateUser", json!({"Username": "ann"}));
    sim.ok("AdminCreateUser", json!({"Username": "ANN"}));
    assert_eq!(sim.code("AdminCreateUser", json!({"Username": "ann"})), "UsernameExistsException");
}

#[test]
fn malformed_requests_are_refused() {
    let sim = Sim::named();
    for name in ["", "a b", "a\n", &"x".repeat(129)] {
        assert_eq!(sim.code("AdminCreateUser", json!({"Username": name})), "InvalidParameterException");
    }
    assert_eq!(sim.code("AdminCreateUser", json!({})), "InvalidParameterException");
    assert_eq!(
        sim.code("AdminCreateUser", json!({"Username": "a", "MessageAction": "X"})),
        "InvalidParameterException"
    );
    assert_eq!(sim.code("AdminCreateUser", json!({"Username": 1})), "SerializationException");
    let broken = sim.cognito.call("ListUsers", b"{", NOW);
    assert_eq!(broken.error_code(), Some("SerializationException"));
    assert_eq!(sim.code("ListUsers", json!({"UserPoolId": "us-east-1_None"})), "ResourceNotFoundException");
    assert_eq!(sim.code("ListUsers", json!({"UserPoolId": "no pool"})), "InvalidParameterException");
    assert_eq!(sim.code("DropUsers", json!({})), "UnknownOperationException");
}

#[test]
fn operations_on_nobody_say_so() {
    let sim = Sim::named();
    sim.cognito.admin(NOW, |a| a.add_groups(&sim.pool, [GroupRecord::new("g")])).expect("new");
    let body = json!({"Username": "x", "GroupName": "g", "Password": "Abcdef1!", "UserAttributes": []});
    for operation in [
        "AdminGetUser",
        "AdminDisableUser",
        "AdminEnableUser",
        "AdminDeleteUser",
        "AdminUpdateUserAttributes",
        "AdminSetUserPassword",
        "AdminResetUserPassword",
        "AdminAddUserToGroup",
        "AdminRemoveUserFromGroup",
        "AdminListGroupsForUser",
    ] {
        assert_eq!(sim.code(operation, body.clone()), "UserNotFoundException", "{operation}");
    }
}

#[test]
fn attributes_must_conform_to_the_schema() {
    let sim = Sim::new(schema());
    for (name, value) in [
        ("sub", "x"),
        ("identities", "[]"),
        ("cognito:user_status", "CONFIRMED"),
        ("custom:unknown", "x"),
        ("unknown", "x"),
        ("custom:level", "x"),
        ("custom:level", "0"),
        ("custom:level", "10"),
        ("custom:code", "a"),
        ("custom:code", "abcde"),
        ("custom:flag", "yes"),
        ("custom:since", "soon"),
        ("birthdate", "1970"),
        ("email_verified", "yes"),
    ] {
        let error = sim.error(
            "AdminCreateUser",
            json!({"Username": "a", "UserAttributes": attributes(&[(name, value)])}),
        );
        assert_eq!(error.code, "InvalidParameterException", "{name}={value}");
        assert!(error.message.starts_with("Attributes did not conform to the schema: "), "{name}={value}");
    }
    for (name, value) in [("name", "x".repeat(2049)), ("email", "x".into()), ("phone_number", "123".into())] {
        let body = json!({"Username": "a", "UserAttributes": attributes(&[(name, &value)])});
        assert_eq!(sim.code("AdminCreateUser", body), "InvalidParameterException", "{name}");
    }
    let good = [
        ("custom:level", "9"),
        ("custom:code", "äöüß"),
        ("custom:flag", "true"),
        ("custom:since", "2026-01-31T00:00:00Z"),
        ("name", &"é".repeat(2048)),
    ];
    sim.ok("AdminCreateUser", json!({"Username": "a", "UserAttributes": attributes(&good)}));
}

#[test]
fn required_attributes_have_to_be_there() {
    let required = || PoolConfig::default().attribute(SchemaAttribute::string("name", 0, 99).required());
    let sim = Sim::new(required());
    let error = sim.error("AdminCreateUser", json!({"Username": "a"}));
    assert_eq!(error.message, "Attributes did not conform to the schema: name: The attribute is required");
    sim.ok("AdminCreateUser", json!({"Username": "a", "UserAttributes": attributes(&[("name", "A")])}));
    let lenient = Sim::new(PoolConfig { enforce_required: false, ..required() });
    lenient.ok("AdminCreateUser", json!({"Username": "a"}));
}

#[test]
fn signing_in_by_email_makes_the_name_a_sub() {
    let sim = Sim::new(PoolConfig::with_email_sign_in("people"));
    let user = sim.ok("AdminCreateUser", json!({"Username": "a@x.org"}))["User"].clone();
    let sub = attribute(&user, "sub").expect("a sub").to_owned();
    assert_eq!(user["Username"], sub.as_str());
    assert_eq!(attribute(&user, "email"), Some("a@x.org"));
    assert_eq!(sim.code("AdminCreateUser", json!({"Username": "A@X.ORG"})), "UsernameExistsException");
    for bad in ["ann", "+491234567", &sub] {
        assert_eq!(sim.code("AdminCreateUser", json!({"Username": bad})), "InvalidParameterException");
    }
    for name in [sub.as_str(), "a@x.org", "A@x.org"] {
        assert_eq!(sim.ok("AdminGetUser", json!({"Username": name}))["Username"], sub.as_str());
    }
    let other = sim.ok("AdminCreateUser", json!({"Username": "b@x.org"}))["User"]["Username"].clone();
    let take = json!({"Username": other, "UserAttributes": attributes(&[("email", "a@x.org")])});
    assert_eq!(sim.code("AdminUpdateUserAttributes", take), "AliasExistsException");
}

#[test]
fn either_address_may_be_the_name_where_both_are_allowed() {
    let names = vec!["email".to_owned(), "phone_number".to_owned()];
    let sim = Sim::new(PoolConfig { username_attributes: names, ..PoolConfig::default() });
    let by_phone = sim.ok("AdminCreateUser", json!({"Username": "+491234567"}))["User"].clone();
    assert_eq!(attribute(&by_phone, "phone_number"), Some("+491234567"));
    sim.ok("AdminCreateUser", json!({"Username": "a@x.org"}));
    let both =
        json!({"Username": "b@x.org", "UserAttributes": attributes(&[("phone_number", "+491234567")])});
    assert_eq!(sim.code("AdminCreateUser", both), "UsernameExistsException");
}

#[test]
fn a_verified_alias_belongs_to_one_user() {
    let config = PoolConfig { alias_attributes: vec!["email".to_owned()], ..PoolConfig::default() };
    let sim = Sim::new(config);
    let with = |name: &str, verified: &str, force: bool| {
        json!({"Username": name, "ForceAliasCreation": force,
            "UserAttributes": attributes(&[("email", "a@x.org"), ("email_verified", verified)])})
    };
    sim.ok("AdminCreateUser", with("ann", "true", false));
    assert_eq!(sim.ok("AdminGetUser", json!({"Username": "a@x.org"}))["Username"], "ann");
    assert_eq!(sim.code("AdminCreateUser", with("bob", "true", false)), "AliasExistsException");
    sim.ok("AdminCreateUser", with("cy", "false", false));
    sim.ok("AdminCreateUser", with("dee", "true", true));
    assert_eq!(sim.ok("AdminGetUser", json!({"Username": "a@x.org"}))["Username"], "dee");
    let ann = sim.ok("AdminGetUser", json!({"Username": "ann"}));
    assert_eq!(attribute(&ann, "email_verified"), Some("false"));
    assert_eq!(sim.code("AdminCreateUser", json!({"Username": "e@x.org"})), "InvalidParameterException");
}

#[test]
fn a_preferred_name_cannot_be_taken_by_force() {
    let alias_attributes = vec!["preferred_username".to_owned()];
    let sim = Sim::new(PoolConfig { alias_attributes, ..PoolConfig::default() });
    let with = |name: &str| {
        json!({"Username": name, "ForceAliasCreation": true,
            "UserAttributes": attributes(&[("preferred_username", "chief")])})
    };
    sim.ok("AdminCreateUser", with("ann"));
    assert_eq!(sim.code("AdminCreateUser", with("bob")), "AliasExistsException");
    assert_eq!(sim.ok("AdminGetUser", json!({"Username": "chief"}))["Username"], "ann");
}

#[test]
fn without_aliases_an_address_names_nobody() {
    let sim = Sim::with_users(2);
    assert_eq!(sim.code("AdminGetUser", json!({"Username": "u0@x.org"})), "UserNotFoundException");
    let sub = attribute(&sim.ok("AdminGetUser", json!({"Username": "u1"})), "sub").map(str::to_owned);
    assert_eq!(sim.ok("AdminGetUser", json!({"Username": sub}))["Username"], "u1");
}

#[test]
fn attributes_can_be_changed_and_removed() {
    let sim = Sim::new(schema());
    let user = UserRecord::new("a")
        .with("custom:code", "abc")
        .with("name", "A")
        .with("email", "a@x.org")
        .with("email_verified", "true");
    sim.cognito.admin(NOW - 1000, |admin| admin.add_users(&sim.pool, [user])).expect("new");
    let update = |pairs: &[(&str, &str)]| json!({"Username": "a", "UserAttributes": attributes(pairs)});
    sim.ok("AdminUpdateUserAttributes", update(&[("name", ""), ("custom:level", "5")]));
    let user = sim.ok("AdminGetUser", json!({"Username": "a"}));
    assert_eq!(attribute(&user, "name"), None);
    assert_eq!(attribute(&user, "custom:level"), Some("5"));
    assert_eq!(attribute(&user, "email_verified"), Some("true"));
    assert_eq!(user["UserLastModifiedDate"], json!(1_700_000_000.123));
    assert_eq!(sim.cognito.meter().messages_sent, 0);
    // A new address has to be verified again, by a message.
    sim.ok("AdminUpdateUserAttributes", update(&[("email", "b@x.org")]));
    let user = sim.ok("AdminGetUser", json!({"Username": "a"}));
    assert_eq!(attribute(&user, "email_verified"), Some("false"));
    assert_eq!(sim.cognito.meter().messages_sent, 1);
    sim.ok("AdminUpdateUserAttributes", update(&[("email", "c@x.org"), ("email_verified", "true")]));
    assert_eq!(sim.cognito.meter().messages_sent, 1);
    for bad in [("custom:code", "abd"), ("sub", "x"), ("custom:level", "99")] {
        let code = sim.code("AdminUpdateUserAttributes", update(&[bad]));
        assert_eq!(code, "InvalidParameterException", "{bad:?}");
    }
}

#[test]
fn users_can_be_disabled_enabled_and_deleted() {
    let sim = Sim::with_users(1);
    let enabled = || sim.ok("AdminGetUser", json!({"Username": "u0"}))["Enabled"].clone();
    sim.ok("AdminDisableUser", json!({"Username": "u0"}));
    assert_eq!(enabled(), false);
    sim.ok("AdminEnableUser", json!({"Username": "u0"}));
    assert_eq!(enabled(), true);
    sim.ok("AdminDeleteUser", json!({"Username": "u0"}));
    assert_eq!(sim.code("AdminGetUser", json!({"Username": "u0"})), "UserNotFoundException");
    assert!(sim.names("ListUsers", &json!({})).is_empty());
    sim.ok("AdminCreateUser", json!({"Username": "u0"}));
}

#[test]
fn every_status_has_its_name() {
    let sim = Sim::named();
    for (i, (status, name)) in [
        (UserStatus::Unconfirmed, "UNCONFIRMED"),
        (UserStatus::Confirmed, "CONFIRMED"),
        (UserStatus::Archived, "ARCHIVED"),
        (UserStatus::Compromised, "COMPROMISED"),
        (UserStatus::Unknown, "UNKNOWN"),
        (UserStatus::ResetRequired, "RESET_REQUIRED"),
        (UserStatus::ForceChangePassword, "FORCE_CHANGE_PASSWORD"),
        (UserStatus::ExternalProvider, "EXTERNAL_PROVIDER"),
    ]
    .into_iter()
    .enumerate()
    {
        let user = UserRecord::new(format!("u{i}")).status(status);
        sim.cognito.admin(NOW, |admin| admin.add_users(&sim.pool, [user])).expect("new");
        assert_eq!(sim.ok("AdminGetUser", json!({"Username": format!("u{i}")}))["UserStatus"], name);
    }
}
