//! A deployment of the `ExportWorkflow`, simulated: the real coordinator and workers over
//! unreliable queues, and a state machine that calls them as the definition does.

#![allow(clippy::missing_panics_doc)] // what a test cannot be set up with, it cannot test

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cognito_profiles::Result;
use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::export::{Exporter, ShrinkGuard, Writer};
use cognito_profiles::model::PoolId;
use cognito_profiles::pacing::Pacer;
use cognito_profiles::ports::{Backup, Clock, Lock};
use cognito_profiles::progress::Silent;
use cognito_profiles::run::Run;
use cognito_profiles::workflow::{Coordinator, Delivery, Failed, Inbox as _, ListWorker, PageWorker};
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

use crate::MemoryLock;
use crate::mortal::{Fate, Mortal};
use crate::sim_queue::{Manners, SimQueue, SimQueues};
use crate::state_machine::{Failure, Retries, in_time, invoke};
use crate::world::World;

/// How many workers read listings.
pub const LIST_WORKERS: u32 = 2;

/// What the template says: time-outs of the functions, and of messages.
const LIST_VISIBILITY: Duration = Duration::from_mins(12);
const PAGE_VISIBILITY: Duration = Duration::from_mins(6);

/// How long an invocation of list-pages reads: its time-out, less its margin.
const LIST_TIME: Duration = Duration::from_secs(105);

/// After so long Lambda ends an invocation.
const LIST_TIMEOUT: Duration = Duration::from_mins(2);
const PAGE_TIMEOUT: Duration = Duration::from_mins(1);

/// Everything deployed for the pools of a [`World`].
pub struct Cloud {
    /// The pool, its backup, time.
    pub world: Arc<World>,
    /// The queues.
    pub queues: SimQueues,
    /// The lock.
    pub lock: Arc<MemoryLock>,
    /// Of a hundred invocations of a worker, so many are killed at some step.
    pub killed: u64,
    /// Of a hundred invocations of the coordinator, so many are killed at some step.
    pub coordinators_killed: u64,
    /// Of so many the state machine hears nothing, though they go on.
    pub forgotten: u64,
    /// By so many milliseconds at most the clocks of functions are ahead or behind.
    pub skew_millis: u64,
    /// Whether who writes pages is refused by the store.
    pub refuses_pages: bool,
    /// The most percent of a pool that may go in one run.
    pub max_shrink_percent: f64,
    invocations: AtomicU64,
}

/// An execution of the state machine, and whether it was stopped from outside.
pub struct Execution<'a> {
    /// Its name.
    pub name: &'a str,
    /// What its input says.
    pub allow_shrink: bool,
    /// Once it is, what is under way comes to its end, and nothing follows.
    pub stopped: &'a dyn Fn() -> bool,
}

impl Cloud {
    /// A deployment with these queues.
    pub fn new(world: impl Into<Arc<World>>, manners: Manners) -> Self {
        let world = world.into();
        let queue = |visibility| SimQueue::new(world.clock.clone(), manners, visibility);
        let queues = SimQueues { lists: queue(LIST_VISIBILITY), pages: queue(PAGE_VISIBILITY) };
        Self {
            world,
            queues,
            lock: Arc::default(),
            killed: 0,
            coordinators_killed: 0,
            forgotten: 0,
            skew_millis: 0,
            refuses_pages: false,
            max_shrink_percent: ShrinkGuard::DEFAULT_PERCENT,
            invocations: AtomicU64::new(0),
        }
    }

    /// The pool.
    pub fn pool(&self) -> PoolId {
        PoolId::new(&self.world.pool)
    }

    /// One action of the coordinator, which nothing befalls.
    pub async fn coordinate(&self, execution: &str, request: Value) -> Result<Value> {
        let fate = Fate::under(&self.world.weather, "coordinator", u64::MAX);
        self.answer(&self.world.pool, execution, request, &fate).await
    }

