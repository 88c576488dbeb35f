use std::io;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

use crate::Error;

/// What went wrong inside a call, before it is known what the call was for.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite, or reading a value from it.
    Sqlite(rusqlite::Error),
    /// The file system.
    Io(io::Error),
    /// Already said as it should be.
    Said(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Said(error)
    }
}

impl Failure {
    /// A stored value that is not what this code writes. `what` names it, never its content.
    pub(super) fn damaged(what: &str) -> Self {
        Self::Said(Error::Corrupted(format!("{what} cannot be read")))
    }

    /// As the rest of the library says it; `action` is what was tried.
    pub(super) fn during(self, action: &'static str) -> Error {
        match self {
            Self::Said(error) => error,
            Self::Io(error) if is_out_of_space(&error) => Error::DiskFull,
            Self::Io(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) =>
            {
                Error::Usage(format!(
                    "the backup cannot be {action} ({}): name another with --backup",
                    error.kind()
                ))
            }
            Self::Io(error) => Error::Store { action, cause: error.to_string() },
            Self::Sqlite(error) => sqlite(&error, action),
        }
    }
}

fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn sqlite(error: &rusqlite::Error, action: &'static str) -> Error {
    use rusqlite::Error as E;
    match error {
        // A value of another type than the schema gives it: damage that SQLite cannot see.
        E::FromSqlConversionFailure(..)
        | E::IntegralValueOutOfRange(..)
        | E::InvalidColumnType(..)
        | E::Utf8Error(..) => Error::Corrupted("a stored value is of the wrong type".to_owned()),
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Error::DiskFull,
            // The index of the write-ahead log could not be made larger.
            _ if error.sqlite_error().is_some_and(|e| e.extended_code == SQLITE_IOERR_SHMSIZE) => {
                Error::DiskFull
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Corrupted(error.to_string()),
            _ => Error::Store { action, cause: error.to_string() },
        },
    }
}
