//! One export of one pool: its identity, its ending, and the manifest that says what it holds.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Hash, Kind, PoolId};
use crate::time::Timestamp;

/// Names one run: its start to the second and six random hex digits, so that ids sort by time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// A new id for a run that starts at `at`; `random` tells apart two of the same second.
    pub fn generate(at: Timestamp, random: u64) -> Self {
        Self(stamped_id(at, random))
    }

    /// Takes an id as it is stored.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the run started, to the second, if the id says so.
    pub(crate) fn started_at(&self) -> Option<Timestamp> {
        self.0.split('-').next()?.parse().ok()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `20261123T075412Z-1a2b3c`.
pub(crate) fn stamped_id(at: Timestamp, random: u64) -> String {
    let to_the_second: String =
        at.to_string().chars().filter(|c| !matches!(c, '-' | ':')).take_while(|c| *c != '.').collect();
    format!("{to_the_second}Z-{:06x}", random & 0xff_ffff)
}

/// How far a run is, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// It goes on, or was interrupted and can go on.
    Running,
    /// It holds everything; its manifest says what.
    Complete,
    /// The shrink guard refused to call so many records gone. What was seen is saved.
    Held,
    /// It ended early. What was seen until then is saved.
    Failed,
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Held => "held",
            Self::Failed => "failed",
        })
    }
}

/// How many records of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Users.
    pub users: u64,
    /// Groups.
    pub groups: u64,
    /// Memberships.
    pub memberships: u64,
}

impl Totals {
    /// Counts one record. Settings are not counted.
    pub const fn add(&mut self, kind: Kind) {
        match kind {
            Kind::User => self.users += 1,
            Kind::Group => self.groups += 1,
            Kind::Membership => self.memberships += 1,
            Kind::Settings => {}
        }
    }

    /// All of them.
    pub const fn sum(&self) -> u64 {
        self.users + self.groups + self.memberships
    }

    /// What is left of each without `other`, which is a part of it.
    #[must_use]
    pub const fn minus(&self, other: &Self) -> Self {
        Self {
            users: self.users.saturating_sub(other.users),
            groups: self.groups.saturating_sub(other.groups),
            memberships: self.memberships.saturating_sub(other.memberships),
        }
    }
}

/// What a run found, over users, groups and memberships together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Records that were not there before.
    pub new: u64,
    /// Records that differ from before.
    pub changed: u64,
    /// Records that are no longer in the pool.
    pub gone: u64,
    /// Records that are as they were.
    pub unchanged: u64,
}

/// What the run holds: written last, and checked again by every verify and restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// How many records are current at the run's end.
    pub totals: Totals,
    /// What the run found.
    pub changes: Changes,
    /// One digest for each non-empty shard, by its name (see [`crate::digest`]).
    pub digests: BTreeMap<String, Hash>,
}

/// What a run does not hold although it was there: it could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOut {
    /// What it is, if that can be told.
    pub record: Option<Kind>,
    /// A `sub`, a group's name, or both (`GROUP/SUB`) for a membership; a number, such as `#3`,
    /// if none can be told or shown.
    pub key: String,
    /// Why, without personal data.
    pub reason: String,
}

/// One export of one pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The pool it exports.
    pub pool: PoolId,
    /// How far it is.
    pub status: RunStatus,
    /// Later than the end of every earlier run of the pool, whatever the clock did meanwhile.
    pub started_at: Timestamp,
    /// Everything the run saved was observed at or before this time.
    pub ended_at: Option<Timestamp>,
    /// Cognito's own estimate of the number of users, when the run began.
    pub estimated_users: u64,
    /// Whether all users were listed without a filter: the one listing that cannot miss anyone
    /// for how their `sub` begins.
    #[serde(default)]
    pub listed_whole: bool,
    /// What the run holds; present once it is `Complete` or `Held`.
    pub manifest: Option<Manifest>,
    /// Why it was held or failed, for a person to read. Never personal data.
    pub reason: Option<String>,
    /// What it does not hold although it was there. A pool can be read whole; only a table of the
    /// retired solution has such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

impl Run {
    /// Whether restoring "as of" this run is offered without naming it.
    pub fn is_complete(&self) -> bool {
        self.status == RunStatus::Complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_plainly() {
        let id = RunId::generate(Timestamp::from_millis(1_700_000_000_123), 0xdead_beef_cafe);
        assert_eq!(id.as_str(), "20231114T221320Z-efcafe");
    }
}
