//! One history, from the first export to the restore.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cognito_profiles::export::ShrinkGuard;
use cognito_profiles::model::PoolId;
use cognito_profiles::pacing;
use cognito_profiles::ports::{Clock as _, CreateWith, Import, ImportOptions, WithoutRow};
use cognito_profiles::progress::Silent;
use cognito_profiles::read::Snapshot;
use cognito_profiles::run::{Run, RunStatus};
use cognito_profiles::verify;
use cognito_sim::{Category, FaultRates};
use futures::future::join;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::Outcome;
use super::changes::change;
use super::plan::{ExportPlan, ImportPlan, Plan};
use super::truth::{Interval, Truth};
use crate::cloud::{Cloud, Execution};
use crate::import_cloud::ImportCloud;
use crate::mortal::Fate;
use crate::restored::assert_restored;
use crate::sim_queue::SimQueue;
use crate::world::{Contents, World, scratch};

/// A command that is killed, or fails, is run again so often before one that nothing befalls.
const MOST_TRIES: u32 = 6;

/// A command killed takes its calls of the last second with it.
const BETWEEN_COMMANDS: Duration = Duration::from_secs(2);

/// What workers call, and they alone. A coordinator that is tried again within a second does not
/// know what it called before.
const OF_WORKERS: [Category; 5] = [
    Category::UserList,
    Category::UserCreation,
    Category::UserUpdate,
    Category::UserResourceUpdate,
    Category::UserAccountRecovery,
];

/// So many changes at most during one export.
const MOST_CHANGES: u32 = 150;

/// Longer than any lease, time-out or delay of a message, so that everything comes to its end.
const LONG: Duration = Duration::from_hours(3);

/// What a run held when it ended.
struct Kept {
    run: Run,
    contents: Contents,
}

pub(super) struct History {
    plan: Plan,
    world: Arc<World>,
    cloud: Arc<Cloud>,
    imports: ImportCloud,
    truth: RefCell<Truth>,
    kept: RefCell<Vec<Rc<Kept>>>,
    endings: RefCell<BTreeMap<String, u64>>,
    random: RefCell<StdRng>,
    commands: Cell<u64>,
}

impl History {
    pub(super) fn new(seed: u64, plan: Plan, mut world: World) -> Self {
        world.rates.insert(pacing::Category::UserList, f64::from(plan.user_list));
        let world = Arc::new(world);
        let mut cloud = Cloud::new(world.clone(), plan.manners);
        (cloud.killed, cloud.coordinators_killed) = (plan.killed, plan.killed / 2);
        (cloud.forgotten, cloud.skew_millis) = (plan.forgotten, plan.skew_millis);
        cloud.max_shrink_percent = plan.max_shrink_percent;
        let cloud = Arc::new(cloud);
        let mut imports = ImportCloud::new(world.clone(), plan.manners);
        (imports.killed, imports.exports) = (plan.killed, Some(cloud.clone()));
        (imports.forgotten, imports.skew_millis) = (plan.forgotten, plan.skew_millis);
        Self {
            plan,
            world,
            cloud,
            imports,
            truth: RefCell::default(),
            kept: RefCell::default(),
            endings: RefCell::default(),
            // Not the course that the plan was drawn from.
            random: RefCell::new(StdRng::seed_from_u64(!seed)),
            commands: Cell::new(0),
        }
    }

    pub(super) async fn run(self) -> Outcome {
        // On the heap: its state is larger than a stack should carry.
        let workers = Box::pin(join(self.cloud.work(), self.imports.work()));
        tokio::select! {
            biased;
            () = Box::pin(self.happen()) => {}
            _ = workers => unreachable!("workers work for ever"),
        }
        let (events, trace) = self.world.weather.trace();
        Outcome { events, trace, endings: self.endings.take() }
    }

    async fn happen(&self) {
        self.note_truth();
        self.sleep(self.plan.lag()).await;
        self.storm();
        for export in &self.plan.exports {
            self.before(export).await;
            self.export(export).await;
            self.judge().await;
        }
        let restored = match &self.plan.import {
            Some(plan) => self.import(plan).await,
            None => None,
        };
        self.calm();
        if let Some(restored) = &restored {
            restored.come_to_its_end(self).await;
        }
        self.last_export().await;
        self.late_messages(restored.as_ref()).await;
        // What is destroyed stays so: once at the end is often enough.
        for kept in self.kept() {
            self.reads_as_ever(&kept).await;
        }
        self.judge_rates();
    }

    // ---- what happens ----------------------------------------------------

