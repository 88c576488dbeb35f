use cognito_sim::{Category, MfaFactor, MfaMode, Operation, PoolConfig, UserMfa, UserRecord, UserStatus};
use serde_json::{Value, json};

use crate::harness::{NOW, Sim};

fn pool(mfa: MfaMode) -> PoolConfig {
    PoolConfig { mfa, sms_mfa: true, email_mfa: true, software_token_mfa: true, ..PoolConfig::default() }
}

/// Ann, who has both addresses, verified.
fn ann() -> UserRecord {
    UserRecord::new("ann")
        .with("email", "a@x.org")
        .with("email_verified", "true")
        .with("phone_number", "+4915112345678")
        .with("phone_number_verified", "true")
}

fn with(pool: PoolConfig, user: UserRecord) -> Sim {
    let sim = Sim::new(pool);
    sim.cognito.admin(NOW, |admin| admin.add_users(&sim.pool, [user])).expect("new");
    sim
}

fn settings(sms: Option<[bool; 2]>, email: Option<[bool; 2]>) -> Value {
    let mut body = json!({"Username": "ann"});
    for (name, wanted) in [("SMSMfaSettings", sms), ("EmailMfaSettings", email)] {
        if let Some([enabled, preferred]) = wanted {
            body[name] = json!({"Enabled": enabled, "PreferredMfa": preferred});
        }
    }
    body
}

fn set(sim: &Sim) -> UserMfa {
    let truth = sim.cognito.admin(NOW, |admin| admin.truth(&sim.pool)).expect("a pool");
    truth.users.values().next().expect("ann").mfa
}

#[test]
fn the_factors_of_a_pool_are_told() {
    let sim = Sim::new(pool(MfaMode::Optional));
    let config = sim.ok("GetUserPoolMfaConfig", json!({}));
    assert!(config["SmsMfaConfiguration"]["SmsConfiguration"]["SnsCallerArn"].is_string());
    assert!(config["EmailMfaConfiguration"].is_object());
    let body = json!({"PoolName": "p", "MfaConfiguration": "OPTIONAL",
        "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"}});
    let id = sim.ok("CreateUserPool", body.clone())["UserPool"]["Id"].clone();
    let created = sim.ok("GetUserPoolMfaConfig", json!({"UserPoolId": id}));
    assert_eq!(created["SmsMfaConfiguration"]["SmsConfiguration"], body["SmsConfiguration"]);
}

#[test]
fn a_preference_is_kept_and_told() {
    let sim = with(pool(MfaMode::Optional), ann());
    let get = || sim.ok("AdminGetUser", json!({"Username": "ann"}));
    let bare = get();
    for member in ["UserMFASettingList", "PreferredMfaSetting", "MFAOptions"] {
        assert!(bare.get(member).is_none());
    }
    let billed = sim.cognito.meter().billed_users;
    sim.cognito.reset_meter();
    sim.ok("AdminSetUserMFAPreference", settings(None, Some([true, true])));
    assert_eq!((billed, sim.cognito.meter().billed_users), (1, 0), "asking bills, setting does not");
    let listed = sim.ok("ListUsers", json!({}))["Users"][0].clone();
    assert!(listed.get("MFAOptions").is_none(), "a listing does not tell");
    let user = get();
    assert_eq!(user["UserMFASettingList"], json!(["EMAIL_OTP"]));
    assert_eq!(user["PreferredMfaSetting"], "EMAIL_OTP");

    sim.ok("AdminSetUserMFAPreference", settings(Some([true, true]), None));
    assert_eq!(set(&sim), UserMfa { sms: true, email: true, preferred: Some(MfaFactor::Sms) });
    let user = get();
    assert_eq!(user["UserMFASettingList"], json!(["SMS_MFA", "EMAIL_OTP"]));
    assert_eq!(user["PreferredMfaSetting"], "SMS_MFA");
    let options = json!([{"DeliveryMedium": "SMS", "AttributeName": "phone_number"}]);
    assert_eq!(user["MFAOptions"], options);
    assert_eq!(sim.ok("ListUsers", json!({}))["Users"][0]["MFAOptions"], options);
    assert!(sim.ok("ListUsers", json!({}))["Users"][0].get("UserMFASettingList").is_none());

    sim.ok("AdminSetUserMFAPreference", settings(Some([false, false]), Some([true, false])));
    assert_eq!(set(&sim), UserMfa { sms: false, email: true, preferred: None });
    assert_eq!(Operation::AdminSetUserMFAPreference.category(), Category::UserResourceUpdate);
}

