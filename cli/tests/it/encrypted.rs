//! Encrypted copies of a backup file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cognito_sim::Operation;

use crate::interrupted::signal;
use crate::journey::assert_holds_all;
use crate::settings::keys;
use crate::world::{Ran, World, fast};

const BACKUP: &str = "cognito-profiles.db";
const COPY: &str = "cognito-profiles.db.age";
const BACK: [&str; 2] = ["--backup", "sqlite:back.db"];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.folder.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A backup, and a copy of it that this identity opens.
fn world_with_a_copy() -> (World, String) {
    let world = World::new(40);
    world.export().code(0);
    let (identity, recipient) = keys(&world);
    world.run(&["encrypt", "--recipient", &recipient]).code(0);
    (world, identity)
}

/// Decrypts into another file.
fn decrypt(world: &World, more: &[&str]) -> Ran {
    world.run(&[&["decrypt", COPY, "--json"], &BACK[..], more].concat())
}

#[test]
fn a_copy_comes_back_to_the_byte() {
    let (world, identity) = world_with_a_copy();
    let before = fs::read(world.file(BACKUP)).unwrap();
    let copy = fs::read(world.file(COPY)).unwrap();
    assert!(copy.starts_with(b"age-encryption.org/v1\n-> X25519 "));
    assert!(!String::from_utf8_lossy(&copy).contains("@example.com"), "nothing of it is plain");
    assert_eq!(mode(&world.file(COPY)), 0o600);

    let decrypted = decrypt(&world, &["--identity", &identity]).code(0).summary();
    assert_eq!(decrypted["bytes"], before.len());
    assert_eq!(decrypted["file"], "back.db");
    assert!(fs::read(world.file("back.db")).unwrap() == before);
    for name in ["back.db", "back.db.sha256", "back.db.lock"] {
        assert_eq!(mode(&world.file(name)), 0o600, "{name}");
    }
    let verified = world.run(&[&["verify", "--json"], &BACK[..]].concat()).code(0).summary();
    assert_eq!(verified["seal"], "intact");

    // It is a backup like the first: in its place, exports go on from it.
    for name in [BACKUP, "cognito-profiles.db.sha256"] {
        fs::remove_file(world.file(name)).unwrap();
    }
    world.run(&["decrypt", COPY, "--identity", &identity]).code(0);
    assert_eq!(world.export().code(0).summary()["new"], 0);
    assert_holds_all(&world);
}

#[test]
fn a_passphrase_opens_it_too_and_a_new_copy_replaces_the_old() {
    let (world, identity) = world_with_a_copy();
    fs::write(world.file("right.txt"), "correct horse\n").unwrap();
    fs::write(world.file("wrong.txt"), "correct hors\n").unwrap();
    let command = world.command(&["encrypt", "--passphrase-file", "-", "--json"]);
    let mut command = assert_cmd::Command::from_std(command);
    let encrypted: Ran = command.write_stdin("correct horse").output().unwrap().into();
    assert_eq!(encrypted.code(0).summary()["file"], COPY);
    for (how, said) in [
        (["--passphrase-file", "wrong.txt"], "another passphrase"),
        (["--identity", &identity], "opened the other way"),
        (["--passphrase-file", "missing.txt"], "cannot read missing.txt"),
    ] {
        let ran = decrypt(&world, &how).code(2);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        assert!(!ran.stderr.contains("horse"));
    }
    assert!(!names(&world).iter().any(|name| name.starts_with("back")), "nothing is left");
    decrypt(&world, &["--passphrase-file", "right.txt"]).code(0);
    assert!(fs::read(world.file("back.db")).unwrap() == fs::read(world.file(BACKUP)).unwrap());
}

#[test]
fn what_was_changed_or_cut_gets_no_name() {
    let (world, identity) = world_with_a_copy();
    let before = names(&world);
    let whole = fs::read(world.file(COPY)).unwrap();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    for damaged in [&changed[..], &whole[..whole.len() - 1], &whole[..whole.len() / 2]] {
        fs::write(world.file(COPY), damaged).unwrap();
        let ran = decrypt(&world, &["--identity", &identity]).code(4);
        assert_eq!(ran.error_kind(), "corrupted");
        assert_eq!(names(&world), before);
    }
}