    fn storm(&self) {
        let plan = &self.plan;
        self.world.weather.set(plan.store);
        self.world.cognito.configure(|config| config.faults.rates = plan.cognito.clone());
    }

    /// From now on nothing goes wrong any more, but for what the queues do.
    fn calm(&self) {
        self.world.weather.calm();
        self.world.cognito.configure(|config| config.faults.rates = FaultRates::default());
        self.queues().iter().for_each(|queue| queue.calm());
    }

    fn queues(&self) -> [&Arc<SimQueue>; 3] {
        [&self.cloud.queues.lists, &self.cloud.queues.pages, &self.imports.queue]
    }

    async fn sleep(&self, duration: Duration) {
        self.world.clock.sleep(duration).await;
    }

    fn jump(&self, seconds: i64) {
        let clock = &self.world.clock;
        clock.set_wall(clock.now().plus_millis(seconds * 1_000));
        self.world.weather.note(format_args!("the clock is set by {seconds} s"));
    }

    async fn before(&self, plan: &ExportPlan) {
        self.sleep(plan.pause).await;
        self.jump(plan.jump_before);
        let subs: Vec<String> = self.world.truth(&self.world.pool).users.into_keys().collect();
        let deleted: Vec<&String> = {
            let mut random = self.random.borrow_mut();
            subs.iter().filter(|_| random.random_range(0..100) < plan.deleted_percent).collect()
        };
        self.world.change(|admin| {
            for sub in deleted {
                admin.delete_user(&self.world.pool, sub).expect("they are there");
            }
        });
        self.note_truth();
    }

    /// Changes the pool now and then, though not for ever: some exports take long to fail.
    async fn keep_changing(&self) {
        for _ in 0..MOST_CHANGES {
            let pause = self.plan.between_changes.mul_f64(self.random.borrow_mut().random_range(0.0..1.0));
            self.sleep(pause.max(Duration::from_millis(1))).await;
            let pool = &self.world.pool;
            let done = self.world.change(|admin| change(admin, pool, &mut self.random.borrow_mut()));
            self.world.weather.note(format_args!("the pool is changed: {done:?}"));
            self.note_truth();
        }
    }

    fn note_truth(&self) {
        let now = self.world.truth(&self.world.pool);
        self.truth.borrow_mut().note(self.world.clock.elapsed(), &now);
    }

