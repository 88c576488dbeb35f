//! Ports that die: at a chosen step the process "is killed", before or after the step took
//! effect. Whoever waits for the step waits for ever, and the test drops it, as a kill would.
//! And stores whose answers are lost, by the [`Weather`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cognito_profiles::compare::Difference;
use cognito_profiles::model::{Group, Hash, Partition, PoolId, User};
use cognito_profiles::ports::{
    Backup, CallError, Cursor, DeadLetter, Directory, Factor, Head, Identity, Import, Imports, Job,
    JobReport, Lease, Ledger, Listing, ListingProgress, Lock, Mapping, NewJob, NewUser, Observation, Outcome,
    Page, PageId, PoolDescription, RawAnswer, Sent, SettingsCall, Step, UploadUrl, UserFilter, Version,
};
use cognito_profiles::run::{Run, RunId};
use cognito_profiles::time::Timestamp;
use cognito_profiles::{Error, Result};
use tokio::sync::Notify;

use crate::SimClock;
use crate::weather::{Luck, Weather};

/// When a process dies, and what befalls its calls until then.
pub struct Fate {
    steps: AtomicU64,
    last: u64,
    dead: Notify,
    under: Option<(Arc<Weather>, String)>,
}

impl Fate {
    /// Dies at the `last` step of all ports together, counted from 1: at an odd number before
    /// the step, at an even one after it.
    pub fn at_step(last: u64) -> Arc<Self> {
        Arc::new(Self { steps: AtomicU64::new(0), last, dead: Notify::new(), under: None })
    }

    /// Never dies, and counts.
    pub fn immortal() -> Arc<Self> {
        Self::at_step(u64::MAX)
    }

    /// The fate of the process called `name`, whose steps are noted, and whose store is under
    /// this weather.
    pub fn under(weather: &Arc<Weather>, name: &str, last: u64) -> Arc<Self> {
        let under = Some((weather.clone(), name.to_owned()));
        Arc::new(Self { steps: AtomicU64::new(0), last, dead: Notify::new(), under })
    }

    /// How many steps were taken; each counts twice: before and after.
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::SeqCst)
    }

    /// Does `work` until it ends, or until death. `None` means it died.
    pub async fn live<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.dead.notified() => None,
            done = work => Some(done),
        }
    }

    async fn tick(&self) {
        if self.steps.fetch_add(1, Ordering::SeqCst) + 1 >= self.last {
            self.dead.notify_one();
            std::future::pending::<()>().await;
        }
    }

    fn note(&self, what: std::fmt::Arguments<'_>) {
        if let Some((weather, name)) = &self.under {
            weather.note(format_args!("{name} {what}"));
        }
    }

    async fn luck(&self, step: &str) -> Luck {
        match &self.under {
            Some((weather, _)) => weather.luck(step).await,
            None => Luck::Good,
        }
    }

    fn witness(&self, run: &Run) {
        if let Some((weather, _)) = &self.under {
            weather.witness(run);
        }
    }
}

/// How long a step of a port takes.
enum Time {
    /// As long as it takes: it waits by the simulated clock itself.
    Its,
    /// None of the simulated clock's, which stands still meanwhile.
    StandsStill(Arc<SimClock>),
    /// None, and nobody else takes a turn meanwhile: so the same seed gives the same course of
    /// events, though a store works in a thread of its own. Not for one that needs the runtime.
    AtOnce,
}

/// A port whose process dies by its fate.
pub struct Mortal<T: ?Sized> {
    inner: Arc<T>,
    fate: Arc<Fate>,
    time: Time,
}

impl<T: ?Sized> Mortal<T> {
    /// `inner`, until `fate` strikes.
    pub fn new(inner: Arc<T>, fate: &Arc<Fate>) -> Arc<Self> {
        Arc::new(Self { inner, fate: fate.clone(), time: Time::Its })
    }

    /// The same, and each of its steps takes no time.
    pub fn timeless(inner: Arc<T>, fate: &Arc<Fate>, clock: &Arc<SimClock>) -> Arc<Self> {
        Arc::new(Self { inner, fate: fate.clone(), time: Time::StandsStill(clock.clone()) })
    }

