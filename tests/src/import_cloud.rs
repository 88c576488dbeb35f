//! A deployment of the `ImportWorkflow`, simulated: the real coordinator and workers over an
//! unreliable queue, and a state machine that calls them as the definition does.

#![allow(clippy::missing_panics_doc)] // what a test cannot be set up with, it cannot test

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cognito_profiles::Result;
use cognito_profiles::export::{Exporter, ShrinkGuard};
use cognito_profiles::import::Importer;
use cognito_profiles::model::PoolId;
use cognito_profiles::pacing::Pacer;
use cognito_profiles::ports::{Clock, Lock, ReplayMessage, ReplayQueue};
use cognito_profiles::progress::Silent;
use cognito_profiles::workflow::{Delivery, Failed, ImportCoordinator, Inbox as _, ReplayWorker};
use serde_json::{Value, json};

use crate::MemoryLock;
use crate::cloud::{Cloud, Execution, MOST_IDLE, STOPPED};
use crate::mortal::{Fate, Mortal};
use crate::sim_queue::{Manners, SimQueue};
use crate::state_machine::{Failure, Retries, in_time, invoke};
use crate::world::World;

/// How many workers replay batches.
pub const REPLAY_WORKERS: u32 = 2;

/// What the template says: the time-out of a message, and of the functions, less their margins.
const VISIBILITY: Duration = Duration::from_mins(18);
const WORKER_TIME: Duration = Duration::from_secs(160);
const COORDINATOR_TIME: Duration = Duration::from_mins(13);

/// After so long Lambda ends an invocation.
const WORKER_TIMEOUT: Duration = Duration::from_mins(3);

/// `ListToMatch` and `ListToVerify`: how often an export of the new pool is tried again.
const LIST_RETRIES: u32 = 8;

/// Everything deployed to restore the pool of a [`World`].
pub struct ImportCloud {
    /// The pool, its backup, time.
    pub world: Arc<World>,
    /// `ReplayQueue`.
    pub queue: Arc<SimQueue>,
    /// The lock.
    pub lock: Arc<MemoryLock>,
    /// Of a hundred invocations, of workers and of the coordinator, so many are killed at some step.
    pub killed: u64,
    /// Of so many of the coordinator the state machine hears nothing, though they go on.
    pub forgotten: u64,
    /// How much time an invocation of the coordinator has.
    pub coordinator_time: Duration,
    /// Lists the new pool; without it, that is done in one process.
    pub exports: Option<Arc<Cloud>>,
    invocations: AtomicU64,
    /// By so many milliseconds at most the clocks of functions are ahead or behind.
    pub skew_millis: u64,
    listings: AtomicU64,
}

/// Sends to the queue.
struct Sender(Arc<SimQueue>);

#[async_trait]
impl ReplayQueue for Sender {
    async fn send_batches(&self, messages: &[ReplayMessage]) -> Result<()> {
        let write = |message| serde_json::to_string(message).expect("a message can be written as JSON");
        self.0.send_all(&messages.iter().map(write).collect::<Vec<_>>())
    }
}

impl ImportCloud {
    /// A deployment with a queue of these manners.
    pub fn new(world: impl Into<Arc<World>>, manners: Manners) -> Self {
        let world = world.into();
        let queue = SimQueue::new(world.clock.clone(), manners, VISIBILITY);
        Self {
            world,
            queue,
            lock: Arc::default(),
            killed: 0,
            forgotten: 0,
            skew_millis: 0,
            coordinator_time: COORDINATOR_TIME,
            exports: None,
            invocations: AtomicU64::new(0),
            listings: AtomicU64::new(0),
        }
    }

    /// How often the new pool was listed.
    pub fn listings(&self) -> u64 {
        self.listings.load(Ordering::Relaxed)
    }

    /// One action of the coordinator. Killed, it is called again.
    pub async fn coordinate(&self, execution: &str, into: &str, request: Value) -> Result<Value> {
        loop {
            if let Some(answer) = self.invoke(execution, into, request.clone()).await {
                return answer;
            }
            self.world.clock.sleep(Duration::from_secs(5)).await;
        }
    }

