//! What is sent, and what is made of the answers.

use std::collections::BTreeMap;

use serde_json::json;

use super::wire::{POOL, Wire};
use crate::model::Group;
use crate::ports::{CallError, Directory, Fault, NewUser, Operation, SettingsCall, UserFilter};

#[tokio::test]
async fn settings_keep_what_the_sdk_does_not_know() {
    let pool = json!({
        "Id": POOL, "Name": "p", "EstimatedNumberOfUsers": 42, "CreationDate": 1_689_980_857.949,
        "SomethingNew": {"Deep": [1, "two", null]},
    });
    let wire = Wire::default()
        .then(200, &json!({"UserPool": pool}).to_string())
        .then(200, r#"{"MfaConfiguration":"OPTIONAL","NewFactor":{"Enabled":true}}"#);
    let directory = wire.directory();
    let description = directory.describe().await.unwrap();
    assert_eq!((description.user_pool, description.estimated_users), (pool, 42));
    assert_eq!(
        directory.mfa_config().await.unwrap(),
        json!({"MfaConfiguration": "OPTIONAL", "NewFactor": {"Enabled": true}})
    );
    assert_eq!(wire.calls()[0], ("DescribeUserPool".to_owned(), json!({"UserPoolId": POOL})));
}

#[tokio::test]
async fn an_absent_or_negative_estimate_is_none() {
    for pool in [r#"{"UserPool":{}}"#, r#"{"UserPool":{"EstimatedNumberOfUsers":-1}}"#] {
        let description = Wire::default().then(200, pool).directory().describe().await.unwrap();
        assert_eq!(description.estimated_users, 0, "{pool}");
    }
}

#[tokio::test]
async fn a_page_of_users_comes_as_it_is_and_the_token_goes_back() {
    let wire = Wire::default()
        .then(
            200,
            r#"{"PaginationToken":"t1","Users":[{"Username":"anna","Enabled":true,
            "UserStatus":"CONFIRMED","UserCreateDate":1689980857.949,"UserLastModifiedDate":1689980858,
            "Attributes":[{"Name":"sub","Value":"s-1"},{"Name":"email","Value":"a@x.test"}],
            "MFAOptions":[{"DeliveryMedium":"SMS","AttributeName":"phone_number"}]}]}"#,
        )
        .then(200, r#"{"PaginationToken":"t2","Users":[]}"#)
        .then(200, r#"{"PaginationToken":"","Users":[{"Username":"b","UserStatus":"BRAND_NEW"}]}"#);
    let directory = wire.directory();
    let filter = UserFilter::StartsWith("sub", "a".into());

    let page = directory.list_users(&filter, 60, None).await.unwrap();
    let user = &page.items[0];
    assert_eq!((user.sub.as_str(), user.username.as_str(), user.enabled), ("s-1", "anna", true));
    assert_eq!(user.attributes, BTreeMap::from([("email".into(), "a@x.test".into())]));
    assert_eq!(user.created_at.unwrap().to_string(), "2023-07-21T23:07:37.949Z");
    assert_eq!(user.modified_at.unwrap().as_millis(), 1_689_980_858_000);
    assert_eq!(user.mfa_options[0].delivery_medium.as_deref(), Some("SMS"));

    // Empty, and yet not the end.
    let page = directory.list_users(&filter, 60, page.next.as_deref()).await.unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (0, Some("t2")));
    let page = directory.list_users(&filter, 60, page.next.as_deref()).await.unwrap();
    assert_eq!((page.items[0].status.as_str(), page.next), ("BRAND_NEW", None));

    let first = json!({"UserPoolId": POOL, "Limit": 60, "Filter": "sub ^= \"a\""});
    assert_eq!(wire.calls()[0], ("ListUsers".to_owned(), first));
    assert_eq!(wire.calls()[1].1["PaginationToken"], "t1");
}

