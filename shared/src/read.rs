//! Reading a backup as of a run: which run is meant, and walking over what it holds.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::future::try_join_all;
use futures::{Stream, stream};
use serde::{Deserialize, Serialize};

use crate::model::{Partition, PoolId, Record, SETTINGS_KEY};
use crate::ports::{Backup, Head, Version};
use crate::run::Run;
use crate::settings::{PoolSettings, Settings};
use crate::time::Timestamp;
use crate::{Error, Result};

/// How many records are read at once.
pub const CHUNK: usize = 1_000;

/// A pool as it was at the end of one run.
#[derive(Clone)]
pub struct Snapshot {
    backup: Arc<dyn Backup>,
    /// The run.
    pub run: Run,
    /// The run's end: everything valid then belongs to the snapshot.
    pub at: Timestamp,
}

impl Snapshot {
    /// The snapshot of a run that has ended.
    pub fn of(backup: Arc<dyn Backup>, run: Run) -> Result<Self> {
        let at = run.ended_at.ok_or_else(|| Error::RunNotEnded(run.id.clone()))?;
        Ok(Self { backup, run, at })
    }

    /// The snapshot a person means by `--from-pool` and `--as-of`: a run by its id or the
    /// beginning of it, or a time, which means the last run that was complete by then. Without
    /// either: the last complete run.
    pub async fn find(backup: Arc<dyn Backup>, pool: Option<&PoolId>, as_of: Option<&str>) -> Result<Self> {
        let runs = backup.runs(None).await?;
        let run = match as_of.map(str::trim) {
            None | Some("latest") => latest_complete(&runs, &the_pool(&runs, pool)?, None)?,
            Some(text) => meant(&runs, pool, text)?,
        };
        Self::of(backup, run)
    }

    /// The pool it is of.
    pub const fn pool(&self) -> &PoolId {
        &self.run.pool
    }

    /// Where it is read from.
    pub const fn backup(&self) -> &Arc<dyn Backup> {
        &self.backup
    }

    /// The pool's settings.
    ///
    /// # Errors
    /// [`Error::NoSettings`] if the run never had any: those of a table of the retired solution.
    pub async fn settings(&self) -> Result<Settings> {
        let keys = [SETTINGS_KEY.to_owned()];
        let found = self.backup.get(self.pool(), &Partition::Settings, &keys, self.at).await?;
        match found.first().map(Version::record).transpose()? {
            Some(Record::Settings(settings)) => Ok(settings),
            _ if self.pool().retired_table().is_some() => Err(Error::NoSettings(self.run.id.clone())),
            _ => Err(Error::Corrupted("the settings of the pool are missing".to_owned())),
        }
    }

    /// The part of the settings that decides what a pool can take; none if none were saved.
    pub async fn pool_settings(&self) -> Result<Option<PoolSettings>> {
        match self.settings().await {
            Ok(settings) => settings.pool().map(Some),
            Err(Error::NoSettings(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Walks over these partitions, which are in their order.
    pub fn walk(&self, partitions: impl IntoIterator<Item = Partition>) -> Walk<'_> {
        Walk::new(self, partitions.into_iter().collect())
    }

    /// Walks over all groups.
    pub fn groups(&self) -> Walk<'_> {
        self.walk([Partition::Groups])
    }

    /// Walks over all users.
    pub fn users(&self) -> Walk<'_> {
        self.walk(Partition::users())
    }

    /// Walks over the memberships of all groups.
    pub async fn memberships(&self) -> Result<Walk<'_>> {
        let names = self.backup.group_names(self.pool()).await?;
        Ok(self.walk(names.iter().flat_map(|name| Partition::members(name))))
    }

    /// Walks over everything, in the order digests need.
    pub async fn everything(&self) -> Result<Walk<'_>> {
        let names = self.backup.group_names(self.pool()).await?;
        Ok(self.walk(all_partitions(&names)))
    }
}

/// Every partition of a pool with these groups, in the order digests need.
pub(crate) fn all_partitions(groups: &[String]) -> impl Iterator<Item = Partition> + '_ {
    [Partition::Settings, Partition::Groups]
        .into_iter()
        .chain(Partition::users())
        .chain(groups.iter().flat_map(|name| Partition::members(name)))
}

/// What is current of a partition after key `after`, in key order, read some at a time.
pub(crate) fn heads<'a>(
    backup: &'a dyn Backup,
    pool: &'a PoolId,
    partition: &'a Partition,
    after: Option<String>,
) -> impl Stream<Item = Result<Vec<Head>>> + Send + 'a {
    stream::try_unfold(Some(after), async move |next| {
        let Some(after) = next else { return Ok(None) };
        let heads = backup.heads(pool, partition, after.as_deref(), CHUNK).await?;
        // A chunk that is not full is the last.
        let next = (heads.len() == CHUNK).then(|| heads.last().map(|head| head.key.clone()));
        Ok(Some((heads, next)))
    })
}

/// Walks over the versions of a snapshot, some at a time: memory does not grow with the pool.
pub struct Walk<'a> {
    snapshot: &'a Snapshot,
    /// What is to be read, and the key after which, of the first.
    partitions: VecDeque<Partition>,
    after: Option<String>,
    /// What is read ahead, each with the place after it.
    ready: VecDeque<(Vec<Version>, Position)>,
    position: Position,
    at_once: usize,
}

