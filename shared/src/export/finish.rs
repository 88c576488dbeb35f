use futures::{StreamExt, TryStreamExt, stream};

use super::{Exporter, Verdict};
use crate::Result;
use crate::digest::Digests;
use crate::model::Kind;
use crate::ports::{Change, Head, Listing};
use crate::read::all_partitions;
use crate::run::{Manifest, Run, RunStatus};
use crate::time::Timestamp;

impl Exporter {
    /// Writes the run's manifest, last of all. Only that makes the run `Complete`, or `Held`.
    pub async fn finish(&self, run: Run, verdict: Verdict) -> Result<Run> {
        let (manifest, latest) = self.manifest(&run).await?;
        let listings = self.ledger.listings(&run.id).await?;
        let listed_whole = listings.iter().any(|progress| progress.listing == Listing::Users);
        let (status, reason) = match verdict {
            Verdict::Held(reason) => (RunStatus::Held, Some(reason)),
            _ => (RunStatus::Complete, None),
        };
        // Not before anything that is stored, or reading "as of" this run would leave that out.
        let stored = self.backup.latest(self.pool()).await?;
        let ended_at = self.observed_at(&run).max(latest).max(stored.unwrap_or(latest));
        let ended =
            Run { status, reason, listed_whole, ended_at: Some(ended_at), manifest: Some(manifest), ..run };
        self.backup.put_run(&ended).await?;
        self.ledger.clear(&ended.id).await?;
        Ok(ended)
    }

    /// Counts and digests of everything current, and the time of the latest version.
    async fn manifest(&self, run: &Run) -> Result<(Manifest, Timestamp)> {
        let mut manifest = Manifest::default();
        let mut digests = Digests::new();
        let mut latest = run.started_at;
        let groups = self.backup.group_names(self.pool()).await?;
        let mut read = stream::iter(all_partitions(&groups))
            .map(|partition| async move {
                let heads: Vec<Head> = self.heads(&partition, None).try_collect().await?;
                Ok((heads, partition))
            })
            .buffered(PARALLEL_PARTITIONS);
        while let Some((heads, partition)) = read.try_next().await? {
            for head in &heads {
                digests.add(&partition, &head.key, &head.hash);
                latest = latest.max(head.valid_from);
                count(&mut manifest, partition.kind(), run, head);
            }
        }
        manifest.changes.gone = self.ledger.gone(&run.id).await?;
        manifest.digests = digests.finish();
        Ok((manifest, latest))
    }
}

/// How many partitions are read at once: a pool of 10,000 groups has 170,000, most of them small;
/// of the largest pools each has some 150,000 records.
const PARALLEL_PARTITIONS: usize = 16;

fn count(manifest: &mut Manifest, kind: Kind, run: &Run, head: &Head) {
    if kind == Kind::Settings {
        return;
    }
    manifest.totals.add(kind);
    match head.change {
        _ if head.run != run.id => manifest.changes.unchanged += 1,
        Change::New => manifest.changes.new += 1,
        Change::Changed => manifest.changes.changed += 1,
    }
}
