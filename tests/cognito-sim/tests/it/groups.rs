use cognito_sim::GroupRecord;
use serde_json::json;

use crate::harness::{NOW, Sim};

#[test]
fn a_group_keeps_what_it_was_created_with() {
    let sim = Sim::named();
    let role = "arn:aws:iam::123456789012:role/Admin";
    let group =
        json!({"GroupName": "größe#1/x", "Description": "a \"b\"\n", "Precedence": 0, "RoleArn": role});
    let created = sim.ok("CreateGroup", group.clone())["Group"].clone();
    for member in ["GroupName", "Description", "Precedence", "RoleArn"] {
        assert_eq!(created[member], group[member]);
    }
    assert_eq!(created["UserPoolId"], sim.pool.as_str());
    assert_eq!(created["CreationDate"], json!(1_700_000_000.123));
    assert_eq!(sim.ok("GetGroup", json!({"GroupName": "größe#1/x"}))["Group"], created);
    assert_eq!(sim.ok("ListGroups", json!({}))["Groups"], json!([created]));
    assert_eq!(sim.code("CreateGroup", group), "GroupExistsException");
    let bare = sim.ok("CreateGroup", json!({"GroupName": "bare"}))["Group"].clone();
    assert!(["Description", "Precedence", "RoleArn"].iter().all(|member| bare.get(member).is_none()));
}

#[test]
fn group_requests_are_validated() {
    let sim = Sim::named();
    for bad in [
        json!({}),
        json!({"GroupName": ""}),
        json!({"GroupName": "a b"}),
        json!({"GroupName": "x".repeat(129)}),
        json!({"GroupName": "g", "Description": "x".repeat(2049)}),
        json!({"GroupName": "g", "Precedence": -1}),
        json!({"GroupName": "g", "RoleArn": "arn:short"}),
        json!({"GroupName": "g", "RoleArn": "nothing like the name of a role"}),
    ] {
        assert_eq!(sim.code("CreateGroup", bad.clone()), "InvalidParameterException", "{bad}");
    }
    for operation in ["GetGroup", "DeleteGroup"] {
        assert_eq!(sim.code(operation, json!({"GroupName": "none"})), "ResourceNotFoundException");
    }
}

#[test]
fn a_pool_has_ten_thousand_groups_at_most() {
    let sim = Sim::named();
    let groups = (0..9_999).map(|i| GroupRecord::new(format!("g{i}")));
    sim.cognito.admin(NOW, |admin| admin.add_groups(&sim.pool, groups)).expect("new");
    sim.ok("CreateGroup", json!({"GroupName": "last"}));
    assert_eq!(sim.code("CreateGroup", json!({"GroupName": "more"})), "LimitExceededException");
    sim.ok("DeleteGroup", json!({"GroupName": "g0"}));
    sim.ok("CreateGroup", json!({"GroupName": "more"}));
}

#[test]
fn joining_and_leaving_may_be_repeated() {
    let sim = Sim::with_users(1);
    sim.ok("CreateGroup", json!({"GroupName": "g"}));
    let member = json!({"Username": "u0", "GroupName": "g"});
    for _ in 0..2 {
        sim.ok("AdminAddUserToGroup", member.clone());
        assert_eq!(sim.names("ListUsersInGroup", &json!({"GroupName": "g"})), ["u0"]);
    }
    for _ in 0..2 {
        sim.ok("AdminRemoveUserFromGroup", member.clone());
        assert!(sim.names("ListUsersInGroup", &json!({"GroupName": "g"})).is_empty());
    }
    let unknown = json!({"Username": "u0", "GroupName": "none"});
    assert_eq!(sim.code("AdminAddUserToGroup", unknown), "ResourceNotFoundException");
}

#[test]
fn a_user_is_in_a_hundred_groups_at_most() {
    let sim = Sim::with_users(1);
    let groups = (0..101).map(|i| GroupRecord::new(format!("g{i}")));
    sim.cognito.admin(NOW, |admin| admin.add_groups(&sim.pool, groups)).expect("new");
    let join = |i: usize| json!({"Username": "u0", "GroupName": format!("g{i}")});
    for i in 0..100 {
        sim.ok("AdminAddUserToGroup", join(i));
    }
    assert_eq!(sim.code("AdminAddUserToGroup", join(100)), "LimitExceededException");
    sim.ok("AdminAddUserToGroup", join(99));
}

#[test]
fn deleting_a_group_ends_its_memberships() {
    let sim = Sim::with_users(1);
    sim.ok("CreateGroup", json!({"GroupName": "g"}));
    sim.ok("AdminAddUserToGroup", json!({"Username": "u0", "GroupName": "g"}));
    sim.ok("DeleteGroup", json!({"GroupName": "g"}));
    assert!(sim.names("ListGroups", &json!({})).is_empty());
    sim.ok("CreateGroup", json!({"GroupName": "g"}));
    assert!(sim.names("ListUsersInGroup", &json!({"GroupName": "g"})).is_empty());
    assert!(sim.cognito.admin(NOW, |a| a.truth(&sim.pool)).expect("known").memberships().is_empty());
}

#[test]
fn a_deleted_user_leaves_its_groups() {
    let sim = Sim::with_users(1);
    sim.ok("CreateGroup", json!({"GroupName": "g"}));
    sim.ok("AdminAddUserToGroup", json!({"Username": "u0", "GroupName": "g"}));
    sim.ok("AdminDeleteUser", json!({"Username": "u0"}));
    assert!(sim.names("ListUsersInGroup", &json!({"GroupName": "g"})).is_empty());
}
