//! What the seal beside the backup file says, before anything relies on the file.

use std::path::Path;

use cognito_profiles::Error;
use cognito_profiles::adapters::sqlite::{Seal, check_seal};

use crate::exit::Failure;

/// Refuses a file that is not what was sealed. A missing seal is no objection: the last session
/// may have been interrupted, and every record has a hash of its own.
pub async fn must_not_be_broken(path: &Path) -> Result<(), Failure> {
    match seal_of(path).await {
        Ok(Seal::Broken) => Err(broken(path).into()),
        Ok(Seal::Intact | Seal::Missing) | Err(Failure::Library(Error::NoBackup(_))) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// What the seal says. Reads the whole file, so not on a thread that serves other work.
pub async fn seal_of(path: &Path) -> Result<Seal, Failure> {
    let path = path.to_owned();
    match tokio::task::spawn_blocking(move || check_seal(&path)).await {
        Ok(seal) => Ok(seal?),
        Err(error) => Err(Error::Store { action: "read", cause: error.to_string() }.into()),
    }
}

/// What to say of a file that is not what was sealed.
pub fn broken(path: &Path) -> Error {
    let path = path.display();
    Error::Corrupted(format!(
        "{path} is not what {path}.sha256 says was written. If `verify` names no damaged record, \
         delete {path}.sha256 and try again"
    ))
}

/// As the summary has it.
pub const fn word(seal: Seal) -> &'static str {
    match seal {
        Seal::Intact => "intact",
        Seal::Missing => "missing",
        Seal::Broken => "broken",
    }
}
