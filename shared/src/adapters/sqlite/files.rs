//! The files beside the backup, and the lock.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::Error;

/// `path` with `ending` appended to its name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

/// How to open a file for writing that only its owner may read, made if it is missing.
pub(super) fn writable() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes the right to write to the backup at `path`, until the file is dropped or the process
/// dies.
pub(super) fn lock(path: &Path) -> Result<File, Failure> {
    let lock_path = beside(path, ".lock");
    let lock = writable().truncate(false).open(&lock_path)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(path.to_owned()).into()),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Makes what was created, renamed or removed beside `path` last through a loss of power.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// `path` as SQLite reads it in a URI.
pub(super) fn uri(path: &Path, query: &str) -> io::Result<String> {
    let mut uri = String::from("file://");
    for byte in std::path::absolute(path)?.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
    }
    uri.push('?');
    uri.push_str(query);
    Ok(uri)
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}
