//! A deployed stack, as its functions see it: made from the environment the template gives them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};

use super::SystemClock;
use super::cognito::CognitoDirectory;
use super::dynamodb::{DEFAULT_RETENTION_DAYS, DynamoStore, Tables};
use super::sqs::{SqsInbox, SqsQueue, SqsReplayQueue};
use crate::export::{Exporter, SettingsSaved, ShrinkGuard, Writer};
use crate::import::{Importer, JobLimits};
use crate::model::PoolId;
use crate::pacing::{Paced, Pacer, Rates};
use crate::ports::Clock;
use crate::progress::Silent;
use crate::settings::Recipient;
use crate::workflow::{Coordinator, ImportCoordinator, ListWorker, PageWorker, ReplayWorker};
use crate::{Error, Result};

/// What the template says in the environment of a function.
#[derive(Clone, Debug)]
pub struct Environment {
    backup_table: String,
    run_table: String,
    list_queue_url: Option<String>,
    page_queue_url: Option<String>,
    replay_queue_url: Option<String>,
    logs_role_arn: Option<String>,
    rates: Rates,
    max_shrink_percent: f64,
    retention_days: u32,
    secrets_recipient: Option<Recipient>,
}

impl Environment {
    /// Reads the variables through `get`; one that is missing or makes no sense is named.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let given = |name: &str| get(name).filter(|value| !value.is_empty());
        let needed = |name: &str| given(name).ok_or_else(|| Error::Usage(format!("{name} is not set")));
        let workers = number(&given, "WORKERS", 1.0, |workers| workers >= 1.0)?;
        let share = number(&given, "QUOTA_SHARE", Rates::DEFAULT_SHARE, |share| share > 0.0 && share <= 1.0)?;
        let rates = Rates::new(share, BTreeMap::new()).among(whole(workers));
        let rates = match given("COGNITO_TPS").as_deref() {
            None | Some("auto") => rates,
            Some(_) => rates.capped(number(&given, "COGNITO_TPS", 0.0, |rps| rps > 0.0)?),
        };
        let percent = ShrinkGuard::DEFAULT_PERCENT;
        Ok(Self {
            backup_table: needed("BACKUP_TABLE")?,
            run_table: needed("RUN_TABLE")?,
            list_queue_url: given("LIST_QUEUE_URL"),
            page_queue_url: given("PAGE_QUEUE_URL"),
            replay_queue_url: given("REPLAY_QUEUE_URL"),
            logs_role_arn: given("IMPORT_LOGS_ROLE_ARN"),
            rates,
            max_shrink_percent: number(&given, "MAX_SHRINK_PERCENT", percent, |share| {
                (0.0..=100.0).contains(&share)
            })?,
            retention_days: whole(number(&given, "RETENTION_DAYS", DEFAULT_RETENTION_DAYS.into(), |days| {
                days >= 1.0
            })?),
            secrets_recipient: given("SECRETS_RECIPIENT").map(|key| key.parse()).transpose()?,
        })
    }
}

fn number(
    given: &impl Fn(&str) -> Option<String>,
    name: &str,
    default: f64,
    makes_sense: impl Fn(f64) -> bool,
) -> Result<f64> {
    let Some(text) = given(name) else { return Ok(default) };
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && makes_sense(*number));
    number.ok_or_else(|| Error::Usage(format!("{name} is {text:?}, which is no number it can have")))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked to be 1 or more
const fn whole(number: f64) -> u32 {
    number as u32
}

/// Everything a function needs, made once for each process. What belongs to one invocation is
/// made anew for each: a store remembers what it read.
pub struct Deployment {
    environment: Environment,
    config: SdkConfig,
    clock: Arc<SystemClock>,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    pacer: Arc<Pacer>,
    directories: Mutex<HashMap<PoolId, Arc<Paced>>>,
}

