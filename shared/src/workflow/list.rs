use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::delivery::{Delivery, Failed, Inbox, again, attempt};
use super::{ExporterOf, is_live};
use crate::Result;
use crate::export::Listed;
use crate::pacing::Pacer;
use crate::ports::{Clock, ListMessage, Lock, Operation};

/// How many listings one worker reads at the same time: more than the fewest only while that
/// does not fill its rate, as at a high latency. What one worker does not hold, another can
/// take: so they end together.
const FEWEST_LISTINGS: usize = 2;
const MOST_LISTINGS: usize = 8;

/// No call is made for so long after a worker starts. Whoever had this worker's share of the
/// rate before, in another process, may have used it up in the second that ends now.
const QUIET: Duration = Duration::from_millis(1_010);

/// No further message is fetched with less time left than this: a call that stalls takes as long.
const LAST_FETCH: Duration = Duration::from_secs(10);

/// A listing is put back behind the others after so long. So all of them come to their end at
/// about the same time, and no long one is left over to be read alone, one page after another.
const TURN: Duration = Duration::from_secs(3);

/// Between two looks at the queue, and at whether the rate is filled.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Reads listings and sends their pages.
#[derive(Clone)]
pub struct ListWorker {
    /// Makes the exporter of a message's pool.
    pub exporter_of: ExporterOf,
    /// Says which run goes on.
    pub lock: Arc<dyn Lock>,
    /// Where the messages come from.
    pub inbox: Arc<dyn Inbox>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// This worker's part of the rates.
    pub pacer: Arc<Pacer>,
}

/// One message under way.
struct Turn {
    delivery: Delivery,
    /// Whether the worker fetched it itself, and so deletes it itself.
    fetched: bool,
    done: Result<()>,
}

impl ListWorker {
    /// Reads these messages' listings until the clock's `elapsed()` is `deadline`. While it has
    /// hands free, it fetches more messages by itself: so the workers share the work evenly,
    /// however the queue split it. Returns those of `deliveries` that failed.
    pub async fn work(&self, deliveries: Vec<Delivery>, deadline: Duration) -> Vec<Failed> {
        self.clock.sleep(QUIET).await;
        let mut waiting: VecDeque<(Delivery, bool)> =
            deliveries.into_iter().map(|delivery| (delivery, false)).collect();
        let mut turns = JoinSet::new();
        let mut failed = Vec::new();
        let mut hands = FEWEST_LISTINGS;
        loop {
            while turns.len() < hands {
                if waiting.is_empty() {
                    waiting.extend(self.fetch(deadline).await);
                }
                let Some((delivery, fetched)) = waiting.pop_front() else { break };
                let hand = self.clone();
                turns.spawn(async move {
                    let done = hand.read(&delivery, deadline).await;
                    Turn { delivery, fetched, done }
                });
            }
            if turns.is_empty() {
                return failed;
            }
            match self.next_turn(&mut turns).await {
                Some(turn) => failed.extend(self.settle(turn).await),
                None if hands < MOST_LISTINGS && !self.pacer.is_full(Operation::ListUsers) => hands += 1,
                None => {}
            }
        }
    }

    /// The next listing that ends; none if it is time to look for more.
    async fn next_turn(&self, turns: &mut JoinSet<Turn>) -> Option<Turn> {
        tokio::select! {
            biased;
            Some(joined) = turns.join_next() => match joined {
                Ok(turn) => Some(turn),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => None,
            },
            () = self.clock.sleep(LOOK_AGAIN) => None,
        }
    }

    /// One more message, if there is one and there is time for it.
    async fn fetch(&self, deadline: Duration) -> Vec<(Delivery, bool)> {
        if self.clock.elapsed() + LAST_FETCH > deadline {
            return Vec::new();
        }
        // If the queue cannot be asked, it will deliver it to the next worker.
        let more = self.inbox.receive(1).await.unwrap_or_default();
        more.into_iter().map(|delivery| (delivery, true)).collect()
    }

    async fn settle(&self, turn: Turn) -> Option<Failed> {
        let Turn { delivery, fetched, done } = turn;
        match done {
            Ok(()) => {
                if fetched {
                    // If this fails it comes again, and is found done.
                    let _ = self.inbox.delete(&delivery).await;
                }
                None
            }
            Err(error) => {
                let failed = again(&*self.inbox, &delivery, error).await;
                (!fetched).then_some(failed)
            }
        }
    }

    /// Reads a message's listings. What time does not allow is sent as a new message. Those of
    /// a run that has ended are passed over.
    async fn read(&self, delivery: &Delivery, deadline: Duration) -> Result<()> {
        let message: ListMessage = delivery.decode()?;
        let (pool, run) = (&message.run.pool, &message.run.id);
        if !is_live(&*self.lock, pool.as_str(), run, self.clock.now()).await? {
            return Ok(());
        }
        let exporter = (self.exporter_of)(pool)?;
        let deadline = deadline.min(self.clock.elapsed() + TURN);
        for (number, listing) in message.listings.iter().enumerate() {
            let work = async {
                let listed = exporter.list_pages(&message.run, listing, Some(deadline)).await?;
                if listed == Listed::Interrupted {
                    let rest = message.listings[number..].to_vec();
                    let message = ListMessage { run: message.run.clone(), listings: rest };
                    exporter.queue.send_listings(&[message]).await?;
                }
                Ok(listed)
            };
            let ledger = (&*exporter.ledger, &*self.clock);
            if attempt(delivery, ledger, (run, listing, None), work).await? == Listed::Interrupted {
                break;
            }
        }
        Ok(())
    }
}
