//! Reading a backup as of a run: which run is meant, and walking over what it holds.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::{Partition, PoolId, Record, SETTINGS_KEY};
use crate::ports::{Backup, Version};
use crate::run::{Run, RunStatus};
use crate::settings::{PoolSettings, Settings};
use crate::time::Timestamp;
use crate::{Error, Result};

/// How many records are read at once.
pub(crate) const CHUNK: usize = 1_000;

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
    pub async fn settings(&self) -> Result<Settings> {
        let keys = [SETTINGS_KEY.to_owned()];
        let found = self.backup.get(self.pool(), &Partition::Settings, &keys, self.at).await?;
        match found.first().map(Version::record).transpose()? {
            Some(Record::Settings(settings)) => Ok(settings),
            _ => Err(Error::Corrupted("the settings of the pool are missing".to_owned())),
        }
    }

    /// The part of the settings that decides what a pool can take.
    pub async fn pool_settings(&self) -> Result<PoolSettings> {
        self.settings().await?.pool()
    }

    /// Walks over these partitions.
    pub fn walk(&self, partitions: impl IntoIterator<Item = Partition>) -> Walk<'_> {
        Walk { snapshot: self, partitions: partitions.into_iter().collect(), after: None }
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

/// Walks over the versions of a snapshot, some at a time: memory does not grow with the pool.
pub struct Walk<'a> {
    snapshot: &'a Snapshot,
    partitions: VecDeque<Partition>,
    after: Option<String>,
}

impl Walk<'_> {
    /// The next versions, all of one partition and never none; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Version>>> {
        while let Some(partition) = self.partitions.front() {
            let Snapshot { backup, run, at } = self.snapshot;
            let found = backup.as_of(&run.pool, partition, *at, self.after.as_deref(), CHUNK).await?;
            if found.len() < CHUNK {
                self.partitions.pop_front();
                self.after = None;
            } else {
                self.after = found.last().map(|version| version.key.clone());
            }
            if !found.is_empty() {
                return Ok(Some(found));
            }
        }
        Ok(None)
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
    let mut complete = runs.iter().filter(|run| run.pool == *pool && run.status == RunStatus::Complete);
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

/// One run by its id or the beginning of it.
pub async fn find_run(backup: &dyn Backup, pool: Option<&PoolId>, text: &str) -> Result<Run> {
    let runs = backup.runs(None).await?;
    named(&runs, pool, text.trim())?.ok_or_else(|| Error::NoSuchRun(text.to_owned()))
}
