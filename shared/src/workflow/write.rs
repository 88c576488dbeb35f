use std::sync::Arc;

use futures::{StreamExt, stream};

use super::delivery::{Delivery, Failed, Inbox, again, attempt};
use super::is_live;
use crate::export::Writer;
use crate::ports::{Clock, Ledger, Lock, PageMessage};
use crate::{Error, Result};

/// How far ahead of this clock the one may be by which a page was observed, in milliseconds.
const MOST_AHEAD_MILLIS: i64 = 24 * 3600 * 1000;

/// Writes pages.
pub struct PageWorker {
    /// Compares and writes.
    pub writer: Writer,
    /// Where the run is accounted for.
    pub ledger: Arc<dyn Ledger>,
    /// Says which run goes on.
    pub lock: Arc<dyn Lock>,
    /// Where the messages came from.
    pub inbox: Arc<dyn Inbox>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl PageWorker {
    /// Writes each page by itself, all at once; returns those that failed.
    pub async fn work(&self, deliveries: Vec<Delivery>) -> Vec<Failed> {
        let at_once = deliveries.len().max(1);
        stream::iter(deliveries)
            .map(|delivery| async move {
                match self.write(&delivery).await {
                    Ok(()) => None,
                    Err(error) => Some(again(&*self.inbox, &delivery, error).await),
                }
            })
            .buffer_unordered(at_once)
            .filter_map(async |failed| failed)
            .collect()
            .await
    }

    /// Pages of a run that has ended, and pages that do not count, are passed over.
    async fn write(&self, delivery: &Delivery) -> Result<()> {
        let page: PageMessage = delivery.decode()?;
        if !is_live(&*self.lock, page.pool.as_str(), &page.run, self.clock.now()).await? {
            return Ok(());
        }
        let (run, id) = (page.run.clone(), page.page.clone());
        let is_from_the_future = page.observed_at > self.clock.now().plus_millis(MOST_AHEAD_MILLIS);
        let work = async {
            // What is observed orders versions: every later run would have to come after it.
            if is_from_the_future {
                return Err(Error::RunBroken("a page says that it was observed in the future".to_owned()));
            }
            // Who took its listing over reads it again, and may be finished with the run soon: what
            // this one saw, and that one no longer does, must not come in after that.
            if self.ledger.counts(&run, &id).await? { self.writer.write_page(page).await } else { Ok(()) }
        };
        attempt(delivery, (&*self.ledger, &*self.clock), (&run, &id.listing, Some(&id)), work).await
    }
}
