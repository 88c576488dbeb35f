//! The simulated service.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::admin::Admin;
use crate::config::Config;
use crate::imports::UploadOutcome;
use crate::meter::MeterReport;
use crate::outcome::Outcome;
use crate::state::{CallInfo, State};
use crate::time::Millis;

/// Amazon Cognito user pools of one account in one Region.
///
/// Nothing in here knows HTTP or reads a clock: [`Cognito::call`] is told the
/// time, so that a seeded simulation replays exactly.
#[derive(Debug)]
pub struct Cognito {
    state: Mutex<State>,
}

impl Cognito {
    /// A service without pools.
    pub fn new(config: Config) -> Self {
        Self { state: Mutex::new(State::new(config)) }
    }

    /// One request: the operation's name and the JSON body, arriving at `now`.
    /// A `now` earlier than one before counts as that one.
    pub fn call(&self, operation: &str, body: &[u8], now: Millis) -> Outcome {
        self.state().call(operation, body, now)
    }

    /// One request that arrives at this moment of the configured clock.
    pub fn call_now(&self, operation: &str, body: &[u8]) -> Outcome {
        self.call_at(operation, body, None)
    }

    /// The same, through the server at this address.
    pub(crate) fn call_at(&self, operation: &str, body: &[u8], endpoint: Option<&Arc<str>>) -> Outcome {
        let mut state = self.state();
        state.endpoint = endpoint.cloned();
        // Under the lock: arrivals are metered in the order of their times.
        let now = state.config.clock.now();
        let outcome = state.call(operation, body, now);
        state.endpoint = None;
        outcome
    }

    /// Puts a file of users to import to a pre-signed URL, and answers the
    /// HTTP status: 200; 403 when the URL is expired or not signed by this
    /// service, when the header `x-amz-server-side-encryption` is not exactly
    /// `aws:kms`, or when the job was started already; 400 when the file is
    /// too large. 0 stands for a connection that dropped.
    pub fn upload(&self, url: &str, encryption_header: Option<&str>, body: &[u8], now: Millis) -> u16 {
        self.try_upload(url, encryption_header, body, now).status.unwrap_or(0)
    }

    /// The same, with how long it takes.
    pub fn try_upload(
        &self,
        url: &str,
        encryption_header: Option<&str>,
        body: &[u8],
        now: Millis,
    ) -> UploadOutcome {
        self.state().upload(url, encryption_header, body, now)
    }

    pub(crate) fn upload_now(
        &self,
        url: &str,
        encryption_header: Option<&str>,
        body: &[u8],
    ) -> UploadOutcome {
        let mut state = self.state();
        let now = state.config.clock.now();
        state.upload(url, encryption_header, body, now)
    }

    /// Looks at and changes pools directly, past quotas, faults and billing.
    /// Changes happen at `now`.
    pub fn admin<R>(&self, now: Millis, work: impl FnOnce(&mut Admin<'_>) -> R) -> R {
        let mut state = self.state();
        state.advance(now);
        work(&mut Admin::new(&mut state))
    }

    /// Changes the service's behaviour. A changed seed has no effect.
    pub fn configure<R>(&self, change: impl FnOnce(&mut Config) -> R) -> R {
        change(&mut self.state().config)
    }

    /// Sets what runs before each call that was let in; it may change pools.
    pub fn on_call(&self, hook: impl FnMut(&CallInfo, &mut Admin<'_>) + Send + 'static) {
        self.state().hook = Some(Box::new(hook));
    }

    /// Removes the hook.
    pub fn clear_on_call(&self) {
        self.state().hook = None;
    }

    /// All counters.
    pub fn meter(&self) -> MeterReport {
        self.state().report()
    }

    /// Sets all counters, and the quotas' windows, back to zero; forgets who
    /// is billed.
    pub fn reset_meter(&self) {
        let mut state = self.state();
        state.meter = crate::meter::Meter::default();
        for pool in state.pools.values_mut() {
            pool.billed.clear();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A hook that panics fails its test; the state stays usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
