use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::compare::Difference;
use crate::model::{Hash, Kind, PoolId};
use crate::read::Position;
use crate::run::RunId;
use crate::settings::Settings;
use crate::time::Timestamp;

/// What became of imports: of each user, group and update, so that an import which was
/// interrupted goes on where it stopped, and of what differs in the end.
///
/// Everything written replaces what was written before of the same import and key.
#[async_trait]
pub trait Imports: Send + Sync {
    /// Writes an import's record in place of its last edition. `false`, and nothing is written, if
    /// another one than the edition before is there: whoever is late overwrites nothing. The very
    /// same record may be written again.
    async fn put_import(&self, import: &Import) -> Result<bool>;

    /// One import by its id, if it is there.
    async fn import(&self, id: &str) -> Result<Option<Import>>;

    /// Imports into one pool or all, oldest first.
    async fn imports(&self, into: Option<&PoolId>) -> Result<Vec<Import>>;

    /// Writes what became of users. Who is known to be in the new pool stays so: a mapping without
    /// a new `sub` does not replace one that has it, and a worker that is late takes back nothing.
    async fn put_mappings(&self, import: &str, mappings: &[Mapping]) -> Result<()>;

    /// What became of these users (by old `sub`), in any order; unknown ones are left out.
    async fn mappings_of(&self, import: &str, subs: &[String]) -> Result<Vec<Mapping>>;

    /// The old users that became these (by new `sub`), in any order; unknown ones are left out.
    async fn mappings_to(&self, import: &str, new_subs: &[String]) -> Result<Vec<Mapping>>;

    /// What became of users after old `sub` `after`, in order; at most `limit`. Fewer than
    /// `limit` means there are no more.
    async fn mappings(&self, import: &str, after: Option<&str>, limit: usize) -> Result<Vec<Mapping>>;

    /// Writes what became of groups and updates.
    async fn put_outcomes(&self, import: &str, outcomes: &[Outcome]) -> Result<()>;

    /// The outcomes of these keys of one step and group, in any order; unknown ones are left out.
    async fn outcomes_of(
        &self,
        import: &str,
        step: Step,
        group: &str,
        keys: &[String],
    ) -> Result<Vec<Outcome>>;

    /// Outcomes of one step and group after key `after`, in key order; at most `limit`.
    /// `group` is empty for every step but memberships. Fewer than `limit` means there are no
    /// more.
    async fn outcomes(
        &self,
        import: &str,
        step: Step,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Outcome>>;

    /// Writes under which names users are sent to be created.
    async fn put_sent(&self, import: &str, sent: &[Sent]) -> Result<()>;

    /// Who was sent under these names, in any order; unknown ones are left out.
    async fn sent_as(&self, import: &str, names: &[Hash]) -> Result<Vec<Sent>>;

    /// Writes how far an import job is; its number is its key.
    async fn put_job(&self, import: &str, job: &Job) -> Result<()>;

    /// The import jobs, in the order of their numbers.
    async fn jobs(&self, import: &str) -> Result<Vec<Job>>;

    /// Writes what differs, according to a listing of the new pool: `first` is the number of the
    /// first of these.
    async fn put_differences(
        &self,
        import: &str,
        listing: &RunId,
        first: u64,
        differences: &[Difference],
    ) -> Result<()>;

    /// What differs, from number `first` on, in the order of the numbers; at most `limit`. Fewer
    /// than `limit` means there are no more.
    async fn differences(
        &self,
        import: &str,
        listing: &RunId,
        first: u64,
        limit: usize,
    ) -> Result<Vec<Difference>>;
}

/// One restore of one run into one pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Its id.
    pub id: String,
    /// The pool the run is of.
    pub from_pool: PoolId,
    /// The pool restored into.
    pub into_pool: PoolId,
    /// The run restored.
    pub run: RunId,
    /// Everything valid at this time is restored: the run's end.
    pub as_of: Timestamp,
    /// How it was asked for.
    pub options: ImportOptions,
    /// How far it is.
    pub status: ImportStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last ended.
    pub ended_at: Option<Timestamp>,
    /// The new pool, as it was when the import last began or was continued.
    #[serde(default)]
    pub target: Target,
    /// The listing of the new pool that it was last compared by; what differs is kept under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
    /// How far the new pool is matched or compared, by which listing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Why it failed, for a person to read. Never personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often it came to its end before. Each time everyone who is missing is tried again.
    #[serde(default)]
    pub ends: u32,
    /// How often this record was written; 0 if it was not, or by versions that did not count.
    #[serde(default)]
    pub edition: u32,
}

/// Where work over a listing of the new pool goes on in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The listing of the new pool.
    pub listing: RunId,
    /// The place in it, as JSON of whose work it is.
    pub at: String,
}

/// A comparison of the new pool with the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// The listing of the new pool.
    pub listing: RunId,
    /// How many records of both were compared, each that is in both once.
    #[serde(default)]
    pub records: u64,
    /// How many of them differ.
    pub differences: u64,
}