    async fn invoke(&self, execution: &str, into: &str, request: Value) -> Option<Result<Value>> {
        let mut request = request;
        request["NewUserPoolId"] = json!(into);
        request["Execution"] = json!(execution);
        let request = serde_json::from_value(request).expect("a request of the state machine");
        let fate = self.fate("import");
        let coordinator = ImportCoordinator {
            importer: self.importer(into, &fate, self.world.pacer(1)),
            ledger: self.world.ledger(&fate),
            queue: Arc::new(Sender(self.queue.clone())),
            lock: self.lock_of(&fate),
            deadline: self.world.clock.elapsed() + self.coordinator_time,
        };
        // On the heap: its state is larger than a stack should carry.
        let answer = Box::pin(async move { coordinator.answer(request).await });
        let forgotten = if self.world.weather.kills() { self.forgotten } else { 0 };
        invoke(&self.world.clock, fate, forgotten, answer).await
    }

    /// A task of the state machine.
    async fn task(&self, into: &str, execution: &Execution<'_>, request: Value) -> Result<Value, Failure> {
        if (execution.stopped)() {
            return Err(Failure { error: STOPPED.to_owned(), cause: String::new() });
        }
        let attempt = async || self.invoke(execution.name, into, request.clone()).await;
        Retries::new(self.exports.is_none()).run(&self.world.clock, attempt).await
    }

    /// An execution of the state machine, while workers work. The answer of its last action.
    pub async fn execute(&self, execution: &str, into: &str, input: Value) -> Value {
        tokio::select! {
            biased;
            ending = self.state_machine(execution, into, input) => ending,
            () = self.work() => unreachable!("workers work for ever"),
        }
    }

    /// What statemachines/import-workflow.asl.json does.
    pub async fn state_machine(&self, execution: &str, into: &str, input: Value) -> Value {
        let execution = Execution { name: execution, allow_shrink: true, stopped: &|| false };
        self.run(into, &execution, input).await
    }

    /// The same, until it is stopped.
    pub async fn run(&self, into: &str, execution: &Execution<'_>, input: Value) -> Value {
        let mut ids = json!({});
        let failure = match self.steps(into, execution, input, &mut ids).await {
            Ok(ending) => return ending,
            Err(failure) => failure,
        };
        if [STOPPED, "already_running"].contains(&failure.error.as_str()) {
            return json!({ "Status": failure.error });
        }
        let mut fail = json!({ "Action": "fail", "Error": failure.error, "Cause": failure.cause });
        fail["ImportId"] = ids["ImportId"].clone();
        fail["Attempt"] = ids["Attempt"].clone();
        let marked = self.task(into, execution, fail).await;
        marked.unwrap_or_else(|failure| json!({ "Status": "Failed", "Unmarked": failure.error }))
    }

    async fn steps(
        &self,
        into: &str,
        execution: &Execution<'_>,
        input: Value,
        ids: &mut Value,
    ) -> Result<Value, Failure> {
        let begun = self.task(into, execution, json!({ "Action": "begin", "Input": input })).await?;
        ids.clone_from(&begun);
        let ids = begun;
        let ask = async |mut request: Value| {
            request["ImportId"] = ids["ImportId"].clone();
            request["Attempt"] = ids["Attempt"].clone();
            self.task(into, execution, request).await
        };
        let until_done = async |action: &str| -> Result<Value, Failure> {
            let mut last = Value::Null;
            loop {
                let answer = ask(json!({ "Action": action, "Last": last })).await?;
                if answer["Done"] == true {
                    return Ok(answer);
                }
                last = answer["Last"].clone();
                self.wait(&answer["WaitSeconds"]).await;
            }
        };
        let by_listing = async |action: &str| -> Result<(), Failure> {
            for again in [false, true] {
                self.list(into, execution).await?;
                let answer = loop {
                    let answer = ask(json!({ "Action": action, "Again": again })).await?;
                    if answer["Done"] == true {
                        break answer;
                    }
                };
                if answer["ListAgain"] != true {
                    break;
                }
            }
            Ok(())
        };
        if until_done("create-users").await?["Match"] == true {
            by_listing("match").await?;
        }
        until_done("progress").await?;
        by_listing("verify").await?;
        ask(json!({ "Action": "finish" })).await
    }

