use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::delivery::{Delivery, Failed, Inbox, attempt};
use super::hands::Hands;
use super::{ImporterOf, import_lock, is_live};
use crate::Result;
use crate::import::{Importer, Ongoing};
use crate::pacing::{Category, Pacer};
use crate::ports::{Clock, Ledger, Lock, Operation, ReplayMessage, ReplayQueue};

/// How many batches one worker replays at the same time: more than the fewest only while those do
/// not fill a rate.
const FEWEST_BATCHES: usize = 2;
const MOST_BATCHES: usize = 8;

/// What the batches call most.
const OPERATIONS: [Operation; 3] =
    [Operation::AdminAddUserToGroup, Operation::AdminSetUserPassword, Operation::CreateGroup];

/// Imports that were looked up in one invocation, by their id.
pub type KnownImports = Arc<Mutex<HashMap<String, Arc<Ongoing>>>>;

/// Replays batches of imports.
#[derive(Clone)]
pub struct ReplayWorker {
    /// Makes who restores into a message's pool.
    pub importer_of: ImporterOf,
    /// Where the batches are accounted for.
    pub ledger: Arc<dyn Ledger>,
    /// Where what time does not allow is sent again.
    pub queue: Arc<dyn ReplayQueue>,
    /// Says which import goes on.
    pub lock: Arc<dyn Lock>,
    /// Where the messages come from.
    pub inbox: Arc<dyn Inbox>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// This worker's part of the rates.
    pub pacer: Arc<Pacer>,
    /// Empty at the beginning of an invocation: an import may change between two.
    pub known: KnownImports,
}

impl ReplayWorker {
    /// Replays these messages' batches, and more that it fetches itself, until the clock's
    /// `elapsed()` is `deadline`. Returns those of `deliveries` that failed.
    pub async fn work(&self, deliveries: Vec<Delivery>, deadline: Duration) -> Vec<Failed> {
        let hands = Hands {
            inbox: self.inbox.clone(),
            clock: self.clock.clone(),
            pacer: self.pacer.clone(),
            operations: &OPERATIONS,
            fewest: FEWEST_BATCHES,
            most: MOST_BATCHES,
        };
        hands
            .work_off(deliveries, deadline, |delivery| {
                let hand = self.clone();
                async move { hand.replay(&delivery, deadline).await }
            })
            .await
    }

    /// Batches of an attempt that has ended are passed over.
    async fn replay(&self, delivery: &Delivery, deadline: Duration) -> Result<()> {
        let message: ReplayMessage = delivery.decode()?;
        let now = self.clock.now();
        if !is_live(&*self.lock, &import_lock(&message.into_pool), &message.attempt, now).await? {
            return Ok(());
        }
        let (run, page) = (&message.attempt, &message.page);
        let work = self.replay_in_time(&message, deadline);
        attempt(delivery, (&*self.ledger, &*self.clock), (run, &page.listing, Some(page)), work).await
    }

    /// Replays a batch and counts it. One that time does not allow is sent as a new message: it has
    /// not failed, and what was done of it is passed over then.
    async fn replay_in_time(&self, message: &ReplayMessage, deadline: Duration) -> Result<()> {
        let importer = (self.importer_of)(&message.into_pool)?;
        let ongoing = self.ongoing(&importer, &message.import).await?;
        tokio::select! {
            biased;
            replayed = importer.replay(&ongoing, &message.batch) => replayed?,
            () = self.clock.sleep(deadline.saturating_sub(self.clock.elapsed())) => {
                return self.queue.send_batches(std::slice::from_ref(message)).await;
            }
        }
        self.ledger.count_page(&message.attempt, &message.page, &[]).await
    }

    async fn ongoing(&self, importer: &Importer, id: &str) -> Result<Arc<Ongoing>> {
        let mut known = self.known.lock().await;
        if let Some(ongoing) = known.get(id) {
            return Ok(ongoing.clone());
        }
        let ongoing = Arc::new(importer.resume(id).await?);
        if let Some(rps) = ongoing.import.target.creation_rps {
            self.pacer.note_rate(Category::UserCreation, f64::from(rps));
        }
        known.insert(id.to_owned(), ongoing.clone());
        Ok(ongoing)
    }
}
