//! What was asked of the service, counted as a judge would.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::operation::{Category, Operation};
use crate::quota::{Quotas, Window};
use crate::time::Millis;

/// The use of one category, or of one operation on one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Calls that arrived, throttled ones included.
    pub attempts: u64,
    /// Calls that were not throttled.
    pub accepted: u64,
    /// Calls refused with `TooManyRequestsException`, injected ones included.
    pub throttled: u64,
    /// The most attempts in any second, whichever millisecond it starts at.
    pub peak_attempts: u64,
    /// The most accepted calls in any second.
    pub peak_accepted: u64,
    /// When the first call arrived.
    pub first: Option<Millis>,
    /// When the last call arrived.
    pub last: Option<Millis>,
}

impl Usage {
    /// Accepted calls per second between the first and the last.
    #[allow(clippy::cast_precision_loss)] // Counts stay far below 2^53.
    pub fn rate(&self) -> f64 {
        match (self.first, self.last) {
            (Some(first), Some(last)) if last > first => {
                self.accepted as f64 * 1000.0 / (last - first) as f64
            }
            _ => 0.0,
        }
    }
}

/// A copy of all counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MeterReport {
    /// Per request category.
    pub categories: BTreeMap<Category, Usage>,
    /// Per operation.
    pub operations: BTreeMap<Operation, Usage>,
    /// Per operation and pool, only where the cap per pool applies; the key is
    /// `Operation/pool`.
    pub per_pool: BTreeMap<String, Usage>,
    /// Users that became billed monthly active users.
    pub billed_users: u64,
    /// E-mails and text messages sent to users.
    pub messages_sent: u64,
    /// Federated users turned into native ones by setting a password.
    pub federated_users_broken: u64,
    /// Calls of operations that do not exist.
    pub unknown_operations: u64,
    /// When the first call arrived.
    pub first: Option<Millis>,
    /// When the last call arrived.
    pub last: Option<Millis>,
}

impl MeterReport {
    /// The use of a category; zeros when it was never used.
    pub fn category(&self, category: Category) -> Usage {
        self.categories.get(&category).cloned().unwrap_or_default()
    }

    /// How often an operation arrived.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.operations.get(&operation).map_or(0, |usage| usage.attempts)
    }
}

#[derive(Debug, Default)]
struct Counter {
    usage: Usage,
    attempts: Window,
    accepted: Window,
}

impl Counter {
    fn allows(&mut self, now: Millis, limit: Option<u32>) -> bool {
        limit.is_none_or(|limit| self.accepted.count(now) < u64::from(limit))
    }

    fn record(&mut self, now: Millis, accepted: bool) {
        let usage = &mut self.usage;
        usage.attempts += 1;
        usage.first.get_or_insert(now);
        usage.last = Some(now);
        usage.peak_attempts = usage.peak_attempts.max(self.attempts.add(now));
        if accepted {
            usage.accepted += 1;
            usage.peak_accepted = usage.peak_accepted.max(self.accepted.add(now));
        } else {
            usage.throttled += 1;
        }
    }
}

/// The counters themselves. Their memory does not grow with time.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    categories: BTreeMap<Category, Counter>,
    operations: BTreeMap<Operation, Counter>,
    per_pool: HashMap<(Operation, String), Counter>,
    pub(crate) messages_sent: u64,
    pub(crate) federated_users_broken: u64,
    pub(crate) unknown_operations: u64,
    first: Option<Millis>,
    last: Option<Millis>,
}

impl Meter {
    /// Whether the quotas let a call in that arrives now.
    pub(crate) fn allows(
        &mut self,
        operation: Operation,
        pool: Option<&str>,
        now: Millis,
        quotas: &Quotas,
    ) -> bool {
        let category = operation.category();
        let in_category = self.categories.entry(category).or_default().allows(now, quotas.limit(category));
        in_category
            && self
                .per_pool(operation, pool)
                .is_none_or(|counter| counter.allows(now, quotas.per_operation_and_pool))
    }

    /// Records an arrival and whether it was let in.
    pub(crate) fn record(&mut self, operation: Operation, pool: Option<&str>, now: Millis, accepted: bool) {
        let category = operation.category();
        self.categories.entry(category).or_default().record(now, accepted);
        if let Some(counter) = self.per_pool(operation, pool) {
            counter.record(now, accepted);
        }
        self.operations.entry(operation).or_default().record(now, accepted);
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    fn per_pool(&mut self, operation: Operation, pool: Option<&str>) -> Option<&mut Counter> {
        let pool = pool.filter(|_| operation.category().capped_per_pool())?;
        Some(self.per_pool.entry((operation, pool.to_owned())).or_default())
    }

    /// A call that was let in turned out to be one write too many on its user.
    pub(crate) fn throttled_late(&mut self, operation: Operation) {
        let category = self.categories.entry(operation.category()).or_default();
        let operation = self.operations.entry(operation).or_default();
        for counter in [category, operation] {
            counter.usage.accepted -= 1;
            counter.usage.throttled += 1;
        }
    }

    pub(crate) fn report(&self, billed_users: u64) -> MeterReport {
        MeterReport {
            categories: usages(&self.categories),
            operations: usages(&self.operations),
            per_pool: self
                .per_pool
                .iter()
                .map(|((operation, pool), counter)| {
                    (format!("{}/{pool}", operation.name()), counter.usage.clone())
                })
                .collect(),
            billed_users,
            messages_sent: self.messages_sent,
            federated_users_broken: self.federated_users_broken,
            unknown_operations: self.unknown_operations,
            first: self.first,
            last: self.last,
        }
    }
}

fn usages<K: Copy + Ord>(counters: &BTreeMap<K, Counter>) -> BTreeMap<K, Usage> {
    counters.iter().map(|(&key, counter)| (key, counter.usage.clone())).collect()
}
