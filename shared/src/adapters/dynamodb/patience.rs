//! How long a table is asked again for what it could not do yet.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::failure::Failure;
use super::table::{Table, Written};
use crate::ports::Clock;
use crate::{Error, Result};

/// So often something is tried again that is in another's way, or that there is no capacity for:
/// about half a minute.
const MOST_WAITS: usize = 30;
const SHORTEST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How long something is still tried.
pub(super) struct Patience<'a> {
    clock: &'a dyn Clock,
    operation: &'static str,
    waits: ExponentialBackoff,
}

impl Patience<'_> {
    /// Waits before the next try, or gives up because of `cause`.
    pub(super) async fn wait(&mut self, cause: &str) -> Result<()> {
        let Some(wait) = self.waits.next() else {
            return Err(Error::StoreUnavailable { operation: self.operation, cause: cause.to_owned() });
        };
        self.clock.sleep(wait).await;
        Ok(())
    }

    /// How a write ended that failed; `None` after a wait if it can be tried again.
    pub(super) async fn after(&mut self, failure: Failure) -> Result<Option<Written>> {
        match failure {
            Failure::ConditionFailed => Ok(Some(Written::ConditionFailed)),
            Failure::Busy(cause) => self.wait(&cause).await.map(|()| None),
            Failure::Said(error) => Err(error),
        }
    }
}

impl Table {
    /// Waits between tries of `operation`, each longer than the one before.
    pub(super) fn patience(&self, operation: &'static str) -> Patience<'_> {
        let waits = ExponentialBuilder::new()
            .with_min_delay(SHORTEST_WAIT)
            .with_max_delay(LONGEST_WAIT)
            .with_jitter()
            .with_jitter_seed(self.clock.random())
            .with_max_times(MOST_WAITS)
            .build();
        Patience { clock: self.clock.as_ref(), operation, waits }
    }
}
