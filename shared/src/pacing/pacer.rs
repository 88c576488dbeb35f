use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rates::{Category, Rates};
use super::window::{Ready, Window};
use crate::ports::{Clock, Operation};

/// Lets calls go at the rates in force, whoever makes them: one for all workers of a process.
pub struct Pacer {
    clock: Arc<dyn Clock>,
    rates: Mutex<Rates>,
    categories: BTreeMap<Category, Lane>,
    operations: BTreeMap<Operation, Lane>,
}

/// One rate, and the queue of those who wait for it: first come, first served.
struct Lane {
    turn: tokio::sync::Mutex<()>,
    window: Mutex<Window>,
    answered: tokio::sync::Notify,
}

const LIMITED_PER_POOL: [Operation; 17] = [
    Operation::GetUserPoolMfaConfig,
    Operation::ListGroups,
    Operation::GetGroup,
    Operation::CreateGroup,
    Operation::ListUserPoolClients,
    Operation::DescribeUserPoolClient,
    Operation::ListIdentityProviders,
    Operation::DescribeIdentityProvider,
    Operation::ListResourceServers,
    Operation::DescribeUserPoolDomain,
    Operation::GetUICustomization,
    Operation::DescribeRiskConfiguration,
    Operation::GetLogDeliveryConfiguration,
    Operation::GetCSVHeader,
    Operation::CreateUserImportJob,
    Operation::StartUserImportJob,
    Operation::DescribeUserImportJob,
];

impl Pacer {
    /// Paces at `rates`.
    pub fn new(clock: Arc<dyn Clock>, rates: Rates) -> Self {
        let categories = Category::ALL.map(|category| (category, Lane::new(rates.of(category)))).into();
        let operations = LIMITED_PER_POOL
            .into_iter()
            .filter_map(|operation| Some((operation, Lane::new(rates.of_operation(operation)?))))
            .collect();
        Self { clock, rates: Mutex::new(rates), categories, operations }
    }

    /// The rates in force.
    pub fn rates(&self) -> Rates {
        lock(&self.rates).clone()
    }

    /// Notes a rate that Cognito says the account has, in requests per second.
    pub fn note_rate(&self, category: Category, rps: f64) {
        let mut rates = lock(&self.rates);
        rates.note(category, rps);
        if let Some(lane) = self.categories.get(&category) {
            lock(&lane.window).set_rate(rates.of(category));
        }
    }

    /// Waits until a call may go. The call ends when the permit is dropped.
    pub async fn permit(&self, operation: Operation) -> Permit<'_> {
        let mut held = Vec::with_capacity(2);
        // Always the narrow lane first, so that two calls never wait for each other.
        for lane in self.lanes(operation) {
            let id = lane.enter(&*self.clock).await;
            held.push((lane, id));
        }
        Permit { held, clock: &*self.clock }
    }

    /// Slows the operation's category down, because a call was throttled.
    pub fn throttled(&self, operation: Operation) {
        let now = self.clock.elapsed();
        for lane in self.lanes(operation) {
            lock(&lane.window).throttled(now);
        }
    }

    /// Whether the rate of this operation was filled in the last second: more hands would not
    /// make more calls.
    pub fn is_full(&self, operation: Operation) -> bool {
        let now = self.clock.elapsed();
        self.lanes(operation).any(|lane| lock(&lane.window).is_full(now))
    }

    fn lanes(&self, operation: Operation) -> impl Iterator<Item = &Lane> {
        self.operations.get(&operation).into_iter().chain(self.categories.get(&operation.category()))
    }
}

impl Lane {
    fn new(rps: f64) -> Self {
        Self {
            turn: tokio::sync::Mutex::new(()),
            window: Mutex::new(Window::new(rps)),
            answered: tokio::sync::Notify::new(),
        }
    }

    async fn enter(&self, clock: &dyn Clock) -> u64 {
        let _turn = self.turn.lock().await;
        loop {
            // Registered before looking, so that an answer in between is not missed.
            let answered = self.answered.notified();
            let now = clock.elapsed();
            let ready = {
                let mut window = lock(&self.window);
                match window.ready(now) {
                    Ready::Now => return window.send(now),
                    other => other,
                }
            };
            match ready {
                Ready::At(at) => clock.sleep(at.saturating_sub(now)).await,
                _ => answered.await,
            }
        }
    }
}

/// Stands for one call; dropping it says the call is answered, or given up.
pub struct Permit<'a> {
    held: Vec<(&'a Lane, u64)>,
    clock: &'a dyn Clock,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let now = self.clock.elapsed();
        for (lane, id) in &self.held {
            lock(&lane.window).answered(*id, now);
            lane.answered.notify_one();
        }
    }
}

/// A window is plain numbers: one left by a panic is still usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
