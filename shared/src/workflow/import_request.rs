//! What the import's state machine asks for, and what people start it with.

use serde::Deserialize;

use super::Last;
use crate::model::PoolId;
use crate::ports::{CreateWith, ImportOptions, WithoutRow};
use crate::run::RunId;

/// What the state machine asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImportRequest {
    /// The pool to restore into.
    pub new_user_pool_id: PoolId,
    /// The execution that asks: it holds the lock.
    pub execution: String,
    /// The import; none before it has begun.
    #[serde(default)]
    pub import_id: Option<String>,
    /// This execution's attempt at it; none before it has begun.
    #[serde(default)]
    pub attempt: Option<RunId>,
    /// What is to be done.
    #[serde(flatten)]
    pub action: ImportAction,
}

/// One step of the state machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "Action", rename_all = "kebab-case", rename_all_fields = "PascalCase")]
pub enum ImportAction {
    /// Say what an import would do. Writes nothing.
    Plan {
        /// What the execution was started with.
        input: ImportInput,
    },
    /// Take the lock, look into everything, and begin.
    Begin {
        /// What the execution was started with.
        input: ImportInput,
    },
    /// Create groups and users, and say how far that is.
    CreateUsers {
        /// What the last look said.
        #[serde(default)]
        last: Option<Last>,
    },
    /// Find out, by the last listing of the new pool, who was created.
    Match {
        /// Whether it was listed a second time.
        #[serde(default)]
        again: bool,
    },
    /// Replay what follows creation, and say how far that is.
    Progress {
        /// What the last look said.
        #[serde(default)]
        last: Option<Last>,
    },
    /// Compare the last listing of the new pool with the backup.
    Verify {
        /// Whether it was listed a second time.
        #[serde(default)]
        again: bool,
    },
    /// Write down how it ended and give the lock back.
    Finish,
    /// Mark the import as failed and give the lock back.
    Fail {
        /// The error's name.
        #[serde(default)]
        error: String,
        /// What the state machine knows of it.
        #[serde(default)]
        cause: String,
    },
}

impl ImportAction {
    /// Its name, as the state machine writes it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Plan { .. } => "plan",
            Self::Begin { .. } => "begin",
            Self::CreateUsers { .. } => "create-users",
            Self::Match { .. } => "match",
            Self::Progress { .. } => "progress",
            Self::Verify { .. } => "verify",
            Self::Finish => "finish",
            Self::Fail { .. } => "fail",
        }
    }
}

/// The input of an execution, beside the pool to restore into.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImportInput {
    /// The pool in the backup, if it holds several.
    pub source_user_pool_id: Option<PoolId>,
    /// A run by its id, or a time; else the last complete run.
    pub as_of: Option<String>,
    /// `ImportJob` unless said otherwise.
    pub create_users_with: Option<CreateUsersWith>,
    /// `AdminApi` unless said otherwise.
    pub users_without_row: Option<UsersWithoutRow>,
    /// Attributes not to restore.
    pub drop_attributes: Option<Vec<String>>,
    /// The attribute that receives the old `sub`.
    pub old_sub_attribute: Option<String>,
}

/// How users are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)] // as in `CreateWith`
pub enum CreateUsersWith {
    ImportJob,
    AdminApi,
}

/// What becomes of users whom no row of an import job can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)] // as in `WithoutRow`
pub enum UsersWithoutRow {
    AdminApi,
    List,
}

impl ImportInput {
    pub(super) fn options(&self) -> ImportOptions {
        let mut drop_attributes = self.drop_attributes.clone().unwrap_or_default();
        // The same set of names is the same import, however it is written.
        drop_attributes.sort_unstable();
        drop_attributes.dedup();
        ImportOptions {
            drop_attributes,
            old_sub_attribute: self.old_sub_attribute.clone(),
            create_with: match self.create_users_with {
                None | Some(CreateUsersWith::ImportJob) => CreateWith::ImportJob,
                Some(CreateUsersWith::AdminApi) => CreateWith::AdminApi,
            },
            without_row: match self.users_without_row {
                None | Some(UsersWithoutRow::AdminApi) => WithoutRow::AdminApi,
                Some(UsersWithoutRow::List) => WithoutRow::List,
            },
        }
    }
}