    /// An export, and what goes on meanwhile.
    async fn export(&self, plan: &ExportPlan) {
        let jump = async {
            self.sleep(Duration::from_secs(3)).await;
            self.jump(plan.jump_during);
        };
        let export = async {
            if self.plan.one_process {
                self.export_by_command(plan.allow_shrink).await;
            } else {
                self.export_by_workflow(plan).await;
            }
        };
        let changes = async {
            if plan.changes {
                self.keep_changing().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            _ = Box::pin(join(export, jump)) => {}
            () = changes => unreachable!("it waits for ever"),
        }
    }

    async fn export_by_workflow(&self, plan: &ExportPlan) {
        let number = self.next_command();
        let stopped = Cell::new(false);
        let execution = async |name: &str, wait: Duration| {
            self.sleep(wait).await;
            let execution = Execution { name, allow_shrink: plan.allow_shrink, stopped: &|| stopped.get() };
            let ending = self.cloud.run(&self.world.pool, &execution).await;
            self.count_ending("export", &ending);
        };
        let (first, second) = (format!("export {number}"), format!("export {number}, again"));
        let first = execution(&first, Duration::ZERO);
        let second = async {
            if let Some(wait) = plan.second_start {
                execution(&second, wait).await;
            }
        };
        let stop = async {
            if let Some(wait) = plan.stopped {
                self.sleep(wait).await;
                stopped.set(true);
            }
        };
        tokio::join!(first, second, stop);
    }

    /// The command, again until it has come to an end, or for some times.
    async fn export_by_command(&self, allow: bool) {
        let guard = ShrinkGuard { max_percent: self.plan.max_shrink_percent, allow };
        for _ in 0..MOST_TRIES {
            let fate = self.fate(600);
            let exporter = self.world.exporter(&fate);
            match fate.live(Box::pin(exporter.export(&guard))).await {
                Some(Ok(run)) => return self.count("export", &format!("{:?}", run.status)),
                Some(Err(error)) => self.count("export", error.kind()),
                None => self.count("export", "killed"),
            }
            self.sleep(BETWEEN_COMMANDS).await;
        }
    }

    /// A process of the tool.
    fn fate(&self, most_steps: u64) -> Arc<Fate> {
        let mut random = self.random.borrow_mut();
        let dies = self.world.weather.kills() && random.random_range(0..100) < 4 * self.plan.killed;
        let last = if dies { random.random_range(1..most_steps) } else { u64::MAX };
        Fate::under(&self.world.weather, &format!("command#{}", self.next_command()), last)
    }

    fn next_command(&self) -> u64 {
        self.commands.replace(self.commands.get() + 1)
    }

    fn count_ending(&self, of: &str, ending: &Value) {
        self.world.weather.note(format_args!("{of} ended {ending}"));
        self.count(of, ending["Status"].as_str().unwrap_or("?"));
    }

    fn count(&self, of: &str, ending: &str) {
        let came_to_its_end = !["Failed", "killed"].contains(&ending) && !ending.contains("unavailable");
        assert!(came_to_its_end || !self.plan.is_calm(), "nothing goes wrong, and the {of} ended {ending}");
        *self.endings.borrow_mut().entry(format!("{of} {ending}")).or_default() += 1;
    }

    // ---- exports are judged ----------------------------------------------

    /// Judges runs that came to their end since.
    async fn judge(&self) {
        let mut ended: BTreeMap<String, (Interval, Run)> = BTreeMap::new();
        for (at, run) in self.world.weather.runs() {
            if run.pool != PoolId::new(&self.world.pool) {
                continue;
            }
            let from = at.saturating_sub(self.plan.lag() + Duration::from_millis(2));
            let entry = ended.entry(run.id.to_string()).or_insert((Interval { from, to: at }, run.clone()));
            entry.0.to = at;
            entry.1 = run;
        }
        let is_kept = |run: &Run| self.kept().iter().any(|kept| kept.run.id == run.id);
        for (interval, run) in ended.into_values() {
            if matches!(run.status, RunStatus::Complete | RunStatus::Held) && !is_kept(&run) {
                self.judge_run(interval, run).await;
            }
        }
    }

    fn kept(&self) -> Vec<Rc<Kept>> {
        self.kept.borrow().clone()
    }

    fn last_kept(&self) -> Rc<Kept> {
        self.kept().pop().expect("there is a run")
    }

    async fn judge_run(&self, interval: Interval, run: Run) {
        self.world.weather.note(format_args!("run {} is judged: {interval:?}", run.id));
        let contents = self.world.saved(&run).await.expect("a run can be read");
        let is_complete = run.status == RunStatus::Complete;
        self.truth.borrow().judge(interval, &contents, is_complete);
        if !is_complete {
            let before = self.as_of_before(&run).await;
            assert!(before.users.keys().all(|key| contents.users.contains_key(key)), "G4: a user is closed");
            assert!(
                before.groups.keys().all(|key| contents.groups.contains_key(key)),
                "G4: a group is closed"
            );
            assert!(before.memberships.is_subset(&contents.memberships), "G4: a membership is closed");
            let left = self.truth.borrow().left(interval, &before);
            assert!(left > 0, "run {} is held, and nobody left: {:?}", run.id, run.reason);
        }
        self.kept.borrow_mut().push(Rc::new(Kept { run, contents }));
    }

    /// What was stored just before the run began.
    async fn as_of_before(&self, run: &Run) -> Contents {
        let before = Run { ended_at: Some(run.started_at.plus_millis(-1)), ..run.clone() };
        self.world.saved(&before).await.expect("it can be read")
    }

    /// G3: it reads as it did when it ended, and its manifest agrees.
    async fn reads_as_ever(&self, kept: &Kept) {
        let run = &kept.run;
        let contents = self.world.saved(run).await.expect("a run can be read");
        assert_same(&contents, &kept.contents, "G3: a run reads otherwise than when it ended");
        let backup = self.world.backup(&Fate::immortal());
        let snapshot = Snapshot::of(backup, run.clone()).expect("it has ended");
        verify::check(&snapshot, &Silent).await.unwrap_or_else(|error| panic!("G3: run {}: {error}", run.id));
    }

    /// Once nothing goes wrong and nothing changes, a run holds just what the pool holds.
    async fn last_export(&self) {
        self.sleep(LONG).await;
        if self.plan.one_process {
            // The first may go on with one that was interrupted.
            self.export_by_command(true).await;
            self.export_by_command(true).await;
        } else {
            let execution = Execution { name: "the last", allow_shrink: true, stopped: &|| false };
            let ending = self.cloud.run(&self.world.pool, &execution).await;
            self.world.weather.note(format_args!("the last export: {ending}"));
            assert_eq!(ending["Status"], "Complete", "nothing goes wrong any more: {ending}");
        }
        self.judge().await;
        let last = self.last_kept();
        assert_eq!(last.run.status, RunStatus::Complete, "nothing goes wrong any more");
        assert_same(&last.contents, &self.world.truth(&self.world.pool), "G5: the last run");
    }

    /// What comes late, again, changes nothing.
    async fn late_messages(&self, restored: Option<&Restore<'_>>) {
        let target = || restored.map(|restored| self.world.truth(&restored.target));
        let before = (self.current().await, target().unwrap_or_default());
        let queues = self.queues();
        for queue in queues {
            for body in queue.sent() {
                if self.random.borrow_mut().random_ratio(1, 3) {
                    queue.send(&body);
                }
            }
        }
        let until = self.world.clock.elapsed() + LONG;
        while self.world.clock.elapsed() < until && queues.iter().any(|queue| !queue.bodies().is_empty()) {
            self.sleep(Duration::from_mins(1)).await;
        }
        for queue in queues {
            assert_eq!(queue.bodies().len(), 0, "messages of runs that have ended are passed over");
        }
        self.judge().await;
        assert_same(&self.current().await, &before.0, "G5: a late message changed the backup");
        assert_same(&target().unwrap_or_default(), &before.1, "G7: a late message changed the new pool");
    }

    /// What is current of the pool.
    async fn current(&self) -> Contents {
        let last = &self.last_kept().run;
        // Later than any version.
        let at =
            Run { ended_at: last.ended_at.map(|end| end.plus_millis(1_000_000_000_000)), ..last.clone() };
        self.world.saved(&at).await.expect("it can be read")
    }

    /// G6: the simulated Cognito measures.
    fn judge_rates(&self) {
        let by_command = self.plan.one_process;
        if self.plan.import.as_ref().is_some_and(|import| import.one_process != by_command) {
            // The tool and a deployment do not know of each other.
            return;
        }
        let (quotas, is_calm) = (self.plan.config().quotas, self.plan.is_calm());
        let meter = self.world.cognito.meter();
        for (category, usage) in &meter.categories {
            let limit = quotas.limit(*category).map_or(u64::MAX, u64::from);
            let is_kept = usage.peak_attempts <= limit || !is_calm && !OF_WORKERS.contains(category);
            assert!(is_kept, "G6: {category:?}: {usage:?}");
        }
        for (operation, usage) in &meter.per_pool {
            let of_workers = ["ListGroups/", "CreateGroup/"].iter().any(|name| operation.starts_with(name));
            assert!(usage.peak_attempts <= 5 || !is_calm && !of_workers, "G6: {operation}: {usage:?}");
        }
    }

    // ---- the restore -----------------------------------------------------

    /// Restores a run, interrupted a few times. None if there is none.
    async fn import<'a>(&self, plan: &'a ImportPlan) -> Option<Restore<'a>> {
        let as_of = {
            let kept = self.kept();
            kept.iter().find(|kept| kept.run.is_complete())?;
            let named = plan.as_of.map(|back| &kept[kept.len() - 1 - back.min(kept.len() - 1)]);
            named.map(|kept| kept.run.id.to_string())
        };
        let target = self.world.empty_pool();
        self.world.cognito.configure(|config| config.imports.deaths.extend(plan.job_dies_after));
        let restore = Restore { plan, target, as_of };
        for _ in 0..plan.interruptions {
            let after = Duration::from_secs(self.random.borrow_mut().random_range(1..400));
            restore.interrupted(self, after).await;
            self.judge().await;
        }
        match &plan.meanwhile {
            Some(export) if !plan.one_process && !self.plan.one_process => {
                self.before(export).await;
                tokio::join!(restore.attempt(self, None), self.export(export));
            }
            _ => restore.attempt(self, None).await,
        }
        self.judge().await;
        Some(restore)
    }
}

