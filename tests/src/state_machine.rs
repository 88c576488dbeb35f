//! What the definitions in statemachines/ say of every task: how it is tried again, and how it
//! fails.

use std::sync::Arc;
use std::time::Duration;

use cognito_profiles::ports::Clock;
use cognito_profiles::workflow::RETRIED;
use cognito_profiles::{Error, Result};
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

use crate::SimClock;
use crate::mortal::Fate;

/// An invocation of a function, until it ends, or Lambda ends it, or it is killed.
pub(crate) async fn in_time<T>(
    clock: &SimClock,
    fate: &Fate,
    timeout: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = fate.live(work) => done,
        () = clock.sleep(timeout) => None,
    }
}

/// An invocation by a state machine. Of a hundred, it hears nothing of so many, which go on, and
/// soon makes another.
pub(crate) async fn invoke(
    clock: &Arc<SimClock>,
    fate: Arc<Fate>,
    forgotten: u64,
    work: LocalBoxFuture<'static, Result<Value>>,
) -> Option<Result<Value>> {
    if forgotten == 0 || clock.random() % 100 >= forgotten {
        return in_time(clock, &fate, COORDINATOR_TIMEOUT, work).await;
    }
    let by = clock.clone();
    tokio::task::spawn_local(async move { in_time(&by, &fate, COORDINATOR_TIMEOUT, work).await });
    clock.sleep(Duration::from_millis(clock.random() % 5_000)).await;
    let cause = "Lambda.ServiceException".to_owned();
    Some(Err(Error::Unavailable { operation: "Invoke", attempts: 1, cause }))
}

/// The coordinators' time-out.
const COORDINATOR_TIMEOUT: Duration = Duration::from_mins(15);

/// One `Retry` of a task.
struct Retrier {
    interval: f64,
    rate: f64,
    left: u32,
}

/// `MaxDelaySeconds`.
const LONGEST_DELAY: f64 = 60.0;

/// Why a task failed: what its `Catch` is told.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The error's name.
    pub(crate) error: String,
    /// What Lambda says of it.
    pub(crate) cause: String,
}

/// The retriers of one task. A task that is entered again has new ones.
pub(crate) struct Retries {
    draining: Retrier,
    unavailable: Retrier,
    killed: Retrier,
}

impl Retries {
    /// As the definitions have them; `for_ever` after kills, for who tests something else.
    pub(crate) fn new(for_ever: bool) -> Self {
        Self {
            draining: Retrier { interval: 20.0, rate: 1.5, left: 8 },
            unavailable: Retrier { interval: 2.0, rate: 2.0, left: 8 },
            killed: Retrier { interval: 5.0, rate: 2.0, left: if for_ever { u32::MAX } else { 2 } },
        }
    }

    /// Makes attempts until one succeeds or no retry is left; `None` is one that was killed.
    pub(crate) async fn run(
        mut self,
        clock: &SimClock,
        attempt: impl AsyncFn() -> Option<Result<Value>>,
    ) -> Result<Value, Failure> {
        loop {
            let failure = match attempt().await {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(error)) => Failure::of(&error),
                None => Failure { error: "Lambda.Unknown".to_owned(), cause: String::new() },
            };
            let Some(delay) = self.delay(&failure.error, clock) else { return Err(failure) };
            clock.sleep(delay).await;
        }
    }

    /// `JitterStrategy` is `FULL`: anything up to the delay.
    #[allow(clippy::cast_precision_loss)] // a share of it is enough
    fn delay(&mut self, error: &str, clock: &SimClock) -> Option<Duration> {
        let retrier = match error {
            "draining" => &mut self.draining,
            "Lambda.Unknown" => &mut self.killed,
            error if RETRIED.contains(&error) => &mut self.unavailable,
            _ => return None,
        };
        retrier.left = retrier.left.checked_sub(1)?;
        let delay = retrier.interval.min(LONGEST_DELAY);
        retrier.interval *= retrier.rate;
        Some(Duration::from_secs_f64(delay * (clock.random() >> 11) as f64 / (1_u64 << 53) as f64))
    }
}

impl Failure {
    fn of(error: &Error) -> Self {
        let cause = json!({ "errorType": error.kind(), "errorMessage": error.to_string() });
        Self { error: error.kind().to_owned(), cause: cause.to_string() }
    }
}
