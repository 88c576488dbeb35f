//! One restore of one run into one new pool.
//!
//! Groups and users are created first, then everything else is an update of them. What became of
//! each record is stored, so that an import killed at any moment goes on where it stopped, and
//! never creates a user twice. Each step is a function that any process can run, any number of
//! times; [`Importer::import`] runs them all in one process.

mod check;
mod csv;
mod finish;
mod fit;
#[cfg(test)]
mod fuzz;
mod groups;
mod jobs;
mod matching;
mod memberships;
mod password;
mod plan;
mod replay;
mod report;
mod survey;
mod users;

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::export::SettingsSaved;
use crate::model::PoolId;
use crate::pacing::Paced;
use crate::ports::{
    Backup, Clock, CreateWith, Import, ImportOptions, ImportStatus, Imports, Ledger, Phase, SettingsCall,
    Target,
};
use crate::progress::{Progress, Stage};
use crate::read::{Position, Snapshot};
use crate::run::stamped_id;
use crate::{Error, Result};

pub use check::{CheckPlace, Checked, compare_restored, list_into};
pub use jobs::{JobLimits, Next};
pub use matching::{MatchPlace, Matched};
pub use plan::{Plan, Problem};
pub use replay::{BATCH, Batch, Batches};
pub use report::{Counts, Failure, Report};

use fit::Fit;

/// How many batches are on their way at once in one process; the rates are the limit.
const PARALLEL_BATCHES: usize = 4;

/// How many calls of one batch are on their way at once.
const PARALLEL_CALLS: usize = 32;

/// Restores into one pool. A clone is another hand at the same work.
#[derive(Clone)]
pub struct Importer {
    /// The new pool.
    pub directory: Arc<Paced>,
    /// Where it is restored from.
    pub backup: Arc<dyn Backup>,
    /// Where what became of it is kept.
    pub imports: Arc<dyn Imports>,
    /// The role by which Cognito writes the logs of import jobs.
    pub logs_role_arn: Option<String>,
    /// How large an import job may be.
    pub job_limits: JobLimits,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
}

/// An empty store that is thrown away afterwards, for listing the new pool into.
#[derive(Clone)]
pub struct Scratch {
    /// For versions.
    pub backup: Arc<dyn Backup>,
    /// For the run.
    pub ledger: Arc<dyn Ledger>,
}

/// An import that was looked into and can begin, or go on.
pub struct Prepared {
    /// What it will do.
    pub plan: Plan,
    ongoing: Ongoing,
    /// Whether no import into the pool was begun yet.
    is_new: bool,
}

impl Prepared {
    /// The same; if it is new, it gets this id. Of two who begin at the same time for one and the
    /// same execution, both then begin the same import.
    #[must_use]
    pub fn called(mut self, id: &str) -> Self {
        if self.is_new {
            id.clone_into(&mut self.ongoing.import.id);
        }
        self
    }
}

/// An import, and what every step of it needs.
pub struct Ongoing {
    /// Its record.
    pub import: Import,
    snapshot: Snapshot,
    fit: Fit,
}

impl Ongoing {
    fn new(import: Import, snapshot: Snapshot) -> Result<Self> {
        let fit = Fit::new(&import.target, &import.options)?;
        Ok(Self { import, snapshot, fit })
    }
}

impl Importer {
    /// The snapshot to restore: that of an import into this pool that was interrupted, unless
    /// another is named; else as [`Snapshot::find`] has it.
    pub async fn find_snapshot(&self, from: Option<&PoolId>, as_of: Option<&str>) -> Result<Snapshot> {
        if let (None, Some(import)) = (as_of, self.begun().await?) {
            if from.is_some_and(|from| *from != import.from_pool) {
                let difference = format!("from pool {}", import.from_pool);
                return Err(Error::OtherImport { import: import.id, difference });
            }
            return self.snapshot_of(&import).await;
        }
        Snapshot::find(self.backup.clone(), from, as_of).await
    }