fn assert_same(one: &Contents, other: &Contents, what: &str) {
    let differences = one.differences(other);
    assert!(differences.is_empty(), "{what}:\n{}", differences.join("\n"));
}

/// A restore into one pool.
struct Restore<'a> {
    plan: &'a ImportPlan,
    target: String,
    as_of: Option<String>,
}

impl Restore<'_> {
    /// What a restore by the workflow is asked for.
    fn input(&self, history: &History) -> Value {
        let mut input = json!({
            "SourceUserPoolId": history.world.pool,
            "CreateUsersWith": if self.plan.with_jobs { "ImportJob" } else { "AdminApi" },
            "UsersWithoutRow": if self.plan.list_without_row { "List" } else { "AdminApi" },
        });
        if let Some(run) = &self.as_of {
            input["AsOf"] = json!(run);
        }
        input
    }

    fn options(&self) -> ImportOptions {
        ImportOptions {
            create_with: if self.plan.with_jobs { CreateWith::ImportJob } else { CreateWith::AdminApi },
            without_row: if self.plan.list_without_row { WithoutRow::List } else { WithoutRow::AdminApi },
            ..ImportOptions::default()
        }
    }

    /// Begun, and stopped after a while.
    async fn interrupted(&self, history: &History, after: Duration) {
        self.attempt(history, Some(after)).await;
        let pause = if history.random.borrow_mut().random_bool(0.5) { 100 } else { 4_000 };
        history.sleep(Duration::from_secs(pause)).await;
    }

    /// Tries once, or until it is stopped.
    async fn attempt(&self, history: &History, stopped_after: Option<Duration>) {
        if self.plan.one_process {
            let fate = history.fate(3_000);
            match stopped_after {
                Some(after) => tokio::select! {
                    biased;
                    ended = self.command(history, &fate) => { let _ = ended; }
                    () = history.sleep(after) => history.count("import", "stopped"),
                },
                None => {
                    self.command(history, &fate).await;
                }
            }
            history.sleep(BETWEEN_COMMANDS).await;
            return;
        }
        let number = history.next_command();
        let stopped = Cell::new(false);
        let execution = async |name: String, wait: Duration| {
            history.sleep(wait).await;
            let execution = Execution { name: &name, allow_shrink: true, stopped: &|| stopped.get() };
            let ending = Box::pin(history.imports.run(&self.target, &execution, self.input(history))).await;
            history.count_ending("import", &ending);
        };
        let second = async {
            if let Some(wait) = self.plan.second_start {
                execution(format!("import {number}, again"), wait).await;
            }
        };
        let stop = async {
            if let Some(after) = stopped_after {
                history.sleep(after).await;
                stopped.set(true);
            }
        };
        tokio::join!(execution(format!("import {number}"), Duration::ZERO), second, stop);
    }

    /// The command, once. Whether it came to its end.
    async fn command(&self, history: &History, fate: &Arc<Fate>) -> bool {
        let importer = history.world.importer(&self.target, fate);
        let pool = PoolId::new(&history.world.pool);
        let work = async {
            let snapshot = importer.find_snapshot(Some(&pool), self.as_of.as_deref()).await?;
            let prepared = importer.prepare(snapshot, self.options()).await?;
            importer.import(prepared, &scratch()).await
        };
        let ended = fate.live(Box::pin(work)).await;
        match &ended {
            Some(Ok(report)) => history.count("import", &format!("{:?}", report.import.status)),
            Some(Err(error)) => history.count("import", error.kind()),
            None => history.count("import", "killed"),
        }
        matches!(ended, Some(Ok(_)))
    }

    /// Once nothing goes wrong any more, it comes to its end, and everyone is there or listed.
    /// Once more, it changes nothing.
    async fn come_to_its_end(&self, history: &History) {
        history.sleep(LONG).await;
        let mut before: Option<Contents> = None;
        for time in 1..=self.plan.ends {
            let time = &format!("end {time}");
            if self.plan.one_process {
                let fate = history.fate(1);
                assert!(self.command(history, &fate).await, "G7: {time}");
            } else {
                let execution = Execution { name: time, allow_shrink: true, stopped: &|| false };
                let run = history.imports.run(&self.target, &execution, self.input(history));
                let ending = Box::pin(run).await;
                history.count_ending("last import", &ending);
                let status = ending["Status"].as_str();
                assert!(matches!(status, Some("Complete" | "PartiallyFailed")), "G7: {time}: {ending}");
            }
            let import = self.record(history).await;
            let kept = history.kept();
            let run = kept.iter().find(|kept| kept.run.id == import.run).expect("a run that was kept");
            assert_restored(&history.world, &import, &self.target, &run.contents, &format!("G7: {time}"))
                .await;
            let now = history.world.truth(&self.target);
            if let Some(before) = before.replace(now.clone()) {
                // Whoever was not restored the first time may be now.
                assert_same(&now.clone().of(&before), &before, "G7: run again, it changes something");
            }
        }
    }

    async fn record(&self, history: &History) -> Import {
        let imports = history.world.imports(&Fate::immortal());
        let into = PoolId::new(&self.target);
        let mut found = imports.imports(Some(&into)).await.expect("imports can be read");
        assert_eq!(found.len(), 1, "G7: one import, however often it was begun");
        found.pop().expect("there is one")
    }
}
