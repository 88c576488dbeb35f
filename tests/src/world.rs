//! A simulated Cognito, a clock, a backup, and the real pipeline between them.

#![allow(clippy::missing_panics_doc)] // what a test cannot be set up with, it cannot test

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use cognito_profiles::Result;
use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::export::{Exporter, ShrinkGuard};
use cognito_profiles::import::{Importer, JobLimits, Prepared, Report, Scratch};
use cognito_profiles::model::{PoolId, Record};
use cognito_profiles::pacing::{Category, Paced, Pacer, Rates};
use cognito_profiles::ports::{Backup, Clock, Directory, ImportOptions, Imports, Ledger};
use cognito_profiles::progress::Silent;
use cognito_profiles::read::Snapshot;
use cognito_profiles::run::Run;
use cognito_profiles::time::Timestamp;
use cognito_sim::{Admin, Cognito, Config, PoolConfig, Population, Truth};

use crate::mortal::{Fate, Mortal};
use crate::weather::Weather;
use crate::{SimClock, SimDirectory};

/// Everything a test needs, with nothing outside of it.
pub struct World {
    /// The account.
    pub cognito: Arc<Cognito>,
    /// Its time.
    pub clock: Arc<SimClock>,
    /// The backup.
    pub store: Arc<SqliteStore>,
    /// The pool that is backed up.
    pub pool: String,
    /// What befalls calls to the backup in simulations of a deployment.
    pub weather: Arc<Weather>,
    /// Rates chosen by the operator.
    pub rates: BTreeMap<Category, f64>,
    configuration: PoolConfig,
}

/// The role by which Cognito writes the logs of import jobs.
pub const LOGS_ROLE: &str = "arn:aws:iam::123456789012:role/import-logs";

/// An empty store to list a pool into.
pub fn scratch() -> Scratch {
    let store = Arc::new(SqliteStore::temporary().expect("a temporary store can be made"));
    let fate = Fate::immortal();
    Scratch {
        backup: Mortal::at_once(store.clone() as Arc<dyn Backup>, &fate),
        ledger: Mortal::at_once(store as Arc<dyn Ledger>, &fate),
    }
}

/// Description, precedence and role of a group.
type GroupFields = (Option<String>, Option<i64>, Option<String>);

/// What a pool holds, in a form that two pools can be compared in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Users by `sub`: username, enabled, status, attributes.
    pub users: BTreeMap<String, (String, bool, String, BTreeMap<String, String>)>,
    /// Groups by name: description, precedence, role.
    pub groups: BTreeMap<String, GroupFields>,
    /// Group and `sub` of each membership.
    pub memberships: BTreeSet<(String, String)>,
}

impl World {
    /// A pool filled with `population`; everything random follows from its seed.
    pub fn new(population: &Population, config: Config) -> Self {
        Self::of(population.pool_config("source"), config, |admin, pool| {
            population.fill(admin, pool).expect("a pool can be filled");
        })
    }

