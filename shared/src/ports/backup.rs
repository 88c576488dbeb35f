use async_trait::async_trait;

use crate::Result;
use crate::model::{Hash, Partition, PoolId, Record};
use crate::run::{Run, RunId};
use crate::time::Timestamp;

/// Versions of records, and the runs that saw them.
///
/// Nothing here is ever overwritten by what is older, and nothing is destroyed: a version that
/// is replaced or closed stays, with the time until which it held.
#[async_trait]
pub trait Backup: Send + Sync {
    /// Saves what a run observed. An observation is stored only if its content differs from the
    /// stored one and it was made later than the stored one was (and, for a record that is
    /// gone, later than it went). Of two observations of the same millisecond the greater hash
    /// wins, so that order does not matter; a version that held for no time is not kept.
    /// Any number of observations of different partitions; all or none are saved where the
    /// store can do that.
    async fn observe(&self, pool: &PoolId, run: &RunId, observations: &[Observation]) -> Result<()>;

    /// Ends the current versions of these keys at `at`: they are gone. Keys that are not
    /// current, or whose version began after `at`, are left as they are.
    async fn close(&self, pool: &PoolId, partition: &Partition, keys: &[String], at: Timestamp)
    -> Result<()>;

    /// Current records after key `after`, in key order, without their content; at most `limit`.
    /// Fewer than `limit` means there are no more.
    async fn heads(
        &self,
        pool: &PoolId,
        partition: &Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Head>>;

    /// The versions that held at `at`, after key `after`, in key order; at most `limit`.
    /// Fewer than `limit` means there are no more.
    async fn as_of(
        &self,
        pool: &PoolId,
        partition: &Partition,
        at: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Version>>;

    /// The versions of these keys that held at `at`, in any order; missing ones are left out.
    async fn get(
        &self,
        pool: &PoolId,
        partition: &Partition,
        keys: &[String],
        at: Timestamp,
    ) -> Result<Vec<Version>>;

    /// Every version after the one of that key and time, ordered by key and `valid_from`; at
    /// most `limit`. Fewer than `limit` means there are no more.
    async fn versions(
        &self,
        pool: &PoolId,
        partition: &Partition,
        after: Option<(&str, Timestamp)>,
        limit: usize,
    ) -> Result<Vec<Version>>;

    /// The names of all groups that ever were, in order, each once. Memberships are found by
    /// their group.
    async fn group_names(&self, pool: &PoolId) -> Result<Vec<String>>;

    /// No version of the pool began or ended later than this; `None` if there is none.
    async fn latest(&self, pool: &PoolId) -> Result<Option<Timestamp>>;

    /// Writes a run's record, replacing an earlier state of the same run.
    async fn put_run(&self, run: &Run) -> Result<()>;

    /// One run of a pool, if it is there.
    async fn run(&self, pool: &PoolId, id: &RunId) -> Result<Option<Run>>;

    /// Runs of one pool or of all, oldest first.
    async fn runs(&self, pool: Option<&PoolId>) -> Result<Vec<Run>>;
}

/// A record as a run saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Where it is stored.
    pub partition: Partition,
    /// Its key in the partition.
    pub key: String,
    /// Its canonical JSON.
    pub content: String,
    /// The hash of the content.
    pub hash: Hash,
    /// The pool was so at this time or later.
    pub observed_at: Timestamp,
}

impl Observation {
    /// That `record` was so at `observed_at`.
    pub fn new(record: &Record, observed_at: Timestamp) -> Result<Self> {
        let content = record.content()?;
        Ok(Self {
            partition: record.partition(),
            key: record.key().to_owned(),
            hash: Hash::of(content.as_bytes()),
            content,
            observed_at,
        })
    }
}

/// What a version was to the run that first saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The record was not there before, or had gone.
    New,
    /// The record was different before.
    Changed,
}

impl Change {
    /// What an observation is: `before` is the version it replaces. If one run sees a record
    /// twice, the second does not make a new record a changed one.
    pub fn of(run: &RunId, before: Option<(&RunId, Self)>) -> Self {
        match before {
            None => Self::New,
            Some((earlier, change)) if earlier == run => change,
            Some(_) => Self::Changed,
        }
    }
}

/// A current record, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its key in the partition.
    pub key: String,
    /// The hash of its content.
    pub hash: Hash,
    /// The run that first saw it so.
    pub run: RunId,
    /// What it was to that run.
    pub change: Change,
    /// Since when it is so.
    pub valid_from: Timestamp,
}

/// What one record looked like for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Where it is stored.
    pub partition: Partition,
    /// Its key in the partition.
    pub key: String,
    /// Its canonical JSON, as stored.
    pub content: String,
    /// The hash stored beside it.
    pub hash: Hash,
    /// When it was first observed so.
    pub valid_from: Timestamp,
    /// Until when it was so; absent while current.
    pub valid_to: Option<Timestamp>,
    /// The run that first saw it so.
    pub run: RunId,
}

impl Version {
    /// Whether the content is what was written.
    pub fn is_intact(&self) -> bool {
        Hash::of(self.content.as_bytes()) == self.hash
    }

    /// Whether it held at `at`.
    pub fn held_at(&self, at: Timestamp) -> bool {
        self.valid_from <= at && self.valid_to.is_none_or(|end| at < end)
    }

    /// The record.
    pub fn record(&self) -> Result<Record> {
        Record::from_content(self.partition.kind(), &self.content)
    }
}