    fn answer(
        &self,
        pool: &str,
        execution: &str,
        request: Value,
        fate: &Arc<Fate>,
    ) -> LocalBoxFuture<'static, Result<Value>> {
        let mut request = request;
        request["UserPoolId"] = json!(pool);
        request["Execution"] = json!(execution);
        let request = serde_json::from_value(request).expect("a request of the state machine");
        let coordinator = Coordinator {
            exporter: self.exporter(
                pool,
                fate,
                self.world.pacer(1),
                self.world.clock_of_a_machine(self.skew_millis),
            ),
            lock: self.lock_of(fate),
            max_shrink_percent: self.max_shrink_percent,
        };
        // On the heap: its state is larger than a stack should carry.
        Box::pin(async move { coordinator.answer(request).await })
    }

    /// A task of the state machine.
    async fn task(&self, pool: &str, execution: &Execution<'_>, request: Value) -> Result<Value, Failure> {
        if (execution.stopped)() {
            return Err(Failure { error: STOPPED.to_owned(), cause: String::new() });
        }
        let attempt = async || {
            let fate = self.fate("coordinator", self.coordinators_killed);
            let answer = self.answer(pool, execution.name, request.clone(), &fate);
            let forgotten = if self.world.weather.kills() { self.forgotten } else { 0 };
            invoke(&self.world.clock, fate, forgotten, answer).await
        };
        Retries::new(false).run(&self.world.clock, attempt).await
    }

    /// An execution of the state machine, while workers work. The answer of its last action.
    pub async fn execute(&self, execution: &str, allow_shrink: bool) -> Value {
        tokio::select! {
            biased;
            ending = self.state_machine(execution, allow_shrink) => ending,
            () = self.work() => unreachable!("workers work for ever"),
        }
    }

    /// The same, and the run it made.
    pub async fn export(&self, execution: &str) -> (Value, Run) {
        let ending = self.execute(execution, false).await;
        let runs = self.world.store.runs(Some(&self.pool())).await.expect("runs can be read");
        (ending, runs.into_iter().next_back().expect("there is a run"))
    }

    /// What statemachines/export-workflow.asl.json does.
    pub async fn state_machine(&self, execution: &str, allow_shrink: bool) -> Value {
        let execution = Execution { name: execution, allow_shrink, stopped: &|| false };
        self.run(&self.world.pool, &execution).await
    }

    /// The same for any pool, until it is stopped.
    pub async fn run(&self, pool: &str, execution: &Execution<'_>) -> Value {
        let (run, failure) = match self.steps(pool, execution).await {
            Ok(ending) => return ending,
            Err(failed) => failed,
        };
        if [STOPPED, "already_running"].contains(&failure.error.as_str()) {
            return json!({ "Status": failure.error });
        }
        let Failure { error, cause } = failure;
        let fail = json!({ "Action": "fail", "RunId": run, "Error": error, "Cause": cause });
        let marked = self.task(pool, execution, fail).await;
        marked.unwrap_or_else(|failure| json!({ "Status": "Failed", "Unmarked": failure.error }))
    }

    async fn steps(&self, pool: &str, execution: &Execution<'_>) -> Result<Value, (Option<String>, Failure)> {
        let begun = self.task(pool, execution, json!({ "Action": "begin" })).await;
        let begun = begun.map_err(|failure| (None, failure))?;
        let run = begun["RunId"].as_str().expect("a run").to_owned();
        let ask = async |mut request: Value| {
            request["RunId"] = json!(run);
            self.task(pool, execution, request).await.map_err(|failure| (Some(run.clone()), failure))
        };
        self.wait(&begun["WaitSeconds"]).await;
        let mut last = Value::Null;
        loop {
            let progress = ask(json!({ "Action": "progress", "Last": last })).await?;
            if progress["Done"] == false {
                last = progress["Last"].clone();
                self.wait(&progress["WaitSeconds"]).await;
                continue;
            }
            let reconcile = json!({ "Action": "reconcile", "AllowShrink": execution.allow_shrink });
            let verdict = ask(reconcile).await?;
            if verdict["Verdict"] != "ListMore" {
                return ask(json!({ "Action": "finish", "Held": verdict["Reason"] })).await;
            }
            self.wait(&json!(5)).await;
        }
    }

    async fn wait(&self, seconds: &Value) {
        self.world.clock.sleep(Duration::from_secs(seconds.as_u64().expect("seconds"))).await;
    }

    /// What the event sources do, for ever.
    pub async fn work(&self) {
        self.work_with(str::to_owned).await;
    }

    /// The same, but every page arrives as `damage` leaves it.
    pub async fn work_with(&self, damage: impl Fn(&str) -> String) {
        let lists = || self.poll(&self.queues.lists, 2, |deliveries| self.list_once(deliveries));
        let pages = || {
            self.poll(&self.queues.pages, 10, |mut deliveries| {
                for delivery in &mut deliveries {
                    delivery.body = damage(&delivery.body);
                }
                self.write_once(deliveries)
            })
        };
        tokio::join!(lists(), lists(), pages(), pages());
    }

    async fn poll<Done>(&self, queue: &SimQueue, batch: u8, invoke: impl Fn(Vec<Delivery>) -> Done)
    where
        Done: Future<Output = Option<Vec<Failed>>>,
    {
        let mut idle = 1;
        loop {
            let deliveries = queue.receive(batch).await.unwrap_or_default();
            if deliveries.is_empty() {
                self.world.clock.sleep(Duration::from_secs(idle)).await;
                idle = (idle * 2).min(MOST_IDLE);
                continue;
            }
            idle = 1;
            // Killed: then nothing is deleted.
            let Some(failed) = invoke(deliveries.clone()).await else { continue };
            for delivery in deliveries {
                if !failed.iter().any(|failed| failed.id == delivery.id) {
                    // If it fails, the message comes again.
                    let _ = queue.delete(&delivery).await;
                }
            }
        }
    }

    /// One invocation of list-pages, in a new process. None if it was killed.
    pub async fn list_once(&self, deliveries: Vec<Delivery>) -> Option<Vec<Failed>> {
        let fate = self.fate("list", self.killed);
        let pacer = self.world.pacer(LIST_WORKERS);
        let clock = self.world.clock_of_a_machine(self.skew_millis);
        let of_pool = |pool: &PoolId| self.exporter(pool.as_str(), &fate, pacer.clone(), clock.clone());
        // The exporters are made beforehand, for the worker outlives this borrow.
        let pools = self.world.cognito.admin(self.world.now(), |admin| admin.pools());
        let exporters: Vec<Exporter> = pools.iter().map(|pool| of_pool(&PoolId::new(pool))).collect();
        let worker = ListWorker {
            exporter_of: Arc::new(move |pool| {
                let found = exporters.iter().find(|exporter| exporter.directory.pool() == pool);
                Ok(found.expect("the pool is there").clone())
            }),
            lock: self.lock_of(&fate),
            inbox: self.queues.lists.clone(),
            clock: clock.clone(),
            pacer: pacer.clone(),
        };
        let deadline = self.world.clock.elapsed() + LIST_TIME;
        in_time(&self.world.clock, &fate, LIST_TIMEOUT, worker.work(deliveries, deadline)).await
    }

    /// One invocation of write-pages. None if it was killed.
    pub async fn write_once(&self, deliveries: Vec<Delivery>) -> Option<Vec<Failed>> {
        let fate = self.fate("write", self.killed);
        let (backup, ledger) = (self.world.backup(&fate), self.world.ledger(&fate));
        let backup = if self.refuses_pages { closed_store().await } else { backup };
        let worker = PageWorker {
            writer: Writer::new(backup, ledger.clone(), Arc::new(Silent)),
            ledger,
            lock: self.lock_of(&fate),
            inbox: self.queues.pages.clone(),
            clock: self.world.clock_of_a_machine(self.skew_millis),
        };
        in_time(&self.world.clock, &fate, PAGE_TIMEOUT, worker.work(deliveries)).await
    }

    fn fate(&self, function: &str, killed: u64) -> Arc<Fate> {
        let clock = &self.world.clock;
        let dies = clock.random() % 100 < killed && self.world.weather.kills();
        let last = if dies { 1 + clock.random() % 60 } else { u64::MAX };
        let name = format!("{function}#{}", self.invocations.fetch_add(1, Ordering::Relaxed));
        Fate::under(&self.world.weather, &name, last)
    }

    fn lock_of(&self, fate: &Arc<Fate>) -> Arc<dyn Lock> {
        Mortal::at_once(self.lock.clone() as Arc<dyn Lock>, fate)
    }

    fn exporter(&self, pool: &str, fate: &Arc<Fate>, pacer: Arc<Pacer>, clock: Arc<dyn Clock>) -> Exporter {
        let world = &self.world;
        let directory = world.paced_by(pacer, pool, fate);
        let queue = Arc::new(self.queues.clone());
        let (backup, ledger) = (world.backup(fate), world.ledger(fate));
        Exporter::over(queue, directory, backup, ledger, clock, Arc::new(Silent))
    }
}

/// What becomes of an execution that is stopped from outside.
pub const STOPPED: &str = "stopped";

/// So many seconds pass at most until an event source looks at an empty queue again.
pub(crate) const MOST_IDLE: u64 = 20;

/// A store that refuses everything.
async fn closed_store() -> Arc<dyn Backup> {
    let store = SqliteStore::temporary().expect("a temporary store can be made");
    store.close().await.expect("it can be closed");
    Arc::new(store)
}
