//! Bad input gets one clear sentence, and the right exit code.

use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;

use cognito_sim::Operation;

use crate::world::{World, fast, settings};

#[test]
fn wrong_usage() {
    let world = World::new(0);
    let pool = ["--user-pool-id", "us-east-1_x"];
    let wrong: [&[&str]; 17] = [
        &["export"],
        &["export", pool[0], ""],
        &["export", pool[0], pool[1], "--quota-share", "0"],
        &["export", pool[0], pool[1], "--rate", "Users=1"],
        &["export", pool[0], pool[1], "--rate", "UserList=-1"],
        &["export", pool[0], pool[1], "--max-shrink", "101"],
        &["runs", "--backup", "backup.db"],
        &["runs", "--backup", "dynamodb:"],
        &["export", pool[0], pool[1], "--backup", "dynamodb:table"],
        &["runs", "--backup", "sqlite:"],
        &["import", pool[0], pool[1]],
        &["import", pool[0], pool[1], "--yes", "--old-sub-attribute", "old_sub"],
        &["show", "users", "--where", "email"],
        &["show", "groups", "--where", "sub=x"],
        &["show", "settings", "--where", "sub=x"],
        &["dump", "--format", "csv", "--json"],
        &["demo", "--users", "3"],
    ];
    let mut said = String::new();
    for args in wrong {
        let ran = world.run(args).code(2);
        writeln!(said, "$ cognito-profiles {}\n{}", args.join(" "), ran.stderr).unwrap();
    }
    settings().bind(|| insta::assert_snapshot!("wrong-usage", said));
    assert_eq!(fs::read_dir(world.folder.path()).unwrap().count(), 0, "nothing is created");
}

#[test]
fn wrong_usage_is_json_for_who_asked_for_json() {
    let ran = World::new(0).run(&["export", "--json"]).code(2);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!((error["type"].as_str(), error["kind"].as_str()), (Some("error"), Some("usage")));
    let summary: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(summary["status"], "usage");
    assert_eq!(summary["command"], "export");
}

#[test]
fn a_dump_does_not_replace_the_backup() {
    let world = World::new(3);
    world.export().code(0);
    let backup = world.file("cognito-profiles.db");
    let before = fs::read(&backup).unwrap();
    let out = backup.to_str().unwrap();
    let ran = world.run(&["dump", "--format", "csv", "--out", out]).code(2);
    assert!(ran.stderr.contains("names the backup itself"), "{}", ran.stderr);
    assert_eq!(fs::read(&backup).unwrap(), before);
}

#[test]
fn no_backup_and_not_a_backup() {
    let world = World::new(0);
    for command in [&["runs"][..], &["verify"], &["show", "users"], &["dump", "--format", "jsonl"]] {
        let args: Vec<&str> = command.iter().copied().chain(["--json"]).collect();
        let ran = world.run(&args).code(2);
        assert_eq!((ran.error_kind().as_str(), &ran.summary()["status"]), ("no_backup", &"usage".into()));
    }
    assert_eq!(fs::read_dir(world.folder.path()).unwrap().count(), 0, "nothing is created");
    fs::write(world.file("cognito-profiles.db"), "Dear diary").unwrap();
    assert_eq!(world.run(&["runs", "--json"]).code(2).error_kind(), "not_a_backup");
    assert_eq!(world.export().code(2).error_kind(), "not_a_backup");
    assert_eq!(fs::read(world.file("cognito-profiles.db")).unwrap(), b"Dear diary");
}

#[test]
fn no_such_pool_wrong_region_and_no_permission() {
    let world = World::new(0);
    let no_pool = world.run(&["export", "--user-pool-id", "us-east-1_nobody"]).code(2);
    let elsewhere = world.run(&["export", "--user-pool-id", "eu-west-1_nobody"]).code(2);
    assert_eq!(fs::read_dir(world.folder.path()).unwrap().count(), 0, "no empty backup is left behind");
    world.cognito.configure(|config| config.faults.denied.insert(Operation::ListUsers));
    let denied = world.run(&["export", "--user-pool-id", &world.pool]).code(2);
    let said = [no_pool, elsewhere, denied].map(|ran| ran.stderr).concat();
    settings().bind(|| insta::assert_snapshot!("no-such-pool", said));
}

#[test]
fn a_newer_format_is_refused() {
    let world = World::new(5);
    world.export().code(0);
    fs::remove_file(world.file("cognito-profiles.db.sha256")).unwrap();
    let db = rusqlite::Connection::open(world.file("cognito-profiles.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    for args in [&["runs", "--json"][..], &["verify", "--json"]] {
        assert_eq!(world.run(args).code(2).error_kind(), "newer_format");
    }
    assert_eq!(world.export().code(2).error_kind(), "newer_format");
}

#[test]
fn a_target_that_is_not_empty_is_refused() {
    let world = World::new(5);
    world.export().code(0);
    let ran = world.run(&fast(&["import", "--user-pool-id", &world.pool, "--yes", "--json"])).code(4);
    assert_eq!(ran.error_kind(), "target_not_empty");
    assert_eq!(ran.summary()["status"], "refused");
}

#[test]
fn an_incompatible_pool_is_refused_with_the_plan() {
    let world = World::new(30);
    world.export().code(0);
    let other = world.change(|admin| admin.create_pool(cognito_sim::PoolConfig::named("other")));
    let plan = world.run(&["import", "--user-pool-id", &other, "--plan", "--json"]).code(4);
    assert_eq!(plan.error_kind(), "incompatible");
    assert!(!plan.objects()[0]["incompatible"].as_array().unwrap().is_empty());
    let ran = world.run(&["import", "--user-pool-id", &other, "--yes", "--json"]).code(4);
    assert_eq!(ran.error_kind(), "incompatible");
    assert!(world.truth(&other).users.is_empty());
}

#[test]
fn a_reader_that_has_had_enough_ends_the_command_quietly() {
    let world = World::new(200);
    world.export().code(0);
    for args in [&["show", "users"][..], &["dump", "--format", "jsonl"], &["runs", "--json"]] {
        let mut child = world.command(args).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{args:?}");
    }
}
