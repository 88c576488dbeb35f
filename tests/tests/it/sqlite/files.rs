use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use cognito_profiles::Error;
use cognito_profiles::adapters::sqlite::{Seal, SqliteStore, check_seal};
use cognito_profiles::model::{Group, Membership, Partition, PoolId, Record, User};
use cognito_profiles::ports::{
    Backup, CreateWith, Imports, Ledger, Listing, MappingState, Observation, PageId, Step,
};
use cognito_profiles::run::RunId;
use cognito_profiles_tests::conformance::{at, later_run, pool, run, saw, users};

use super::observe;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

async fn one_user(path: &Path) {
    let store = SqliteStore::create_or_open(path).unwrap();
    observe(&store, &[saw(&users(), "ab1", "a", 1)]).await;
    store.close().await.unwrap();
}

async fn keys(store: &SqliteStore) -> Vec<String> {
    let heads = store.heads(&pool(), &users(), None, 1_000_000).await.unwrap();
    heads.into_iter().map(|head| head.key).collect()
}

#[tokio::test]
async fn only_the_owner_may_read_any_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    let store = SqliteStore::create_or_open(&path).unwrap();
    observe(&store, &[saw(&users(), "ab1", "a", 1)]).await;
    let while_open = names(folder.path());
    assert_eq!(while_open, ["backup.db", "backup.db-shm", "backup.db-wal", "backup.db.lock"]);
    let private = |folder: &Path| {
        for file in files(folder) {
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        }
    };
    private(folder.path());
    store.close().await.unwrap();
    assert_eq!(names(folder.path()), ["backup.db", "backup.db.lock", "backup.db.sha256"]);
    private(folder.path());
}

#[tokio::test]
async fn at_rest_the_file_is_plain_and_reading_changes_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a ?#%25 strange name.db");
    one_user(&path).await;
    let before = fs::read(&path).unwrap();
    assert_eq!((before[18], before[19]), (1, 1), "no write-ahead log");
    let beside = names(folder.path());
    let store = SqliteStore::open_read_only(&path).unwrap();
    assert_eq!(keys(&store).await, ["ab1"]);
    store.integrity_check().await.unwrap();
    let denied = store.observe(&pool(), &run(), &[saw(&users(), "ab2", "a", 1)]).await;
    assert!(matches!(denied, Err(Error::Store { action: "written", .. })), "{denied:?}");
    store.close().await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(names(folder.path()), beside);
    assert_eq!(check_seal(&path).unwrap(), Seal::Intact);
}

#[tokio::test]
async fn reading_never_makes_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    for opened in [SqliteStore::open_read_only(&path), SqliteStore::open(&path)] {
        assert!(matches!(opened.err().unwrap(), Error::NoBackup(at) if at == path));
    }
    assert_eq!(names(folder.path()), Vec::<String>::new());
    let nowhere = folder.path().join("missing").join("backup.db");
    assert!(matches!(SqliteStore::open(&nowhere).err().unwrap(), Error::NoBackup(_)));
    assert!(matches!(SqliteStore::create_or_open(&nowhere).err().unwrap(), Error::Usage(_)));
}

#[tokio::test]
async fn other_files_are_told_apart_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other");
    let foreign = folder.path().join("foreign.db");
    let connection = rusqlite::Connection::open(&foreign).unwrap();
    connection
        .execute_batch("PRAGMA user_version = 1; CREATE TABLE t (x); INSERT INTO t VALUES (1);")
        .unwrap();
    connection.close().unwrap();
    let contents = [b"hello".to_vec(), vec![0; 8192], vec![b'x'; 100_000], fs::read(&foreign).unwrap()];
    fs::remove_file(&foreign).unwrap();
    for content in contents {
        fs::write(&path, &content).unwrap();
        for open in [SqliteStore::open_read_only, SqliteStore::open, SqliteStore::create_or_open] {
            let error = open(&path).err().unwrap();
            assert!(matches!(&error, Error::NotABackup(at) if *at == path), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), content);
        assert_eq!(names(folder.path()), ["other"]);
    }
    for open in [SqliteStore::open_read_only, SqliteStore::open, SqliteStore::create_or_open] {
        assert!(matches!(open(folder.path()).err().unwrap(), Error::NotABackup(_)));
    }
}

