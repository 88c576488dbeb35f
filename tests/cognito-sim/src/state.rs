//! Everything there is in one account and Region, and the way of one call
//! through it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use crate::admin::Admin;
use crate::config::Config;
use crate::error::ServiceError;
use crate::fault::Fault;
use crate::lag::When;
use crate::meter::{Meter, MeterReport};
use crate::operation::Operation;
use crate::ops;
use crate::outcome::{Outcome, Reply};
use crate::pool::Pool;
use crate::pool_config::PoolConfig;
use crate::quota::UserWrites;
use crate::resources::Domain;
use crate::rng::Rng;
use crate::time::Millis;

/// What a hook is told about the call it precedes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallInfo {
    /// Which operation.
    pub operation: Operation,
    /// On which pool.
    pub pool: Option<String>,
    /// How many calls of any operation came before.
    pub number: u64,
    /// When it arrived.
    pub now: Millis,
}

/// Looks at each call before it takes effect, and may change the pools.
pub type Hook = Box<dyn FnMut(&CallInfo, &mut Admin<'_>) + Send>;

pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) pools: BTreeMap<String, Pool>,
    /// By name.
    pub(crate) domains: BTreeMap<String, Domain>,
    pub(crate) meter: Meter,
    pub(crate) writes: UserWrites,
    /// Draws ids; apart from `chance`, so that faults do not change them.
    pub(crate) ids: Rng,
    /// Draws faults and page sizes.
    pub(crate) chance: Rng,
    pub(crate) now: Millis,
    pub(crate) hook: Option<Hook>,
    /// Where the server listens that passes this call on.
    pub(crate) endpoint: Option<Arc<str>>,
    calls: u64,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("pools", &self.pools.keys())
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// The one member that nearly all requests share.
#[derive(Deserialize)]
struct PoolMember {
    #[serde(rename = "UserPoolId")]
    id: Option<String>,
}

impl State {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            ids: Rng::new(config.seed ^ 0x1D5),
            chance: Rng::new(config.seed ^ 0xC_4A9C_E000),
            config,
            pools: BTreeMap::new(),
            domains: BTreeMap::new(),
            meter: Meter::default(),
            writes: UserWrites::default(),
            now: 0,
            hook: None,
            endpoint: None,
            calls: 0,
        }
    }

    /// Moves time to `now`. Time never runs backwards: arrivals are ordered by
    /// the lock that lets them in.
    pub(crate) fn advance(&mut self, now: Millis) -> Millis {
        self.now = self.now.max(now);
        let When { now, lag } = self.when();
        for pool in self.pools.values_mut() {
            pool.run_jobs(now, lag);
        }
        now
    }

    pub(crate) fn when(&self) -> When {
        When { now: self.now, lag: self.config.listing.list_lag }
    }

    pub(crate) fn call(&mut self, operation: &str, body: &[u8], now: Millis) -> Outcome {
        let now = self.advance(now);
        let Some(operation) = Operation::parse(operation) else {
            self.meter.unknown_operations += 1;
            return error(ServiceError::new("UnknownOperationException", ""), 0);
        };
        self.calls += 1;
        let pool = serde_json::from_slice::<PoolMember>(body).ok().and_then(|member| member.id);
        // Only pools that exist have counters of their own: ids that callers
        // invent must not fill the memory.
        let known = pool.as_deref().filter(|id| self.pools.contains_key(*id));
        let allowed = self.meter.allows(operation, known, now, &self.config.quotas);
        let (fault, latency) = if allowed {
            self.config.faults.strike(operation, &mut self.chance)
        } else {
            (None, self.config.faults.latency.min)
        };
        let accepted = allowed && fault != Some(Fault::Throttle);
        self.meter.record(operation, known, now, accepted);
        if !accepted {
            return error(ServiceError::throttled(), latency);
        }
        let drop_after = match fault {
            Some(Fault::InternalError) => return error(ServiceError::internal(), latency),
            Some(Fault::Error(fault)) => return error(fault, latency),
            Some(Fault::Unavailable) => return reply(Reply::Unavailable, latency),
            Some(Fault::DropBefore) => return reply(Reply::Dropped, latency),
            Some(Fault::DropAfter) => true,
            // Handled above, or no fault at all.
            Some(Fault::Throttle | Fault::Delay(_)) | None => false,
        };
        if self.config.faults.denied.contains(&operation) {
            return error(self.denied(operation), latency);
        }
        self.run_hook(&CallInfo { operation, pool, number: self.calls - 1, now });
        for pool in self.pools.values_mut() {
            pool.settle(now);
        }
        let result = ops::run(self, operation, body);
        if let Err(error) = &result
            && error.code == "TooManyRequestsException"
        {
            self.meter.throttled_late(operation);
        }
        if drop_after {
            return reply(Reply::Dropped, latency);
        }
        match result {
            Ok(body) => reply(Reply::Answer(body), latency),
            Err(fault) => error(fault, latency),
        }
    }

    pub(crate) fn denied(&self, operation: Operation) -> ServiceError {
        ServiceError::new(
            "AccessDeniedException",
            format!(
                "User: arn:aws:sts::{}:assumed-role/caller/session is not authorized to perform: \
                 cognito-idp:{} because no identity-based policy allows the action",
                self.config.account,
                operation.name()
            ),
        )
    }

    fn run_hook(&mut self, info: &CallInfo) {
        // Taken out for the time of the call, because it gets the whole state.
        if let Some(mut hook) = self.hook.take() {
            hook(info, &mut Admin::new(self));
            self.hook.get_or_insert(hook);
        }
    }

    pub(crate) fn create_pool(&mut self, config: PoolConfig) -> Result<String, ServiceError> {
        let id = match &config.id {
            Some(id) => {
                crate::names::pool_id(id)?;
                id.clone()
            }
            None => self.new_pool_id(),
        };
        if self.pools.contains_key(&id) {
            return Err(ServiceError::invalid("The pool id is taken."));
        }
        let pool = Pool::new(id.clone(), config, self.config.seed, self.now)?;
        self.pools.insert(id.clone(), pool);
        Ok(id)
    }

    fn new_pool_id(&mut self) -> String {
        let letters = self.letters(9);
        format!("{}_{letters}", self.config.region)
    }

    pub(crate) fn new_job_id(&mut self) -> String {
        let letters = self.letters(10);
        format!("import-{letters}")
    }

    fn letters(&mut self, count: usize) -> String {
        const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..count).map(|_| char::from(LETTERS[self.ids.index(LETTERS.len())])).collect()
    }

    pub(crate) fn pool(&self, id: &str) -> Result<&Pool, ServiceError> {
        self.pools.get(id).ok_or_else(|| ServiceError::no_pool(id))
    }

    pub(crate) fn pool_mut(&mut self, id: &str) -> Result<&mut Pool, ServiceError> {
        self.pools.get_mut(id).ok_or_else(|| ServiceError::no_pool(id))
    }

    pub(crate) fn report(&self) -> MeterReport {
        let billed = self.pools.values().map(|pool| pool.billed.len() as u64);
        self.meter.report(billed.sum())
    }
}

fn reply(reply: Reply, latency: u64) -> Outcome {
    Outcome { reply, latency }
}

fn error(error: ServiceError, latency: u64) -> Outcome {
    reply(Reply::Error(error), latency)
}
