use cognito_sim::{Category, Config, Operation, PoolConfig, ProvisionedLimits, Quotas};
use serde_json::json;

use crate::harness::{NOW, Sim};

fn throttled(sim: &Sim, now: u64, operation: &str, body: serde_json::Value) -> bool {
    let reply = sim.at(now, operation, body);
    matches!(reply, Err(cognito_sim::Reply::Error(error)) if error.code == "TooManyRequestsException")
}

#[test]
fn a_category_is_limited_in_every_sliding_second_over_all_its_operations() {
    let sim = Sim::with(Config::default(), PoolConfig::default());
    sim.cognito.admin(NOW, |a| a.add_groups(&sim.pool, [cognito_sim::GroupRecord::new("g")])).expect("new");
    for i in 0..30 {
        let operation = if i % 2 == 0 { "ListUsers" } else { "ListUsersInGroup" };
        assert!(!throttled(&sim, NOW + 900, operation, json!({"GroupName": "g"})));
    }
    assert!(throttled(&sim, NOW + 900, "ListUsers", json!({})));
    assert!(throttled(&sim, NOW + 1899, "ListUsers", json!({})), "a calendar second would let this in");
    assert!(!throttled(&sim, NOW + 1900, "ListUsers", json!({})));
    // Another category has its own rate.
    assert!(!throttled(&sim, NOW + 1900, "DescribeUserPool", json!({})));

    let usage = sim.cognito.meter().category(Category::UserList);
    assert_eq!((usage.attempts, usage.accepted, usage.throttled), (33, 31, 2));
    assert_eq!((usage.peak_attempts, usage.peak_accepted), (32, 30));
    assert_eq!((usage.first, usage.last), (Some(NOW + 900), Some(NOW + 1900)));
    assert_eq!(sim.cognito.meter().calls(Operation::ListUsersInGroup), 15);
}

#[test]
fn a_category_is_shared_by_all_pools() {
    let sim = Sim::with(Config::default(), PoolConfig::default());
    let other = sim.cognito.admin(NOW, |admin| admin.create_pool(PoolConfig::default())).expect("new");
    for i in 0..15 {
        let pool = if i % 2 == 0 { &sim.pool } else { &other };
        assert!(!throttled(&sim, NOW, "DescribeUserPool", json!({"UserPoolId": pool})));
    }
    assert!(throttled(&sim, NOW, "DescribeUserPool", json!({"UserPoolId": other})));
}

#[test]
fn some_operations_are_capped_per_pool() {
    let sim = Sim::with(Config::default(), PoolConfig::default());
    let other = sim.cognito.admin(NOW, |admin| admin.create_pool(PoolConfig::default())).expect("new");
    for _ in 0..5 {
        assert!(!throttled(&sim, NOW, "ListGroups", json!({})));
    }
    assert!(throttled(&sim, NOW, "ListGroups", json!({})));
    assert!(!throttled(&sim, NOW, "ListGroups", json!({"UserPoolId": other})), "another pool");
    assert!(!throttled(&sim, NOW, "GetUserPoolMfaConfig", json!({})), "another operation");
    assert!(!throttled(&sim, NOW + 1000, "ListGroups", json!({})), "a second later");
    let meter = sim.cognito.meter();
    assert_eq!(meter.per_pool[&format!("ListGroups/{}", sim.pool)].peak_attempts, 6);
}

#[test]
fn one_user_takes_ten_profile_writes_a_second() {
    let sim = Sim::with(Config::default(), PoolConfig::default());
    sim.add(2);
    for i in 0..10 {
        let operation = if i % 2 == 0 { "AdminDisableUser" } else { "AdminEnableUser" };
        assert!(!throttled(&sim, NOW, operation, json!({"Username": "u0"})));
    }
    assert!(throttled(&sim, NOW + 999, "AdminDisableUser", json!({"Username": "u0"})));
    assert!(!throttled(&sim, NOW + 999, "AdminDisableUser", json!({"Username": "u1"})));
    assert!(!throttled(&sim, NOW + 1000, "AdminDisableUser", json!({"Username": "u0"})));
    assert_eq!(sim.cognito.meter().category(Category::UserUpdate).throttled, 1);
}

