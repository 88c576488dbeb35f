use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::notice::{self, Ending};
use super::{DRAIN_MILLIS, LEASE_MILLIS, must_miss_no_message, take_lock};
use crate::export::{Exporter, ShrinkGuard, Verdict};
use crate::model::PoolId;
use crate::ports::{Cursor, ListingProgress, Lock, Operation, PAGE_SIZE};
use crate::read::Snapshot;
use crate::run::{Run, RunId, RunStatus};
use crate::time::Timestamp;
use crate::{Error, Result};

/// A run in which nothing was listed or written for so long is broken: some message was lost
/// to the dead-letter queue without anybody noting it.
const STALLED_SECONDS: f64 = 30.0 * 60.0;

/// What was seen longer ago than this is no longer one picture of the pool.
const LONGEST_RUN_SECONDS: f64 = 48.0 * 3600.0;

/// Between two looks at a run, in seconds: a twentieth of the work left, within these.
const SHORTEST_WAIT: u64 = 5;
const LONGEST_WAIT: u64 = 300;

/// What the state machine asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Request {
    /// The pool.
    pub user_pool_id: PoolId,
    /// The execution that asks: it holds the pool's lock.
    pub execution: String,
    /// Its run; none before it has begun.
    #[serde(default)]
    pub run_id: Option<RunId>,
    /// What is to be done.
    #[serde(flatten)]
    pub action: Action,
}

/// One step of the state machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "Action", rename_all = "lowercase", rename_all_fields = "PascalCase")]
pub enum Action {
    /// Take the lock and begin a run.
    Begin,
    /// Say how far the run is.
    Progress {
        /// What the last look said.
        #[serde(default)]
        last: Option<Last>,
    },
    /// Compare what was seen with what is stored, and close what is gone.
    Reconcile {
        /// Let any number be gone.
        #[serde(default)]
        allow_shrink: bool,
    },
    /// Write the manifest and give the lock back.
    Finish {
        /// Why the run is held, if it is.
        #[serde(default)]
        held: Option<String>,
    },
    /// Mark the run as failed and give the lock back.
    Fail {
        /// The error's name.
        #[serde(default)]
        error: String,
        /// What the state machine knows of it.
        #[serde(default)]
        cause: String,
    },
}

impl Action {
    /// Its name, as the state machine writes it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Progress { .. } => "progress",
            Self::Reconcile { .. } => "reconcile",
            Self::Finish { .. } => "finish",
            Self::Fail { .. } => "fail",
        }
    }
}

/// What a look at a run said, for the next to compare with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Last {
    /// How much was listed and written.
    pub steps: u64,
    /// Since when it is so.
    pub since: Timestamp,
}

/// Takes a run of one pool through its steps. Every step may be repeated.
pub struct Coordinator {
    /// The steps themselves.
    pub exporter: Exporter,
    /// Lets one run of the pool go on.
    pub lock: Arc<dyn Lock>,
    /// The most that may go in one run, in percent.
    pub max_shrink_percent: f64,
}

impl Coordinator {
    /// Does what is asked, and returns what the state machine goes on with.
    pub async fn answer(&self, request: Request) -> Result<Value> {
        let execution = request.execution.as_str();
        match (request.action, &request.run_id) {
            (Action::Begin, _) => self.begin(execution).await,
            (Action::Fail { error, cause }, run) => {
                let ending = self.fail(execution, run.as_ref(), &notice::reason(&error, &cause)).await?;
                Ok(json!(ending))
            }
            (_, None) => Err(Error::Usage("RunId is missing".to_owned())),
            (Action::Progress { last }, Some(run)) => self.progress(execution, run, last).await,
            (Action::Reconcile { allow_shrink }, Some(run)) => {
                self.reconcile(execution, run, allow_shrink).await
            }
            (Action::Finish { held }, Some(run)) => Ok(json!(self.finish(execution, run, held).await?)),
        }
    }

    fn lock_name(&self) -> &str {
        self.exporter.pool().as_str()
    }

    async fn begin(&self, execution: &str) -> Result<Value> {
        let id = take_lock(&*self.lock, self.lock_name(), execution, &*self.exporter.clock).await?;
        let run = self.exporter.begin_as(&id).await?;
        self.exporter.dispatch(&run).await?;
        Ok(json!({ "RunId": run.id, "WaitSeconds": SHORTEST_WAIT }))
    }

    async fn progress(&self, execution: &str, id: &RunId, last: Option<Last>) -> Result<Value> {
        let run = self.running(execution, id).await?;
        let listings = self.exporter.dispatch(&run).await?;
        let now = self.exporter.clock.now();
        must_miss_no_message(&*self.exporter.ledger, id, &listings, now).await?;
        let steps = listings.iter().map(steps).sum();
        let last = match last {
            Some(last) if last.steps == steps => last,
            _ => Last { steps, since: now },
        };
        let done = listings.iter().all(ListingProgress::is_done);
        if !done && now.seconds_since(last.since) > STALLED_SECONDS {
            return Err(Error::RunBroken(notice::STALLED.to_owned()));
        }
        if now.seconds_since(run.started_at) > LONGEST_RUN_SECONDS {
            return Err(Error::RunBroken(notice::TOO_LONG.to_owned()));
        }
        let drains = seconds_to_drain(&listings, &last, now).filter(|_| done);
        let wait = drains.unwrap_or_else(|| self.wait(&run, &listings));
        Ok(json!({ "Done": done && drains.is_none(), "WaitSeconds": wait, "Last": last }))
    }

