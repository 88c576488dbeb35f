use cognito_sim::{MfaMode, PoolConfig, SchemaAttribute};
use serde_json::json;

use crate::harness::{Sim, attributes};

#[test]
fn a_pool_is_described_in_full() {
    let sim = Sim::with_users(3);
    let pool = sim.ok("DescribeUserPool", json!({}))["UserPool"].clone();
    assert_eq!(pool["Id"], sim.pool.as_str());
    assert!(sim.pool.starts_with("us-east-1_") && sim.pool.len() == 19);
    assert_eq!(pool["Arn"], format!("arn:aws:cognito-idp:us-east-1:123456789012:userpool/{}", sim.pool));
    assert_eq!(pool["EstimatedNumberOfUsers"], 3);
    assert_eq!(pool["Policies"]["PasswordPolicy"]["MinimumLength"], 8);
    assert_eq!(pool["CreationDate"], json!(1_700_000_000.123));
    assert!(pool.get("UsernameAttributes").is_none() && pool.get("AliasAttributes").is_none());
    let schema = pool["SchemaAttributes"].as_array().expect("a schema");
    let sub = schema.iter().find(|attribute| attribute["Name"] == "sub").expect("standard");
    assert_eq!((&sub["Mutable"], &sub["Required"]), (&json!(false), &json!(true)));
    sim.cognito.configure(|config| config.listing.estimate_error = -2);
    assert_eq!(sim.ok("DescribeUserPool", json!({}))["UserPool"]["EstimatedNumberOfUsers"], 1);
}

#[test]
fn a_pool_created_by_request_is_what_was_asked_for() {
    let sim = Sim::named();
    let body = json!({
        "PoolName": "new pool", "UsernameAttributes": ["email"], "MfaConfiguration": "OPTIONAL",
        "AutoVerifiedAttributes": ["email"], "DeletionProtection": "ACTIVE",
        "UsernameConfiguration": {"CaseSensitive": false},
        "Policies": {"PasswordPolicy": {"MinimumLength": 12, "RequireSymbols": false}},
        "LambdaConfig": {"PreSignUp": "arn:aws:lambda:us-east-1:123456789012:function:f"},
        "UserPoolTags": {"team": "a"},
        "Schema": [
            {"Name": "level", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MaxValue": "9"}},
            {"Name": "name", "AttributeDataType": "String", "Required": true, "Mutable": true},
        ],
    });
    let created = sim.ok("CreateUserPool", body.clone())["UserPool"].clone();
    let described = sim.ok("DescribeUserPool", json!({"UserPoolId": created["Id"]}))["UserPool"].clone();
    assert_eq!(created, described);
    for member in
        ["UsernameAttributes", "MfaConfiguration", "DeletionProtection", "UserPoolTags", "LambdaConfig"]
    {
        assert_eq!(created[member], body[member], "{member}");
    }
    assert_eq!(created["Policies"]["PasswordPolicy"]["MinimumLength"], 12);
    let user = json!({"UserPoolId": created["Id"], "Username": "a@x.org",
        "UserAttributes": attributes(&[("name", "A"), ("custom:level", "10")])});
    assert_eq!(sim.code("AdminCreateUser", user), "InvalidParameterException");
    let id = json!({"UserPoolId": created["Id"]});
    assert_eq!(sim.code("DeleteUserPool", id), "InvalidParameterException", "it is protected");
    sim.ok("DeleteUserPool", json!({}));
    assert_eq!(sim.code("DescribeUserPool", json!({})), "ResourceNotFoundException");
}

#[test]
fn pool_requests_are_validated() {
    let sim = Sim::named();
    for bad in [
        json!({}),
        json!({"PoolName": "a/b"}),
        json!({"PoolName": "a", "UsernameAttributes": ["name"]}),
        json!({"PoolName": "a", "UsernameAttributes": ["email"], "AliasAttributes": ["email"]}),
        json!({"PoolName": "a", "MfaConfiguration": "MAYBE"}),
        json!({"PoolName": "a", "Policies": {"PasswordPolicy": {"MinimumLength": 5}}}),
        json!({"PoolName": "a", "Schema": [{"Name": "x".repeat(21), "AttributeDataType": "String"}]}),
        json!({"PoolName": "a", "Schema": [{"Name": "x", "AttributeDataType": "String", "Required": true}]}),
        json!({"PoolName": "a", "Schema": [{"Name": "email", "AttributeDataType": "Number"}]}),
    ] {
        assert_eq!(sim.code("CreateUserPool", bad.clone()), "InvalidParameterException", "{bad}");
    }
    let config = (0..51).fold(PoolConfig::default(), |config, i| {
        config.attribute(SchemaAttribute::string(&format!("f{i}"), 0, 9))
    });
    assert!(sim.cognito.admin(0, |admin| admin.create_pool(config)).is_err(), "50 custom attributes at most");
}

#[test]
fn the_second_factor_is_told() {
    let config = PoolConfig { mfa: MfaMode::Optional, software_token_mfa: true, ..PoolConfig::default() };
    let sim = Sim::new(config);
    let expected =
        json!({"MfaConfiguration": "OPTIONAL", "SoftwareTokenMfaConfiguration": {"Enabled": true}});
    assert_eq!(sim.ok("GetUserPoolMfaConfig", json!({})), expected);
    assert_eq!(Sim::named().ok("GetUserPoolMfaConfig", json!({})), json!({"MfaConfiguration": "OFF"}));
}

#[test]
fn pools_come_in_pages() {
    let sim = Sim::named();
    for i in 0..4 {
        sim.ok("CreateUserPool", json!({"PoolName": format!("p{i}")}));
    }
    let first = sim.ok("ListUserPools", json!({"MaxResults": 3}));
    let rest = sim.ok("ListUserPools", json!({"MaxResults": 3, "NextToken": first["NextToken"]}));
    assert_eq!(first["UserPools"].as_array().map(Vec::len), Some(3));
    assert_eq!(rest["UserPools"].as_array().map(Vec::len), Some(2));
    assert!(rest.get("NextToken").is_none());
    for bad in [json!({}), json!({"MaxResults": 61}), json!({"MaxResults": 1, "NextToken": "?"})] {
        assert_eq!(sim.code("ListUserPools", bad), "InvalidParameterException");
    }
}
