//! The hands of one worker: how many messages it deals with at the same time, and how it comes by
//! more of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::delivery::{Delivery, Failed, Inbox, again};
use crate::Result;
use crate::pacing::Pacer;
use crate::ports::{Clock, Operation};

/// No call is made for so long after a worker starts. Whoever had this worker's share of the
/// rate before, in another process, may have used it up in the second that ends now.
const QUIET: Duration = Duration::from_millis(1_010);

/// No further message is fetched with less time left than this: a call that stalls takes as long.
const LAST_FETCH: Duration = Duration::from_secs(10);

/// Between two looks at the queue, and at whether the rate is filled.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Works off messages. While it has hands free, it fetches more by itself: so the workers share
/// the work evenly, however the queue split it.
pub(super) struct Hands {
    pub inbox: Arc<dyn Inbox>,
    pub clock: Arc<dyn Clock>,
    /// This worker's part of the rates.
    pub pacer: Arc<Pacer>,
    /// More hands than the fewest are used only while they do not fill the rate of one of these.
    pub operations: &'static [Operation],
    pub fewest: usize,
    pub most: usize,
}

/// One message under way.
struct Turn {
    delivery: Delivery,
    /// Whether the worker fetched it itself, and so deletes it itself.
    fetched: bool,
    done: Result<()>,
}

impl Hands {
    /// Does `work` with each message until there is none, or the clock's `elapsed()` is
    /// `deadline`, which `work` keeps. Returns those of `deliveries` that failed.
    pub(super) async fn work_off<Work>(
        &self,
        deliveries: Vec<Delivery>,
        deadline: Duration,
        work: impl Fn(Delivery) -> Work,
    ) -> Vec<Failed>
    where
        Work: Future<Output = Result<()>> + Send + 'static,
    {
        self.clock.sleep(QUIET).await;
        let mut waiting: VecDeque<(Delivery, bool)> =
            deliveries.into_iter().map(|delivery| (delivery, false)).collect();
        let mut turns = JoinSet::new();
        let mut failed = Vec::new();
        let mut hands = self.fewest;
        loop {
            while turns.len() < hands {
                if waiting.is_empty() {
                    waiting.extend(self.fetch(deadline).await);
                }
                let Some((delivery, fetched)) = waiting.pop_front() else { break };
                let work = work(delivery.clone());
                turns.spawn(async move { Turn { delivery, fetched, done: work.await } });
            }
            if turns.is_empty() {
                return failed;
            }
            match self.next_turn(&mut turns).await {
                Some(turn) => failed.extend(self.settle(turn).await),
                None if hands < self.most && !self.is_full() => hands += 1,
                None => {}
            }
        }
    }

    fn is_full(&self) -> bool {
        self.operations.iter().any(|operation| self.pacer.is_full(*operation))
    }

    /// The next message that is dealt with; none if it is time to look for more.
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
}
