//! A deployment of the `ExportWorkflow`, simulated: the real coordinator and workers over
//! unreliable queues, and a state machine that calls them as the definition does.

#![allow(clippy::missing_panics_doc)] // what a test cannot be set up with, it cannot test

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cognito_profiles::Result;
use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::export::{Exporter, ShrinkGuard, Writer};
use cognito_profiles::model::PoolId;
use cognito_profiles::pacing::{Paced, Pacer, Rates};
use cognito_profiles::ports::{Backup, Clock, Directory, Ledger};
use cognito_profiles::progress::Silent;
use cognito_profiles::run::Run;
use cognito_profiles::workflow::{Coordinator, Delivery, Failed, Inbox as _, ListWorker, PageWorker};
use serde_json::{Value, json};

use crate::mortal::{Fate, Mortal};
use crate::sim_queue::{Manners, SimQueue, SimQueues};
use crate::world::World;
use crate::{MemoryLock, SimDirectory};

/// How many workers read listings.
pub const LIST_WORKERS: u32 = 2;

/// What the template says: time-outs of the functions, and of messages.
const LIST_VISIBILITY: Duration = Duration::from_mins(12);
const PAGE_VISIBILITY: Duration = Duration::from_mins(6);

/// How long an invocation of list-pages reads: its time-out, less its margin.
const LIST_TIME: Duration = Duration::from_secs(105);

/// Everything deployed for the pool of a [`World`].
pub struct Cloud {
    /// The pool, its backup, time.
    pub world: World,
    /// The queues.
    pub queues: SimQueues,
    /// The lock.
    pub lock: Arc<MemoryLock>,
    /// Of a hundred invocations of a worker, so many are killed at some step.
    pub killed: u64,
    /// Whether who writes pages is refused by the store.
    pub refuses_pages: bool,
}

impl Cloud {
    /// A deployment with these queues.
    pub fn new(world: World, manners: Manners) -> Self {
        let queue = |visibility| SimQueue::new(world.clock.clone(), manners, visibility);
        let queues = SimQueues { lists: queue(LIST_VISIBILITY), pages: queue(PAGE_VISIBILITY) };
        Self { world, queues, lock: Arc::default(), killed: 0, refuses_pages: false }
    }

    /// The pool.
    pub fn pool(&self) -> PoolId {
        PoolId::new(&self.world.pool)
    }

    /// One action of the coordinator.
    pub async fn coordinate(&self, execution: &str, request: Value) -> Result<Value> {
        let mut request = request;
        request["UserPoolId"] = json!(self.world.pool);
        request["Execution"] = json!(execution);
        let request = serde_json::from_value(request).expect("a request of the state machine");
        let coordinator = Coordinator {
            exporter: self.exporter(&Fate::immortal(), self.pacer(1)),
            lock: self.lock.clone(),
            max_shrink_percent: ShrinkGuard::DEFAULT_PERCENT,
        };
        coordinator.answer(request).await
    }

