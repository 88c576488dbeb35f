//! Two queues as unreliable as SQS may be: a message can come twice, late and out of order, and
//! comes again if it is not deleted in time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cognito_profiles::ports::{Clock, ListMessage, PageMessage, Queue};
use cognito_profiles::workflow::{Delivery, Inbox, MOST_RECEIVES};
use cognito_profiles::{Error, Result};

use crate::SimClock;

/// How the queues behave.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// Of a hundred messages, so many are delivered twice.
    pub twice: u64,
    /// Messages are delayed by up to so long.
    pub delay: Duration,
    /// The most bytes of a message.
    pub most_bytes: usize,
    /// Of a hundred answers to who sends, receives or deletes, so many are lost.
    pub lost: u64,
}

impl Default for Manners {
    fn default() -> Self {
        Self { twice: 0, delay: Duration::ZERO, most_bytes: 1024 * 1024, lost: 0 }
    }
}

/// What one queue holds.
#[derive(Default)]
struct Held {
    messages: Vec<Message>,
    dead: Vec<String>,
    /// Everything that was ever sent.
    sent: Vec<String>,
}

struct Message {
    id: u64,
    body: String,
    visible_at: Duration,
    receives: u32,
}

/// One queue, and its dead-letter queue.
pub struct SimQueue {
    clock: Arc<SimClock>,
    manners: Manners,
    visibility: Duration,
    loses: AtomicBool,
    held: Mutex<Held>,
}

impl SimQueue {
    /// An empty queue whose messages come again after `visibility`.
    pub fn new(clock: Arc<SimClock>, manners: Manners, visibility: Duration) -> Arc<Self> {
        Arc::new(Self {
            clock,
            manners,
            visibility,
            loses: AtomicBool::new(manners.lost > 0),
            held: Mutex::default(),
        })
    }

    /// Puts a message in, as a sender does.
    pub fn send(&self, body: &str) {
        let copies = 1 + u64::from(self.clock.random() % 100 < self.manners.twice);
        for _ in 0..copies {
            let millis = u64::try_from(self.manners.delay.as_millis()).unwrap_or(u64::MAX);
            let delay = Duration::from_millis(self.clock.random() % (millis + 1));
            let visible_at = self.clock.elapsed() + delay;
            let mut held = self.held();
            held.sent.push(body.to_owned());
            let id = held.sent.len() as u64;
            held.messages.push(Message { id, body: body.to_owned(), visible_at, receives: 0 });
        }
    }

    /// Puts messages in. If the answer is lost, only some of them may have arrived.
    pub fn send_all(&self, bodies: &[String]) -> Result<()> {
        let lost = self.answer("SendMessageBatch");
        for body in bodies {
            if lost.is_ok() || self.clock.random().is_multiple_of(2) {
                self.send(body);
            }
        }
        lost
    }

    /// From now on no answer is lost.
    pub fn calm(&self) {
        self.loses.store(false, Ordering::Relaxed);
    }

    /// Everything that was ever sent.
    pub fn sent(&self) -> Vec<String> {
        self.held().sent.clone()
    }

    fn answer(&self, operation: &'static str) -> Result<()> {
        if self.loses.load(Ordering::Relaxed) && self.clock.random() % 100 < self.manners.lost {
            return Err(Error::Unavailable { operation, attempts: 1, cause: "time-out".to_owned() });
        }
        Ok(())
    }

    /// What is in the dead-letter queue.
    pub fn dead(&self) -> Vec<String> {
        self.held().dead.clone()
    }

    /// What is in the queue, visible or not.
    pub fn bodies(&self) -> Vec<String> {
        self.held().messages.iter().map(|message| message.body.clone()).collect()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Inbox for SimQueue {
    async fn receive(&self, most: u8) -> Result<Vec<Delivery>> {
        let now = self.clock.elapsed();
        let mut deliveries = Vec::new();
        for _ in 0..most {
            let chance = self.clock.random();
            let mut held = self.held();
            let visible: Vec<usize> =
                (0..held.messages.len()).filter(|number| held.messages[*number].visible_at <= now).collect();
            let Some(count) = u64::try_from(visible.len()).ok().filter(|count| *count > 0) else { break };
            let number = visible[usize::try_from(chance % count).unwrap_or(0)];
            if held.messages[number].receives == MOST_RECEIVES {
                let dead = held.messages.swap_remove(number);
                held.dead.push(dead.body);
                continue;
            }
            let message = &mut held.messages[number];
            message.receives += 1;
            message.visible_at = now + self.visibility;
            deliveries.push(Delivery {
                id: message.id.to_string(),
                receipt: message.id.to_string(),
                body: message.body.clone(),
                receives: message.receives,
            });
        }
        self.answer("ReceiveMessage")?;
        Ok(deliveries)
    }

    async fn delete(&self, delivery: &Delivery) -> Result<()> {
        self.answer("DeleteMessage")?;
        self.held().messages.retain(|message| message.id.to_string() != delivery.receipt);
        Ok(())
    }

    async fn retry_after(&self, delivery: &Delivery, delay: Duration) -> Result<()> {
        let visible_at = self.clock.elapsed() + delay;
        let mut held = self.held();
        let message = held.messages.iter_mut().find(|message| message.id.to_string() == delivery.receipt);
        if let Some(message) = message {
            message.visible_at = visible_at;
        }
        Ok(())
    }
}

/// Both queues of a deployment.
#[derive(Clone)]
pub struct SimQueues {
    /// `ListQueue`.
    pub lists: Arc<SimQueue>,
    /// `PageQueue`.
    pub pages: Arc<SimQueue>,
}

#[async_trait]
impl Queue for SimQueues {
    async fn send_listings(&self, messages: &[ListMessage]) -> Result<()> {
        self.lists.send_all(&messages.iter().map(json).collect::<Vec<_>>())
    }

    async fn send_page(&self, page: PageMessage) -> Result<()> {
        let body = json(&page);
        let limit = self.pages.manners.most_bytes;
        if body.len() > limit {
            return Err(Error::PageTooLarge { limit });
        }
        self.pages.send_all(&[body])
    }
}

fn json(message: &impl serde::Serialize) -> String {
    serde_json::to_string(message).expect("a message can be written as JSON")
}
