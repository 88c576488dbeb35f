//! A deployment of the `ImportWorkflow`, simulated: the real coordinator and workers over an
//! unreliable queue, and a state machine that calls them as the definition does.

#![allow(clippy::missing_panics_doc)] // what a test cannot be set up with, it cannot test

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cognito_profiles::export::{Exporter, ShrinkGuard};
use cognito_profiles::import::Importer;
use cognito_profiles::model::PoolId;
use cognito_profiles::pacing::{Paced, Pacer, Rates};
use cognito_profiles::ports::{Backup, Clock, Directory, Imports, Ledger, ReplayMessage, ReplayQueue};
use cognito_profiles::progress::Silent;
use cognito_profiles::workflow::{Delivery, Failed, ImportCoordinator, Inbox as _, ReplayWorker};
use cognito_profiles::{Error, Result};
use serde_json::{Value, json};

use crate::mortal::{Fate, Mortal};
use crate::sim_queue::{Manners, SimQueue};
use crate::world::{LOGS_ROLE, World};
use crate::{MemoryLock, SimDirectory};

/// How many workers replay batches.
pub const REPLAY_WORKERS: u32 = 2;

/// What the template says: the time-out of a message, and of the functions, less their margins.
const VISIBILITY: Duration = Duration::from_mins(18);
const WORKER_TIME: Duration = Duration::from_secs(160);
const COORDINATOR_TIME: Duration = Duration::from_mins(13);

/// Everything deployed to restore the pool of a [`World`].
pub struct ImportCloud {
    /// The pool, its backup, time.
    pub world: World,
    /// `ReplayQueue`.
    pub queue: Arc<SimQueue>,
    /// The lock.
    pub lock: Arc<MemoryLock>,
    /// Of a hundred invocations, of workers and of the coordinator, so many are killed at some step.
    pub killed: u64,
    /// How much time an invocation of the coordinator has.
    pub coordinator_time: Duration,
    listings: AtomicU64,
}

/// Sends to the queue.
struct Sender(Arc<SimQueue>);

#[async_trait]
impl ReplayQueue for Sender {
    async fn send_batches(&self, messages: &[ReplayMessage]) -> Result<()> {
        for message in messages {
            self.0.send(&serde_json::to_string(message).expect("a message can be written as JSON"));
        }
        Ok(())
    }
}

impl ImportCloud {
    /// A deployment with a queue of these manners.
    pub fn new(world: World, manners: Manners) -> Self {
        let queue = SimQueue::new(world.clock.clone(), manners, VISIBILITY);
        Self {
            world,
            queue,
            lock: Arc::default(),
            killed: 0,
            coordinator_time: COORDINATOR_TIME,
            listings: AtomicU64::new(0),
        }
    }

    /// How often the new pool was listed.
    pub fn listings(&self) -> u64 {
        self.listings.load(Ordering::Relaxed)
    }

    /// One action of the coordinator. Killed, it is called again, as the state machine does.
    pub async fn coordinate(&self, execution: &str, into: &str, request: Value) -> Result<Value> {
        let mut request = request;
        request["NewUserPoolId"] = json!(into);
        request["Execution"] = json!(execution);
        loop {
            let request = serde_json::from_value(request.clone()).expect("a request of the state machine");
            let fate = self.fate();
            let coordinator = ImportCoordinator {
                importer: self.importer(into, &fate, self.pacer(1)),
                ledger: self.ledger(&fate),
                queue: Arc::new(Sender(self.queue.clone())),
                lock: self.lock.clone(),
                deadline: self.world.clock.elapsed() + self.coordinator_time,
            };
            // On the heap: its state is larger than a stack should carry.
            match fate.live(Box::pin(coordinator.answer(request))).await {
                Some(answer) => return answer,
                None => self.world.clock.sleep(Duration::from_secs(5)).await,
            }
        }
    }

    /// An execution of the state machine, while workers work. The answer of its last action.
    pub async fn execute(&self, execution: &str, into: &str, input: Value) -> Value {
        tokio::select! {
            ending = self.state_machine(execution, into, input) => ending,
            () = self.work() => unreachable!("workers work for ever"),
        }
    }

    /// What statemachines/import-workflow.asl.json does.
    pub async fn state_machine(&self, execution: &str, into: &str, input: Value) -> Value {
        let mut ids = json!({});
        match self.steps(execution, into, input, &mut ids).await {
            Ok(ending) => ending,
            Err(error) if error.kind() == "already_running" => json!({ "Status": error.kind() }),
            Err(error) => {
                let cause = json!({ "errorType": error.kind(), "errorMessage": error.to_string() });
                let mut fail = json!({ "Action": "fail", "Error": error.kind(), "Cause": cause.to_string() });
                fail["ImportId"] = ids["ImportId"].clone();
                fail["Attempt"] = ids["Attempt"].clone();
                self.coordinate(execution, into, fail).await.expect("an import can be failed")
            }
        }
    }

