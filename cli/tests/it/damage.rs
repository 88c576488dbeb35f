//! A damaged file is found by `verify`, and refused by whatever relies on it.

use std::fs;

use crate::world::World;

#[test]
fn a_flipped_byte_is_found_and_refused() {
    let world = World::new(40);
    world.export().code(0);
    let path = world.file("cognito-profiles.db");
    let whole = fs::read(&path).unwrap();
    let at = whole.windows(12).position(|bytes| bytes == b"@example.com").unwrap();
    for position in [at, 30, 70, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[position] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let ran = world.run(&["verify", "--json"]).code(4);
        assert_eq!(ran.error_kind(), "corrupted", "at {position}");
        assert_eq!(world.import().code(4).error_kind(), "corrupted", "at {position}");
        assert_eq!(world.export().code(4).error_kind(), "corrupted", "at {position}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "refusing changes nothing");
    }
    assert!(world.truth(&world.new_pool).users.is_empty());
    fs::write(&path, &whole).unwrap();
    assert_eq!(world.run(&["verify", "--json"]).code(0).summary()["seal"], "intact");
}

#[test]
fn a_damaged_record_is_named_also_without_a_seal() {
    let world = World::new(40);
    world.export().code(0);
    let path = world.file("cognito-profiles.db");
    let truth = world.truth(&world.pool);
    let email = truth.users.values().find_map(|user| user.attribute("email")).unwrap().as_bytes();
    let mut file = fs::read(&path).unwrap();
    // Everywhere: pages that are no longer used may hold it, too.
    for at in 0..file.len() - email.len() {
        if file[at..].starts_with(email) {
            file[at] = b'X';
        }
    }
    fs::write(&path, file).unwrap();
    fs::remove_file(world.file("cognito-profiles.db.sha256")).unwrap();
    let ran = world.run(&["verify", "--json"]).code(4);
    assert_eq!(ran.objects()[0]["type"], "damaged");
    assert_eq!(ran.summary()["damaged"], 1);
    assert_eq!(world.import().code(4).error_kind(), "corrupted");
}

/// As an earlier version wrote it, for now the record of a run has a hash of its own, too.
#[test]
fn a_run_that_lost_its_manifest_is_named_and_refused() {
    let world = World::new(40);
    world.export().code(0);
    let path = world.file("cognito-profiles.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    let lose = "UPDATE runs SET record = json_set(json_remove(record, '$.content_hash'), '$.manifest', NULL)";
    assert_eq!(db.execute(lose, []).unwrap(), 1);
    drop(db);
    fs::remove_file(world.file("cognito-profiles.db.sha256")).unwrap();
    let ran = world.run(&["verify", "--json"]).code(4);
    assert_eq!(ran.objects()[0]["shards"][0], "manifest");
    let ran = world.run(&["verify"]).code(4);
    assert!(ran.stdout.contains("the manifest of run 20"), "{}", ran.stdout);
    let refused = world.import().code(4);
    assert_eq!(refused.error_kind(), "corrupted");
    assert!(
        refused.stderr.contains("has lost its manifest") || refused.stdout.contains("has lost its manifest")
    );
}
