//! Opening and closing: the lock, the header, the journal and the seal.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::failure::Failure;
use super::files::{lock, uri, writable};
use super::{schema, seal};
use crate::{Error, encryption};

/// One open database.
pub(super) struct Session {
    // Dropped in this order: the lock only after the last write.
    pub(super) connection: Connection,
    writing: Option<Writing>,
}

/// What a session that writes to a file holds.
struct Writing {
    path: PathBuf,
    _lock: File,
}

/// What is at a path.
#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    Empty,
    Backup,
}

impl Session {
    pub(super) fn create_or_open(path: &Path) -> Result<Self, Failure> {
        look(path)?;
        Self::write(path)
    }

    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        must_be_backup(path)?;
        Self::write(path)
    }

    pub(super) fn open_read_only(path: &Path) -> Result<Self, Failure> {
        must_be_backup(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        configure(&connection)?;
        schema::make_readable(&connection)?;
        Ok(Self { connection, writing: None })
    }

    pub(super) fn temporary() -> Result<Self, Failure> {
        // An empty name is SQLite's for a file of its own that vanishes with the connection.
        let mut connection = Connection::open("")?;
        configure(&connection)?;
        schema::create(&mut connection)?;
        Ok(Self { connection, writing: None })
    }

    fn write(path: &Path) -> Result<Self, Failure> {
        let lock = lock(path)?;
        match writable().create_new(true).open(path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
        seal::remove(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        configure(&connection)?;
        if count_pages(&connection)? == 0 {
            schema::create(&mut connection)?;
        }
        schema::upgrade(&mut connection)?;
        // Only now: whoever reads the header of the file itself finds it ours from the start.
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 131072;",
        )?;
        Ok(Self { connection, writing: Some(Writing { path: path.to_owned(), _lock: lock }) })
    }

    /// Ends the session. A file it wrote to is one plain file then, and sealed.
    pub(super) fn close(self) -> Result<(), Failure> {
        let Some(writing) = self.writing else { return Ok(()) };
        let settled = settle(&self.connection)?;
        self.connection.close().map_err(|(_, error)| error)?;
        if settled {
            seal::write(&writing.path)?;
        }
        Ok(())
    }
}

/// Brings everything into the file itself. A reader may hinder that; nothing is lost then, but
/// what the file's bytes are is not yet settled.
fn settle(connection: &Connection) -> rusqlite::Result<bool> {
    let hindered =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))?;
    if hindered {
        return Ok(false);
    }
    connection.busy_timeout(Duration::from_millis(500))?;
    match connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())) {
        // A reader has the file open: it is whole, only its header says that it has a journal.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(true),
        other => other.map(|()| true),
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    // Small pages, because each user lands on one of its own, and is written with all of it; a
    // long log (256 MB) and a cache of 32 MB, so that few of them are written twice. Measured with
    // 200,000 new users: 9.9 s, where pages of 4 KB, 64 MB and 16 MB took 12.2 s.
    connection.execute_batch(
        "PRAGMA page_size = 2048; PRAGMA cache_size = -32768; PRAGMA mmap_size = 0; PRAGMA temp_store = FILE;
         PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;",
    )
}

/// What to say of a file that is no backup.
fn stranger(path: &Path) -> io::Result<Error> {
    let is_encrypted = encryption::is_encrypted(File::open(path)?)?;
    Ok(if is_encrypted { Error::Encrypted(path.to_owned()) } else { Error::NotABackup(path.to_owned()) })
}

pub(super) fn must_be_backup(path: &Path) -> Result<(), Failure> {
    match look(path)? {
        Found::Backup => Ok(()),
        Found::Nothing => Err(Error::NoBackup(path.to_owned()).into()),
        Found::Empty => Err(Error::NotABackup(path.to_owned()).into()),
    }
}

/// Judges what is at `path` without changing anything, also not a database of someone else's.
fn look(path: &Path) -> Result<Found, Failure> {
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error.into()),
    };
    if !about.is_file() {
        return Err(Error::NotABackup(path.to_owned()).into());
    }
    if about.len() == 0 {
        return Ok(Found::Empty);
    }
    match header(path) {
        Ok((schema::APPLICATION_ID, found)) if found > schema::FORMAT => {
            Err(Error::NewerFormat { found, known: schema::FORMAT }.into())
        }
        Ok((schema::APPLICATION_ID, _)) => Ok(Found::Backup),
        Ok(_) => Err(stranger(path)?.into()),
        Err(Failure::Sqlite(error)) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(stranger(path)?.into())
        }
        Err(failure) => Err(failure),
    }
}

/// The application id and format in the file's header. Through SQLite, because closing a file
/// that SQLite has open elsewhere in this process would drop its locks; as immutable, so that
/// it neither recovers nor locks anything.
fn header(path: &Path) -> Result<(u32, u32), Failure> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri(path, "immutable=1")?, flags)?;
    // A session that was killed while it wrote its log back left a file shorter than its header
    // says. The log still has the rest, but here it is not read; this makes SQLite accept that.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
    let read = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    Ok((read("application_id")?, read("user_version")?))
}

fn count_pages(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "page_count", |row| row.get(0))
}
