//! One export of one pool.
//!
//! Each step (begin, list, write, widen, reconcile, finish) is a function that can be run by
//! any process, any number of times, and killed between any two statements: the ledger says
//! what is left to do. [`Exporter::export`] runs them all in one process.

mod begin;
mod dispatch;
mod finish;
mod list;
mod reconcile;
mod settings;
mod shrink;
mod widen;
mod write;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::{Stream, TryStreamExt, stream};
use tokio::task::JoinSet;

use crate::model::{Partition, PoolId};
use crate::pacing::Paced;
use crate::ports::{Backup, Clock, Head, Ledger, Listing, ListingProgress, Queue};
use crate::progress::{Progress, Stage};
use crate::read;
use crate::run::Run;
use crate::settings::Recipient;
use crate::time::Timestamp;
use crate::{Error, Result};

pub use list::Listed;
pub use reconcile::Verdict;
pub use shrink::ShrinkGuard;
pub use write::Writer;

/// How many listings one process reads at the same time. The rate, not this, is the limit:
/// it must be enough to fill the rate at a latency of a second.
const PARALLEL_LISTINGS: usize = 32;

/// How much of a pool's settings an export saves.
#[derive(Clone, Debug)]
pub enum SettingsSaved {
    /// Everything but secrets; those too if there is a recipient to seal them for.
    All {
        /// For whom.
        recipient: Option<Recipient>,
    },
    /// The pool and its MFA configuration: enough to compare users with.
    PoolOnly,
}

/// Exports one pool. A clone is another hand at the same work.
#[derive(Clone)]
pub struct Exporter {
    /// The pool.
    pub directory: Arc<Paced>,
    /// Where versions go.
    pub backup: Arc<dyn Backup>,
    /// Where the run is accounted for.
    pub ledger: Arc<dyn Ledger>,
    /// Carries pages to who writes them.
    pub queue: Arc<dyn Queue>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
    /// How much of the settings is saved.
    pub settings: SettingsSaved,
    latest_observation: Arc<AtomicI64>,
}

impl Exporter {
    /// An exporter that sends pages over `queue`.
    pub fn over(
        queue: Arc<dyn Queue>,
        directory: Arc<Paced>,
        backup: Arc<dyn Backup>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        progress: Arc<dyn Progress>,
    ) -> Self {
        Self {
            directory,
            backup,
            ledger,
            queue,
            clock,
            progress,
            settings: SettingsSaved::All { recipient: None },
            latest_observation: Arc::new(AtomicI64::new(i64::MIN)),
        }
    }

    /// An exporter that writes each page in the process that lists it.
    pub fn in_process(
        directory: Arc<Paced>,
        backup: Arc<dyn Backup>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        progress: Arc<dyn Progress>,
    ) -> Self {
        let queue = Arc::new(Writer::new(backup.clone(), ledger.clone(), progress.clone()));
        Self::over(queue, directory, backup, ledger, clock, progress)
    }

    /// The same, saving so much of the settings.
    #[must_use]
    pub fn saving(self, settings: SettingsSaved) -> Self {
        Self { settings, ..self }
    }

    /// Exports the pool, or goes on with an export that was interrupted. The run returned is
    /// `Complete` or `Held`.
    pub async fn export(&self, guard: &ShrinkGuard) -> Result<Run> {
        let run = self.begin().await?;
        match self.until_reconciled(&run, guard).await {
            Ok(verdict) => self.finish(run, verdict).await,
            Err(error @ Error::ListingBroken { .. }) => {
                // It would break again at the same place: let the next export begin anew.
                self.fail(run, &error.to_string()).await?;
                Err(error)
            }
            // Anything else may pass; the run stays as it is, to be continued.
            Err(error) => Err(error),
        }
    }