    /// A pool of these settings, filled by `fill`.
    pub fn of(configuration: PoolConfig, config: Config, fill: impl FnOnce(&mut Admin<'_>, &str)) -> Self {
        let seed = config.seed;
        let clock = Arc::new(SimClock::new(Timestamp::from_millis(1_800_000_000_000), seed));
        let cognito = Arc::new(Cognito::new(config));
        let now = 1_799_000_000_000;
        let pool = cognito.admin(now, |admin| {
            let pool = admin.create_pool(configuration.clone()).expect("a pool can be made");
            fill(admin, &pool);
            pool
        });
        let store = Arc::new(SqliteStore::temporary().expect("a temporary store can be made"));
        let weather = Weather::fair(clock.clone(), seed);
        Self { cognito, clock, store, pool, weather, rates: BTreeMap::new(), configuration }
    }

    /// The time now, as the simulated Cognito counts it.
    pub fn now(&self) -> u64 {
        self.clock.true_time().as_millis().cast_unsigned()
    }

    /// Changes the pool behind everyone's back.
    pub fn change<R>(&self, work: impl FnOnce(&mut Admin<'_>) -> R) -> R {
        self.cognito.admin(self.now(), work)
    }

    /// A new, empty pool of the same settings.
    pub fn empty_pool(&self) -> String {
        self.empty_pool_with(|_| {})
    }

    /// A new, empty pool of the same settings, but for what `change` changes.
    pub fn empty_pool_with(&self, change: impl FnOnce(&mut PoolConfig)) -> String {
        let mut configuration = PoolConfig { id: None, ..self.configuration.clone() };
        change(&mut configuration);
        self.change(|admin| {
            let pool = admin.create_pool(configuration).expect("a pool can be made");
            for provider in admin.identity_providers(&self.pool).expect("the pool is there") {
                admin.create_identity_provider(&pool, provider).expect("a provider can be made");
            }
            pool
        })
    }

    /// A new, empty pool of the same settings, but without identity providers.
    pub fn empty_pool_without_providers(&self) -> String {
        let configuration = PoolConfig { id: None, ..self.configuration.clone() };
        self.change(|admin| admin.create_pool(configuration)).expect("a pool can be made")
    }

    /// A pool, as it is called.
    pub fn directory(&self, pool: &str) -> Arc<dyn Directory> {
        Arc::new(SimDirectory::new(self.cognito.clone(), pool, self.clock.of_others()))
    }

    /// The clock of some machine that is at most so far ahead or behind.
    pub fn clock_of_a_machine(&self, most_millis: u64) -> Arc<dyn Clock> {
        if most_millis == 0 {
            return self.clock.clone();
        }
        let ahead = self.clock.random() % (2 * most_millis + 1);
        self.clock.ahead_by(ahead.cast_signed() - most_millis.cast_signed())
    }

    /// A process that knows nothing of the calls of others, one of so many.
    pub fn pacer(&self, workers: u32) -> Arc<Pacer> {
        Arc::new(Pacer::new(self.clock.clone(), Rates::new(1.0, self.rates.clone()).among(workers)))
    }

    /// Calls to `pool`, paced at the whole rates.
    pub fn paced(&self, pool: &str, fate: &Arc<Fate>) -> Arc<Paced> {
        self.paced_by(self.pacer(1), pool, fate)
    }

    /// The same by this pacer.
    pub fn paced_by(&self, pacer: Arc<Pacer>, pool: &str, fate: &Arc<Fate>) -> Arc<Paced> {
        Arc::new(Paced::new(Mortal::new(self.directory(pool), fate), self.clock.clone(), pacer))
    }

    /// The backup, as a process sees it.
    pub fn backup(&self, fate: &Arc<Fate>) -> Arc<dyn Backup> {
        Mortal::at_once(self.store.clone() as Arc<dyn Backup>, fate)
    }

    /// The ledger, as a process sees it.
    pub fn ledger(&self, fate: &Arc<Fate>) -> Arc<dyn Ledger> {
        Mortal::at_once(self.store.clone() as Arc<dyn Ledger>, fate)
    }

    /// Where imports are kept account of, as a process sees it.
    pub fn imports(&self, fate: &Arc<Fate>) -> Arc<dyn Imports> {
        Mortal::at_once(self.store.clone() as Arc<dyn Imports>, fate)
    }

    /// What would export the pool, until `fate` strikes.
    pub fn exporter(&self, fate: &Arc<Fate>) -> Exporter {
        self.exporter_to(self.backup(fate), self.ledger(fate), fate)
    }

    /// The same into another store.
    pub fn exporter_into<S: Backup + Ledger + 'static>(&self, store: &Arc<S>, fate: &Arc<Fate>) -> Exporter {
        let backup = Mortal::timeless(store.clone() as Arc<dyn Backup>, fate, &self.clock);
        let ledger = Mortal::timeless(store.clone() as Arc<dyn Ledger>, fate, &self.clock);
        self.exporter_to(backup, ledger, fate)
    }

    fn exporter_to(&self, backup: Arc<dyn Backup>, ledger: Arc<dyn Ledger>, fate: &Arc<Fate>) -> Exporter {
        let directory = self.paced(&self.pool, fate);
        Exporter::in_process(directory, backup, ledger, self.clock.clone(), Arc::new(Silent))
    }

    /// Exports the pool.
    pub async fn export(&self) -> Result<Run> {
        self.exporter(&Fate::immortal()).export(&ShrinkGuard::default()).await
    }

    /// What would restore into `pool`, until `fate` strikes.
    pub fn importer(&self, pool: &str, fate: &Arc<Fate>) -> Importer {
        self.importer_to(self.paced(pool, fate), self.backup(fate), self.imports(fate))
    }

    /// The same from another store.
    pub fn importer_from<S: Backup + Imports + 'static>(
        &self,
        store: &Arc<S>,
        pool: &str,
        fate: &Arc<Fate>,
    ) -> Importer {
        let backup = Mortal::timeless(store.clone() as Arc<dyn Backup>, fate, &self.clock);
        let imports = Mortal::timeless(store.clone() as Arc<dyn Imports>, fate, &self.clock);
        self.importer_to(self.paced(pool, fate), backup, imports)
    }

