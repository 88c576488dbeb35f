use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;

use super::{Category, Pacer};
use crate::Error;
use crate::model::{Group, PoolId, User};
use crate::ports::{
    CallError, Clock, Directory, Factor, Fault, Identity, JobReport, NewJob, NewUser, Operation, PAGE_SIZE,
    Page, PoolDescription, RawAnswer, SettingsCall, UploadUrl, UserFilter,
};
use serde_json::Value;

/// A call that keeps failing is given up after so many tries: about two minutes. A throttled
/// call is never given up, for it did no harm and will get through.
const MOST_FAILURES: u32 = 10;

/// A pool whose calls are paced, retried and counted.
pub struct Paced {
    inner: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    pacer: Arc<Pacer>,
    counts: Mutex<BTreeMap<Operation, u64>>,
    throttled: AtomicU64,
}

/// How many requests were sent, retries included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// By operation.
    pub by_operation: BTreeMap<&'static str, u64>,
    /// How many of them were throttled.
    pub throttled: u64,
}

impl Paced {
    /// Sends the calls of `inner` at the pace of `pacer`.
    pub fn new(inner: Arc<dyn Directory>, clock: Arc<dyn Clock>, pacer: Arc<Pacer>) -> Self {
        Self { inner, clock, pacer, counts: Mutex::default(), throttled: AtomicU64::new(0) }
    }

    /// The pool's id.
    pub fn pool(&self) -> &PoolId {
        self.inner.pool()
    }

    /// What paces the calls.
    pub fn pacer(&self) -> &Pacer {
        &self.pacer
    }

    /// What was sent so far.
    pub fn requests(&self) -> Requests {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        Requests {
            by_operation: counts.iter().map(|(operation, count)| (operation.as_str(), *count)).collect(),
            throttled: self.throttled.load(Ordering::Relaxed),
        }
    }

    /// What a failed call means to a person, where it ends the work.
    pub fn explain(&self, error: CallError) -> Error {
        error.into_error(self.pool(), self.inner.region(), MOST_FAILURES)
    }

    /// Makes one call: waits for its turn, and tries again what trying again can help.
    async fn call<T, Attempt>(
        &self,
        operation: Operation,
        attempt: impl Fn() -> Attempt,
    ) -> Result<T, CallError>
    where
        Attempt: Future<Output = Result<T, CallError>>,
    {
        let mut backoff = self.backoff();
        let mut failures = 0;
        loop {
            let permit = self.pacer.permit(operation).await;
            self.count(operation);
            let answer = attempt().await;
            drop(permit);
            match answer {
                Err(error) if helps_to_repeat(&error) => {
                    failures += u32::from(error.fault != Fault::Throttled);
                    if failures == MOST_FAILURES {
                        return Err(error);
                    }
                    if matches!(error.fault, Fault::Throttled | Fault::Limit) {
                        self.throttled.fetch_add(1, Ordering::Relaxed);
                        self.pacer.throttled(operation);
                    }
                }
                answer => return answer,
            }
            self.clock.sleep(backoff.next().unwrap_or(LONGEST_DELAY)).await;
        }
    }

    fn backoff(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::new()
            .with_min_delay(SHORTEST_DELAY)
            .with_max_delay(LONGEST_DELAY)
            .with_jitter()
            .with_jitter_seed(self.clock.random())
            .without_max_times()
            .build()
    }

    fn count(&self, operation: Operation) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(operation).or_default() += 1;
    }
}

/// A job that cannot be made or started because of another waits its turn for longer than this.
fn helps_to_repeat(error: &CallError) -> bool {
    let of_a_job = matches!(error.operation, Operation::CreateUserImportJob | Operation::StartUserImportJob);
    error.is_transient() && !(of_a_job && error.fault == Fault::Limit)
}

const SHORTEST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(20);

/// The calls, as [`Directory`] has them.
#[allow(missing_docs)]
impl Paced {
    pub async fn describe(&self) -> Result<PoolDescription, CallError> {
        self.call(Operation::DescribeUserPool, || self.inner.describe()).await
    }

    pub async fn mfa_config(&self) -> Result<Value, CallError> {
        self.call(Operation::GetUserPoolMfaConfig, || self.inner.mfa_config()).await
    }

    pub async fn list_users(
        &self,
        filter: &UserFilter,
        limit: u8,
        token: Option<&str>,
    ) -> Result<Page<User>, CallError> {
        self.call(Operation::ListUsers, || self.inner.list_users(filter, limit, token)).await
    }

    pub async fn list_groups(&self, token: Option<&str>) -> Result<Page<Group>, CallError> {
        self.call(Operation::ListGroups, || self.inner.list_groups(token)).await
    }

