use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::import_request::{ImportAction, ImportInput, ImportRequest};
use super::notice::{self, Ending};
use super::{DRAIN_MILLIS, LEASE_MILLIS, Last, import_lock, import_notice, must_miss_no_message, take_lock};
use crate::import::{
    BATCH, Batches, CheckPlace, Checked, Importer, MatchPlace, Matched, Next, Ongoing, Prepared,
};
use crate::ports::{
    Cursor, Import, ImportStatus, Ledger, Listing, ListingProgress, Lock, Operation, PageId, Phase, Place,
    ReplayMessage, ReplayQueue,
};
use crate::read::Snapshot;
use crate::run::RunId;
use crate::{Error, Result};

/// So many batches are sent before they are replayed: enough to keep every worker busy until the
/// next look, and few enough that none waits in the queue until it expires there.
const MOST_IN_FLIGHT: u64 = 10_000;

/// An import in which nothing moved for so long is broken: some message was lost to the
/// dead-letter queue without anybody noting it. Five tries of a message whose workers die without
/// a word take 90 minutes (`VisibilityTimeout` of `ReplayQueue`), and are no reason to give up.
const STALLED_SECONDS: f64 = 2.0 * 3600.0;

/// Between two looks, in seconds. Weeks of work have to fit a history of 25,000 events (Step
/// Functions Developer Guide, "Quotas"): so the wait grows with what is left, but no further than
/// to a tenth of what it took so far.
const SHORTEST_WAIT: u64 = 5;
const LONGEST_FIRST_WAIT: f64 = 300.0;
const LONGEST_WAIT: u64 = 3_600;

/// So often the end of what is on its way is looked for: each time when a twentieth of it is done.
const LOOKS_FOR_THE_END: f64 = 20.0;

/// A place in a listing is written down after so many steps.
const STEPS_TO_A_PLACE: u32 = 20;

/// Takes an import into one pool through its steps. Every step may be repeated.
pub struct ImportCoordinator {
    /// The steps themselves.
    pub importer: Importer,
    /// Counts the batches.
    pub ledger: Arc<dyn Ledger>,
    /// Carries the batches to who replays them.
    pub queue: Arc<dyn ReplayQueue>,
    /// Lets one import into the pool go on.
    pub lock: Arc<dyn Lock>,
    /// When the work of this invocation must end, by the clock's `elapsed()`.
    pub deadline: Duration,
}

/// An attempt at an import that this execution may go on with.
struct Attempt {
    id: RunId,
    ongoing: Ongoing,
}

/// Every phase of an attempt.
const PHASES: [Phase; 4] = [Phase::Groups, Phase::Users, Phase::Unfinished, Phase::Memberships];

impl ImportCoordinator {
    /// Does what is asked, and returns what the state machine goes on with.
    pub async fn answer(&self, request: ImportRequest) -> Result<Value> {
        let execution = request.execution.as_str();
        match request.action {
            ImportAction::Plan { input } => Ok(json!(self.prepare(&input).await?.plan)),
            ImportAction::Begin { input } => self.begin(execution, &input).await,
            ImportAction::Fail { error, cause } => {
                let reason = notice::reason(&error, &cause);
                Ok(json!(self.fail(execution, request.import_id.as_deref(), &reason).await?))
            }
            action => {
                let (Some(import), Some(attempt)) = (request.import_id, request.attempt) else {
                    return Err(Error::Usage("ImportId and Attempt are missing".to_owned()));
                };
                if let (ImportAction::Finish, Some(ended)) = (&action, self.ended(&import).await?) {
                    return Ok(json!(self.tell(execution, &ended).await?));
                }
                let attempt = self.running(execution, &import, attempt).await?;
                self.go_on(execution, attempt, action).await
            }
        }
    }

    async fn go_on(&self, execution: &str, attempt: Attempt, action: ImportAction) -> Result<Value> {
        match action {
            ImportAction::CreateUsers { last } => self.create_users(execution, &attempt, last).await,
            ImportAction::Match { again } => self.match_users(attempt, again).await,
            ImportAction::Progress { last } => self.progress(execution, &attempt, last).await,
            ImportAction::Verify { again } => self.verify(attempt, again).await,
            _ => Ok(json!(self.finish(execution, attempt).await?)),
        }
    }

    async fn prepare(&self, input: &ImportInput) -> Result<Prepared> {
        let (from, as_of) = (input.source_user_pool_id.as_ref(), input.as_of.as_deref());
        let snapshot = self.importer.find_snapshot(from, as_of).await?;
        self.importer.prepare(snapshot, input.options()).await
    }

