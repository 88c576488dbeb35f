//! The way from a pool to a new one, and everything to look at on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use cognito_sim::{Truth, UserRecord, UserStatus};
use serde_json::{Value, json};

use crate::world::{Ran, World, fast, settings};

/// The last complete run holds all that is in the pool, to the last character.
pub fn assert_holds_all(world: &World) {
    assert_is_dumped(world, &world.run(&["dump", "--format", "jsonl"]).code(0));
}

/// The lines of this dump are all that is in the pool.
pub fn assert_is_dumped(world: &World, ran: &Ran) {
    let dumped = ran.lines();
    let of = |kind: &str| dumped.iter().filter(|line| line["kind"] == kind).cloned().collect::<Vec<Value>>();
    assert_is(&world.truth(&world.pool), &of("user"), &of("group"), &of("membership"));
}

fn assert_is(truth: &Truth, users: &[Value], groups: &[Value], memberships: &[Value]) {
    assert_eq!(users.len(), truth.users.len());
    for user in users {
        let real = &truth.users[user["sub"].as_str().unwrap()];
        assert_eq!(user["attributes"], json!(attributes(real)));
        assert_eq!(user["username"], real.username);
        assert_eq!(user["enabled"], real.enabled);
        assert_eq!(user["status"], real.status.name());
    }
    assert_eq!(groups.len(), truth.groups.len());
    for group in groups {
        let real = &truth.groups[group["name"].as_str().unwrap()];
        assert_eq!(group["description"], json!(real.description));
        assert_eq!(group["precedence"], json!(real.precedence));
        assert_eq!(group["role_arn"], json!(real.role_arn));
    }
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let memberships: BTreeSet<(String, String)> =
        memberships.iter().map(|line| (text(&line["group"]), text(&line["sub"]))).collect();
    assert_eq!(memberships, truth.memberships());
}

fn attributes(user: &UserRecord) -> BTreeMap<&str, &str> {
    user.attributes.iter().map(|(name, value)| (&**name, value.as_str())).collect()
}