#[tokio::test]
async fn an_empty_file_is_a_new_backup_only_for_an_export() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    fs::write(&path, b"").unwrap();
    for open in [SqliteStore::open_read_only, SqliteStore::open] {
        assert!(matches!(open(&path).err().unwrap(), Error::NotABackup(_)));
    }
    one_user(&path).await;
    assert_eq!(keys(&SqliteStore::open(&path).unwrap()).await, ["ab1"]);
}

/// Makes a file of this format one of the first, with an import in it.
const FORMAT_1: &str = r#"
DROP TABLE dead_letters;
ALTER TABLE listings DROP COLUMN sent;
ALTER TABLE listings DROP COLUMN restarts;
ALTER TABLE listings DROP COLUMN held;
ALTER TABLE listings DROP COLUMN attempts;
INSERT INTO run_ids (name) VALUES ('begun anew');
INSERT INTO listings (run, listing, attempt, pages, token, ended)
    VALUES ((SELECT id FROM run_ids WHERE name = 'begun anew'), '"users"', 2, 1, 't', FALSE);
INSERT INTO pages SELECT run, listing, 2, 0 FROM listings;
DROP TABLE import_records; DROP TABLE sent; DROP TABLE jobs; DROP TABLE differences;
ALTER TABLE mappings DROP COLUMN created_with;
ALTER TABLE mappings DROP COLUMN line;
CREATE TABLE imports (
    import INTEGER PRIMARY KEY, from_pool TEXT NOT NULL, into_pool TEXT NOT NULL, run TEXT NOT NULL,
    as_of INTEGER NOT NULL, options TEXT NOT NULL, status TEXT NOT NULL, started_at INTEGER NOT NULL,
    ended_at INTEGER
);
INSERT INTO import_ids (name) VALUES ('earlier');
INSERT INTO imports VALUES (1, 'old', 'new', 'a run', 1800000000123, '{"drop_attributes":["custom:a"],
    "old_sub_attribute":null}', 'running', 1800000000456, NULL);
INSERT INTO mappings VALUES (1, 'ab1', 'ann', 'cd2', 'bob', 'restored', NULL);
INSERT INTO outcomes VALUES (1, 2, '', 'ab1', NULL);
PRAGMA user_version = 1;
"#;

async fn has_the_earlier_import(store: &SqliteStore) {
    let import = store.import("earlier").await.unwrap().unwrap();
    assert_eq!(store.imports(Some(&PoolId::new("new"))).await.unwrap(), std::slice::from_ref(&import));
    assert_eq!((import.from_pool.as_str(), import.run.as_str()), ("old", "a run"));
    assert_eq!((import.as_of, import.started_at, import.ended_at), (at(123), at(456), None));
    assert_eq!(import.options.drop_attributes, ["custom:a"]);
    assert_eq!(import.options.create_with, CreateWith::AdminApi);
    let mapping = store.mappings_to("earlier", &["cd2".to_owned()]).await.unwrap().remove(0);
    assert_eq!((mapping.sub.as_str(), mapping.state), ("ab1", MappingState::Restored));
    assert_eq!(mapping.created_with, CreateWith::AdminApi);
    assert_eq!(store.outcomes("earlier", Step::Disable, "", None, 9).await.unwrap().len(), 1);
    assert_eq!(store.jobs("earlier").await.unwrap(), []);
}