    /// An execution of the state machine, while workers work. The answer of its last action.
    pub async fn execute(&self, execution: &str, allow_shrink: bool) -> Value {
        tokio::select! {
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
        match self.steps(execution, allow_shrink).await {
            Ok(ending) => ending,
            Err((run, error)) if error.kind() != "already_running" => {
                let cause =
                    json!({ "errorType": error.kind(), "errorMessage": error.to_string() }).to_string();
                let fail = json!({ "Action": "fail", "RunId": run, "Error": error.kind(), "Cause": cause });
                self.coordinate(execution, fail).await.expect("a run can be failed")
            }
            Err((_, error)) => json!({ "Status": error.kind() }),
        }
    }

    async fn steps(
        &self,
        execution: &str,
        allow_shrink: bool,
    ) -> Result<Value, (Option<String>, cognito_profiles::Error)> {
        let begun = loop {
            match self.coordinate(execution, json!({ "Action": "begin" })).await {
                Err(error) if error.kind() == "draining" => self.wait(&json!(15)).await,
                begun => break begun.map_err(|error| (None, error))?,
            }
        };
        let run = begun["RunId"].as_str().expect("a run").to_owned();
        let ask = async |mut request: Value| {
            request["RunId"] = json!(run);
            self.coordinate(execution, request).await.map_err(|error| (Some(run.clone()), error))
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
            let verdict = ask(json!({ "Action": "reconcile", "AllowShrink": allow_shrink })).await?;
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
        loop {
            let deliveries = queue.receive(batch).await.expect("the simulated queue answers");
            if deliveries.is_empty() {
                self.world.clock.sleep(Duration::from_secs(1)).await;
                continue;
            }
            // Killed: then nothing is deleted.
            let Some(failed) = invoke(deliveries.clone()).await else { continue };
            for delivery in deliveries {
                if !failed.iter().any(|failed| failed.id == delivery.id) {
                    queue.delete(&delivery).await.expect("the simulated queue answers");
                }
            }
        }
    }

    /// One invocation of list-pages, in a new process. None if it was killed.
    pub async fn list_once(&self, deliveries: Vec<Delivery>) -> Option<Vec<Failed>> {
        let fate = self.fate();
        let pacer = self.pacer(LIST_WORKERS);
        let exporter = self.exporter(&fate, pacer.clone());
        let worker = ListWorker {
            exporter_of: Arc::new(move |_| Ok(exporter.clone())),
            lock: self.lock.clone(),
            inbox: self.queues.lists.clone(),
            clock: self.world.clock.clone(),
            pacer,
        };
        let deadline = self.world.clock.elapsed() + LIST_TIME;
        fate.live(worker.work(deliveries, deadline)).await
    }

    /// One invocation of write-pages. None if it was killed.
    pub async fn write_once(&self, deliveries: Vec<Delivery>) -> Option<Vec<Failed>> {
        let fate = self.fate();
        let (backup, ledger) = self.store(&fate);
        let backup = if self.refuses_pages { closed_store().await } else { backup };
        let worker = PageWorker {
            writer: Writer::new(backup, ledger.clone(), Arc::new(Silent)),
            ledger,
            lock: self.lock.clone(),
            inbox: self.queues.pages.clone(),
            clock: self.world.clock.clone(),
        };
        fate.live(worker.work(deliveries)).await
    }

    fn fate(&self) -> Arc<Fate> {
        let clock = &self.world.clock;
        if clock.random() % 100 < self.killed {
            Fate::at_step(1 + clock.random() % 60)
        } else {
            Fate::immortal()
        }
    }

    fn store(&self, fate: &Arc<Fate>) -> (Arc<dyn Backup>, Arc<dyn Ledger>) {
        let store = &self.world.store;
        (
            Mortal::timeless(store.clone() as Arc<dyn Backup>, fate, &self.world.clock),
            Mortal::timeless(store.clone() as Arc<dyn Ledger>, fate, &self.world.clock),
        )
    }

    /// A new process knows nothing of the calls of others.
    fn pacer(&self, workers: u32) -> Arc<Pacer> {
        let rates = Rates::new(1.0, BTreeMap::new()).among(workers);
        Arc::new(Pacer::new(self.world.clock.clone(), rates))
    }

    fn exporter(&self, fate: &Arc<Fate>, pacer: Arc<Pacer>) -> Exporter {
        let world = &self.world;
        let (backup, ledger) = self.store(fate);
        let directory: Arc<dyn Directory> =
            Arc::new(SimDirectory::new(world.cognito.clone(), &world.pool, world.clock.clone()));
        let directory = Arc::new(Paced::new(Mortal::new(directory, fate), world.clock.clone(), pacer));
        let queue = Arc::new(self.queues.clone());
        Exporter::over(queue, directory, backup, ledger, world.clock.clone(), Arc::new(Silent))
    }
}

/// A store that refuses everything.
async fn closed_store() -> Arc<dyn Backup> {
    let store = SqliteStore::temporary().expect("a temporary store can be made");
    store.close().await.expect("it can be closed");
    Arc::new(store)
}
