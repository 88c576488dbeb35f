//! Checking that a backup still holds what was written to it.

use crate::digest::{Digests, differing};
use crate::model::{Kind, PoolId};
use crate::ports::{Backup, Version};
use crate::progress::{Progress, Stage};
use crate::read::{CHUNK, Snapshot, all_partitions};
use crate::run::{Run, RunId, Totals};
use crate::{Error, Result};

/// What a check of a whole backup found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Versions read.
    pub versions: u64,
    /// Runs whose digests were recomputed.
    pub runs: u64,
    /// Records whose content is not what was written.
    pub damaged: Vec<DamagedRecord>,
    /// Runs that no longer hold what they held.
    pub broken_runs: Vec<BrokenRun>,
}

impl Report {
    /// Whether everything is as it was written.
    pub const fn is_intact(&self) -> bool {
        self.damaged.is_empty() && self.broken_runs.is_empty()
    }
}

/// A version whose content is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRecord {
    /// Its pool.
    pub pool: PoolId,
    /// What it is.
    pub kind: Kind,
    /// Its group, for a membership; empty otherwise.
    pub group: String,
    /// Its key: a `sub`, or a group's name.
    pub key: String,
}

/// A run that no longer holds what its manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRun {
    /// The run.
    pub run: RunId,
    /// The shards that differ: records were lost, added or changed in them.
    pub shards: Vec<String>,
}

/// Reads every version of every pool once: recomputes each content's hash, and the digests of
/// every run that has a manifest.
pub async fn verify(backup: &dyn Backup, progress: &dyn Progress) -> Result<Report> {
    let runs = backup.runs(None).await?;
    let mut pools: Vec<PoolId> = runs.iter().map(|run| run.pool.clone()).collect();
    pools.sort_unstable();
    pools.dedup();
    let mut report = Report::default();
    progress.begin(Stage::Digests, None);
    for pool in pools {
        let of_pool: Vec<&Run> = runs.iter().filter(|run| run.pool == pool).collect();
        verify_pool(backup, &pool, &of_pool, progress, &mut report).await?;
    }
    progress.end(Stage::Digests);
    Ok(report)
}

async fn verify_pool(
    backup: &dyn Backup,
    pool: &PoolId,
    runs: &[&Run],
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<()> {
    let with_manifest = runs.iter().filter_map(|run| Some((*run, run.manifest.as_ref()?, run.ended_at?)));
    let mut checks: Vec<_> =
        with_manifest.map(|(run, manifest, at)| (run, manifest, at, Digests::new())).collect();
    let groups = backup.group_names(pool).await?;
    for partition in all_partitions(&groups) {
        let mut after = None;
        loop {
            let position = after.as_ref().map(|(key, from): &(String, _)| (key.as_str(), *from));
            let versions = backup.versions(pool, &partition, position, CHUNK).await?;
            for version in &versions {
                if !is_sound(version) {
                    report.damaged.push(damaged(pool, version));
                }
                for (_, _, at, digests) in &mut checks {
                    if version.held_at(*at) {
                        digests.add(&partition, &version.key, &version.hash);
                    }
                }
            }
            report.versions += versions.len() as u64;
            progress.advance(Stage::Digests, versions.len() as u64);
            if versions.len() < CHUNK {
                break;
            }
            after = versions.last().map(|version| (version.key.clone(), version.valid_from));
        }
    }
    for (run, manifest, _, digests) in checks {
        report.runs += 1;
        let shards = differing(&manifest.digests, &digests.finish());
        if !shards.is_empty() {
            report.broken_runs.push(BrokenRun { run: run.id.clone(), shards });
        }
    }
    Ok(())
}

/// Checks everything one run holds, before it is relied on. Returns how much that is.
///
/// # Errors
/// [`Error::Corrupted`] if a content is not what was written, or if records are missing.
pub async fn check(snapshot: &Snapshot, progress: &dyn Progress) -> Result<Totals> {
    let mut digests = Digests::new();
    let mut totals = Totals::default();
    let mut damaged = 0_u64;
    let mut walk = snapshot.everything().await?;
    while let Some(versions) = walk.next().await? {
        for version in &versions {
            damaged += u64::from(!is_sound(version));
            digests.add(&version.partition, &version.key, &version.hash);
            totals.add(version.partition.kind());
        }
        progress.advance(Stage::Plan, versions.len() as u64);
    }
    if damaged > 0 {
        return Err(Error::Corrupted(format!(
            "{damaged} records of run {} are not as they were written",
            snapshot.run.id
        )));
    }
    let shards =
        snapshot.run.manifest.as_ref().map(|manifest| differing(&manifest.digests, &digests.finish()));
    match shards.unwrap_or_default() {
        shards if shards.is_empty() => Ok(totals),
        shards => Err(Error::Corrupted(format!(
            "run {} does not hold what its manifest says, in {}",
            snapshot.run.id,
            shards.join(", ")
        ))),
    }
}

/// Whether a version is what was written, and lies where its content says it belongs.
fn is_sound(version: &Version) -> bool {
    version.is_intact()
        && version
            .record()
            .is_ok_and(|record| record.key() == version.key && record.partition() == version.partition)
}

fn damaged(pool: &PoolId, version: &Version) -> DamagedRecord {
    DamagedRecord {
        pool: pool.clone(),
        kind: version.partition.kind(),
        group: version.partition.group().to_owned(),
        key: version.key.clone(),
    }
}
