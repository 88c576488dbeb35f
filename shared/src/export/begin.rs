use futures::try_join;

use super::Exporter;
use super::settings::PoolAnswers;
use crate::model::{Partition, Record};
use crate::ports::{Listing, Observation, PoolDescription};
use crate::run::{Run, RunId, RunStatus};
use crate::{Error, Result};

/// A run that was interrupted is continued if it began at most so long ago; what it saw is
/// then too old to be called one picture of the pool.
const CONTINUE_WITHIN_SECONDS: f64 = 48.0 * 3600.0;

/// Pools with at most so many users are listed at once: ten pages take no longer one after
/// another than sixteen listings do.
const SMALL_POOL: u64 = 600;

/// The first digits of a `sub` that is a UUID.
const HEX_DIGITS: &str = "0123456789abcdef";

impl Exporter {
    /// Checks the pool, then begins a run or takes up the one that was interrupted.
    pub async fn begin(&self) -> Result<Run> {
        let pool = self.look_at_pool().await?;
        let run = if let Some(run) = self.interrupted_run().await? {
            self.continued(run).await?
        } else {
            let id = RunId::generate(self.clock.now(), self.clock.random());
            self.new_run(id, pool.description.estimated_users).await?
        };
        self.prepare(run, pool).await
    }

    /// Checks the pool, then begins the run of this id, or takes it up if it was begun already.
    /// Any other run that has not ended is failed: whoever calls this holds the pool's lock.
    pub async fn begin_as(&self, id: &RunId) -> Result<Run> {
        let pool = self.look_at_pool().await?;
        let mut begun = None;
        for run in self.backup.runs(Some(self.pool())).await? {
            if run.id == *id {
                begun = Some(run);
            } else if run.status == RunStatus::Running {
                self.fail(run, "its workflow was stopped before the run ended").await?;
            }
        }
        let run = match begun {
            Some(run) if run.status == RunStatus::Running => self.continued(run).await?,
            Some(run) => return Err(Error::RunBroken(format!("run {} has ended already", run.id))),
            None => self.new_run(id.clone(), pool.description.estimated_users).await?,
        };
        self.prepare(run, pool).await
    }

    async fn look_at_pool(&self) -> Result<PoolAnswers> {
        let (description, mfa_config) = try_join!(self.describe(), self.mfa_config())?;
        Ok(PoolAnswers { description, mfa_config })
    }

    /// Saves the pool's settings, and opens the run's first listings.
    async fn prepare(&self, run: Run, pool: PoolAnswers) -> Result<Run> {
        self.save_settings(&run, pool).await?;
        if self.ledger.listings(&run.id).await?.is_empty() {
            let mut listings = vec![Listing::Groups];
            listings.extend(self.user_listings(&run).await?);
            self.ledger.open(&run.id, &listings).await?;
        }
        Ok(run)
    }

    /// Ends a run as failed. What it saved stays; the next export begins anew.
    pub async fn fail(&self, run: Run, reason: &str) -> Result<()> {
        let ended_at = self.observed_at(&run);
        let failed = Run {
            status: RunStatus::Failed,
            ended_at: Some(ended_at),
            reason: Some(reason.to_owned()),
            ..run
        };
        self.backup.put_run(&failed).await?;
        self.ledger.clear(&failed.id).await
    }

    pub(super) async fn describe(&self) -> Result<PoolDescription> {
        self.directory.describe().await.map_err(|error| self.directory.explain(error))
    }

    /// The run to go on with, if there is one; those that are too old for it are failed.
    async fn interrupted_run(&self) -> Result<Option<Run>> {
        let now = self.clock.now();
        let mut found = None;
        for run in self.backup.runs(Some(self.pool())).await? {
            if run.status != RunStatus::Running {
                continue;
            }
            if now.seconds_since(run.started_at) <= CONTINUE_WITHIN_SECONDS && found.is_none() {
                found = Some(run);
            } else {
                self.fail(run, "interrupted, and not continued within two days").await?;
            }
        }
        Ok(found)
    }

    /// What was observed before must not look newer than what will be, even when the clock was
    /// set back meanwhile.
    async fn continued(&self, run: Run) -> Result<Run> {
        if let Some(latest) = self.backup.latest(self.pool()).await? {
            self.not_before(latest.next());
        }
        Ok(run)
    }

    async fn new_run(&self, id: RunId, estimated_users: u64) -> Result<Run> {
        let earlier = self.backup.runs(Some(self.pool())).await?;
        // Later than all earlier runs, even when the clock was set back: times order versions.
        let ends = earlier.iter().filter_map(|run| run.ended_at);
        let latest = ends.chain(self.backup.latest(self.pool()).await?).max();
        let started_at = latest.map_or(self.clock.now(), |time| time.next().max(self.clock.now()));
        let run = Run {
            id,
            pool: self.pool().clone(),
            status: RunStatus::Running,
            started_at,
            ended_at: None,
            estimated_users,
            listed_whole: false,
            manifest: None,
            reason: None,
            left_out: Vec::new(),
        };
        self.backup.put_run(&run).await?;
        Ok(run)
    }

    async fn save_settings(&self, run: &Run, pool: PoolAnswers) -> Result<()> {
        let observed_at = self.observed_at(run);
        let settings = self.read_settings(pool, observed_at).await?;
        let observation = Observation::new(&Record::Settings(settings), observed_at)?;
        let seen = [(observation.partition.clone(), observation.key.clone())];
        self.backup.observe(self.pool(), &run.id, &[observation]).await?;
        self.ledger.count_seen(&run.id, &seen).await
    }

    /// One listing for a small pool, and for a pool known to have users whose `sub` is no
    /// UUID; else one for each first digit, so that they can be read in parallel.
    async fn user_listings(&self, run: &Run) -> Result<Vec<Listing>> {
        // A text that is no UUID lies in the shard of all such.
        let odd = Partition::of_user("");
        let has_odd_subs = !self.backup.heads(self.pool(), &odd, None, 1).await?.is_empty();
        if run.estimated_users <= SMALL_POOL || has_odd_subs {
            return Ok(vec![Listing::Users]);
        }
        Ok(HEX_DIGITS.chars().map(|digit| Listing::UsersBySub(digit.to_string())).collect())
    }
}