#[tokio::test]
async fn an_earlier_format_is_read_as_it_is_and_upgraded_when_it_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    one_user(&path).await;
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(FORMAT_1).unwrap();
    connection.close().unwrap();
    let readable = SqliteStore::open_read_only(&path).unwrap();
    assert_eq!(keys(&readable).await, ["ab1"]);
    has_the_earlier_import(&readable).await;
    drop(readable);
    for _ in 0..2 {
        let store = SqliteStore::open(&path).unwrap();
        has_the_earlier_import(&store).await;
        store.open(&run(), &[Listing::Users]).await.unwrap();
        store.mark_sent(&run(), &[Listing::Users]).await.unwrap();
        assert!(store.listings(&run()).await.unwrap()[0].sent);
        let interrupted = &store.listings(&RunId::new("begun anew")).await.unwrap()[0];
        assert_eq!((interrupted.cursor.attempt, interrupted.cursor.restarts), (2, 2));
        assert_eq!((interrupted.cursor.pages, interrupted.written), (1, 1));
        assert_eq!(store.dead_letters(&run()).await.unwrap(), []);
        assert_eq!(keys(&store).await, ["ab1"]);
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    one_user(&path).await;
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA user_version = 1000").unwrap();
    connection.close().unwrap();
    for open in [SqliteStore::open_read_only, SqliteStore::open, SqliteStore::create_or_open] {
        let error = open(&path).err().unwrap();
        assert!(matches!(error, Error::NewerFormat { found: 1000, known: 3 }), "{error}");
    }
}

#[tokio::test]
async fn one_writes_and_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    let writer = SqliteStore::create_or_open(&path).unwrap();
    for open in [SqliteStore::open, SqliteStore::create_or_open] {
        assert!(matches!(open(&path).err().unwrap(), Error::InUse(at) if at == path));
    }
    let reader = SqliteStore::open_read_only(&path).unwrap();
    for n in 0..3 {
        observe(&writer, &[saw(&users(), &format!("ab{n}"), "a", 1)]).await;
        assert_eq!(keys(&reader).await.len(), n + 1);
    }
    drop(reader);
    writer.close().await.unwrap();
    assert_eq!(check_seal(&path).unwrap(), Seal::Intact);
    SqliteStore::open(&path).unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_reader_does_not_keep_a_writer_from_closing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    let writer = SqliteStore::create_or_open(&path).unwrap();
    observe(&writer, &[saw(&users(), "ab1", "a", 1)]).await;
    let reader = SqliteStore::open_read_only(&path).unwrap();
    assert_eq!(keys(&reader).await, ["ab1"]);
    writer.close().await.unwrap();
    assert_eq!(keys(&reader).await, ["ab1"]);
    drop(reader);
    assert_eq!(check_seal(&path).unwrap(), Seal::Intact);
    let reader = SqliteStore::open_read_only(&path).unwrap();
    assert_eq!(keys(&reader).await, ["ab1"]);
    drop(reader);
    assert_eq!(check_seal(&path).unwrap(), Seal::Intact);
}

/// As a kill leaves it: the files as they are at some moment, without the closing of any.
#[tokio::test]
async fn a_killed_session_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    let store = SqliteStore::create_or_open(&path).unwrap();
    for n in 0..50_u64 {
        let key = format!("ab{n:02}");
        observe(&store, &[saw(&users(), &key, "a", 1)]).await;
        let page = PageId { listing: Listing::Users, attempt: 0, number: n };
        store.count_page(&run(), &page, &[(users(), key)]).await.unwrap();
        if n % 7 != 0 {
            continue;
        }
        let copy = tempfile::tempdir().unwrap();
        // By another process: closing a file here would drop the locks SQLite has on it.
        for name in ["backup.db", "backup.db-wal"] {
            let copied = Command::new("cp").arg(folder.path().join(name)).arg(copy.path()).status().unwrap();
            assert!(copied.success());
        }
        let path = copy.path().join("backup.db");
        assert_eq!(check_seal(&path).unwrap(), Seal::Missing);
        for open in [SqliteStore::open_read_only, SqliteStore::open] {
            let survivor = open(&path).unwrap();
            assert_eq!(keys(&survivor).await.len() as u64, n + 1);
            assert_eq!(survivor.users_seen(&run()).await.unwrap(), n + 1);
            survivor.integrity_check().await.unwrap();
            survivor.close().await.unwrap();
        }
        assert_eq!(check_seal(&path).unwrap(), Seal::Intact);
    }
    drop(store);
    assert_eq!(keys(&SqliteStore::open(&path).unwrap()).await.len(), 50);
}