    /// The same by these ports.
    pub fn importer_to(
        &self,
        directory: Arc<Paced>,
        backup: Arc<dyn Backup>,
        imports: Arc<dyn Imports>,
    ) -> Importer {
        Importer {
            directory,
            backup,
            imports,
            logs_role_arn: Some(LOGS_ROLE.to_owned()),
            job_limits: JobLimits::default(),
            clock: self.clock.clone(),
            progress: Arc::new(Silent),
        }
    }

    /// Looks into a restore of the last run into `pool`.
    pub async fn prepare(&self, importer: &Importer, options: ImportOptions) -> Result<Prepared> {
        let snapshot = importer.find_snapshot(Some(&PoolId::new(&self.pool)), None).await?;
        importer.prepare(snapshot, options).await
    }

    /// Restores the last run into `pool`, until `fate` strikes.
    pub async fn import(&self, pool: &str, fate: &Arc<Fate>) -> Result<Report> {
        self.import_with(pool, ImportOptions::default(), fate).await
    }

    /// The same with options.
    pub async fn import_with(&self, pool: &str, options: ImportOptions, fate: &Arc<Fate>) -> Result<Report> {
        let importer = self.importer(pool, fate);
        let prepared = self.prepare(&importer, options).await?;
        importer.import(prepared, &scratch()).await
    }

    /// What a pool really holds.
    pub fn truth(&self, pool: &str) -> Contents {
        let truth = self.change(|admin| admin.truth(pool)).expect("the pool is there");
        contents_of(&truth)
    }

    /// What the backup holds as of `run`.
    pub async fn saved(&self, run: &Run) -> Result<Contents> {
        self.contents(&Snapshot::of(self.backup(&Fate::immortal()), run.clone())?).await
    }

    /// What a snapshot holds.
    pub async fn contents(&self, snapshot: &Snapshot) -> Result<Contents> {
        let mut contents = Contents::default();
        let mut walk = snapshot.everything().await?;
        while let Some(versions) = walk.next().await? {
            for version in versions {
                contents.add(version.record()?);
            }
        }
        Ok(contents)
    }
}

/// The keys under which two maps differ, with what is there.
fn differences<K: Ord + Debug, T: Eq + Debug>(one: &BTreeMap<K, T>, other: &BTreeMap<K, T>) -> Vec<String> {
    let keys: BTreeSet<&K> = one.keys().chain(other.keys()).collect();
    let differing = keys.into_iter().filter(|key| one.get(key) != other.get(key));
    differing.map(|key| format!("{key:?}: {:?}, {:?}", one.get(key), other.get(key))).collect()
}

impl Contents {
    /// Of it, what has the same key in `other`.
    #[must_use]
    pub fn of(mut self, other: &Self) -> Self {
        self.users.retain(|sub, _| other.users.contains_key(sub));
        self.groups.retain(|name, _| other.groups.contains_key(name));
        self.memberships.retain(|member| other.memberships.contains(member));
        self
    }

    /// In what these two differ, for people.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut all = differences(&self.users, &other.users);
        all.extend(differences(&self.groups, &other.groups));
        let members = self.memberships.symmetric_difference(&other.memberships);
        all.extend(members.map(|member| format!("{member:?}")));
        all
    }

    fn add(&mut self, record: Record) {
        match record {
            Record::Settings(_) => {}
            Record::User(user) => {
                self.users.insert(user.sub, (user.username, user.enabled, user.status, user.attributes));
            }
            Record::Group(group) => {
                let precedence = group.precedence.map(i64::from);
                self.groups.insert(group.name, (group.description, precedence, group.role_arn));
            }
            Record::Membership(member) => {
                self.memberships.insert((member.group, member.sub));
            }
        }
    }
}

fn contents_of(truth: &Truth) -> Contents {
    let users = truth.users.values().map(|user| {
        let attributes = user.attributes.iter().filter(|(name, _)| name != "sub");
        let attributes = attributes.map(|(name, value)| (name.to_string(), value.clone())).collect();
        (user.sub.clone(), (user.username.clone(), user.enabled, user.status.name().to_owned(), attributes))
    });
    let groups = truth.groups.values().map(|group| {
        let precedence = group.precedence.map(i64::from);
        (group.name.clone(), (group.description.clone(), precedence, group.role_arn.clone()))
    });
    Contents {
        users: users.collect(),
        groups: groups.collect(),
        memberships: truth.memberships().into_iter().collect(),
    }
}
