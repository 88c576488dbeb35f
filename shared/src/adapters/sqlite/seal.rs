//! The seal: the file's SHA-256 beside it, so that a change to any byte of it is found, also
//! one where SQLite itself never looks.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::failure::Failure;
use super::files::{beside, sync_folder, writable};
use crate::{Error, Result};

/// What a backup file's seal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// The file is what was written, to the last byte.
    Intact,
    /// There is no seal: the last session was interrupted, or goes on.
    Missing,
    /// The file is not what was sealed.
    Broken,
}

/// Compares the file at `path` with its seal. It reads the whole file; while this process has a
/// store open on it, don't.
pub fn check_seal(path: &Path) -> Result<Seal> {
    check(path).map_err(|failure| failure.during("read"))
}

fn check(path: &Path) -> Result<Seal, Failure> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::NoBackup(path.to_owned()).into());
        }
        Err(error) => return Err(error.into()),
    };
    Ok(match sealed(path)? {
        None => Seal::Missing,
        Some(hash) if hash.is_empty() => Seal::Broken,
        Some(hash) if hash == digest(file)? => Seal::Intact,
        Some(_) => Seal::Broken,
    })
}

/// The hash that the file at `path` was sealed with, if there is a seal. It is empty if that says
/// nothing.
pub(super) fn sealed(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read(seal_path(path)) {
        Ok(line) => {
            let hash = hash_in(&line).map(String::from_utf8_lossy).unwrap_or_default();
            Ok(Some(hash.to_ascii_lowercase()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The hash in a line that `sha256sum` reads.
fn hash_in(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_prefix(b"\\").unwrap_or(line);
    let (hash, rest) = line.split_at_checked(64)?;
    rest.first().is_none_or(u8::is_ascii_whitespace).then_some(hash)
}

/// Writes the seal of the file at `path`, so that there is all of it or none.
pub(super) fn write(path: &Path) -> Result<(), Failure> {
    let line = line(&digest(File::open(path)?)?, path);
    let unfinished = beside(path, ".sha256.new");
    let mut file = writable().truncate(true).open(&unfinished)?;
    file.write_all(&line)?;
    file.sync_all()?;
    fs::rename(&unfinished, seal_path(path))?;
    sync_folder(path)?;
    Ok(())
}

/// Removes the seal of the file at `path`, durably: what is written next must not look broken.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(seal_path(path)) {
        Ok(()) => Ok(sync_folder(path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn seal_path(path: &Path) -> PathBuf {
    beside(path, ".sha256")
}

/// As `sha256sum` writes it, with its way of escaping a name that would break the line.
fn line(hash: &str, path: &Path) -> Vec<u8> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut escaped = Vec::new();
    for byte in name {
        match byte {
            b'\\' => escaped.extend(b"\\\\"),
            b'\n' => escaped.extend(b"\\n"),
            b'\r' => escaped.extend(b"\\r"),
            other => escaped.push(*other),
        }
    }
    let mark: &[u8] = if escaped.len() > name.len() { b"\\" } else { b"" };
    [mark, hash.as_bytes(), b"  ", &escaped, b"\n"].concat()
}

fn digest(mut file: File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex::encode(hash.finalize())),
            Ok(length) => hash.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