    /// Looks into everything before anything is written: whether the backup is intact, whether
    /// the pool is empty, what it can take, how long it will take.
    ///
    /// # Errors
    /// [`Error::Corrupted`], [`Error::TargetNotEmpty`], or [`Error::OtherImport`] if an import
    /// of another run or with other options was begun into this pool. What makes the pool
    /// incompatible is in the plan.
    pub async fn prepare(&self, snapshot: Snapshot, options: ImportOptions) -> Result<Prepared> {
        let target = self.describe_target(options.create_with).await?;
        let (import, is_new) = self.this_import(&snapshot, options).await?;
        let ongoing = Ongoing::new(Import { target, ..import }, snapshot)?;
        let plan = self.plan(&ongoing).await?;
        Ok(Prepared { plan, ongoing, is_new })
    }

    /// Writes the import down as begun, or as going on.
    ///
    /// # Errors
    /// [`Error::Incompatible`] before anything is written.
    pub async fn begin(&self, prepared: Prepared) -> Result<Ongoing> {
        let Prepared { plan, ongoing, .. } = prepared;
        if !plan.incompatible.is_empty() {
            return Err(Error::Incompatible(plan.incompatible));
        }
        let before = ongoing.import;
        // An import that failed goes on with the jobs it has begun.
        let ends =
            before.ends + u32::from(matches!(before.status, ImportStatus::Complete | ImportStatus::Partial));
        let mut import =
            Import { status: ImportStatus::Running, ended_at: None, reason: None, ends, ..before };
        self.write_down(&mut import).await?;
        Ok(Ongoing { import, ..ongoing })
    }

    /// Writes an import's record.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody else did, after this one was read.
    pub(crate) async fn write_down(&self, import: &mut Import) -> Result<()> {
        import.edition += 1;
        if self.imports.put_import(import).await? {
            Ok(())
        } else {
            Err(Error::Conflict("the record of the import"))
        }
    }

    /// An import that has begun, to go on with in another process.
    pub async fn resume(&self, id: &str) -> Result<Ongoing> {
        let import = self.imports.import(id).await?;
        let import = import.ok_or_else(|| Error::NoSuchImport(id.to_owned()))?;
        let snapshot = self.snapshot_of(&import).await?;
        Ongoing::new(import, snapshot)
    }

    /// Restores, and compares the new pool with the backup. `scratch` is for listing it.
    ///
    /// # Errors
    /// [`Error::Incompatible`] before anything is written. What single records could not be
    /// restored is in the report.
    pub async fn import(&self, prepared: Prepared, scratch: &Scratch) -> Result<Report> {
        let totals = prepared.plan.clone();
        let mut ongoing = self.begin(prepared).await?;
        self.replay_all(&ongoing, Phase::Groups, Stage::CreateGroups, totals.totals.groups).await?;
        self.run_jobs(&ongoing, totals.users_by_job).await?;
        self.replay_all(&ongoing, Phase::Users, Stage::CreateUsers, totals.totals.users).await?;
        if self.must_match(&ongoing).await? {
            self.match_all(&ongoing, scratch).await?;
        }
        self.replay_all(&ongoing, Phase::Unfinished, Stage::Finish, totals.totals.users).await?;
        let memberships = totals.memberships_to_add;
        self.replay_all(&ongoing, Phase::Memberships, Stage::Updates, memberships).await?;
        self.check(&mut ongoing, scratch).await?;
        self.report(ongoing).await
    }

    /// Replays a whole phase in this process.
    async fn replay_all(&self, ongoing: &Ongoing, phase: Phase, stage: Stage, total: u64) -> Result<()> {
        self.progress.begin(stage, Some(total));
        let batches = Batches::new(self, ongoing, phase, Position::Start).await?;
        stream::try_unfold(batches, async |mut batches| {
            Ok::<_, Error>(
                batches.next().await?.map(|found| (stream::iter(found.into_iter().map(Ok)), batches)),
            )
        })
        .try_flatten()
        .map_ok(|batch| async move { self.replay(ongoing, &batch).await })
        .try_buffer_unordered(PARALLEL_BATCHES)
        .try_collect::<()>()
        .await?;
        self.progress.end(stage);
        Ok(())
    }

    /// Lists the new pool.
    async fn list(&self, scratch: &Scratch) -> Result<Snapshot> {
        let (directory, clock) = (self.directory.clone(), self.clock.clone());
        list_into(scratch, directory, clock, self.progress.clone(), SettingsSaved::PoolOnly).await
    }