/// Writing the log back into the file may end after any page of it; here after those that are
/// not beyond the file's old end.
#[tokio::test]
async fn a_session_killed_while_it_closes_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    let store = SqliteStore::create_or_open(&path).unwrap();
    let seen: Vec<_> = (0..500).map(|n| saw(&users(), &format!("ab{n}"), "a", 1)).collect();
    observe(&store, &seen).await;
    let copy = tempfile::tempdir().unwrap();
    for name in ["backup.db", "backup.db-wal"] {
        let copied = Command::new("cp").arg(folder.path().join(name)).arg(copy.path()).status().unwrap();
        assert!(copied.success());
    }
    store.close().await.unwrap();

    let whole = fs::read(&path).unwrap();
    let path = copy.path().join("backup.db");
    let old_end = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
    assert!(old_end < whole.len());
    let mut partly = whole[..old_end].to_vec();
    partly[18..20].fill(2); // the journal was still the write-ahead log
    fs::write(&path, partly).unwrap();
    for open in [SqliteStore::open_read_only, SqliteStore::open, SqliteStore::create_or_open] {
        let survivor = open(&path).unwrap();
        assert_eq!(keys(&survivor).await.len(), 500);
        survivor.integrity_check().await.unwrap();
        survivor.close().await.unwrap();
    }
    assert_eq!(check_seal(&path).unwrap(), Seal::Intact);
}

#[tokio::test]
async fn a_damaged_page_is_corruption() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    let store = SqliteStore::create_or_open(&path).unwrap();
    let seen: Vec<_> = (0..500).map(|n| saw(&users(), &format!("ab{n}"), "a", 1)).collect();
    observe(&store, &seen).await;
    store.close().await.unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'current'";
    let page: usize = connection.query_row(root, [], |row| row.get::<_, u32>(0)).unwrap() as usize;
    let size: usize =
        connection.query_row("PRAGMA page_size", [], |row| row.get::<_, u32>(0)).unwrap() as usize;
    connection.close().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[(page - 1) * size..][..100].fill(0x55);
    fs::write(&path, bytes).unwrap();
    let store = SqliteStore::open_read_only(&path).unwrap();
    assert!(matches!(store.integrity_check().await, Err(Error::Corrupted(_))));
    let read = store.heads(&pool(), &users(), None, 1000).await;
    assert!(matches!(read, Err(Error::Corrupted(_))), "{read:?}");
}

#[tokio::test]
async fn people_can_read_it_with_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    let user = User {
        sub: "ab1".to_owned(),
        username: "ann".to_owned(),
        attributes: [("email".to_owned(), "ann@example.com".to_owned())].into(),
        enabled: true,
        status: "CONFIRMED".to_owned(),
        created_at: Some(at(0)),
        modified_at: None,
        mfa_options: Vec::new(),
    };
    let group = Group {
        name: "staff".to_owned(),
        description: Some("all".to_owned()),
        precedence: Some(3),
        role_arn: None,
        created_at: None,
        modified_at: None,
    };
    let member = Membership { group: "staff".to_owned(), sub: "ab1".to_owned(), username: "ann".to_owned() };
    let records = [Record::User(user), Record::Group(group), Record::Membership(member)];
    let seen: Vec<_> = records.iter().map(|record| Observation::new(record, at(1)).unwrap()).collect();
    let store = SqliteStore::create_or_open(&path).unwrap();
    observe(&store, &seen).await;
    // Gone: not in the views, which show what is current.
    observe(&store, &[saw(&Partition::Groups, "old", "a", 1)]).await;
    Backup::close(&store, &pool(), &Partition::Groups, &["old".to_owned()], at(2)).await.unwrap();
    store.clear(&later_run()).await.unwrap();
    store.close().await.unwrap();

    let connection = rusqlite::Connection::open(&path).unwrap();
    let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    let cell = "SELECT group_concat(pool || ' ' || sub || ' ' || username || ' ' || email || ' ' || enabled
                || ' ' || status || ' ' || valid_from) FROM users";
    assert_eq!(text(cell), format!("{} ab1 ann ann@example.com 1 CONFIRMED {}", pool(), at(1)));
    assert_eq!(
        text("SELECT group_concat(name || ' ' || description || precedence) FROM groups"),
        "staff all3"
    );
    assert_eq!(
        text("SELECT group_concat(\"group\" || ' ' || sub || ' ' || username) FROM memberships"),
        "staff ab1 ann"
    );
}
