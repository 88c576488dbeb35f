//! `--backup URL`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a backup is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupUrl {
    path: PathBuf,
}

impl BackupUrl {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A backup in this file.
    pub const fn of_file(path: PathBuf) -> Self {
        Self { path }
    }
}

impl fmt::Display for BackupUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite:{}", self.path.display())
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotABackupUrl {
    #[error("write a file's name after \"sqlite:\", such as sqlite:cognito-profiles.db")]
    NoPath,
    #[error("a file is written without slashes before it: sqlite:{0}")]
    Slashes(String),
    #[error("backups in DynamoDB are not in this version: write sqlite:PATH")]
    DynamoDb,
    #[error("write sqlite:{0} to name that file")]
    PlainPath(String),
}

impl FromStr for BackupUrl {
    type Err = NotABackupUrl;

    fn from_str(text: &str) -> Result<Self, NotABackupUrl> {
        if text.starts_with("dynamodb:") {
            return Err(NotABackupUrl::DynamoDb);
        }
        match text.strip_prefix("sqlite:") {
            _ if text.is_empty() => Err(NotABackupUrl::NoPath),
            None => Err(NotABackupUrl::PlainPath(text.to_owned())),
            Some("") => Err(NotABackupUrl::NoPath),
            // `sqlite://name` would be read as a path from the root.
            Some(path) if path.starts_with("//") && !path.starts_with("///") => {
                Err(NotABackupUrl::Slashes(path.trim_start_matches('/').to_owned()))
            }
            Some(path) => Ok(Self { path: PathBuf::from(path) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_file_and_says_what_to_write_instead_of_anything_else() {
        let path = |text: &str| text.parse::<BackupUrl>().map(|url| url.path);
        assert_eq!(path("sqlite:a b/c.db"), Ok("a b/c.db".into()));
        assert_eq!(path("sqlite:///tmp/c.db"), Ok("///tmp/c.db".into()));
        assert_eq!(path("sqlite://c.db"), Err(NotABackupUrl::Slashes("c.db".into())));
        assert_eq!(path("sqlite:"), Err(NotABackupUrl::NoPath));
        assert_eq!(path(""), Err(NotABackupUrl::NoPath));
        assert_eq!(path("dynamodb:table"), Err(NotABackupUrl::DynamoDb));
        assert_eq!(path("c.db"), Err(NotABackupUrl::PlainPath("c.db".into())));
    }
}
