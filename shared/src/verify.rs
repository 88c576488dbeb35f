//! Checking that a backup still holds what was written to it.

use std::collections::BTreeSet;

use crate::digest::{Digests, differing};
use crate::model::{Kind, PoolId};
use crate::ports::{Backup, Imports, Version};
use crate::progress::{Progress, Stage};
use crate::read::{CHUNK, Snapshot, all_partitions};
use crate::run::{Run, RunId, RunStatus, Totals};
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
    /// The shards that differ: records were lost, added or changed in them. Or [`MANIFEST`] or
    /// [`RECORD`], if that is missing.
    pub shards: Vec<String>,
}

/// What a run lacks that says to be whole, but not what it holds.
pub const MANIFEST: &str = "manifest";

/// What a run lacks of which there are only versions that it saw.
pub const RECORD: &str = "record";

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
    let known: BTreeSet<&RunId> = runs.iter().map(|run| &run.id).collect();
    let newest = known.iter().filter_map(|run| run.started_at()).max();
    // A run is written down before it sees anything, and the latest does not expire: so one that is
    // not there is lost. (What is copied from a retired table is seen before its run is written.)
    let may_be_lost = pool.retired_table().is_none();
    let mut lost = BTreeSet::new();
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
                let is_newest = newest.is_some_and(|newest| version.run.started_at() >= Some(newest));
                if is_newest && may_be_lost && !known.contains(&version.run) {
                    lost.insert(version.run.clone());
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
    if !lost.is_empty() {
        // One that began meanwhile is there by now.
        for run in backup.runs(Some(pool)).await? {
            lost.remove(&run.id);
        }
    }
    let lacks = |run: RunId, what: &str| BrokenRun { run, shards: vec![what.to_owned()] };
    let unfounded = runs.iter().filter(|run| is_unfounded(run)).map(|run| lacks(run.id.clone(), MANIFEST));
    report.broken_runs.extend(unfounded.chain(lost.into_iter().map(|run| lacks(run, RECORD))));
    Ok(())
}

/// Whether a run says to be whole, and nothing says what it holds.
const fn is_unfounded(run: &Run) -> bool {
    matches!(run.status, RunStatus::Complete | RunStatus::Held)
        && (run.manifest.is_none() || run.ended_at.is_none())
}

/// Reads what became of every import.
///
/// # Errors
/// [`Error::Corrupted`] if something of it is not what was written.
pub async fn verify_imports(imports: &dyn Imports) -> Result<()> {
    for import in imports.imports(None).await? {
        imports.jobs(&import.id).await?;
        let mut after: Option<String> = None;
        loop {
            let mappings = imports.mappings(&import.id, after.as_deref(), CHUNK).await?;
            if mappings.len() < CHUNK {
                break;
            }
            after = mappings.last().map(|mapping| mapping.sub.clone());
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
    let mut unsound: Vec<String> = Vec::new();
    let mut walk = snapshot.everything().await?;
    while let Some(versions) = walk.next().await? {
        for version in &versions {
            if !is_sound(version) {
                unsound.push(named(version));
            }
            digests.add(&version.partition, &version.key, &version.hash);
            totals.add(version.partition.kind());
        }
        progress.advance(Stage::Plan, versions.len() as u64);
    }
    if !unsound.is_empty() {
        return Err(Error::Corrupted(format!(
            "{} records of run {} are not as they were written: {}",
            unsound.len(),
            snapshot.run.id,
            some_of(&unsound)
        )));
    }
    if is_unfounded(&snapshot.run) {
        return Err(Error::Corrupted(format!("run {} has lost its manifest", snapshot.run.id)));
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

/// What a record is called in an error.
fn named(version: &Version) -> String {
    match version.partition.kind() {
        Kind::Settings => "the settings".to_owned(),
        Kind::Membership => format!("membership {}/{}", version.partition.group(), version.key),
        kind => format!("{kind} {}", version.key),
    }
}

/// The first of many, for an error to stay readable.
fn some_of(names: &[String]) -> String {
    const SAID: usize = 3;
    let more = names.len().saturating_sub(SAID);
    let said = names[..names.len() - more].join(", ");
    if more > 0 { format!("{said}, and {more} more") } else { said }
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