/// What of the new pool decides how users can be restored into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its settings.
    pub settings: Settings,
    /// The names of its identity providers.
    #[serde(default)]
    pub providers: Vec<String>,
    /// The columns of a CSV file for it; empty if no import job is to be made.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The account's rate of `UserCreation`, in requests per second, if it could be read.
    #[serde(default)]
    pub creation_rps: Option<u32>,
}

/// How an import was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportOptions {
    /// Attributes not to restore.
    pub drop_attributes: Vec<String>,
    /// The attribute that receives the old `sub`.
    pub old_sub_attribute: Option<String>,
    /// How users are created.
    #[serde(default)]
    pub create_with: CreateWith,
    /// What becomes of users whom no row of an import job can carry.
    #[serde(default)]
    pub without_row: WithoutRow,
}

/// How users are created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CreateWith {
    /// By `AdminCreateUser`: each becomes a billed monthly active user.
    #[default]
    AdminApi,
    /// By CSV import jobs, which bill nobody.
    ImportJob,
}

/// What becomes of users whom no row of an import job can carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutRow {
    /// They are created by `AdminCreateUser`.
    #[default]
    AdminApi,
    /// They are listed as not restored.
    List,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportStatus {
    /// It goes on, or was interrupted and can go on.
    Running,
    /// Everything is restored, and compared equal.
    Complete,
    /// It came to its end; something is listed as not done or different.
    Partial,
    /// It ended early. What was done is kept; it can go on.
    Failed,
}

/// What became of one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The `sub` in the backup.
    pub sub: String,
    /// The username in the backup.
    pub username: String,
    /// The `sub` in the new pool.
    pub new_sub: Option<String>,
    /// The username in the new pool.
    pub new_username: Option<String>,
    /// How far the user is restored.
    pub state: MappingState,
    /// How the user was created, or was to be.
    #[serde(default)]
    pub created_with: CreateWith,
    /// Why the user was not restored.
    pub reason: Option<String>,
    /// The line of the import job's file that carried the user, where that says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// How far one user is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MappingState {
    /// The name was taken when the user was to be created. By whom, a listing of the new pool
    /// will tell: perhaps by this user, created before an answer was lost.
    Taken,
    /// Created; what belongs to creation (the password, the disabling, …) is not yet done.
    Created,
    /// Created, and ready for memberships.
    Restored,
    /// Not restored; `reason` says why.
    Failed,
}

/// What is done of an import beside the creation of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Creating a group.
    Group,
    /// Disabling a user.
    Disable,
    /// Adding a user to a group.
    Membership,
    /// Setting how a user gets their second factor.
    Mfa,
    /// Linking identities of providers to a user.
    Link,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 5] = [Self::Group, Self::Disable, Self::Membership, Self::Mfa, Self::Link];

    /// The kind of record it is done for.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Group => Kind::Group,
            Self::Membership => Kind::Membership,
            Self::Disable | Self::Mfa | Self::Link => Kind::User,
        }
    }

    /// Its name, as it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Disable => "user",
            Self::Membership => "membership",
            Self::Mfa => "mfa",
            Self::Link => "link",
        }
    }
}

/// What became of one step for one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Which step.
    pub step: Step,
    /// The group of a membership; empty otherwise.
    pub group: String,
    /// The group's name, or the user's old `sub`.
    pub key: String,
    /// Why it could not be done; `None` if it is done.
    pub failure: Option<String>,
}

/// Under which name a user was sent to be created: by it, whoever is in the new pool is
/// recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The hash of the name.
    pub name: Hash,
    /// The `sub` in the backup.
    pub sub: String,
    /// The job's number and the line of its file; none if the user was sent otherwise.
    pub row: Option<(u32, u32)>,
}

/// One CSV import job: a part of the users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number in the import, from 1.
    pub number: u32,
    /// [`Import::ends`] when it was made.
    pub ends: u32,
    /// The users after this place.
    pub from: Position,
    /// Up to this one, itself included.
    pub through: Position,
    /// How many rows it has.
    pub rows: u64,
    /// How far it is.
    pub state: JobState,
    /// Cognito's id of it; none before it was made.
    pub id: Option<String>,
    /// Cognito's status of it when it was last looked at.
    pub status: Option<String>,
    /// Rows that were imported, skipped and refused, as Cognito counted them.
    pub counts: JobCounts,
    /// Since when it is so.
    pub since: Timestamp,
}

/// How far an import job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// To be made, with its file; also if it was begun and cannot be relied on.
    Planned,
    /// Made, and its file uploaded: to be started.
    Uploaded,
    /// Started.
    Started,
    /// It came to an end; `status` says to which.
    Ended,
}

/// Rows of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCounts {
    /// Users that were imported.
    pub imported: u64,
    /// Rows that were skipped, because such a user exists.
    pub skipped: u64,
    /// Rows that were refused.
    pub failed: u64,
}