#[test]
fn a_preference_has_to_be_possible() {
    let sim = with(pool(MfaMode::Optional), ann());
    let mut both = settings(Some([true, false]), None);
    both["SoftwareTokenMfaSettings"] = json!({"Enabled": false});
    for bad in [
        settings(None, None),
        settings(Some([true, true]), Some([true, true])),
        settings(Some([false, true]), None),
        json!({"Username": "ann", "SoftwareTokenMfaSettings": {"Enabled": true}}),
        json!({"Username": "ann", "WebAuthnMfaSettings": {"Enabled": true}}),
        both,
    ] {
        assert_eq!(sim.code("AdminSetUserMFAPreference", bad.clone()), "InvalidParameterException", "{bad}");
    }
    assert_eq!(set(&sim), UserMfa::default(), "a refused request has no effect");
    let nobody = json!({"Username": "bob", "SMSMfaSettings": {"Enabled": true}});
    assert_eq!(sim.code("AdminSetUserMFAPreference", nobody), "UserNotFoundException");
}

#[test]
fn a_pool_has_to_offer_the_factor() {
    let sms = settings(Some([true, false]), None);
    let email = settings(None, Some([true, false]));
    for (config, refused) in [
        (PoolConfig { sms_mfa: false, ..pool(MfaMode::Optional) }, &sms),
        (PoolConfig { email_mfa: false, ..pool(MfaMode::Optional) }, &email),
        (pool(MfaMode::Off), &sms),
    ] {
        let sim = with(config, ann());
        assert_eq!(sim.code("AdminSetUserMFAPreference", refused.clone()), "InvalidParameterException");
    }
    let sim = with(pool(MfaMode::On), ann());
    sim.ok("AdminSetUserMFAPreference", sms);
    let off = settings(Some([false, false]), None);
    assert_eq!(sim.code("AdminSetUserMFAPreference", off), "InvalidParameterException", "it is required");
}

#[test]
fn a_code_needs_a_verified_address() {
    let sms = settings(Some([true, false]), None);
    let email = settings(None, Some([true, false]));
    let unverified = || {
        let mut user = ann();
        for (name, value) in &mut user.attributes {
            if name.ends_with("_verified") {
                *value = "false".to_owned();
            }
        }
        user
    };
    for user in [UserRecord::new("ann"), unverified()] {
        let sim = with(pool(MfaMode::Optional), user);
        for body in [&sms, &email] {
            assert_eq!(sim.code("AdminSetUserMFAPreference", body.clone()), "InvalidParameterException");
        }
        sim.ok("AdminSetUserMFAPreference", settings(Some([false, false]), None));
    }
}

#[test]
fn a_user_has_to_be_confirmed() {
    for (status, code) in [
        (UserStatus::ResetRequired, Some("PasswordResetRequiredException")),
        (UserStatus::Unconfirmed, Some("UserNotConfirmedException")),
        (UserStatus::ExternalProvider, Some("InvalidParameterException")),
        (UserStatus::ForceChangePassword, None),
        (UserStatus::Confirmed, None),
    ] {
        let sim = with(pool(MfaMode::Optional), ann().status(status));
        let body = settings(Some([true, false]), None);
        match code {
            Some(code) => assert_eq!(sim.code("AdminSetUserMFAPreference", body), code),
            None => assert_eq!(sim.ok("AdminSetUserMFAPreference", body), json!({})),
        }
    }
}