/// So many partitions are read at once, while none of them fills a chunk: most groups have few
/// members, and each of their partitions is a request of its own.
const MOST_AT_ONCE: usize = 16;

/// A place in a walk, to go on from in another process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Position {
    /// Before everything.
    #[default]
    Start,
    /// In a partition.
    At {
        /// Which.
        partition: Partition,
        /// The last key of it that is done; none if it is all to be done.
        after: Option<String>,
    },
    /// After everything.
    End,
}

impl Position {
    /// Right after a version.
    pub fn after(version: &Version) -> Self {
        Self::At { partition: version.partition.clone(), after: Some(version.key.clone()) }
    }
}

impl<'a> Walk<'a> {
    fn new(snapshot: &'a Snapshot, partitions: VecDeque<Partition>) -> Self {
        let position = Position::Start;
        Self { snapshot, partitions, after: None, ready: VecDeque::new(), position, at_once: 1 }
    }

    /// Passes over everything before `position`.
    #[must_use]
    pub fn from(mut self, position: Position) -> Self {
        match &position {
            Position::Start => {}
            Position::At { partition, after } => {
                while self.partitions.front().is_some_and(|next| next < partition) {
                    self.partitions.pop_front();
                }
                self.after = after.clone().filter(|_| self.partitions.front() == Some(partition));
            }
            Position::End => self.partitions.clear(),
        }
        self.position = position;
        self
    }

    /// The place after what [`Walk::next`] last returned.
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// The next versions, all of one partition and never none; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Version>>> {
        loop {
            if let Some((versions, position)) = self.ready.pop_front() {
                self.position = position;
                return Ok(Some(versions));
            }
            if self.partitions.is_empty() {
                self.position = Position::End;
                return Ok(None);
            }
            self.read_ahead().await?;
        }
    }

    async fn read_ahead(&mut self) -> Result<()> {
        let Snapshot { backup, run, at } = self.snapshot;
        let mut after = self.after.take();
        let reads = self.partitions.iter().take(self.at_once).map(|partition| {
            let after = after.take();
            async move { backup.as_of(&run.pool, partition, *at, after.as_deref(), CHUNK).await }
        });
        self.at_once = (self.at_once * 2).min(MOST_AT_ONCE);
        for found in try_join_all(reads.collect::<Vec<_>>()).await? {
            let is_full = found.len() == CHUNK;
            let position = if let Some(last) = found.last().filter(|_| is_full) {
                self.after = Some(last.key.clone());
                Position::after(last)
            } else {
                self.partitions.pop_front();
                let next = self.partitions.front().cloned();
                next.map_or(Position::End, |partition| Position::At { partition, after: None })
            };
            if !found.is_empty() {
                self.ready.push_back((found, position));
            }
            if is_full {
                // More of this partition comes before those after it.
                self.at_once = 1;
                break;
            }
        }
        Ok(())
    }
}

/// The pool meant: the one named, or the only one there is.
fn the_pool(runs: &[Run], named: Option<&PoolId>) -> Result<PoolId> {
    if let Some(pool) = named {
        return Ok(pool.clone());
    }
    let mut pools: Vec<&PoolId> = runs.iter().map(|run| &run.pool).collect();
    pools.sort_unstable();
    pools.dedup();
    match pools[..] {
        [] => Err(Error::EmptyBackup),
        [pool] => Ok(pool.clone()),
        _ => Err(Error::SeveralPools(pools.len())),
    }
}

/// A run by its id, or the last one complete by a time.
fn meant(runs: &[Run], pool: Option<&PoolId>, text: &str) -> Result<Run> {
    if let Some(run) = named(runs, pool, text)? {
        return Ok(run);
    }
    let time = text.parse().map_err(|_| Error::NoSuchRun(text.to_owned()))?;
    latest_complete(runs, &the_pool(runs, pool)?, Some(time))
}

fn latest_complete(runs: &[Run], pool: &PoolId, by: Option<Timestamp>) -> Result<Run> {
    let in_time = |run: &&Run| by.is_none_or(|time| run.ended_at.is_some_and(|end| end <= time));
    let mut complete = runs.iter().filter(|run| run.pool == *pool && run.is_complete());
    complete.rfind(in_time).cloned().ok_or_else(|| match by {
        Some(time) => Error::NoRunBy(time.to_string()),
        None => Error::NoCompleteRun(pool.clone()),
    })
}

/// The run with this id, or the only one whose id begins so.
fn named(runs: &[Run], pool: Option<&PoolId>, text: &str) -> Result<Option<Run>> {
    let matching =
        |run: &&Run| run.id.as_str().starts_with(text) && pool.is_none_or(|pool| run.pool == *pool);
    let found: Vec<&Run> = runs.iter().filter(matching).collect();
    match found[..] {
        _ if text.is_empty() => Ok(None),
        [] => Ok(None),
        [run] => Ok(Some(run.clone())),
        _ => match found.iter().find(|run| run.id.as_str() == text) {
            Some(run) => Ok(Some((*run).clone())),
            None => Err(Error::AmbiguousRun(text.to_owned())),
        },
    }
}