    /// The nested execution of the `ExportWorkflow`.
    async fn list(&self, into: &str, execution: &Execution<'_>) -> Result<(), Failure> {
        let failed = |cause: String| Failure { error: "listing_failed".to_owned(), cause };
        let Some(exports) = &self.exports else {
            return self.list_in_process(into).await.map_err(|error| failed(error.to_string()));
        };
        let mut delay = 30.0_f64;
        for _ in 0..=LIST_RETRIES {
            let number = self.listings.fetch_add(1, Ordering::Relaxed);
            let name = format!("{} listing {number}", execution.name);
            let nested = Execution { name: &name, ..*execution };
            let ending = exports.run(into, &nested).await;
            match ending["Status"].as_str() {
                Some("Complete") => return Ok(()),
                Some(STOPPED) => return Err(Failure { error: STOPPED.to_owned(), cause: String::new() }),
                _ => self.world.clock.sleep(Duration::from_secs_f64(delay.min(600.0))).await,
            }
            delay *= 2.0;
        }
        Err(failed(String::new()))
    }

    async fn list_in_process(&self, into: &str) -> Result<()> {
        self.listings.fetch_add(1, Ordering::Relaxed);
        let (world, fate) = (&self.world, Fate::immortal());
        let directory = world.paced_by(world.pacer(1), into, &fate);
        let (backup, ledger) = (world.backup(&fate), world.ledger(&fate));
        let exporter = Exporter::in_process(directory, backup, ledger, world.clock.clone(), Arc::new(Silent));
        exporter.export(&ShrinkGuard { allow: true, ..ShrinkGuard::default() }).await.map(drop)
    }

    async fn wait(&self, seconds: &Value) {
        self.world.clock.sleep(Duration::from_secs(seconds.as_u64().expect("seconds"))).await;
    }

    /// What the event source does, for ever.
    pub async fn work(&self) {
        tokio::join!(self.poll(), self.poll());
    }

    async fn poll(&self) {
        let mut idle = 1;
        loop {
            let deliveries = self.queue.receive(2).await.unwrap_or_default();
            if deliveries.is_empty() {
                self.world.clock.sleep(Duration::from_secs(idle)).await;
                idle = (idle * 2).min(MOST_IDLE);
                continue;
            }
            idle = 1;
            // Killed: then nothing is deleted.
            let Some(failed) = self.replay_once(deliveries.clone()).await else { continue };
            for delivery in deliveries {
                if !failed.iter().any(|failed| failed.id == delivery.id) {
                    // If it fails, the message comes again.
                    let _ = self.queue.delete(&delivery).await;
                }
            }
        }
    }

    /// One invocation of replay-updates, in a new process. None if it was killed.
    pub async fn replay_once(&self, deliveries: Vec<Delivery>) -> Option<Vec<Failed>> {
        let fate = self.fate("replay");
        let pacer = self.world.pacer(REPLAY_WORKERS);
        let importer = self.importer("", &fate, pacer.clone());
        let (world, of_fate, of_pacer) = (self.world.clone(), fate.clone(), pacer.clone());
        let worker = ReplayWorker {
            importer_of: Arc::new(move |pool: &PoolId| {
                let directory = world.paced_by(of_pacer.clone(), pool.as_str(), &of_fate);
                Ok(Importer { directory, ..importer.clone() })
            }),
            ledger: self.world.ledger(&fate),
            queue: Arc::new(Sender(self.queue.clone())),
            lock: self.lock_of(&fate),
            inbox: self.queue.clone(),
            clock: self.world.clock_of_a_machine(self.skew_millis),
            pacer,
            known: Arc::default(),
        };
        let deadline = self.world.clock.elapsed() + WORKER_TIME;
        in_time(&self.world.clock, &fate, WORKER_TIMEOUT, worker.work(deliveries, deadline)).await
    }

    fn fate(&self, function: &str) -> Arc<Fate> {
        let clock = &self.world.clock;
        let dies = clock.random() % 100 < self.killed && self.world.weather.kills();
        let last = if dies { 1 + clock.random() % 120 } else { u64::MAX };
        let name = format!("{function}#{}", self.invocations.fetch_add(1, Ordering::Relaxed));
        Fate::under(&self.world.weather, &name, last)
    }

    fn lock_of(&self, fate: &Arc<Fate>) -> Arc<dyn Lock> {
        Mortal::at_once(self.lock.clone() as Arc<dyn Lock>, fate)
    }

    fn importer(&self, into: &str, fate: &Arc<Fate>, pacer: Arc<Pacer>) -> Importer {
        let world = &self.world;
        let directory = world.paced_by(pacer, into, fate);
        let clock = world.clock_of_a_machine(self.skew_millis);
        Importer { clock, ..world.importer_to(directory, world.backup(fate), world.imports(fate)) }
    }
}