    async fn begin(&self, execution: &str, input: &ImportInput) -> Result<Value> {
        let attempt = take_lock(&*self.lock, &self.lock_name(), execution, &*self.importer.clock).await?;
        let prepared = self.prepare(input).await?;
        let ongoing = self.importer.begin(prepared.called(attempt.as_str())).await?;
        self.ledger.open(&attempt, &PHASES.map(Listing::Replay)).await?;
        Ok(json!({ "ImportId": ongoing.import.id, "Attempt": attempt }))
    }

    /// Groups, jobs, and then whoever no job carries: what a job creates bills nobody, so it goes
    /// first.
    async fn create_users(&self, execution: &str, attempt: &Attempt, last: Option<Last>) -> Result<Value> {
        let groups = self.send(attempt, Phase::Groups).await?;
        let jobs = self.importer.advance_jobs(&attempt.ongoing).await?;
        let users = match jobs {
            Next::Done => self.send(attempt, Phase::Users).await?,
            Next::Wait(_) => self.listing(&attempt.id, Phase::Users).await?,
        };
        let done = jobs == Next::Done && groups.is_done() && users.is_done();
        let must_match = done && self.importer.must_match(&attempt.ongoing).await?;
        let wait = match jobs {
            Next::Wait(duration) => duration.as_secs().clamp(SHORTEST_WAIT, LONGEST_WAIT),
            Next::Done => self.wait(attempt, &[&groups, &users], Operation::AdminSetUserPassword),
        };
        // A job may take hours for its rows, and has patience of its own.
        let stands_still = jobs != Next::Done && groups.is_done();
        let last = self.look(attempt, &[groups, users], last, stands_still).await?;
        self.hold(execution, attempt, wait).await?;
        Ok(json!({ "Done": done, "Match": must_match, "WaitSeconds": wait, "Last": last }))
    }

    /// Whoever is unfinished, and then memberships: those are of restored users only.
    async fn progress(&self, execution: &str, attempt: &Attempt, last: Option<Last>) -> Result<Value> {
        let unfinished = self.send(attempt, Phase::Unfinished).await?;
        let memberships = if unfinished.is_done() {
            self.send(attempt, Phase::Memberships).await?
        } else {
            self.listing(&attempt.id, Phase::Memberships).await?
        };
        let done = unfinished.is_done() && memberships.is_done();
        let wait = self.wait(attempt, &[&unfinished, &memberships], Operation::AdminAddUserToGroup);
        let last = self.look(attempt, &[unfinished, memberships], last, false).await?;
        self.hold(execution, attempt, wait).await?;
        Ok(json!({ "Done": done, "WaitSeconds": wait, "Last": last }))
    }

    /// Sends batches of a phase, as many as shall be on their way. Sent first, then noted: after a
    /// crash in between they are made again, and what was sent before no longer counts.
    async fn send(&self, attempt: &Attempt, phase: Phase) -> Result<ListingProgress> {
        let progress = self.listing(&attempt.id, phase).await?;
        let most = progress.written + MOST_IN_FLIGHT;
        if progress.cursor.ended || progress.cursor.pages >= most {
            return Ok(progress);
        }
        let listing = Listing::Replay(phase);
        let taken = self.ledger.take(&attempt.id, &listing).await?;
        let mut cursor = taken.ok_or_else(|| Error::LockLost(attempt.id.clone()))?;
        let position = cursor.token.as_deref().map(read).transpose()?.unwrap_or_default();
        let mut batches = Batches::new(&self.importer, &attempt.ongoing, phase, position).await?;
        while !cursor.ended && cursor.pages < most && self.importer.clock.elapsed() < self.deadline {
            match batches.next().await? {
                Some(found) => {
                    cursor.pages = self.send_from(attempt, phase, &cursor, found).await?;
                    cursor.token = Some(written(&batches.position())?);
                }
                None => cursor = Cursor { token: None, ended: true, ..cursor },
            }
            if !self.ledger.advance(&attempt.id, &listing, &cursor).await? {
                // Another invocation does the same.
                break;
            }
        }
        cursor.held = false;
        self.ledger.advance(&attempt.id, &listing, &cursor).await?;
        self.listing(&attempt.id, phase).await
    }

    /// Sends these batches, numbered from the cursor on. Empty ones are counted at once. Returns
    /// the next number.
    async fn send_from(
        &self,
        attempt: &Attempt,
        phase: Phase,
        cursor: &Cursor,
        batches: Vec<crate::import::Batch>,
    ) -> Result<u64> {
        let import = &attempt.ongoing.import;
        let next = cursor.pages + batches.len() as u64;
        let mut messages = Vec::new();
        for (number, batch) in (cursor.pages..).zip(batches) {
            let page = PageId { listing: Listing::Replay(phase), attempt: cursor.attempt, number };
            if batch.is_empty() {
                self.ledger.count_page(&attempt.id, &page, &[]).await?;
                continue;
            }
            messages.push(ReplayMessage {
                into_pool: import.into_pool.clone(),
                import: import.id.clone(),
                attempt: attempt.id.clone(),
                page,
                batch,
            });
        }
        self.queue.send_batches(&messages).await?;
        Ok(next)
    }

