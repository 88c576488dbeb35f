//! A backup file on its way to another place and back: as its bytes, whatever carries them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::failure::Failure;
use super::files::{beside, lock, sync_folder};
use super::seal;
use super::session::{self, Session};
use crate::{Error, Result};

/// A backup file that nobody writes to until this is dropped, to be read as it is. While this process
/// has a store open on it, don't.
pub struct AtRest {
    file: File,
    hash: Sha256,
    sealed: String,
    _lock: File,
}

impl AtRest {
    /// Opens the backup at `path`. Where the last session was interrupted, it is ended first.
    pub fn open(path: &Path) -> Result<Self> {
        open(path).map_err(|failure| failure.during("read"))
    }

    /// Once it was read to its end: whether that is what was sealed.
    pub fn was_as_sealed(self) -> bool {
        hex::encode(self.hash.finalize()) == self.sealed
    }
}

impl Read for AtRest {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.hash.update(&buffer[..length]);
        Ok(length)
    }
}

fn open(path: &Path) -> Result<AtRest, Failure> {
    session::must_be_backup(path)?;
    if seal::sealed(path)?.is_none() {
        Session::open(path)?.close()?;
    }
    let lock = lock(path)?;
    let Some(sealed) = seal::sealed(path)? else { return Err(unsealed().into()) };
    Ok(AtRest { file: File::open(path)?, hash: Sha256::new(), sealed, _lock: lock })
}

/// Who reads can keep the file from being made whole.
fn unsealed() -> Error {
    let cause = "it is read by another process: try again when that has ended";
    Error::Store { action: "read", cause: cause.to_owned() }
}

/// Refuses what is no backup of ours.
pub fn must_be_backup(path: &Path) -> Result<()> {
    session::must_be_backup(path).map_err(|failure| failure.during("read"))
}

/// Refuses a place where a backup is, or something of one.
pub fn must_be_nothing(path: &Path) -> Result<()> {
    must_be_free(path).map_err(|failure| failure.during("written"))
}

/// Has `put` make a backup at `path`, where there is none, and seals it.
pub fn arrive(path: &Path, put: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    let arrive = || {
        let _lock = lock(path)?;
        must_be_free(path)?;
        match put(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(taken(path).into()),
            put => put?,
        }
        sync_folder(path)?;
        seal::write(path)
    };
    arrive().map_err(|failure| failure.during("written"))
}

/// Nothing may be there that would be replaced. SQLite would take the log of an earlier file for this
/// one's.
fn must_be_free(path: &Path) -> Result<(), Failure> {
    for ending in ["", "-wal", "-journal"] {
        let path = beside(path, ending);
        if path.try_exists()? {
            return Err(taken(&path).into());
        }
    }
    Ok(())
}

fn taken(path: &Path) -> Error {
    Error::Usage(format!("{} is there already: name another file with --backup", path.display()))
}
