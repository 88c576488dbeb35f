use std::sync::Arc;
use std::time::Duration;

use super::delivery::{Delivery, Failed, Inbox, attempt};
use super::hands::Hands;
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

/// A listing is put back behind the others after so long. So all of them come to their end at
/// about the same time, and no long one is left over to be read alone, one page after another.
const TURN: Duration = Duration::from_secs(3);

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

impl ListWorker {
    /// Reads these messages' listings, and more that it fetches itself, until the clock's
    /// `elapsed()` is `deadline`. Returns those of `deliveries` that failed.
    pub async fn work(&self, deliveries: Vec<Delivery>, deadline: Duration) -> Vec<Failed> {
        let hands = Hands {
            inbox: self.inbox.clone(),
            clock: self.clock.clone(),
            pacer: self.pacer.clone(),
            operations: &[Operation::ListUsers],
            fewest: FEWEST_LISTINGS,
            most: MOST_LISTINGS,
        };
        hands
            .work_off(deliveries, deadline, |delivery| {
                let hand = self.clone();
                async move { hand.read(&delivery, deadline).await }
            })
            .await
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
