use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use cognito_profiles::Error;
use cognito_profiles::adapters::sqlite::{Seal, SqliteStore, check_seal};
use cognito_profiles_tests::conformance::{saw, users};
use rand::{RngExt, SeedableRng};

use super::observe;

async fn sealed(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let store = SqliteStore::create_or_open(&path).unwrap();
    let seen: Vec<_> = (0..200).map(|n| saw(&users(), &format!("ab{n}"), "a", 1)).collect();
    observe(&store, &seen).await;
    store.close().await.unwrap();
    path
}

fn seal_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.sha256", path.display()))
}

#[tokio::test]
async fn any_flipped_bit_breaks_the_seal() {
    let folder = tempfile::tempdir().unwrap();
    let path = sealed(folder.path(), "backup.db").await;
    assert_eq!(check_seal(&path).unwrap(), Seal::Intact);
    let length = fs::metadata(&path).unwrap().len();
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    for position in (0..200).map(|_| random.random_range(0..length)).chain([0, length - 1]) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, position).unwrap();
        let flipped = [byte[0] ^ (1 << (position % 8))];
        file.write_all_at(&flipped, position).unwrap();
        assert_eq!(check_seal(&path).unwrap(), Seal::Broken, "byte {position}");
        file.write_all_at(&byte, position).unwrap();
    }
    assert_eq!(check_seal(&path).unwrap(), Seal::Intact);
    file.set_len(length - 1).unwrap();
    assert_eq!(check_seal(&path).unwrap(), Seal::Broken);
}

#[tokio::test]
async fn sha256sum_reads_the_seal() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["backup.db", "with space and \u{e9}.db", "back\\slash\nand line.db"] {
        let path = sealed(folder.path(), name).await;
        assert_eq!(check_seal(&path).unwrap(), Seal::Intact);
        assert_eq!(fs::metadata(seal_of(&path)).unwrap().permissions().mode() & 0o777, 0o600);
        let mut check = Command::new("sha256sum");
        check.arg("--strict").arg("-c").arg(seal_of(&path)).current_dir(folder.path());
        let output = check.output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn a_session_that_does_not_end_leaves_no_seal() {
    let folder = tempfile::tempdir().unwrap();
    let path = sealed(folder.path(), "backup.db").await;
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(check_seal(&path).unwrap(), Seal::Missing);
    drop(store);
    assert_eq!(check_seal(&path).unwrap(), Seal::Missing);
    let store = SqliteStore::open(&path).unwrap();
    store.close().await.unwrap();
    assert_eq!(check_seal(&path).unwrap(), Seal::Intact);
    assert!(observe_fails(&store).await, "a closed store is of no more use");
    assert_eq!(check_seal(&path).unwrap(), Seal::Intact);
}

async fn observe_fails(store: &SqliteStore) -> bool {
    use cognito_profiles::ports::Backup;
    let error = store.group_names(&cognito_profiles_tests::conformance::pool()).await.unwrap_err();
    matches!(error, Error::Store { .. })
}

#[tokio::test]
async fn a_seal_that_says_nothing_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let path = sealed(folder.path(), "backup.db").await;
    for line in ["", "abc", "\u{e9}", &"0".repeat(64), &format!("{}  backup.db\n", "z".repeat(64))] {
        fs::write(seal_of(&path), line).unwrap();
        assert_eq!(check_seal(&path).unwrap(), Seal::Broken, "{line:?}");
    }
    let missing = folder.path().join("missing.db");
    assert!(matches!(check_seal(&missing), Err(Error::NoBackup(path)) if path == missing));
}