    async fn steps(&self, execution: &str, into: &str, input: Value, ids: &mut Value) -> Result<Value> {
        let begun = loop {
            match self.coordinate(execution, into, json!({ "Action": "begin", "Input": input })).await {
                Err(Error::Draining { .. }) => self.wait(&json!(15)).await,
                begun => break begun?,
            }
        };
        ids.clone_from(&begun);
        let ids = begun;
        let ask = async |mut request: Value| {
            request["ImportId"] = ids["ImportId"].clone();
            request["Attempt"] = ids["Attempt"].clone();
            self.coordinate(execution, into, request).await
        };
        let until_done = async |action: &str| -> Result<Value> {
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
        let by_listing = async |action: &str| -> Result<()> {
            for again in [false, true] {
                self.list(into).await?;
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
    async fn list(&self, into: &str) -> Result<()> {
        self.listings.fetch_add(1, Ordering::Relaxed);
        let fate = Fate::immortal();
        let store = &self.world.store;
        let exporter = Exporter::in_process(
            self.directory(into, &fate, self.pacer(1)),
            store.clone(),
            self.ledger(&fate),
            self.world.clock.clone(),
            Arc::new(Silent),
        );
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
        loop {
            let deliveries = self.queue.receive(2).await.expect("the simulated queue answers");
            if deliveries.is_empty() {
                self.world.clock.sleep(Duration::from_secs(1)).await;
                continue;
            }
            // Killed: then nothing is deleted.
            let Some(failed) = self.replay_once(deliveries.clone()).await else { continue };
            for delivery in deliveries {
                if !failed.iter().any(|failed| failed.id == delivery.id) {
                    self.queue.delete(&delivery).await.expect("the simulated queue answers");
                }
            }
        }
    }

    /// One invocation of replay-updates, in a new process. None if it was killed.
    pub async fn replay_once(&self, deliveries: Vec<Delivery>) -> Option<Vec<Failed>> {
        let fate = self.fate();
        let pacer = self.pacer(REPLAY_WORKERS);
        let importer = self.importer("", &fate, pacer.clone());
        let (cognito, clock) = (self.world.cognito.clone(), self.world.clock.clone());
        let (of_fate, of_pacer) = (fate.clone(), pacer.clone());
        let worker = ReplayWorker {
            importer_of: Arc::new(move |pool: &PoolId| {
                let directory: Arc<dyn Directory> =
                    Arc::new(SimDirectory::new(cognito.clone(), pool.as_str(), clock.clone()));
                let directory = Mortal::new(directory, &of_fate);
                let directory = Arc::new(Paced::new(directory, clock.clone(), of_pacer.clone()));
                Ok(Importer { directory, ..importer.clone() })
            }),
            ledger: self.ledger(&fate),
            queue: Arc::new(Sender(self.queue.clone())),
            lock: self.lock.clone(),
            inbox: self.queue.clone(),
            clock: self.world.clock.clone(),
            pacer,
            known: Arc::default(),
        };
        let deadline = self.world.clock.elapsed() + WORKER_TIME;
        fate.live(worker.work(deliveries, deadline)).await
    }

    fn fate(&self) -> Arc<Fate> {
        let clock = &self.world.clock;
        if clock.random() % 100 < self.killed {
            Fate::at_step(1 + clock.random() % 120)
        } else {
            Fate::immortal()
        }
    }

    fn ledger(&self, fate: &Arc<Fate>) -> Arc<dyn Ledger> {
        Mortal::timeless(self.world.store.clone() as Arc<dyn Ledger>, fate, &self.world.clock)
    }

    /// A new process knows nothing of the calls of others.
    fn pacer(&self, workers: u32) -> Arc<Pacer> {
        let rates = Rates::new(1.0, BTreeMap::new()).among(workers);
        Arc::new(Pacer::new(self.world.clock.clone(), rates))
    }

    fn directory(&self, pool: &str, fate: &Arc<Fate>, pacer: Arc<Pacer>) -> Arc<Paced> {
        let world = &self.world;
        let directory: Arc<dyn Directory> =
            Arc::new(SimDirectory::new(world.cognito.clone(), pool, world.clock.clone()));
        Arc::new(Paced::new(Mortal::new(directory, fate), world.clock.clone(), pacer))
    }

    fn importer(&self, into: &str, fate: &Arc<Fate>, pacer: Arc<Pacer>) -> Importer {
        let (store, clock) = (&self.world.store, &self.world.clock);
        Importer {
            directory: self.directory(into, fate, pacer),
            backup: Mortal::timeless(store.clone() as Arc<dyn Backup>, fate, clock),
            imports: Mortal::timeless(store.clone() as Arc<dyn Imports>, fate, clock),
            logs_role_arn: Some(LOGS_ROLE.to_owned()),
            clock: clock.clone(),
            progress: Arc::new(Silent),
        }
    }
}