impl Deployment {
    /// Connects by the standard AWS settings. Nothing is sent yet.
    pub async fn connect(environment: Environment) -> Arc<Self> {
        let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let clock = Arc::new(SystemClock::default());
        Arc::new(Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            pacer: Arc::new(Pacer::new(clock.clone(), environment.rates.clone())),
            directories: Mutex::default(),
            environment,
            config,
            clock,
        })
    }

    /// The clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Who takes a run of this pool through its steps.
    pub fn coordinator(&self, pool: &PoolId) -> Result<Coordinator> {
        let max_shrink_percent = self.environment.max_shrink_percent;
        Ok(Coordinator { exporter: self.exporter(pool)?, lock: self.store(), max_shrink_percent })
    }

    /// Who takes an import into this pool through its steps, until the clock's `elapsed()` is
    /// `deadline`.
    pub fn import_coordinator(&self, into: &PoolId, deadline: Duration) -> Result<ImportCoordinator> {
        let store = self.store();
        Ok(ImportCoordinator {
            importer: self.importer(into)?,
            ledger: store.clone(),
            queue: self.replay_queue()?,
            lock: store,
            deadline,
        })
    }

    /// Who replays batches of imports.
    pub fn replay_worker(self: &Arc<Self>) -> Result<ReplayWorker> {
        let (deployment, store) = (self.clone(), self.store());
        Ok(ReplayWorker {
            importer_of: Arc::new(move |pool| deployment.importer(pool)),
            ledger: store.clone(),
            queue: self.replay_queue()?,
            lock: store,
            inbox: self.inbox("REPLAY_QUEUE_URL", self.environment.replay_queue_url.as_ref())?,
            clock: self.clock(),
            pacer: self.pacer.clone(),
            known: Arc::default(),
        })
    }

    fn importer(&self, into: &PoolId) -> Result<Importer> {
        let store = self.store();
        Ok(Importer {
            directory: self.directory(into)?,
            backup: store.clone(),
            imports: store,
            logs_role_arn: self.environment.logs_role_arn.clone(),
            job_limits: JobLimits::default(),
            clock: self.clock(),
            progress: Arc::new(Silent),
        })
    }

    fn replay_queue(&self) -> Result<Arc<SqsReplayQueue>> {
        let url = self.environment.replay_queue_url.clone();
        let url = url.ok_or_else(|| Error::Usage("REPLAY_QUEUE_URL is not set".to_owned()))?;
        Ok(Arc::new(SqsReplayQueue::new(self.sqs.clone(), url)))
    }

    /// Who reads listings.
    pub fn list_worker(self: &Arc<Self>) -> Result<ListWorker> {
        let deployment = self.clone();
        Ok(ListWorker {
            exporter_of: Arc::new(move |pool| deployment.exporter(pool)),
            lock: self.store(),
            inbox: self.inbox("LIST_QUEUE_URL", self.environment.list_queue_url.as_ref())?,
            clock: self.clock(),
            pacer: self.pacer.clone(),
        })
    }

    /// Who writes pages.
    pub fn page_worker(&self) -> Result<PageWorker> {
        let store = self.store();
        Ok(PageWorker {
            writer: Writer::new(store.clone(), store.clone(), Arc::new(Silent)),
            ledger: store.clone(),
            lock: store,
            inbox: self.inbox("PAGE_QUEUE_URL", self.environment.page_queue_url.as_ref())?,
            clock: self.clock(),
        })
    }

    fn exporter(&self, pool: &PoolId) -> Result<Exporter> {
        let store = self.store();
        let list_url = self.environment.list_queue_url.clone().unwrap_or_default();
        let queue = SqsQueue::new(self.sqs.clone(), list_url, self.environment.page_queue_url.clone());
        let directory = self.directory(pool)?;
        let settings = SettingsSaved::All { recipient: self.environment.secrets_recipient.clone() };
        let queue = Arc::new(queue);
        let exporter = Exporter::over(queue, directory, store.clone(), store, self.clock(), Arc::new(Silent));
        Ok(exporter.saving(settings))
    }

    /// One for each pool and process: connections are kept, and all pools share one rate.
    fn directory(&self, pool: &PoolId) -> Result<Arc<Paced>> {
        let mut directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = directories.get(pool) {
            return Ok(directory.clone());
        }
        let directory = CognitoDirectory::from_config(pool.clone(), &self.config)?;
        let paced = Arc::new(Paced::new(Arc::new(directory), self.clock.clone(), self.pacer.clone()));
        directories.insert(pool.clone(), paced.clone());
        Ok(paced)
    }

    fn store(&self) -> Arc<DynamoStore> {
        let Environment { backup_table, run_table, retention_days, .. } = &self.environment;
        let tables =
            Tables { client: self.dynamodb.clone(), backup: backup_table.clone(), run: run_table.clone() };
        Arc::new(DynamoStore::new(tables, *retention_days, self.clock()))
    }

    fn inbox(&self, name: &str, url: Option<&String>) -> Result<Arc<SqsInbox>> {
        let url = url.ok_or_else(|| Error::Usage(format!("{name} is not set")))?;
        Ok(Arc::new(SqsInbox::new(self.sqs.clone(), url.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pacing::Category;

    fn read(variables: &[(&str, &str)]) -> Result<Environment> {
        let tables = [("BACKUP_TABLE", "b"), ("RUN_TABLE", "r")];
        let all: HashMap<String, String> =
            tables.iter().chain(variables).map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Environment::read(|name| all.get(name).cloned())
    }

    #[test]
    fn workers_together_keep_the_share() {
        let environment = read(&[("WORKERS", "2"), ("QUOTA_SHARE", "0.5"), ("COGNITO_TPS", "auto")]).unwrap();
        assert!((environment.rates.of(Category::UserList) - 7.5).abs() < f64::EPSILON);
        let environment = read(&[("WORKERS", "2"), ("COGNITO_TPS", "10")]).unwrap();
        assert!((environment.rates.of(Category::UserList) - 5.0).abs() < f64::EPSILON);
    }

    #[test]
    fn secrets_are_for_a_public_key_and_a_secret_one_is_not_repeated() {
        let key = age::x25519::Identity::generate();
        let public = key.to_public().to_string();
        let environment = read(&[("SECRETS_RECIPIENT", &public)]).unwrap();
        assert_eq!(environment.secrets_recipient.map(|key| key.to_string()), Some(public));
        assert!(read(&[("SECRETS_RECIPIENT", "")]).unwrap().secrets_recipient.is_none());
        let secret = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";
        let error = read(&[("SECRETS_RECIPIENT", secret)]).unwrap_err();
        assert!(error.kind() == "usage" && !error.to_string().contains("QQQ"), "{error}");
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (name, value) in [
            ("BACKUP_TABLE", ""),
            ("QUOTA_SHARE", "0"),
            ("QUOTA_SHARE", "1.1"),
            ("QUOTA_SHARE", "NaN"),
            ("COGNITO_TPS", "fast"),
            ("COGNITO_TPS", "0"),
            ("WORKERS", "0"),
            ("MAX_SHRINK_PERCENT", "101"),
            ("RETENTION_DAYS", "0"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{name}={value}: {error}");
        }
    }
}