    async fn until_reconciled(&self, run: &Run, guard: &ShrinkGuard) -> Result<Verdict> {
        loop {
            self.list_everything(run).await?;
            if self.widen(run).await? {
                continue;
            }
            match self.reconcile(run, guard).await? {
                Verdict::ListMore => {}
                verdict => return Ok(verdict),
            }
        }
    }

    /// Reads every listing of the run to its end, those that are opened meanwhile included.
    async fn list_everything(&self, run: &Run) -> Result<()> {
        self.progress.begin(Stage::Users, Some(run.estimated_users));
        loop {
            let open: Vec<Listing> = self.open_listings(run).await?;
            if open.is_empty() {
                break;
            }
            if open.contains(&Listing::Groups) {
                self.progress.begin(Stage::Groups, None);
            }
            if open.iter().any(|listing| matches!(listing, Listing::Members(_) | Listing::MembersAgain(_))) {
                self.progress.begin(Stage::Members, None);
            }
            if open.iter().any(|listing| matches!(listing, Listing::Missing(_))) {
                self.progress.begin(Stage::Confirm, None);
            }
            self.list_in_parallel(run, open).await?;
        }
        self.progress.end(Stage::Users);
        self.progress.end(Stage::Groups);
        self.progress.end(Stage::Members);
        self.progress.end(Stage::Confirm);
        Ok(())
    }

    /// Reads these listings, each in a task of its own: reading answers takes more than one
    /// core. The tasks end with this call, also when it is dropped.
    async fn list_in_parallel(&self, run: &Run, listings: Vec<Listing>) -> Result<()> {
        let mut waiting = listings.into_iter();
        let mut tasks = JoinSet::new();
        loop {
            for listing in waiting.by_ref().take(PARALLEL_LISTINGS - tasks.len()) {
                let (hand, run) = (self.clone(), run.clone());
                tasks.spawn(async move { hand.list_pages(&run, &listing, None).await });
            }
            match tasks.join_next().await {
                None => return Ok(()),
                Some(Ok(listed)) => drop(listed?),
                Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Some(Err(_)) => {}
            }
        }
    }

    async fn open_listings(&self, run: &Run) -> Result<Vec<Listing>> {
        let all = self.ledger.listings(&run.id).await?;
        Ok(all
            .into_iter()
            .filter(|progress| !progress.is_done())
            .map(|ListingProgress { listing, .. }| listing)
            .collect())
    }

    /// What is current of a partition after key `after`, in key order, read some at a time.
    fn heads<'a>(
        &'a self,
        partition: &'a Partition,
        after: Option<String>,
    ) -> impl Stream<Item = Result<Head>> + Send + 'a {
        read::heads(&*self.backup, self.pool(), partition, after)
            .map_ok(|heads| stream::iter(heads.into_iter().map(Ok)))
            .try_flatten()
    }

    /// Opens those of these listings that the run does not have yet. Returns whether there is
    /// one.
    async fn open_new(&self, run: &Run, mut listings: Vec<Listing>) -> Result<bool> {
        if listings.is_empty() {
            return Ok(false);
        }
        let opened: BTreeSet<Listing> =
            self.ledger.listings(&run.id).await?.into_iter().map(|progress| progress.listing).collect();
        listings.retain(|listing| !opened.contains(listing));
        self.ledger.open(&run.id, &listings).await?;
        Ok(!listings.is_empty())
    }

    /// The time an observation made now carries: never before the run's start, and never before
    /// an earlier one of this process, even when the clock is set back.
    fn observed_at(&self, run: &Run) -> Timestamp {
        let now = self.clock.now().max(run.started_at).as_millis();
        Timestamp::from_millis(self.latest_observation.fetch_max(now, Ordering::Relaxed).max(now))
    }

    /// Nothing is observed before `time` from now on.
    fn not_before(&self, time: Timestamp) {
        self.latest_observation.fetch_max(time.as_millis(), Ordering::Relaxed);
    }

    /// The pool.
    pub(crate) fn pool(&self) -> &PoolId {
        self.directory.pool()
    }
}
