//! Killed or interrupted at any call, and run again: the same backup, the same pool.

use std::process::{Child, Command};

use cognito_sim::Operation;

use crate::journey::{assert_holds_all, assert_restored};
use crate::world::{World, fast};

pub fn signal(name: &'static str) -> impl FnOnce(&Child) {
    move |child| {
        let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

#[test]
fn an_export_that_was_killed_goes_on() {
    for (operation, number) in
        [(Operation::ListGroups, 0), (Operation::ListUsers, 2), (Operation::ListUsersInGroup, 1)]
    {
        let world = World::new(150);
        let args = fast(&["export", "--user-pool-id", &world.pool]);
        assert_eq!(world.stop_at(&args, operation, number, signal("KILL")).code, None, "{operation:?}");
        let run = world.export().code(0).summary();
        assert_holds_all(&world);
        let runs = world.run(&["runs", "--json"]).code(0).objects();
        assert_eq!(runs.len(), 1, "the same run was continued");
        assert_eq!(runs[0]["run_id"], run["run_id"]);
    }
}

#[test]
fn an_import_that_was_killed_goes_on() {
    let world = World::new(60);
    world.export().code(0);
    let args = fast(&["import", "--yes", "--user-pool-id", &world.new_pool]);
    // Stage after stage, each time a little further.
    for (operation, number) in [
        (Operation::CreateGroup, 1),
        (Operation::AdminCreateUser, 10),
        (Operation::AdminSetUserPassword, 3),
        (Operation::AdminAddUserToGroup, 3),
        (Operation::ListUsersInGroup, 0),
    ] {
        let ran = world.stop_at(&args, operation, number, signal("KILL"));
        assert_eq!(ran.code, None, "{operation:?}");
    }
    let summary = world.import().code(3).summary();
    assert_restored(&world, &summary);
}

#[test]
fn ctrl_c_keeps_what_was_done_and_says_so() {
    for name in ["INT", "TERM"] {
        let world = World::new(100);
        let args = fast(&["export", "--json", "--user-pool-id", &world.pool]);
        let ran = world.stop_at(&args, Operation::ListUsers, 1, signal(name)).code(130);
        assert_eq!(
            (ran.error_kind().as_str(), &ran.summary()["status"]),
            ("interrupted", &"interrupted".into())
        );
        assert!(ran.stderr.contains("run it again to continue"), "{}", ran.stderr);
        assert!(world.file("cognito-profiles.db.sha256").exists(), "the store was closed");
        assert!(!world.file("cognito-profiles.db-wal").exists(), "the store was closed");
        world.export().code(0);
        assert_holds_all(&world);
        let args = fast(&["import", "--yes", "--json", "--user-pool-id", &world.new_pool]);
        world.stop_at(&args, Operation::AdminCreateUser, 20, signal(name)).code(130);
        let summary = world.import().code(3).summary();
        assert_restored(&world, &summary);
    }
}