    async fn listing(&self, attempt: &RunId, phase: Phase) -> Result<ListingProgress> {
        let found = self.ledger.listing(attempt, &Listing::Replay(phase)).await?;
        found.ok_or_else(|| Error::LockLost(attempt.clone()))
    }

    /// Fails an attempt that misses a message for good, or in which nothing moves.
    async fn look(
        &self,
        attempt: &Attempt,
        listings: &[ListingProgress],
        last: Option<Last>,
        stands_still: bool,
    ) -> Result<Last> {
        let now = self.importer.clock.now();
        must_miss_no_message(&*self.ledger, &attempt.id, listings, now).await?;
        let steps = listings.iter().map(|progress| progress.cursor.pages + progress.written).sum();
        let last = match last {
            Some(last) if last.steps == steps && !stands_still => last,
            _ => Last { steps, since: now },
        };
        if now.seconds_since(last.since) > STALLED_SECONDS {
            return Err(Error::RunBroken(import_notice::STALLED.to_owned()));
        }
        Ok(last)
    }

    /// Seconds until the next look: half of the time that what is on its way takes, so that the
    /// workers never run out of it; at the end a twentieth of it.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn wait(&self, attempt: &Attempt, listings: &[&ListingProgress], operation: Operation) -> u64 {
        let on_their_way: u64 =
            listings.iter().map(|progress| progress.cursor.pages.saturating_sub(progress.written)).sum();
        let rps = self.importer.directory.pacer().rates().reached(operation).max(0.1);
        let seconds_left = (on_their_way * BATCH as u64) as f64 / rps;
        let is_all = listings.iter().all(|progress| progress.cursor.ended);
        let part = if is_all { LOOKS_FOR_THE_END } else { 2.0 };
        // What was done by an earlier attempt is passed over much faster.
        let now = self.importer.clock.now();
        let so_far = attempt.id.started_at().map_or(0.0, |started_at| now.seconds_since(started_at));
        let most = (so_far / 10.0).max(LONGEST_FIRST_WAIT);
        ((seconds_left / part).min(most) as u64).clamp(SHORTEST_WAIT, LONGEST_WAIT)
    }

    async fn match_users(&self, mut attempt: Attempt, again: bool) -> Result<Value> {
        let new = self.last_listing(&attempt).await?;
        let first = if again { MatchPlace::second() } else { MatchPlace::default() };
        let mut place = place(&attempt, &new)?.unwrap_or(first);
        for step in 1.. {
            match self.importer.match_some(&attempt.ongoing, &new, place).await? {
                Matched::More(next) => place = next,
                end => {
                    self.forget_place(&mut attempt).await?;
                    return Ok(json!({ "Done": true, "ListAgain": end == Matched::ListAgain }));
                }
            }
            if self.keep_place(&mut attempt, &new, &place, step).await? {
                break;
            }
        }
        Ok(json!({ "Done": false, "ListAgain": false }))
    }

    /// A listing lags behind what was just done: if something differs, the pool is listed again.
    async fn verify(&self, mut attempt: Attempt, again: bool) -> Result<Value> {
        let new = self.last_listing(&attempt).await?;
        let mut place: CheckPlace = place(&attempt, &new)?.unwrap_or_default();
        for step in 1.. {
            match self.importer.check_some(&attempt.ongoing, &new, place, false).await? {
                Checked::More(next) => place = next,
                Checked::All(compared) => {
                    let differences = compared.differences;
                    attempt.ongoing.import.compared = Some(compared);
                    self.forget_place(&mut attempt).await?;
                    return Ok(json!({ "Done": true, "ListAgain": differences > 0 && !again }));
                }
            }
            if self.keep_place(&mut attempt, &new, &place, step).await? {
                break;
            }
        }
        Ok(json!({ "Done": false, "ListAgain": false }))
    }

    /// The last complete export of the new pool: the state machine has just made one.
    async fn last_listing(&self, attempt: &Attempt) -> Result<Snapshot> {
        let import = &attempt.ongoing.import;
        let found = Snapshot::find(self.importer.backup.clone(), Some(&import.into_pool), None).await?;
        if found.run.started_at < import.started_at {
            return Err(Error::NoCompleteRun(import.into_pool.clone()));
        }
        Ok(found)
    }

    /// Writes the place down now and then. Returns whether it is time to stop.
    async fn keep_place(
        &self,
        attempt: &mut Attempt,
        new: &Snapshot,
        place: &impl Serialize,
        step: u32,
    ) -> Result<bool> {
        let is_late = self.importer.clock.elapsed() >= self.deadline;
        if is_late || step.is_multiple_of(STEPS_TO_A_PLACE) {
            attempt.ongoing.import.place = Some(Place { listing: new.run.id.clone(), at: written(place)? });
            self.importer.write_down(&mut attempt.ongoing.import).await?;
        }
        Ok(is_late)
    }

    async fn forget_place(&self, attempt: &mut Attempt) -> Result<()> {
        attempt.ongoing.import.place = None;
        self.importer.write_down(&mut attempt.ongoing.import).await
    }

    async fn finish(&self, execution: &str, attempt: Attempt) -> Result<Ending> {
        let listings = self.ledger.listings(&attempt.id).await?;
        let is_done = !listings.is_empty() && listings.iter().all(ListingProgress::is_done);
        if !is_done || attempt.ongoing.import.compared.is_none() {
            return Err(Error::RunBroken(notice::UNFINISHED.to_owned()));
        }
        let (import, counts) = self.importer.end(attempt.ongoing.import, |_| {}).await?;
        self.ledger.clear(&attempt.id).await?;
        self.release(execution).await?;
        Ok(import_notice::of(&import, &counts))
    }

    /// Of an import that has come to its end, when it is asked about again.
    async fn tell(&self, execution: &str, import: &Import) -> Result<Ending> {
        self.release(execution).await?;
        let counts = self.importer.count(import, |_| {}).await?;
        Ok(import_notice::of(import, &counts))
    }

    /// Ends the import as failed, unless it had come to its end already.
    async fn fail(&self, execution: &str, import: Option<&str>, reason: &str) -> Result<Ending> {
        let held = self.lock.current(&self.lock_name()).await?;
        let is_ours = held.is_some_and(|lease| lease.holder == execution && !lease.released);
        let import = match import {
            Some(id) => self.importer.imports.import(id).await?,
            None => None,
        };
        let into = self.importer.directory.pool();
        let Some(mut import) = import else {
            self.release(execution).await?;
            return Ok(import_notice::failed(into, None, reason));
        };
        if is_at_its_end(&import) {
            return self.tell(execution, &import).await;
        }
        // Whoever lost the lock leaves the import to who has it.
        if is_ours {
            import.status = ImportStatus::Failed;
            import.reason = Some(reason.to_owned());
            import.ended_at = Some(self.importer.clock.now());
            self.importer.write_down(&mut import).await?;
        }
        self.release(execution).await?;
        Ok(import_notice::failed(into, Some(&import), reason))
    }

    /// The lease lasts over so many seconds of waiting, and then as long as always.
    async fn hold(&self, execution: &str, attempt: &Attempt, seconds: u64) -> Result<()> {
        let millis = i64::try_from(seconds * 1_000).unwrap_or(i64::MAX);
        let until = self.importer.clock.now().plus_millis(millis + LEASE_MILLIS);
        if self.lock.renew(&self.lock_name(), execution, until).await? {
            return Ok(());
        }
        Err(Error::LockLost(attempt.id.clone()))
    }

    /// The attempt, if this execution may still go on with it; its lease is renewed.
    async fn running(&self, execution: &str, import: &str, attempt: RunId) -> Result<Attempt> {
        let until = self.importer.clock.now().plus_millis(LEASE_MILLIS);
        if !self.lock.renew(&self.lock_name(), execution, until).await? {
            return Err(Error::LockLost(attempt));
        }
        let ongoing = self.importer.resume(import).await?;
        if ongoing.import.status != ImportStatus::Running {
            return Err(Error::LockLost(attempt));
        }
        Ok(Attempt { id: attempt, ongoing })
    }

    async fn ended(&self, id: &str) -> Result<Option<Import>> {
        Ok(self.importer.imports.import(id).await?.filter(is_at_its_end))
    }

    async fn release(&self, execution: &str) -> Result<()> {
        let until = self.importer.clock.now().plus_millis(DRAIN_MILLIS);
        self.lock.release(&self.lock_name(), execution, until).await
    }

    fn lock_name(&self) -> String {
        import_lock(self.importer.directory.pool())
    }
}

const fn is_at_its_end(import: &Import) -> bool {
    matches!(import.status, ImportStatus::Complete | ImportStatus::Partial)
}

/// Where the work goes on, if it is over the same listing.
fn place<T: DeserializeOwned>(attempt: &Attempt, new: &Snapshot) -> Result<Option<T>> {
    let place = attempt.ongoing.import.place.as_ref().filter(|place| place.listing == new.run.id);
    place.map(|place| read(&place.at)).transpose()
}

fn written(place: &impl Serialize) -> Result<String> {
    serde_json::to_string(place).map_err(|error| Error::not_written(&error))
}

fn read<T: DeserializeOwned>(place: &str) -> Result<T> {
    serde_json::from_str(place)
        .map_err(|_| Error::Corrupted("a place in a listing cannot be read".to_owned()))
}