    pub async fn get_group(&self, name: &str) -> Result<Group, CallError> {
        self.call(Operation::GetGroup, || self.inner.get_group(name)).await
    }

    pub async fn list_members(&self, group: &str, token: Option<&str>) -> Result<Page<User>, CallError> {
        self.call(Operation::ListUsersInGroup, || self.inner.list_members(group, token)).await
    }

    pub async fn create_group(&self, group: &Group) -> Result<(), CallError> {
        self.call(Operation::CreateGroup, || self.inner.create_group(group)).await
    }

    pub async fn create_user(&self, user: &NewUser) -> Result<User, CallError> {
        self.call(Operation::AdminCreateUser, || self.inner.create_user(user)).await
    }

    pub async fn set_password(&self, username: &str, password: &str) -> Result<(), CallError> {
        self.call(Operation::AdminSetUserPassword, || self.inner.set_password(username, password)).await
    }

    pub async fn add_to_group(&self, username: &str, group: &str) -> Result<(), CallError> {
        self.call(Operation::AdminAddUserToGroup, || self.inner.add_to_group(username, group)).await
    }

    pub async fn disable_user(&self, username: &str) -> Result<(), CallError> {
        self.call(Operation::AdminDisableUser, || self.inner.disable_user(username)).await
    }

    pub async fn set_mfa_preference(&self, username: &str, factors: &[Factor]) -> Result<(), CallError> {
        let attempt = || self.inner.set_mfa_preference(username, factors);
        self.call(Operation::AdminSetUserMFAPreference, attempt).await
    }

    pub async fn link_provider(&self, username: &str, identity: &Identity) -> Result<(), CallError> {
        let attempt = || self.inner.link_provider(username, identity);
        self.call(Operation::AdminLinkProviderForUser, attempt).await
    }

    pub async fn csv_header(&self) -> Result<Vec<String>, CallError> {
        self.call(Operation::GetCSVHeader, || self.inner.csv_header()).await
    }

    pub async fn create_import_job(&self, name: &str, logs_role_arn: &str) -> Result<NewJob, CallError> {
        let attempt = || self.inner.create_import_job(name, logs_role_arn);
        self.call(Operation::CreateUserImportJob, attempt).await
    }

    pub async fn upload(&self, url: &UploadUrl, file: &Bytes) -> Result<(), CallError> {
        self.call(Operation::UploadUserImportFile, || self.inner.upload(url, file.clone())).await
    }

    pub async fn start_import_job(&self, job: &str) -> Result<JobReport, CallError> {
        self.call(Operation::StartUserImportJob, || self.inner.start_import_job(job)).await
    }

    pub async fn describe_import_job(&self, job: &str) -> Result<JobReport, CallError> {
        self.call(Operation::DescribeUserImportJob, || self.inner.describe_import_job(job)).await
    }

    pub async fn read_settings(&self, call: &SettingsCall) -> Result<RawAnswer, CallError> {
        self.call(call.operation(), || self.inner.read_settings(call)).await
    }

    /// Every item of a listing of settings; `member` is what an answer calls them.
    pub async fn list_settings(
        &self,
        call: fn(Option<String>) -> SettingsCall,
        member: &str,
    ) -> Result<Vec<Value>, CallError> {
        let mut items = Vec::new();
        let mut token = None;
        loop {
            let mut answer = self.read_settings(&call(token)).await?.into_json();
            if let Some(Value::Array(page)) = answer.get_mut(member).map(Value::take) {
                items.extend(page);
            }
            // Only a missing token ends a listing; an empty one is none.
            token = answer["NextToken"].as_str().filter(|token| !token.is_empty()).map(ToOwned::to_owned);
            if token.is_none() {
                return Ok(items);
            }
        }
    }

    /// Asks Cognito for the rate of each of these categories that can differ from the default
    /// and that the operator did not choose. An account that may not ask keeps the defaults:
    /// one try, no error.
    pub async fn read_rates(&self, categories: &[Category]) {
        for category in categories {
            if !category.is_adjustable() || self.pacer.rates().is_chosen(*category) {
                continue;
            }
            let permit = self.pacer.permit(Operation::GetProvisionedLimit).await;
            self.count(Operation::GetProvisionedLimit);
            let limit = self.inner.provisioned_limit(category.as_str()).await;
            drop(permit);
            if let Ok(Some(rps)) = limit
                && rps > 0.0
            {
                self.pacer.note_rate(*category, rps);
            }
        }
    }

    /// Every user that a filter finds, over all pages of it. For look-ups of one user.
    pub async fn find_users(&self, filter: &UserFilter) -> Result<Vec<User>, CallError> {
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let page = self.list_users(filter, PAGE_SIZE, token.as_deref()).await?;
            found.extend(page.items);
            match page.next {
                None => return Ok(found),
                next => token = next,
            }
        }
    }
}