    /// The same of a store in this process, whose steps are done at once; its calls are under the
    /// weather.
    pub fn at_once(inner: Arc<T>, fate: &Arc<Fate>) -> Arc<Self> {
        Arc::new(Self { inner, fate: fate.clone(), time: Time::AtOnce })
    }

    async fn begin(&self, step: &str) -> Luck {
        self.fate.tick().await;
        let luck = if matches!(self.time, Time::AtOnce) { self.fate.luck(step).await } else { Luck::Good };
        self.fate.note(format_args!("{step} {luck:?}"));
        luck
    }

    async fn call<A>(&self, work: impl Future<Output = A>) -> A {
        match &self.time {
            Time::Its => work.await,
            Time::StandsStill(clock) => {
                let _still = clock.stand_still();
                work.await
            }
            // Unconstrained: tokio would else ask it to let others take their turn, for ever.
            Time::AtOnce => futures::executor::block_on(tokio::task::unconstrained(work)),
        }
    }
}

/// What can be lost on its way back.
trait Answer {
    /// The answer that says so.
    fn lost() -> Self;
}

impl<T> Answer for Result<T> {
    fn lost() -> Self {
        Err(Error::StoreUnavailable { operation: "a call", cause: "connection closed".to_owned() })
    }
}

impl<T> Answer for Result<T, CallError> {
    fn lost() -> Self {
        unreachable!("the simulated Cognito loses its answers itself")
    }
}

/// Writes out each method: a step of the fate around the same method of `inner`. `torn` names a
/// list of which a part may be done when the answer is lost; `told`, a run that is written.
macro_rules! mortal {
    ($port:ident {
        $($name:ident($($arg:ident: $type:ty),*) -> $answer:ty $(, torn $whole:ident)? $(, told $run:ident)?;)*
    } $($rest:tt)*) => {
        #[async_trait]
        impl $port for Mortal<dyn $port> {
            $(async fn $name(&self, $($arg: $type),*) -> $answer {
                let luck = self.begin(stringify!($name)).await;
                if luck == Luck::LostBefore {
                    return Answer::lost();
                }
                $(let part = luck.part_of($whole); let $whole = &part[..];)?
                let done = self.call(self.inner.$name($($arg),*)).await;
                $(self.fate.witness($run);)?
                self.fate.tick().await;
                if luck == Luck::Good { done } else { Answer::lost() }
            })*
            $($rest)*
        }
    };
}

mortal! { Directory {
    describe() -> Result<PoolDescription, CallError>;
    mfa_config() -> Result<serde_json::Value, CallError>;
    provisioned_limit(category: &str) -> Result<Option<f64>, CallError>;
    list_users(filter: &UserFilter, limit: u8, token: Option<&str>) -> Result<Page<User>, CallError>;
    list_groups(token: Option<&str>) -> Result<Page<Group>, CallError>;
    get_group(name: &str) -> Result<Group, CallError>;
    list_members(group: &str, token: Option<&str>) -> Result<Page<User>, CallError>;
    create_group(group: &Group) -> Result<(), CallError>;
    create_user(user: &NewUser) -> Result<User, CallError>;
    set_password(username: &str, password: &str) -> Result<(), CallError>;
    add_to_group(username: &str, group: &str) -> Result<(), CallError>;
    disable_user(username: &str) -> Result<(), CallError>;
    set_mfa_preference(username: &str, factors: &[Factor]) -> Result<(), CallError>;
    link_provider(username: &str, identity: &Identity) -> Result<(), CallError>;
    csv_header() -> Result<Vec<String>, CallError>;
    create_import_job(name: &str, logs_role_arn: &str) -> Result<NewJob, CallError>;
    upload(url: &UploadUrl, file: Bytes) -> Result<(), CallError>;
    start_import_job(job: &str) -> Result<JobReport, CallError>;
    describe_import_job(job: &str) -> Result<JobReport, CallError>;
    read_settings(call: &SettingsCall) -> Result<RawAnswer, CallError>;
}
    fn pool(&self) -> &PoolId {
        self.inner.pool()
    }

    fn region(&self) -> &str {
        self.inner.region()
    }
}

