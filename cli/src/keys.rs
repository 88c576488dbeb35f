//! Secret keys and passphrases, from files. What those hold is repeated nowhere.

use std::fs;
use std::io;
use std::path::Path;

use cognito_profiles::encryption::Passphrase;
use cognito_profiles::settings::Identity;

use crate::exit::Failure;

/// The secret keys in a file.
pub fn identity(path: &Path) -> Result<Identity, Failure> {
    let text = fs::read_to_string(path).map_err(|error| cannot_read(path, &error))?;
    Ok(text.parse()?)
}

/// The passphrase in a file; `-` is standard input.
pub fn passphrase(path: &Path) -> Result<Passphrase, Failure> {
    let read =
        if path == Path::new("-") { io::read_to_string(io::stdin()) } else { fs::read_to_string(path) };
    let text = read.map_err(|error| cannot_read(path, &error))?;
    Ok(text.parse()?)
}

/// What was named cannot be read.
pub fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot read {}: {}", path.display(), error.kind()))
}
