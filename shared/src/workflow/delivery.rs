use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use crate::ports::{Clock, DeadLetter, Ledger, Listing, PageId};
use crate::run::RunId;
use crate::{Error, Result};

/// How often a message is received before it goes to the dead-letter queue: `maxReceiveCount`
/// in the template.
pub const MOST_RECEIVES: u32 = 5;

/// One message, as a queue delivered it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Names the message in the function's answer.
    pub id: String,
    /// Names this delivery to the queue.
    pub receipt: String,
    /// What was sent.
    pub body: String,
    /// How often the message was received, this time included; approximately.
    pub receives: u32,
}

impl Delivery {
    /// What was sent, if it can be read.
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        // Not the parser's own words: they quote what they read.
        serde_json::from_str(&self.body).map_err(|error| {
            Error::RunBroken(format!(
                "a message cannot be read (line {}, column {}): it was not written by this version",
                error.line(),
                error.column()
            ))
        })
    }

    /// After this time the message is to be delivered again: longer each time.
    fn again_after(&self) -> Duration {
        Duration::from_secs(10) * self.receives.clamp(1, MOST_RECEIVES)
    }
}

/// A queue, as who consumes it sees it.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Messages that are there now, at most `most` of 1 to 10; it does not wait for any.
    async fn receive(&self, most: u8) -> Result<Vec<Delivery>>;

    /// The message had its effect.
    async fn delete(&self, delivery: &Delivery) -> Result<()>;

    /// The message is to be delivered again after this time.
    async fn retry_after(&self, delivery: &Delivery, delay: Duration) -> Result<()>;
}

/// A message that could not be dealt with.
#[derive(Debug)]
pub struct Failed {
    /// [`Delivery::id`].
    pub id: String,
    /// Why.
    pub error: Error,
}

/// Deals with one message. Its last try is noted before it begins, so that a run knows which
/// message it misses even if this process dies of it.
pub(super) async fn attempt<T>(
    delivery: &Delivery,
    (ledger, clock): (&dyn Ledger, &dyn Clock),
    (run, listing, page): (&RunId, &Listing, Option<&PageId>),
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    if delivery.receives < MOST_RECEIVES {
        return work.await;
    }
    let letter = DeadLetter { listing: listing.clone(), page: page.cloned(), error: None, at: clock.now() };
    ledger.put_dead_letter(run, &letter).await?;
    let done = work.await;
    match &done {
        Ok(_) => ledger.remove_dead_letter(run, &letter).await?,
        Err(error) => {
            let failed = DeadLetter { error: Some(error.kind().to_owned()), ..letter };
            ledger.put_dead_letter(run, &failed).await?;
        }
    }
    done
}

/// Has a message that failed delivered again soon, instead of after the queue's visibility
/// time-out. If even that fails, it comes later.
pub(super) async fn again(inbox: &dyn Inbox, delivery: &Delivery, error: Error) -> Failed {
    let _ = inbox.retry_after(delivery, delivery.again_after()).await;
    Failed { id: delivery.id.clone(), error }
}