#[tokio::test]
async fn groups_and_members_are_listed() {
    let group = r#"{"GroupName":"g","Description":"d","Precedence":0,"RoleArn":"r","CreationDate":1}"#;
    let wire = Wire::default()
        .then(200, &format!(r#"{{"Groups":[{group}],"NextToken":"n"}}"#))
        .then(200, &format!(r#"{{"Group":{group}}}"#))
        .then(200, r#"{"Users":[{"Username":"anna"}],"NextToken":"m"}"#);
    let directory = wire.directory();
    let page = directory.list_groups(None).await.unwrap();
    assert_eq!(page.next.as_deref(), Some("n"));
    assert_eq!(page.items[0], directory.get_group("g").await.unwrap());
    assert_eq!((page.items[0].precedence, page.items[0].modified_at), (Some(0), None));
    let members = directory.list_members("g", Some("")).await.unwrap();
    assert_eq!((members.items[0].username.as_str(), members.next.as_deref()), ("anna", Some("m")));
    let sent = json!({"UserPoolId": POOL, "GroupName": "g", "Limit": 60});
    assert_eq!(wire.calls()[2], ("ListUsersInGroup".to_owned(), sent), "an empty token is not sent");
}

#[tokio::test]
async fn a_created_user_gets_no_message_and_takes_no_alias() {
    let wire = Wire::default()
        .then(200, r#"{"User":{"Username":"anna","Attributes":[{"Name":"sub","Value":"s-2"}]}}"#);
    let user = NewUser {
        username: "anna".into(),
        attributes: BTreeMap::from([("email".into(), "a@x.test".into()), ("name".into(), String::new())]),
    };
    assert_eq!(wire.directory().create_user(&user).await.unwrap().sub, "s-2");
    let sent = json!({
        "UserPoolId": POOL, "Username": "anna", "MessageAction": "SUPPRESS",
        "UserAttributes": [{"Name": "email", "Value": "a@x.test"}, {"Name": "name", "Value": ""}],
    });
    assert_eq!(wire.calls(), [("AdminCreateUser".to_owned(), sent)]);
}

#[tokio::test]
async fn the_other_steps_of_a_restore_send_just_what_they_must() {
    let mut wire = Wire::default();
    for _ in 0..5 {
        wire = wire.then(200, "{}");
    }
    let directory = wire.directory();
    let mut group = Group {
        name: "g".into(),
        description: Some(String::new()),
        precedence: None,
        role_arn: None,
        created_at: None,
        modified_at: None,
    };
    directory.create_group(&group).await.unwrap();
    group.description = Some("d".into());
    group.precedence = Some(0);
    group.role_arn = Some("arn:aws:iam::1:role/r".into());
    directory.create_group(&group).await.unwrap();
    directory.set_password("anna", "p4ss").await.unwrap();
    directory.add_to_group("anna", "g").await.unwrap();
    directory.disable_user("anna").await.unwrap();
    let expected = [
        ("CreateGroup", json!({"UserPoolId": POOL, "GroupName": "g"})),
        (
            "CreateGroup",
            json!({"UserPoolId": POOL, "GroupName": "g", "Description": "d", "Precedence": 0,
                   "RoleArn": "arn:aws:iam::1:role/r"}),
        ),
        (
            "AdminSetUserPassword",
            json!({"UserPoolId": POOL, "Username": "anna", "Password": "p4ss", "Permanent": true}),
        ),
        ("AdminAddUserToGroup", json!({"UserPoolId": POOL, "Username": "anna", "GroupName": "g"})),
        ("AdminDisableUser", json!({"UserPoolId": POOL, "Username": "anna"})),
    ];
    assert_eq!(wire.calls(), expected.map(|(name, body)| (name.to_owned(), body)));
}

#[tokio::test]
async fn the_provisioned_rate_is_read_if_there_is_one() {
    let definition = json!({"LimitClass": "API_CATEGORY", "Attributes": {"Category": "UserRead"}});
    let limit = json!({"Limit": {"LimitDefinition": definition, "ProvisionedLimitValue": 240}});
    let without = json!({"Limit": {"LimitDefinition": definition, "FreeLimitValue": 120}});
    let wire = Wire::default().then(200, &limit.to_string()).then(200, &without.to_string()).then(200, "{}");
    let directory = wire.directory();
    assert_eq!(directory.provisioned_limit("UserRead").await, Ok(Some(240.0)));
    assert_eq!(directory.provisioned_limit("UserRead").await, Ok(None));
    assert_eq!(directory.provisioned_limit("UserRead").await, Ok(None));
    assert_eq!(wire.calls()[0].1, json!({ "LimitDefinition": definition }));
}

#[tokio::test]
async fn an_answer_without_what_it_must_hold_is_unreadable() {
    let unreadable = |operation| CallError { operation, fault: Fault::Transient("unreadable answer".into()) };
    let wire = Wire::default().then(200, "{}").then(200, "{}").then(200, r#"{"Groups":[{}]}"#);
    let directory = wire.directory();
    assert_eq!(directory.describe().await.unwrap_err(), unreadable(Operation::DescribeUserPool));
    assert_eq!(directory.get_group("g").await.unwrap_err(), unreadable(Operation::GetGroup));
    assert_eq!(directory.list_groups(None).await.unwrap_err(), unreadable(Operation::ListGroups));
}

#[tokio::test]
async fn each_part_of_the_settings_is_asked_for_and_comes_as_it_is() {
    let id = || Some("c1".to_owned());
    let calls = [
        (SettingsCall::Clients(None), json!({"UserPoolId": POOL, "MaxResults": 60})),
        (
            SettingsCall::Clients(Some("t".into())),
            json!({"UserPoolId": POOL, "MaxResults": 60, "NextToken": "t"}),
        ),
        (SettingsCall::Client("c1".into()), json!({"UserPoolId": POOL, "ClientId": "c1"})),
        (SettingsCall::IdentityProviders(None), json!({"UserPoolId": POOL, "MaxResults": 60})),
        (SettingsCall::IdentityProvider("G".into()), json!({"UserPoolId": POOL, "ProviderName": "G"})),
        (SettingsCall::ResourceServers(None), json!({"UserPoolId": POOL, "MaxResults": 50})),
        (SettingsCall::Domain("d".into()), json!({"Domain": "d"})),
        (SettingsCall::UiCustomization(None), json!({"UserPoolId": POOL})),
        (SettingsCall::UiCustomization(id()), json!({"UserPoolId": POOL, "ClientId": "c1"})),
        (SettingsCall::RiskConfiguration(id()), json!({"UserPoolId": POOL, "ClientId": "c1"})),
        (SettingsCall::LogDelivery, json!({"UserPoolId": POOL})),
    ];
    for (call, sent) in calls {
        let answer = json!({"UserPoolClient": {"ClientSecret": "shh"}, "SomethingNew": [1, null]});
        let wire = Wire::default().then(200, &answer.to_string());
        let answered = wire.directory().read_settings(&call).await.unwrap();
        assert_eq!(format!("{answered:?}"), "RawAnswer", "it can hold secrets");
        assert_eq!(answered.into_json(), answer);
        assert_eq!(wire.calls(), [(call.operation().as_str().to_owned(), sent)]);
    }
}

#[tokio::test]
async fn of_a_part_of_the_settings_what_is_missing_is_not_the_pool() {
    let missing = |message: &str| {
        let body = json!({"__type": "ResourceNotFoundException", "message": message}).to_string();
        Wire::default().then(400, &body)
    };
    let fault = async |call: SettingsCall, message| {
        missing(message).directory().read_settings(&call).await.unwrap_err().fault
    };
    let gone = "User pool client c1 does not exist.";
    assert_eq!(fault(SettingsCall::Client("c1".into()), gone).await, Fault::NotFound);
    assert_eq!(fault(SettingsCall::RiskConfiguration(None), "").await, Fault::NotFound);
    let no_pool = "User pool eu-west-1_Test does not exist.";
    assert_eq!(fault(SettingsCall::Clients(None), no_pool).await, Fault::NoSuchPool);
    let unknown = Wire::default().then(400, r#"{"__type":"UnknownOperationException"}"#).directory();
    let refused = unknown.read_settings(&SettingsCall::LogDelivery).await.unwrap_err();
    assert_eq!(refused.fault, Fault::Refused("UnknownOperationException".into()));
    let no_object = Wire::default().then(200, "[]").directory();
    assert!(no_object.read_settings(&SettingsCall::LogDelivery).await.unwrap_err().is_transient());
}
