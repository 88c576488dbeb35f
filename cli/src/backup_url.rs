//! `--backup URL`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use cognito_profiles::model::PoolId;

/// Where a backup is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupUrl {
    /// `sqlite:PATH`
    File(PathBuf),
    /// `dynamodb:TABLE`
    Table(String),
    /// `dynamodb-v1:TABLE`: a table of the retired solution.
    Retired(String),
}

impl BackupUrl {
    /// The file that it is, or that an import from it is kept in unless another is named.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(path.clone()),
            Self::Table(_) => None,
            Self::Retired(table) => Some(PathBuf::from(format!("{table}.v1.db"))),
        }
    }

    /// What stands for the pool it is of, where no pool can be named by an id of Cognito's.
    pub fn retired_pool(&self) -> Option<PoolId> {
        match self {
            Self::Retired(table) => Some(PoolId::of_retired_table(table)),
            Self::File(_) | Self::Table(_) => None,
        }
    }
}

impl fmt::Display for BackupUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Table(name) => write!(f, "dynamodb:{name}"),
            Self::Retired(name) => write!(f, "dynamodb-v1:{name}"),
        }
    }
}

/// Where imports are kept account of: a file, written `sqlite:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateUrl(PathBuf);

impl StateUrl {
    pub fn into_path(self) -> PathBuf {
        self.0
    }
}

impl FromStr for StateUrl {
    type Err = NotABackupUrl;

    fn from_str(text: &str) -> Result<Self, NotABackupUrl> {
        match text.parse()? {
            BackupUrl::File(path) => Ok(Self(path)),
            BackupUrl::Table(_) | BackupUrl::Retired(_) => Err(NotABackupUrl::NoPath),
        }
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotABackupUrl {
    #[error("write a file's name after \"sqlite:\", such as sqlite:cognito-profiles.db")]
    NoPath,
    #[error("a file is written without slashes before it: sqlite:{0}")]
    Slashes(String),
    #[error("write a table's name after \"dynamodb:\", such as dynamodb:cognito-profiles-backup")]
    NoTable,
    #[error("write the name of the retired solution's table after \"dynamodb-v1:\"")]
    NoRetiredTable,
    #[error(
        "write sqlite:{0} to name that file, dynamodb:TABLE to name a table, or dynamodb-v1:TABLE to name one of the retired solution"
    )]
    PlainPath(String),
}

impl FromStr for BackupUrl {
    type Err = NotABackupUrl;

    fn from_str(text: &str) -> Result<Self, NotABackupUrl> {
        match text.split_once(':') {
            _ if text.is_empty() => Err(NotABackupUrl::NoPath),
            Some(("sqlite", path)) => file(path),
            Some(("dynamodb", name)) if is_table(name) => Ok(Self::Table(name.to_owned())),
            Some(("dynamodb", _)) => Err(NotABackupUrl::NoTable),
            Some(("dynamodb-v1", name)) if is_table(name) => Ok(Self::Retired(name.to_owned())),
            Some(("dynamodb-v1", _)) => Err(NotABackupUrl::NoRetiredTable),
            _ => Err(NotABackupUrl::PlainPath(text.to_owned())),
        }
    }
}

fn file(path: &str) -> Result<BackupUrl, NotABackupUrl> {
    if path.is_empty() {
        return Err(NotABackupUrl::NoPath);
    }
    // `sqlite://name` would be read as a path from the root.
    if path.starts_with("//") && !path.starts_with("///") {
        return Err(NotABackupUrl::Slashes(path.trim_start_matches('/').to_owned()));
    }
    Ok(BackupUrl::File(PathBuf::from(path)))
}

/// Whether a table may be named so (DynamoDB Developer Guide, "Supported data types and naming
/// rules").
pub fn is_table(name: &str) -> bool {
    (3..=255).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_file_or_a_table_and_says_what_to_write_instead_of_anything_else() {
        let parsed = |text: &str| text.parse::<BackupUrl>();
        assert_eq!(parsed("sqlite:a b/c.db"), Ok(BackupUrl::File("a b/c.db".into())));
        assert_eq!(parsed("sqlite:///tmp/c:d.db"), Ok(BackupUrl::File("///tmp/c:d.db".into())));
        assert_eq!(parsed("sqlite://c.db"), Err(NotABackupUrl::Slashes("c.db".into())));
        assert_eq!(parsed("sqlite:"), Err(NotABackupUrl::NoPath));
        assert_eq!(parsed(""), Err(NotABackupUrl::NoPath));
        assert_eq!(parsed("c.db"), Err(NotABackupUrl::PlainPath("c.db".into())));
        assert_eq!(parsed("c:d.db"), Err(NotABackupUrl::PlainPath("c:d.db".into())));
        let table = parsed("dynamodb:Our_Pool.2-backup").unwrap();
        assert_eq!(table, BackupUrl::Table("Our_Pool.2-backup".into()));
        assert_eq!(table.to_string(), "dynamodb:Our_Pool.2-backup");
        for wrong in ["dynamodb:", "dynamodb:ab", "dynamodb://table", "dynamodb:a table"] {
            assert_eq!(parsed(wrong), Err(NotABackupUrl::NoTable), "{wrong}");
        }
        let retired = parsed("dynamodb-v1:Stack-BackupTable-1A").unwrap();
        assert_eq!(retired, BackupUrl::Retired("Stack-BackupTable-1A".into()));
        assert_eq!(retired.to_string(), "dynamodb-v1:Stack-BackupTable-1A");
        assert_eq!(retired.retired_pool().unwrap().as_str(), retired.to_string());
        assert_eq!(parsed("dynamodb-v1:a b"), Err(NotABackupUrl::NoRetiredTable));
        assert!(
            "dynamodb-v1:table".parse::<StateUrl>().is_err() && "sqlite:a.db".parse::<StateUrl>().is_ok()
        );
    }
}
