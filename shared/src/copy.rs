//! Carrying a run from one backup into another.

use std::collections::HashSet;
use std::pin::pin;

use futures::TryStreamExt as _;

use crate::Result;
use crate::ports::{Backup, Observation};
use crate::progress::{Progress, Stage};
use crate::read::{Snapshot, all_partitions, heads};
use crate::run::{Run, RunId};
use crate::time::Timestamp;

/// Makes a run of one backup the latest run of `into`, with all it holds; what `into` has beside
/// it of the pool is gone from then on. Returns the run as it is there: what the pool was before
/// stays what it was, so it may end later there than it did. If the latest run that is there
/// holds the same, nothing is written.
///
/// The run is written last: of one that was interrupted there is none. The next copy makes up for
/// what it left.
pub async fn copy_run(snapshot: &Snapshot, into: &dyn Backup, progress: &dyn Progress) -> Result<Run> {
    let runs = into.runs(Some(snapshot.pool())).await?;
    if let Some(last) = runs.last().filter(|last| holds_the_same(last, &snapshot.run)) {
        return Ok(last.clone());
    }
    let run = place(snapshot, into.latest(snapshot.pool()).await?, &runs);
    let at = run.ended_at.unwrap_or(run.started_at);
    let totals = run.manifest.as_ref().map(|manifest| manifest.totals);
    progress.begin(Stage::Copy, totals.map(|totals| totals.sum()));
    close_others(snapshot, into, at).await?;
    let mut walk = snapshot.everything().await?;
    while let Some(versions) = walk.next().await? {
        let count = versions.len() as u64;
        let seen: Vec<Observation> = versions
            .into_iter()
            .map(|version| Observation {
                partition: version.partition,
                key: version.key,
                content: version.content,
                hash: version.hash,
                observed_at: at,
            })
            .collect();
        into.observe(&run.pool, &run.id, &seen).await?;
        progress.advance(Stage::Copy, count);
    }
    into.put_run(&run).await?;
    progress.end(Stage::Copy);
    Ok(run)
}

fn holds_the_same(one: &Run, other: &Run) -> bool {
    let digests = |run: &Run| run.manifest.as_ref().map(|manifest| manifest.digests.clone());
    one.status == other.status && one.left_out == other.left_out && digests(one) == digests(other)
}

/// The run, later than everything of the pool that is there, under an id that none of `runs` has.
fn place(snapshot: &Snapshot, latest: Option<Timestamp>, runs: &[Run]) -> Run {
    let run = snapshot.run.clone();
    let is_taken = |id: &RunId| runs.iter().any(|run| run.id == *id);
    let mut id = run.id.clone();
    let mut others = (2..).map(|number: u32| RunId::new(format!("{}-{number}", run.id)));
    while is_taken(&id)
        && let Some(other) = others.next()
    {
        id = other;
    }
    let earliest = latest.map_or(run.started_at, Timestamp::next);
    Run {
        id,
        started_at: run.started_at.max(earliest),
        ended_at: Some(snapshot.at.max(earliest)),
        ..run.clone()
    }
}

/// Ends what is current in `into` and not in the snapshot.
async fn close_others(snapshot: &Snapshot, into: &dyn Backup, at: Timestamp) -> Result<()> {
    let pool = snapshot.pool();
    for partition in all_partitions(&into.group_names(pool).await?) {
        let mut heads = pin!(heads(into, pool, &partition, None));
        while let Some(some) = heads.try_next().await? {
            let keys: Vec<String> = some.into_iter().map(|head| head.key).collect();
            let held = snapshot.backup().get(pool, &partition, &keys, snapshot.at).await?;
            let held: HashSet<&str> = held.iter().map(|version| version.key.as_str()).collect();
            let others: Vec<String> =
                keys.iter().filter(|key| !held.contains(key.as_str())).cloned().collect();
            if !others.is_empty() {
                into.close(pool, &partition, &others, at).await?;
            }
        }
    }
    Ok(())
}
