use std::collections::BTreeSet;

use cognito_sim::{Config, GroupRecord, ListingBehaviour, PoolConfig, Quotas, UserRecord, UserStatus};
use serde_json::{Value, json};

use crate::harness::{NOW, Sim};

const HOUR: u64 = 3_600_000;

fn all(count: usize) -> Vec<String> {
    let mut names: Vec<String> = (0..count).map(|i| format!("u{i}")).collect();
    names.sort();
    names
}

fn with_behaviour(count: usize, listing: ListingBehaviour) -> Sim {
    let sim = Sim::with_users(count);
    sim.cognito.configure(|config| config.listing = listing);
    sim
}

#[test]
fn a_page_holds_at_most_sixty_users_and_a_listing_everybody_once() {
    let sim = Sim::with_users(130);
    let pages = sim.pages("ListUsers", &json!({}));
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [60, 60, 10]);
    assert_eq!(sim.names("ListUsers", &json!({})), all(130));
    assert_eq!(sim.pages("ListUsers", &json!({"Limit": 7}))[0].len(), 7);
    assert_eq!(sim.pages("ListUsers", &json!({"Limit": 0}))[0].len(), 60);
    for limit in [-1, 61] {
        assert_eq!(sim.code("ListUsers", json!({"Limit": limit})), "InvalidParameterException");
        assert_eq!(sim.code("ListGroups", json!({"Limit": limit})), "InvalidParameterException");
    }
}