    /// What of the new pool decides how users can be restored into it.
    async fn describe_target(&self, create_with: CreateWith) -> Result<Target> {
        let explain = |error| self.directory.explain(error);
        let pool = self.directory.describe().await.map_err(explain)?;
        let mfa = self.directory.mfa_config().await.map_err(explain)?;
        let columns = match create_with {
            CreateWith::ImportJob => self.directory.csv_header().await.map_err(explain)?,
            CreateWith::AdminApi => Vec::new(),
        };
        // Whoever may not list them can restore all but links, each of which is then listed.
        let providers = match self.directory.list_settings(SettingsCall::IdentityProviders, "Providers").await
        {
            Err(error) if error.is_transient() => return Err(explain(error)),
            providers => providers.unwrap_or_default(),
        };
        let providers =
            providers.iter().filter_map(|provider| provider["ProviderName"].as_str()).map(str::to_owned);
        self.directory.read_rates(&crate::pacing::Category::ALL).await;
        let creation_rps = self.directory.pacer().rates().read_creation_rps();
        Ok(Target { settings: pool.settings(mfa), providers: providers.collect(), columns, creation_rps })
    }

    /// The import into this pool that was begun, if any. It can be run again when it has ended:
    /// then it does what it could not do, and compares once more.
    async fn begun(&self) -> Result<Option<Import>> {
        Ok(self.imports.imports(Some(self.directory.pool())).await?.pop())
    }

    async fn snapshot_of(&self, import: &Import) -> Result<Snapshot> {
        let run = Some(import.run.as_str());
        Snapshot::find(self.backup.clone(), Some(&import.from_pool), run).await
    }

    /// The import to begin or go on with, and whether it is new.
    async fn this_import(&self, snapshot: &Snapshot, options: ImportOptions) -> Result<(Import, bool)> {
        if let Some(begun) = self.begun().await? {
            return match difference(&begun, snapshot, &options) {
                // How users are created may change: whoever is created stays so.
                None => Ok((Import { options, ..begun }, false)),
                Some(difference) => Err(Error::OtherImport { import: begun.id, difference }),
            };
        }
        if !self.target_is_empty().await? {
            return Err(Error::TargetNotEmpty(self.directory.pool().clone()));
        }
        let now = self.clock.now();
        let import = Import {
            id: stamped_id(now, self.clock.random()),
            from_pool: snapshot.pool().clone(),
            into_pool: self.directory.pool().clone(),
            run: snapshot.run.id.clone(),
            as_of: snapshot.at,
            options,
            status: ImportStatus::Running,
            started_at: now,
            ended_at: None,
            target: Target::default(),
            compared: None,
            place: None,
            reason: None,
            ends: 0,
            edition: 0,
        };
        Ok((import, true))
    }

    async fn target_is_empty(&self) -> Result<bool> {
        let mut token = None;
        loop {
            let page = self
                .directory
                .list_users(&crate::ports::UserFilter::All, crate::ports::PAGE_SIZE, token.as_deref())
                .await;
            let page = page.map_err(|error| self.directory.explain(error))?;
            if !page.items.is_empty() {
                return Ok(false);
            }
            if page.next.is_none() {
                return Ok(true);
            }
            token = page.next;
        }
    }
}

/// Does all of a batch's work, as much of it at a time as makes sense.
async fn all_of(work: Vec<impl Future<Output = Result<()>>>) -> Result<()> {
    stream::iter(work).buffer_unordered(PARALLEL_CALLS).try_collect().await
}

/// How an import differs from the one that was begun, if it does.
fn difference(begun: &Import, snapshot: &Snapshot, options: &ImportOptions) -> Option<String> {
    if begun.run != snapshot.run.id {
        return Some(format!("from run {}", begun.run));
    }
    let same = begun.options.drop_attributes == options.drop_attributes
        && begun.options.old_sub_attribute == options.old_sub_attribute;
    if same {
        return None;
    }
    let mut words: Vec<String> =
        begun.options.drop_attributes.iter().map(|name| format!("--drop-attribute {name}")).collect();
    words.extend(begun.options.old_sub_attribute.iter().map(|name| format!("--old-sub-attribute {name}")));
    Some(if words.is_empty() { "without options".to_owned() } else { format!("with {}", words.join(" ")) })
}