    async fn reconcile(&self, execution: &str, id: &RunId, allow: bool) -> Result<Value> {
        let run = self.running(execution, id).await?;
        let guard = ShrinkGuard { max_percent: self.max_shrink_percent, allow };
        let verdict = self.judge(&run, &guard).await?;
        let (verdict, reason) = match verdict {
            Verdict::ListMore => {
                self.exporter.dispatch(&run).await?;
                ("ListMore", None)
            }
            Verdict::Reconciled => ("Reconciled", None),
            Verdict::Held(reason) => ("Held", Some(reason)),
        };
        Ok(json!({ "Verdict": verdict, "Reason": reason }))
    }

    /// Nothing is called gone before every listing is done, whoever asks.
    async fn judge(&self, run: &Run, guard: &ShrinkGuard) -> Result<Verdict> {
        let listings = self.exporter.ledger.listings(&run.id).await?;
        if !listings.iter().all(ListingProgress::is_done) || self.exporter.widen(run).await? {
            return Ok(Verdict::ListMore);
        }
        self.exporter.reconcile(run, guard).await
    }

    async fn finish(&self, execution: &str, id: &RunId, held: Option<String>) -> Result<Ending> {
        if let Some(ended) = self.ended(id).await? {
            return self.end(execution, &ended).await;
        }
        let run = self.running(execution, id).await?;
        let listings = self.exporter.ledger.listings(id).await?;
        if !listings.iter().all(ListingProgress::is_done) {
            return Err(Error::RunBroken(notice::UNFINISHED.to_owned()));
        }
        let verdict = held.map_or(Verdict::Reconciled, Verdict::Held);
        let ended = self.exporter.finish(run, verdict).await?;
        self.end(execution, &ended).await
    }

    /// Ends the run as failed, unless it had come to another end already.
    async fn fail(&self, execution: &str, id: Option<&RunId>, reason: &str) -> Result<Ending> {
        let held = self.lock.current(self.lock_name()).await?.filter(|lease| lease.holder == execution);
        // Begun, but the answer was lost: the lock knows the run.
        let id = id.cloned().or(held.map(|lease| lease.run));
        let run = match &id {
            Some(id) => self.exporter.backup.run(self.exporter.pool(), id).await?,
            None => None,
        };
        let Some(run) = run else {
            self.release(execution).await?;
            return Ok(Ending::not_begun(self.exporter.pool(), reason));
        };
        if run.status == RunStatus::Running {
            self.exporter.fail(run.clone(), reason).await?;
        }
        let ended = self.ended(&run.id).await?.unwrap_or(run);
        self.end(execution, &ended).await
    }

    async fn end(&self, execution: &str, run: &Run) -> Result<Ending> {
        self.release(execution).await?;
        let ending = Ending::of(run);
        if !matches!(run.status, RunStatus::Complete | RunStatus::Held) {
            return Ok(ending);
        }
        let snapshot = Snapshot::of(self.exporter.backup.clone(), run.clone())?;
        // A remark is not worth the run's ending.
        let not_saved = snapshot.settings().await.map(|settings| settings.not_saved());
        Ok(ending.without(&not_saved.unwrap_or_default()))
    }

    async fn release(&self, execution: &str) -> Result<()> {
        let until = self.exporter.clock.now().plus_millis(DRAIN_MILLIS);
        self.lock.release(self.lock_name(), execution, until).await
    }

    /// The run, if this execution may still go on with it; its lease is renewed.
    async fn running(&self, execution: &str, id: &RunId) -> Result<Run> {
        let until = self.exporter.clock.now().plus_millis(LEASE_MILLIS);
        if !self.lock.renew(self.lock_name(), execution, until).await? {
            return Err(Error::LockLost(id.clone()));
        }
        match self.exporter.backup.run(self.exporter.pool(), id).await? {
            Some(run) if run.status == RunStatus::Running => Ok(run),
            _ => Err(Error::LockLost(id.clone())),
        }
    }

    async fn ended(&self, id: &RunId) -> Result<Option<Run>> {
        let run = self.exporter.backup.run(self.exporter.pool(), id).await?;
        Ok(run.filter(|run| run.status != RunStatus::Running))
    }

    /// Seconds until the next look.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn wait(&self, run: &Run, listings: &[ListingProgress]) -> u64 {
        let listed: u64 = listings
            .iter()
            .filter(|progress| progress.listing.is_of_users())
            .map(|progress| progress.cursor.pages)
            .sum();
        let of_users = run.estimated_users.div_ceil(u64::from(PAGE_SIZE)).saturating_sub(listed);
        let open = listings.iter().filter(|progress| !progress.is_done()).count() as u64;
        let rps = self.exporter.directory.pacer().rates().reached(Operation::ListUsers).max(0.1);
        let seconds_left = (of_users + open) as f64 / rps;
        ((seconds_left / 20.0) as u64).clamp(SHORTEST_WAIT, LONGEST_WAIT)
    }
}

/// Once a listing was taken over, pages of who had it before may be on their way into the store,
/// by a writer that looked just before whether they count. What they alone show must not come in
/// after the manifest. Seconds until none can be; `None` if none is.
fn seconds_to_drain(listings: &[ListingProgress], last: &Last, now: Timestamp) -> Option<u64> {
    let was_taken_over = listings.iter().any(|progress| progress.cursor.attempt > 0);
    let left = last.since.plus_millis(DRAIN_MILLIS).as_millis() - now.as_millis();
    let left = u64::try_from(left).ok().filter(|left| was_taken_over && *left > 0)?;
    Some(left.div_ceil(1000).clamp(SHORTEST_WAIT, LONGEST_WAIT))
}

/// How much of a listing is listed and written.
fn steps(progress: &ListingProgress) -> u64 {
    let Cursor { attempt, pages, ended, .. } = &progress.cursor;
    u64::from(*attempt) + pages + u64::from(*ended) + progress.written
}