#[test]
fn the_order_is_the_seeds() {
    let order = |seed| {
        let config = Config { quotas: Quotas::off(), ..Config::seeded(seed) };
        let sim =
            Sim::with(config, PoolConfig { id: Some("us-east-1_Fixed".into()), ..PoolConfig::default() });
        let users = (0..50).map(|i| UserRecord::new(format!("u{i:02}")).with_sub(format!("s{i:02}")));
        sim.cognito.admin(NOW, |admin| admin.add_users(&sim.pool, users)).expect("new users");
        sim.pages("ListUsers", &json!({})).concat().iter().map(|u| u["Username"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
    assert!(!order(1).is_sorted_by(|a, b| a.as_str() <= b.as_str()));
}

#[test]
fn users_present_throughout_come_once_whatever_comes_and_goes() {
    for seed in 0..20 {
        let config =
            Config { quotas: Quotas::off(), listing: ListingBehaviour::awkward(), ..Config::seeded(seed) };
        let sim = Sim::with(config, PoolConfig::default());
        sim.add(300);
        let truth = sim.cognito.admin(NOW, |admin| admin.truth(&sim.pool)).expect("known");
        let mut leaving: Vec<String> = truth.users.keys().take(60).cloned().collect();
        let staying: BTreeSet<String> = truth.users.keys().skip(60).cloned().collect();
        let pool = sim.pool.clone();
        sim.cognito.on_call(move |info, admin| {
            for i in 0..7 {
                let name = format!("new{}-{i}", info.number);
                admin.create_user(&pool, UserRecord::new(name)).expect("a free name");
                if let Some(sub) = leaving.pop() {
                    admin.delete_user(&pool, &sub).expect("still there");
                }
            }
        });
        let seen = sim.pages("ListUsers", &json!({"Limit": 20})).concat();
        let mut subs: Vec<&str> = seen.iter().filter_map(|u| crate::harness::attribute(u, "sub")).collect();
        subs.sort_unstable();
        let unique: BTreeSet<&str> = subs.iter().copied().collect();
        assert_eq!(unique.len(), subs.len(), "seed {seed}: somebody came twice");
        assert!(staying.iter().all(|sub| unique.contains(sub.as_str())), "seed {seed}: somebody is missing");
    }
}

#[test]
fn pages_may_be_empty_or_short_and_still_go_on() {
    let sim = with_behaviour(200, ListingBehaviour { empty_pages: 0.3, ..ListingBehaviour::default() });
    let pages = sim.pages("ListUsers", &json!({"Limit": 10}));
    assert!(pages[..pages.len() - 1].iter().any(Vec::is_empty));
    assert_eq!(sim.names("ListUsers", &json!({})), all(200));
    let sim = with_behaviour(200, ListingBehaviour { short_pages: 0.9, ..ListingBehaviour::default() });
    let pages = sim.pages("ListUsers", &json!({}));
    assert!(pages[..pages.len() - 1].iter().any(|page| page.len() < 60));
    assert_eq!(sim.names("ListUsers", &json!({})), all(200));
}

#[test]
fn the_last_page_may_be_an_empty_one() {
    let sim = with_behaviour(5, ListingBehaviour { trailing_page: 1.0, ..ListingBehaviour::default() });
    let sizes: Vec<usize> = sim.pages("ListUsers", &json!({})).iter().map(Vec::len).collect();
    assert_eq!(sizes, [5, 0]);
}

#[test]
fn duplicates_come_only_when_asked_for() {
    let sim = with_behaviour(100, ListingBehaviour { duplicates: 1.0, ..ListingBehaviour::default() });
    let names = sim.names("ListUsers", &json!({"Limit": 10}));
    let unique: BTreeSet<&String> = names.iter().collect();
    assert_eq!(unique.len(), 100);
    assert!(names.len() > 100);
}

#[test]
fn a_token_is_bound_to_its_listing_and_lives_an_hour() {
    let sim = Sim::with_users(100);
    let other = sim.cognito.admin(NOW, |admin| admin.create_pool(PoolConfig::default())).expect("new");
    sim.cognito.admin(NOW, |a| a.add_groups(&sim.pool, [GroupRecord::new("g")])).expect("new");
    let filter = r#"username ^= "u""#;
    let token = sim.ok("ListUsers", json!({"Filter": filter}))["PaginationToken"].clone();
    let with = |filter: Value| json!({"Filter": filter, "PaginationToken": token});
    assert!(sim.at(NOW + HOUR, "ListUsers", with(json!(filter))).is_ok());
    let late = sim.cognito.call(
        "ListUsers",
        json!({"UserPoolId": sim.pool, "Filter": filter, "PaginationToken": token}).to_string().as_bytes(),
        NOW + HOUR + 1,
    );
    assert_eq!(late.error_code(), Some("InvalidParameterException"));
    for bad in [
        with(json!(r#"username ^= "u1""#)),
        json!({"PaginationToken": token}),
        json!({"PaginationToken": token, "Filter": filter, "UserPoolId": other}),
        json!({"PaginationToken": "garbage"}),
        json!({"PaginationToken": ""}),
    ] {
        assert_eq!(sim.code("ListUsers", bad), "InvalidParameterException");
    }
    for (operation, body) in [
        ("ListGroups", json!({"NextToken": token})),
        ("ListUsersInGroup", json!({"NextToken": token, "GroupName": "g"})),
    ] {
        assert_eq!(sim.code(operation, body), "InvalidParameterException");
    }
}

#[test]
fn filters_find_what_they_say() {
    let sim = Sim::named();
    let users = [
        UserRecord::new("ann")
            .with_sub("ab-1")
            .with("email", "ann@x.org")
            .with("name", "Ann \"A\" \\ B")
            .with("phone_number", "+491")
            .status(UserStatus::ForceChangePassword),
        UserRecord::new("bob")
            .with_sub("ab-2")
            .with("email", "bob@x.org")
            .with("given_name", "Bob")
            .disabled(),
        UserRecord::new("cy").with_sub("a").with("family_name", "Ünal").with("preferred_username", "cyy"),
        UserRecord::new("dee").with_sub("ürk").with("email", "ann@y.org"),
    ];
    sim.cognito.admin(NOW, |admin| admin.add_users(&sim.pool, users)).expect("new users");
    for (filter, expected) in [
        (r#"sub = "ab-1""#, vec!["ann"]),
        (r#"sub = "ab""#, vec![]),
        (r#"sub ^= "ab""#, vec!["ann", "bob"]),
        (r#"sub ^= "a""#, vec!["ann", "bob", "cy"]),
        (r#"sub ^= "ab-2""#, vec!["bob"]),
        (r#"sub ^= "ü""#, vec!["dee"]),
        (r#"sub ^= """#, vec!["ann", "bob", "cy", "dee"]),
        (r#"username = "bob""#, vec!["bob"]),
        (r#"username = "BOB""#, vec![]),
        (r#"email ^= "ann@""#, vec!["ann", "dee"]),
        (r#"email = "ann@x.org""#, vec!["ann"]),
        (r#"phone_number ^= "+49""#, vec!["ann"]),
        (r#"name = "Ann \"A\" \\ B""#, vec!["ann"]),
        (r#"given_name = "Bob""#, vec!["bob"]),
        (r#"family_name ^= "Ün""#, vec!["cy"]),
        (r#"preferred_username = "cyy""#, vec!["cy"]),
        (r#"cognito:user_status = "force_change_password""#, vec!["ann"]),
        (r#"status = "Disabled""#, vec!["bob"]),
        (r#"status = "disabled""#, vec![]),
        (r#"status = "Enabled""#, vec!["ann", "cy", "dee"]),
        ("", vec!["ann", "bob", "cy", "dee"]),
    ] {
        assert_eq!(sim.names("ListUsers", &json!({"Filter": filter})), expected, "{filter}");
    }
    assert_eq!(sim.code("ListUsers", json!({"Filter": "custom:x = \"y\""})), "InvalidParameterException");
}

#[test]
fn prefix_listings_go_page_by_page() {
    let sim = Sim::named();
    let users = (0..400).map(|i| UserRecord::new(format!("u{i}")).with_sub(format!("{i:04x}")));
    sim.cognito.admin(NOW, |admin| admin.add_users(&sim.pool, users)).expect("new users");
    for (prefix, count) in [("0", 400), ("00", 256), ("01", 144), ("001", 16), ("0011", 1)] {
        let body = json!({"Filter": format!("sub ^= \"{prefix}\""), "Limit": 7});
        let names: BTreeSet<String> = sim.names("ListUsers", &body).into_iter().collect();
        assert_eq!(names.len(), count, "{prefix}");
        assert_eq!(sim.pages("ListUsers", &body).concat().len(), count, "{prefix}");
    }
}

#[test]
fn prefix_filters_can_be_refused_or_miss_users() {
    let sim = with_behaviour(50, ListingBehaviour { refuse_sub_prefix: true, ..ListingBehaviour::default() });
    assert_eq!(sim.code("ListUsers", json!({"Filter": "sub ^= \"a\""})), "InvalidParameterException");
    sim.ok("ListUsers", json!({"Filter": "sub = \"a\""}));
    sim.ok("ListUsers", json!({"Filter": "username ^= \"a\""}));
    let sim = with_behaviour(50, ListingBehaviour { prefix_misses: 3, ..ListingBehaviour::default() });
    let by_prefix: usize = (0..16)
        .map(|digit| sim.names("ListUsers", &json!({"Filter": format!("sub ^= \"{digit:x}\"")})).len())
        .sum();
    assert_eq!(by_prefix, 47);
    assert_eq!(sim.names("ListUsers", &json!({})), all(50));
}

#[test]
fn listings_may_lag_behind() {
    let sim = Sim::with_users(3);
    sim.cognito.configure(|config| config.listing.list_lag = 500);
    let sub_of = |name: &str| {
        let truth = sim.cognito.admin(NOW, |a| a.truth(&sim.pool)).expect("known");
        truth.users.values().find(|u| u.username == name).map(|u| u.sub.clone()).expect("there")
    };
    let (u0, u1) = (sub_of("u0"), sub_of("u1"));
    sim.cognito
        .admin(NOW + 1000, |admin| {
            admin.create_user(&sim.pool, UserRecord::new("new"))?;
            admin.delete_user(&sim.pool, &u0)?;
            admin.update_user(&sim.pool, &u1, |user| user.enabled = false)?;
            admin.create_group(&sim.pool, GroupRecord::new("g"))?;
            admin.join(&sim.pool, &u1, "g")
        })
        .expect("all exist");
    let list = |now, operation: &str, body: Value| {
        let answer = sim.at(now, operation, body).expect("a page");
        let mut names: Vec<String> = ["Users", "Groups"]
            .iter()
            .filter_map(|list| answer[*list].as_array())
            .flatten()
            .map(|r| format!("{}{}{}", r["Username"], r["GroupName"], r["Enabled"]).replace("null", ""))
            .collect();
        names.sort();
        names
    };
    let old = ["\"u0\"true", "\"u1\"true", "\"u2\"true"];
    assert_eq!(list(NOW + 1499, "ListUsers", json!({})), old);
    assert_eq!(list(NOW + 1499, "ListUsers", json!({"Filter": format!("sub = \"{u0}\"")})), old[..1]);
    assert!(list(NOW + 1499, "ListUsersInGroup", json!({"GroupName": "g"})).is_empty());
    assert!(list(NOW + 1499, "ListGroups", json!({})).is_empty());
    // Looking up one user is always up to date.
    assert_eq!(
        sim.at(NOW + 1499, "AdminGetUser", json!({"Username": "u1"})).expect("there")["Enabled"],
        false
    );
    assert!(sim.at(NOW + 1499, "AdminGetUser", json!({"Username": "u0"})).is_err());
    assert_eq!(list(NOW + 1500, "ListUsers", json!({})), ["\"new\"true", "\"u1\"false", "\"u2\"true"]);
    assert_eq!(list(NOW + 1500, "ListUsersInGroup", json!({"GroupName": "g"})), ["\"u1\"false"]);
    assert_eq!(list(NOW + 1500, "ListGroups", json!({})), ["\"g\""]);
    sim.cognito.admin(NOW + 2000, |admin| admin.leave(&sim.pool, &u1, "g")).expect("a member");
    assert_eq!(list(NOW + 2499, "ListUsersInGroup", json!({"GroupName": "g"})), ["\"u1\"false"]);
    assert!(list(NOW + 2500, "ListUsersInGroup", json!({"GroupName": "g"})).is_empty());
}

#[test]
fn asking_for_an_attribute_somebody_lacks_is_an_error() {
    let sim = Sim::with_users(2);
    let page = sim.ok("ListUsers", json!({"AttributesToGet": ["email"]}));
    assert_eq!(page["Users"][0]["Attributes"].as_array().map(Vec::len), Some(1));
    let page = sim.ok("ListUsers", json!({"AttributesToGet": ["sub"]}));
    assert_eq!(page["Users"][0]["Attributes"][0]["Name"], "sub");
    for missing in ["name", "custom:unknown"] {
        let body = json!({"AttributesToGet": [missing]});
        assert_eq!(sim.code("ListUsers", body), "InvalidParameterException");
    }
}

#[test]
fn groups_and_members_come_in_pages_too() {
    let sim = Sim::with_users(70);
    sim.cognito
        .admin(NOW, |admin| {
            admin.add_groups(&sim.pool, (0..70).map(|i| GroupRecord::new(format!("g{i:02}"))))?;
            let subs: Vec<String> = admin.truth(&sim.pool)?.users.into_keys().collect();
            subs.iter().try_for_each(|sub| admin.join(&sim.pool, sub, "g01"))
        })
        .expect("new");
    sim.cognito.configure(|config| config.listing = ListingBehaviour::awkward());
    assert_eq!(sim.names("ListUsersInGroup", &json!({"GroupName": "g01"})), all(70));
    let groups: Vec<String> = (0..70).map(|i| format!("g{i:02}")).collect();
    assert_eq!(sim.names("ListGroups", &json!({})), groups);
    assert_eq!(sim.code("ListUsersInGroup", json!({"GroupName": "none"})), "ResourceNotFoundException");
    assert_eq!(sim.names("AdminListGroupsForUser", &json!({"Username": "u1"})).len(), 1);
}