#[test]
fn quotas_can_be_changed_and_switched_off() {
    let config = Config { quotas: Quotas::documented().with(Category::UserList, 2), ..Config::default() };
    let sim = Sim::with(config, PoolConfig::default());
    let count = |now| (0..40).filter(|_| !throttled(&sim, now, "ListUsers", json!({}))).count();
    assert_eq!(count(NOW), 2);
    sim.cognito.configure(|config| config.quotas = Quotas::off());
    assert_eq!(count(NOW + 5000), 40);
    assert_eq!(sim.cognito.meter().category(Category::UserList).peak_attempts, 40);
}

#[test]
fn time_never_runs_backwards() {
    let sim = Sim::with(Config::default(), PoolConfig::default());
    for i in 0..30 {
        assert!(!throttled(&sim, NOW + 5000 - i * 100, "ListUsers", json!({})));
    }
    assert!(throttled(&sim, NOW, "ListUsers", json!({})));
}

#[test]
fn provisioned_limits_exist_for_adjustable_categories_only() {
    let sim = Sim::new(PoolConfig::default());
    let ask = |category: &str| json!({"LimitDefinition": {"LimitClass": "API_CATEGORY", "Attributes": {"Category": category}}});
    sim.cognito.configure(|config| {
        config.quotas =
            Quotas::documented().with(Category::UserCreation, 80).without(Category::LimitManagement);
    });
    let limit = sim.ok("GetProvisionedLimit", ask("UserCreation"));
    assert_eq!(
        limit["Limit"],
        json!({"FreeLimitValue": 50, "ProvisionedLimitValue": 80,
            "LimitDefinition": ask("UserCreation")["LimitDefinition"]})
    );
    for category in ["UserList", "UserUpdate", "Nonsense"] {
        assert_eq!(sim.code("GetProvisionedLimit", ask(category)), "InvalidParameterException");
    }
    assert_eq!(sim.code("GetProvisionedLimit", json!({})), "InvalidParameterException");
    sim.cognito.configure(|config| config.provisioned_limits = ProvisionedLimits::AccessDenied);
    assert_eq!(sim.code("GetProvisionedLimit", ask("UserCreation")), "AccessDeniedException");
    sim.cognito.configure(|config| config.provisioned_limits = ProvisionedLimits::NotAuthorized);
    assert_eq!(sim.code("GetProvisionedLimit", ask("UserCreation")), "NotAuthorizedException");
    sim.cognito.configure(|config| config.quotas = Quotas::documented());
    assert!(throttled(&sim, NOW, "GetProvisionedLimit", ask("UserCreation")), "one a second");
}

#[test]
fn touching_a_user_bills_it_and_listing_does_not() {
    let sim = Sim::with_users(6);
    sim.cognito.admin(NOW, |a| a.add_groups(&sim.pool, [cognito_sim::GroupRecord::new("g")])).expect("new");
    sim.ok("ListUsers", json!({}));
    sim.ok("ListUsersInGroup", json!({"GroupName": "g"}));
    sim.ok("DescribeUserPool", json!({}));
    assert_eq!(sim.cognito.meter().billed_users, 0);
    sim.ok("AdminGetUser", json!({"Username": "u0"}));
    sim.ok("AdminGetUser", json!({"Username": "u0"}));
    sim.ok("AdminSetUserPassword", json!({"Username": "u1", "Password": "Abcdef1!", "Permanent": true}));
    sim.ok("AdminUpdateUserAttributes", json!({"Username": "u2", "UserAttributes": []}));
    sim.ok("AdminAddUserToGroup", json!({"Username": "u3", "GroupName": "g"}));
    sim.ok("AdminCreateUser", json!({"Username": "new", "MessageAction": "SUPPRESS"}));
    sim.ok("AdminDisableUser", json!({"Username": "u4"}));
    sim.ok("AdminResetUserPassword", json!({"Username": "u5"}));
    assert_eq!(sim.cognito.meter().billed_users, 5);
    assert_eq!(sim.cognito.admin(NOW, |a| a.billed_users(&sim.pool)).expect("known").len(), 5);
}