/// Everybody who can be is in the new pool once, as they were, and the others are listed.
pub fn assert_restored(world: &World, summary: &Value) {
    let (old, new) = (world.truth(&world.pool), world.truth(&world.new_pool));
    let can_be = |user: &&UserRecord| {
        user.status != UserStatus::ExternalProvider
            && user.attribute("email").is_some_and(|email| !email.is_empty())
    };
    let expected: BTreeMap<&str, &UserRecord> =
        old.users.values().filter(can_be).map(|user| (user.attribute("email").unwrap(), user)).collect();
    let found: BTreeMap<&str, &UserRecord> =
        new.users.values().map(|user| (user.attribute("email").unwrap(), user)).collect();
    assert_eq!(found.len(), new.users.len(), "nobody twice");
    assert!(found.keys().eq(expected.keys()));
    for (email, user) in &expected {
        assert_eq!(attributes(found[email]), attributes(user));
        assert_eq!(found[email].enabled, user.enabled);
        let groups = |user: &UserRecord| {
            user.groups
                .iter()
                .filter(|name| !name.starts_with("us-east-1_"))
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(groups(found[email]), groups(user));
    }
    let failed: BTreeSet<&str> = summary["failures"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|failure| failure["record"] == "user")
        .map(|failure| failure["key"].as_str().unwrap())
        .collect();
    let impossible: BTreeSet<&str> =
        old.users.values().filter(|user| !can_be(user)).map(|user| user.sub.as_str()).collect();
    assert_eq!(failed, impossible);
    assert_eq!(summary["differences"], 0);
    assert_eq!(summary["users_created"], expected.len());
    let meter = world.cognito.meter();
    assert_eq!((meter.messages_sent, meter.federated_users_broken), (0, 0));
}

fn change(world: &World) {
    let subs: Vec<String> = world.truth(&world.pool).users.into_keys().collect();
    world.change(|admin| {
        let pool = &world.pool;
        admin
            .update_user(pool, &subs[0], |user| user.attributes.push(("zoneinfo".into(), "Mars/1".into())))?;
        admin.delete_user(pool, &subs[1])?;
        admin.create_user(pool, UserRecord::new("").with("email", "new@example.com"))
    });
}

#[test]
fn from_a_pool_to_a_new_one() {
    let world = World::new(60);
    let first = world.export().code(0).summary();
    assert_holds_all(&world);
    change(&world);
    let second = world.export().code(0);
    assert_holds_all(&world);
    let summary = second.summary();
    assert_eq!((&summary["users"], &summary["changed"]), (&json!(60), &json!(1)));
    let (a, b) = (first["run_id"].as_str().unwrap(), summary["run_id"].as_str().unwrap());

    let diff = world.run(&["diff", a, b, "--json"]).code(0);
    let users: Vec<Value> = diff.objects().into_iter().filter(|line| line["record"] == "user").collect();
    let changes: BTreeSet<&str> = users.iter().map(|line| line["change"].as_str().unwrap()).collect();
    assert_eq!((users.len(), changes), (3, BTreeSet::from(["changed", "gone", "new"])));

    let verified = world.run(&["verify", "--json"]).code(0);
    let same = world.run(&["verify", "--json", "--user-pool-id", &world.pool]).code(0);
    assert_eq!(same.summary()["differences"], 0);

    let plan = world.run(&["import", "--user-pool-id", &world.new_pool, "--plan", "--json"]).code(0);
    assert!(world.truth(&world.new_pool).groups.is_empty(), "a plan writes nothing");
    let imported = world.import().code(3);
    assert_restored(&world, &imported.summary());
    let restored = world.run(&["verify", "--json", "--user-pool-id", &world.new_pool]).code(0);
    assert_eq!(restored.summary()["import_id"], imported.summary()["import_id"]);

    shapes(&world, &[("export", &second), ("diff", &diff), ("verify", &verified), ("plan", &plan)]);
    spoiled(&world);
}

/// The last line of each, and the runs, as docs/CLI.md promises them.
fn shapes(world: &World, ran: &[(&str, &Ran)]) {
    settings().bind(|| {
        for (name, ran) in ran {
            let shape: Vec<&str> = ran.stdout.lines().rev().take(2).collect();
            insta::assert_snapshot!(
                format!("json-{name}"),
                shape.into_iter().rev().collect::<Vec<_>>().join("\n")
            );
        }
        insta::assert_snapshot!("json-runs", world.run(&["runs", "--json"]).code(0).stdout);
        insta::assert_snapshot!("runs", world.run(&["runs"]).code(0).stdout);
        insta::assert_snapshot!("show-groups", world.run(&["show", "groups"]).code(0).stdout);
        let members = world.run(&["show", "memberships", "--json", "--where", "group=admins"]).code(0).stdout;
        insta::assert_snapshot!("json-memberships", members);
    });
}

/// What is changed in the new pool afterwards is found.
fn spoiled(world: &World) {
    let sub = world.truth(&world.new_pool).users.into_keys().next().unwrap();
    world.change(|admin| admin.update_user(&world.new_pool, &sub, |user| user.enabled = !user.enabled));
    let ran = world.run(&fast(&["verify", "--json", "--user-pool-id", &world.new_pool])).code(3);
    assert_eq!(ran.summary()["differences"], 1);
    let difference = &ran.objects()[0];
    assert_eq!((&difference["type"], &difference["fields"]), (&json!("difference"), &json!(["enabled"])));
}

#[test]
fn too_many_gone_hold_a_run() {
    let world = World::new(40);
    let first = world.export().code(0).summary();
    let subs: Vec<String> = world.truth(&world.pool).users.into_keys().collect();
    world.change(|admin| subs.iter().step_by(4).try_for_each(|sub| admin.delete_user(&world.pool, sub)));
    let held = world.export().code(4);
    assert_eq!((held.error_kind().as_str(), &held.summary()["status"]), ("held", &json!("held")));
    assert_eq!(held.summary()["users"], 40, "nothing is closed");
    let shown = world.run(&["show", "users", "--json"]).code(0).summary();
    assert_eq!(shown["run_id"], first["run_id"], "the complete run is what is meant");
    world.run(&fast(&["export", "--user-pool-id", &world.pool, "--max-shrink", "20"])).code(4);
    world.run(&fast(&["export", "--user-pool-id", &world.pool, "--allow-shrink"])).code(0);
    assert_holds_all(&world);
}

#[test]
fn an_older_run_is_shown_and_restored() {
    let world = World::new(30);
    let run = world.export().code(0).summary()["run_id"].as_str().unwrap().to_owned();
    let before = world.run(&["dump", "--format", "jsonl"]).code(0).stdout;
    change(&world);
    world.export().code(0);
    let dump = |as_of: &str| world.run(&["dump", "--format", "jsonl", "--as-of", as_of]);
    assert_eq!(dump(&run).code(0).stdout, before);
    assert_ne!(dump("latest").code(0).stdout, before);
    assert_eq!(dump("1999-12-31").code(2).stdout, "");
    let gone: Value = serde_json::from_str(before.lines().nth(1).unwrap()).unwrap();
    let filter = format!("sub={}", gone["sub"].as_str().unwrap());
    let shown = |args: &[&str]| {
        let all: Vec<&str> =
            ["show", "users", "--json", "--where", &filter].iter().chain(args).copied().collect();
        world.run(&all).code(0).summary()["shown"].clone()
    };
    assert_eq!((shown(&["--as-of", &run]), shown(&[])), (json!(1), json!(0)));
    let args = ["import", "--user-pool-id", &world.new_pool, "--yes", "--json", "--as-of", &run];
    let imported = world.run(&fast(&args)).code(3).summary();
    let truth = world.truth(&world.new_pool);
    assert!(truth.users.values().all(|user| user.attribute("email") != Some("new@example.com")));
    assert_eq!(imported["differences"], 0);
    // Without naming a run again, the import that was begun is meant.
    assert_eq!(world.import().code(3).summary()["import_id"], imported["import_id"]);
}

#[test]
fn dumps_hold_every_value_and_only_their_owner_reads_them() {
    let world = World::new(80);
    world.export().code(0);
    let truth = world.truth(&world.pool);
    for format in ["csv", "json"] {
        let ran = world.run(&["dump", "--format", format, "--out", "dump", "--json"]).code(0);
        assert_eq!(ran.summary()["users"], 80);
        let mode = fs::metadata(world.file("dump")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        if format == "json" {
            let dump: Value = serde_json::from_slice(&fs::read(world.file("dump")).unwrap()).unwrap();
            let list = |name: &str| dump[name].as_array().unwrap().clone();
            assert_is(&truth, &list("users"), &list("groups"), &list("memberships"));
            continue;
        }
        let mut csv = csv::Reader::from_path(world.file("dump")).unwrap();
        let header = csv.headers().unwrap().clone();
        for row in csv.records() {
            let row = row.unwrap();
            let user = &truth.users[&row[0]];
            let found: BTreeMap<&str, &str> =
                header.iter().zip(row.iter()).skip(6).filter(|(_, value)| !value.is_empty()).collect();
            let real = attributes(user).into_iter().filter(|(_, value)| !value.is_empty()).collect();
            assert_eq!(found, real);
        }
    }
}

#[test]
fn hostile_values_do_not_reach_the_terminal() {
    let world = World::new(80);
    world.export().code(0);
    for args in
        [&["show", "users"][..], &["show", "groups"], &["show", "settings"], &["show", "users", "--json"]]
    {
        let shown = world.run(args).code(0).stdout;
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{args:?}");
    }
}

#[test]
fn the_demo_plays_to_its_end() {
    let world = World::new(0);
    let mut command = world.command(&["demo", "--users", "60"]);
    let output = command.env_remove("AWS_ENDPOINT_URL").env("TMPDIR", world.folder.path()).output().unwrap();
    let ran = Ran::from(output).code(0);
    assert!(ran.stdout.ends_with("Everything is as it should be.\n"), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\u{1b}'), "no colours in a pipe");
}