mortal! { Backup {
    observe(pool: &PoolId, run: &RunId, observations: &[Observation]) -> Result<()>, torn observations;
    close(pool: &PoolId, partition: &Partition, keys: &[String], at: Timestamp) -> Result<()>, torn keys;
    heads(pool: &PoolId, partition: &Partition, after: Option<&str>, limit: usize) -> Result<Vec<Head>>;
    as_of(pool: &PoolId, partition: &Partition, at: Timestamp, after: Option<&str>, limit: usize)
        -> Result<Vec<Version>>;
    get(pool: &PoolId, partition: &Partition, keys: &[String], at: Timestamp) -> Result<Vec<Version>>;
    versions(pool: &PoolId, partition: &Partition, after: Option<(&str, Timestamp)>, limit: usize)
        -> Result<Vec<Version>>;
    group_names(pool: &PoolId) -> Result<Vec<String>>;
    latest(pool: &PoolId) -> Result<Option<Timestamp>>;
    put_run(run: &Run) -> Result<()>, told run;
    run(pool: &PoolId, id: &RunId) -> Result<Option<Run>>;
    runs(pool: Option<&PoolId>) -> Result<Vec<Run>>;
} }

mortal! { Imports {
    put_import(import: &Import) -> Result<bool>;
    import(id: &str) -> Result<Option<Import>>;
    imports(into: Option<&PoolId>) -> Result<Vec<Import>>;
    put_mappings(import: &str, mappings: &[Mapping]) -> Result<()>, torn mappings;
    mappings_of(import: &str, subs: &[String]) -> Result<Vec<Mapping>>;
    mappings_to(import: &str, new_subs: &[String]) -> Result<Vec<Mapping>>;
    mappings(import: &str, after: Option<&str>, limit: usize) -> Result<Vec<Mapping>>;
    put_outcomes(import: &str, outcomes: &[Outcome]) -> Result<()>, torn outcomes;
    outcomes_of(import: &str, step: Step, group: &str, keys: &[String]) -> Result<Vec<Outcome>>;
    outcomes(import: &str, step: Step, group: &str, after: Option<&str>, limit: usize)
        -> Result<Vec<Outcome>>;
    put_sent(import: &str, sent: &[Sent]) -> Result<()>, torn sent;
    sent_as(import: &str, names: &[Hash]) -> Result<Vec<Sent>>;
    put_job(import: &str, job: &Job) -> Result<()>;
    jobs(import: &str) -> Result<Vec<Job>>;
    put_differences(import: &str, listing: &RunId, first: u64, differences: &[Difference]) -> Result<()>;
    differences(import: &str, listing: &RunId, first: u64, limit: usize) -> Result<Vec<Difference>>;
} }

mortal! { Ledger {
    open(run: &RunId, listings: &[Listing]) -> Result<()>, torn listings;
    listings(run: &RunId) -> Result<Vec<ListingProgress>>;
    listing(run: &RunId, listing: &Listing) -> Result<Option<ListingProgress>>;
    mark_sent(run: &RunId, listings: &[Listing]) -> Result<()>, torn listings;
    take(run: &RunId, listing: &Listing) -> Result<Option<Cursor>>;
    restart(run: &RunId, listing: &Listing) -> Result<Option<Cursor>>;
    advance(run: &RunId, listing: &Listing, cursor: &Cursor) -> Result<bool>;
    counts(run: &RunId, page: &PageId) -> Result<bool>;
    count_page(run: &RunId, page: &PageId, seen: &[(Partition, String)]) -> Result<()>;
    count_seen(run: &RunId, seen: &[(Partition, String)]) -> Result<()>, torn seen;
    seen(run: &RunId, partition: &Partition) -> Result<Vec<String>>;
    users_seen(run: &RunId) -> Result<u64>;
    put_gone(run: &RunId, partition: &Partition, keys: &[String]) -> Result<()>, torn keys;
    gone(run: &RunId) -> Result<u64>;
    put_dead_letter(run: &RunId, letter: &DeadLetter) -> Result<()>;
    remove_dead_letter(run: &RunId, letter: &DeadLetter) -> Result<()>;
    dead_letters(run: &RunId) -> Result<Vec<DeadLetter>>;
    clear(run: &RunId) -> Result<()>;
} }

mortal! { Lock {
    acquire(name: &str, lease: &Lease, now: Timestamp) -> Result<Lease>;
    renew(name: &str, holder: &str, until: Timestamp) -> Result<bool>;
    release(name: &str, holder: &str, until: Timestamp) -> Result<()>;
    current(name: &str) -> Result<Option<Lease>>;
} }