#[test]
fn other_commands_say_what_to_do_with_a_copy() {
    let (world, _) = world_with_a_copy();
    fs::write(world.file("pass.txt"), "one two").unwrap();
    let before = names(&world);
    let url = format!("sqlite:{COPY}");
    for command in [
        &["runs"][..],
        &["verify"],
        &["show", "users"],
        &["report"],
        &["encrypt", "--passphrase-file", "pass.txt"],
        &["export", "--user-pool-id", &world.pool],
        &["import", "--yes", "--user-pool-id", &world.new_pool],
        &["import", "--plan", "--user-pool-id", &world.new_pool],
    ] {
        let ran = world.run(&[command, &["--json", "--backup", &url]].concat()).code(2);
        assert_eq!(ran.error_kind(), "encrypted", "{command:?}");
        assert!(ran.stderr.contains("`cognito-profiles decrypt cognito-profiles.db.age`"), "{}", ran.stderr);
    }
    assert_eq!(names(&world), before, "nothing is made beside it");
}

#[test]
fn only_a_whole_backup_is_copied() {
    let (world, _) = world_with_a_copy();
    fs::remove_file(world.file(COPY)).unwrap();
    fs::write(world.file("pass.txt"), "one two").unwrap();
    let encrypt = ["encrypt", "--passphrase-file", "pass.txt", "--json"];
    let mut damaged = fs::read(world.file(BACKUP)).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(world.file(BACKUP), damaged).unwrap();
    let before = names(&world);
    assert_eq!(world.run(&encrypt).code(4).error_kind(), "corrupted");
    for (more, said) in [
        (["--out", BACKUP], "names the backup itself"),
        (["--out", "cognito-profiles.db.sha256"], "names the backup itself"),
        (["--backup", "dynamodb:table"], "only a file is encrypted"),
        (["--backup", "sqlite:missing.db"], "no backup at missing.db"),
        (["--backup", "sqlite:key.txt"], "is not a backup"),
    ] {
        let ran = world.run(&[&encrypt[..], &more].concat()).code(2);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    world.run(&["encrypt"]).code(2);
    world.run(&["encrypt", "--passphrase-file", "pass.txt", "--recipient", "age1x"]).code(2);
    let ran = world.run(&["encrypt", "--passphrase-file", "key.txt"]).code(2);
    assert!(ran.stderr.contains("a passphrase is one line"), "{}", ran.stderr);
    assert_eq!(names(&world), before);
}

#[test]
fn a_copy_replaces_no_backup_and_must_be_one() {
    let (world, identity) = world_with_a_copy();
    let before = fs::read(world.file(BACKUP)).unwrap();
    let identified = ["--identity", identity.as_str()];
    let ran = world.run(&[&["decrypt", COPY], &identified[..]].concat()).code(2);
    assert!(ran.stderr.contains("cognito-profiles.db is there already"), "{}", ran.stderr);
    assert!(fs::read(world.file(BACKUP)).unwrap() == before);
    // The log of another file would be taken for its own.
    fs::write(world.file("back.db-wal"), "").unwrap();
    let ran = decrypt(&world, &identified).code(2);
    assert!(ran.stderr.contains("back.db-wal is there already"), "{}", ran.stderr);
    fs::remove_file(world.file("back.db-wal")).unwrap();

    fs::rename(world.file(BACKUP), world.file("plain.db")).unwrap();
    let ran = world.run(&[&["decrypt", "plain.db"], &identified[..]].concat()).code(2);
    assert!(ran.stderr.contains("plain.db is not encrypted with age"), "{}", ran.stderr);
    let diary = age::encrypt(&age::scrypt::Recipient::new("x".to_owned().into()), b"Dear diary").unwrap();
    fs::write(world.file(COPY), diary).unwrap();
    fs::write(world.file("x.txt"), "x").unwrap();
    let ran = decrypt(&world, &["--passphrase-file", "x.txt"]).code(2);
    assert!(ran.stderr.contains("is no backup"), "{}", ran.stderr);
    assert!(!names(&world).iter().any(|name| name == "back.db"));
}

#[test]
fn an_interrupted_session_is_ended_first_and_one_that_goes_on_is_not_disturbed() {
    let world = World::new(150);
    let (identity, recipient) = keys(&world);
    world.export().code(0);
    let args = fast(&["export", "--user-pool-id", &world.pool]);
    let killed = world.stop_at(&args, Operation::ListUsers, 1, |child| {
        let ran = world.run(&["encrypt", "--recipient", &recipient, "--json"]).code(4);
        assert_eq!(ran.error_kind(), "in_use");
        signal("KILL")(child);
    });
    assert_eq!(killed.code, None);
    assert!(!world.file("cognito-profiles.db.sha256").exists() && !world.file(COPY).exists());
    world.run(&["encrypt", "--recipient", &recipient]).code(0);
    decrypt(&world, &["--identity", &identity]).code(0);
    let runs = |more: &[&str]| world.run(&[&["runs", "--json"], more].concat()).code(0).objects();
    assert_eq!((runs(&BACK).len(), runs(&BACK)), (2, runs(&[])));
}
