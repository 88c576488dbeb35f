//! A run over queues, as a state machine and its workers take it step by step.
//!
//! The [`Coordinator`] begins a run, says how far it is, and ends it. [`ListWorker`]s read
//! listings, [`PageWorker`]s write pages. Each may be called twice, late, or killed.
//!
//! An import goes the same way: the [`ImportCoordinator`] takes it through its steps, and
//! [`ReplayWorker`]s replay its batches. The ledger counts them as it counts pages.

mod coordinator;
mod delivery;
#[cfg(test)]
mod fuzz;
mod hands;
mod import;
mod import_notice;
mod import_request;
mod list;
mod notice;
mod replay;
mod write;

use std::sync::Arc;

use crate::model::PoolId;
use crate::ports::{Clock, DeadLetter, Lease, Ledger, ListingProgress, Lock};
use crate::run::RunId;
use crate::time::Timestamp;
use crate::{Error, Result};

pub use coordinator::{Action, Coordinator, Last, Request};
pub use delivery::{Delivery, Failed, Inbox, MOST_RECEIVES};
pub use import::ImportCoordinator;
pub use import_request::{ImportAction, ImportInput, ImportRequest};
pub use list::ListWorker;
pub use notice::Ending;
pub use replay::ReplayWorker;
pub use write::PageWorker;

use crate::export::Exporter;
use crate::import::Importer;

/// The errors, by [`Error::kind`], after which the state machine tries an action again: they
/// may pass.
pub const RETRIED: [&str; 3] = ["conflict", "store_unavailable", "unavailable"];

/// The errors, by [`Error::kind`], that have a path of their own when a run begins.
pub const ON_BEGIN: [&str; 2] = ["already_running", "draining"];

/// How long a run keeps its pool's lock without renewing it, in milliseconds. Longer than an
/// action may take (15 minutes: Lambda's limit) and than the longest wait between two of an export.
pub const LEASE_MILLIS: i64 = 30 * 60 * 1000;

/// How long the lock is kept once a run has ended, in milliseconds: as long as who writes a
/// page may still be on its way, which is the time-out of that function.
pub const DRAIN_MILLIS: i64 = 60 * 1000;

/// A message at its last try that says nothing more for so long died with its process: longer
/// than any function may take.
const LAST_TRY_SECONDS: f64 = 15.0 * 60.0;

/// Makes the exporter of a pool.
pub type ExporterOf = Arc<dyn Fn(&PoolId) -> Result<Exporter> + Send + Sync>;

/// Makes who restores into a pool.
pub type ImporterOf = Arc<dyn Fn(&PoolId) -> Result<Importer> + Send + Sync>;

/// The name of the lock that lets one import into a pool go on. Not the pool's own: its exports
/// go on meanwhile, for they list what the import made.
fn import_lock(into: &PoolId) -> String {
    format!("{into}/import")
}

/// Takes the lock for an execution. Returns the run the lock is of: the one it has already, if
/// this is a repeated begin.
async fn take_lock(lock: &dyn Lock, name: &str, execution: &str, clock: &dyn Clock) -> Result<RunId> {
    let now = clock.now();
    let lease = Lease {
        holder: execution.to_owned(),
        run: RunId::generate(now, clock.random()),
        until: now.plus_millis(LEASE_MILLIS),
        released: false,
    };
    match lock.acquire(name, &lease, now).await? {
        Lease { run, until, released: true, .. } => Err(Error::Draining { run, until }),
        Lease { run, until, holder, .. } if holder != execution => Err(Error::AlreadyRunning { run, until }),
        Lease { run, .. } => Ok(run),
    }
}

/// An error if a message failed its last try, and its listing is not done without it.
async fn must_miss_no_message(
    ledger: &dyn Ledger,
    run: &RunId,
    listings: &[ListingProgress],
    now: Timestamp,
) -> Result<()> {
    let is_done = |letter: &DeadLetter| {
        listings.iter().any(|progress| progress.listing == letter.listing && progress.is_done())
    };
    let is_dead =
        |letter: &DeadLetter| letter.error.is_some() || now.seconds_since(letter.at) > LAST_TRY_SECONDS;
    let letters = ledger.dead_letters(run).await?;
    match letters.iter().find(|letter| is_dead(letter) && !is_done(letter)) {
        Some(letter) => Err(Error::RunBroken(notice::of_dead_letter(letter))),
        None => Ok(()),
    }
}

/// Whether work for a run is still wanted. An error if that cannot be told: the lease is over,
/// but nobody took the lock yet.
async fn is_live(lock: &dyn Lock, name: &str, run: &RunId, now: Timestamp) -> Result<bool> {
    match lock.current(name).await? {
        Some(lease) if lease.run == *run && !lease.released => {
            if now < lease.until {
                Ok(true)
            } else {
                Err(Error::LockLost(run.clone()))
            }
        }
        _ => Ok(false),
    }
}
