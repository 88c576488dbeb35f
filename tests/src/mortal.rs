//! Ports that die: at a chosen step the process "is killed", before or after the step took
//! effect. Whoever waits for the step waits for ever, and the test drops it, as a kill would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cognito_profiles::Result;
use cognito_profiles::compare::Difference;
use cognito_profiles::model::{Group, Hash, Partition, PoolId, User};
use cognito_profiles::ports::{
    Backup, CallError, Cursor, DeadLetter, Directory, Factor, Head, Identity, Import, Imports, Job,
    JobReport, Ledger, Listing, ListingProgress, Mapping, NewJob, NewUser, Observation, Outcome, Page,
    PageId, PoolDescription, RawAnswer, Sent, SettingsCall, Step, UploadUrl, UserFilter, Version,
};
use cognito_profiles::run::{Run, RunId};
use cognito_profiles::time::Timestamp;
use tokio::sync::Notify;

use crate::SimClock;

/// When a process dies.
pub struct Fate {
    steps: AtomicU64,
    last: u64,
    dead: Notify,
}

impl Fate {
    /// Dies at the `last` step of all ports together, counted from 1: at an odd number before
    /// the step, at an even one after it.
    pub fn at_step(last: u64) -> Arc<Self> {
        Arc::new(Self { steps: AtomicU64::new(0), last, dead: Notify::new() })
    }

    /// Never dies, and counts.
    pub fn immortal() -> Arc<Self> {
        Self::at_step(u64::MAX)
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

    async fn step<T>(&self, work: impl Future<Output = T>) -> T {
        self.tick().await;
        let done = work.await;
        self.tick().await;
        done
    }

    async fn tick(&self) {
        if self.steps.fetch_add(1, Ordering::SeqCst) + 1 >= self.last {
            self.dead.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

/// A port whose process dies by its fate.
pub struct Mortal<T: ?Sized> {
    inner: Arc<T>,
    fate: Arc<Fate>,
    clock: Option<Arc<SimClock>>,
}

impl<T: ?Sized> Mortal<T> {
    /// `inner`, until `fate` strikes.
    pub fn new(inner: Arc<T>, fate: &Arc<Fate>) -> Arc<Self> {
        Arc::new(Self { inner, fate: fate.clone(), clock: None })
    }

    /// The same, and each of its steps takes no time.
    pub fn timeless(inner: Arc<T>, fate: &Arc<Fate>, clock: &Arc<SimClock>) -> Arc<Self> {
        Arc::new(Self { inner, fate: fate.clone(), clock: Some(clock.clone()) })
    }
}

/// Writes out each method: a step of the fate around the same method of `inner`.
macro_rules! mortal {
    ($port:ident { $($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)* } $($rest:tt)*) => {
        #[async_trait]
        impl $port for Mortal<dyn $port> {
            $(async fn $name(&self, $($arg: $type),*) -> $answer {
                self.fate
                    .step(async {
                        let _still = self.clock.as_ref().map(|clock| clock.stand_still());
                        self.inner.$name($($arg),*).await
                    })
                    .await
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
    observe(pool: &PoolId, run: &RunId, observations: &[Observation]) -> Result<()>;
    close(pool: &PoolId, partition: &Partition, keys: &[String], at: Timestamp) -> Result<()>;
    heads(pool: &PoolId, partition: &Partition, after: Option<&str>, limit: usize) -> Result<Vec<Head>>;
    as_of(pool: &PoolId, partition: &Partition, at: Timestamp, after: Option<&str>, limit: usize)
        -> Result<Vec<Version>>;
    get(pool: &PoolId, partition: &Partition, keys: &[String], at: Timestamp) -> Result<Vec<Version>>;
    versions(pool: &PoolId, partition: &Partition, after: Option<(&str, Timestamp)>, limit: usize)
        -> Result<Vec<Version>>;
    group_names(pool: &PoolId) -> Result<Vec<String>>;
    latest(pool: &PoolId) -> Result<Option<Timestamp>>;
    put_run(run: &Run) -> Result<()>;
    run(pool: &PoolId, id: &RunId) -> Result<Option<Run>>;
    runs(pool: Option<&PoolId>) -> Result<Vec<Run>>;
} }

mortal! { Imports {
    put_import(import: &Import) -> Result<()>;
    import(id: &str) -> Result<Option<Import>>;
    imports(into: Option<&PoolId>) -> Result<Vec<Import>>;
    put_mappings(import: &str, mappings: &[Mapping]) -> Result<()>;
    mappings_of(import: &str, subs: &[String]) -> Result<Vec<Mapping>>;
    mappings_to(import: &str, new_subs: &[String]) -> Result<Vec<Mapping>>;
    mappings(import: &str, after: Option<&str>, limit: usize) -> Result<Vec<Mapping>>;
    put_outcomes(import: &str, outcomes: &[Outcome]) -> Result<()>;
    outcomes_of(import: &str, step: Step, group: &str, keys: &[String]) -> Result<Vec<Outcome>>;
    outcomes(import: &str, step: Step, group: &str, after: Option<&str>, limit: usize)
        -> Result<Vec<Outcome>>;
    put_sent(import: &str, sent: &[Sent]) -> Result<()>;
    sent_as(import: &str, names: &[Hash]) -> Result<Vec<Sent>>;
    put_job(import: &str, job: &Job) -> Result<()>;
    jobs(import: &str) -> Result<Vec<Job>>;
    put_differences(import: &str, listing: &RunId, first: u64, differences: &[Difference]) -> Result<()>;
    differences(import: &str, listing: &RunId, first: u64, limit: usize) -> Result<Vec<Difference>>;
} }

mortal! { Ledger {
    open(run: &RunId, listings: &[Listing]) -> Result<()>;
    listings(run: &RunId) -> Result<Vec<ListingProgress>>;
    listing(run: &RunId, listing: &Listing) -> Result<Option<ListingProgress>>;
    mark_sent(run: &RunId, listings: &[Listing]) -> Result<()>;
    take(run: &RunId, listing: &Listing) -> Result<Option<Cursor>>;
    restart(run: &RunId, listing: &Listing) -> Result<Option<Cursor>>;
    advance(run: &RunId, listing: &Listing, cursor: &Cursor) -> Result<bool>;
    counts(run: &RunId, page: &PageId) -> Result<bool>;
    count_page(run: &RunId, page: &PageId, seen: &[(Partition, String)]) -> Result<()>;
    count_seen(run: &RunId, seen: &[(Partition, String)]) -> Result<()>;
    seen(run: &RunId, partition: &Partition) -> Result<Vec<String>>;
    users_seen(run: &RunId) -> Result<u64>;
    put_gone(run: &RunId, partition: &Partition, keys: &[String]) -> Result<()>;
    gone(run: &RunId) -> Result<u64>;
    put_dead_letter(run: &RunId, letter: &DeadLetter) -> Result<()>;
    remove_dead_letter(run: &RunId, letter: &DeadLetter) -> Result<()>;
    dead_letters(run: &RunId) -> Result<Vec<DeadLetter>>;
    clear(run: &RunId) -> Result<()>;
} }
