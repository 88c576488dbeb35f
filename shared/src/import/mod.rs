//! One restore of one run into one new pool.
//!
//! Users are created first, then everything else is an update of them. What became of each
//! record is stored beside the backup, so that an import killed at any moment goes on where it
//! stopped, and never creates a user twice.

mod check;
mod fit;
mod groups;
mod password;
mod plan;
mod report;
mod survey;
mod updates;
mod users;

use std::sync::Arc;

use crate::model::PoolId;
use crate::pacing::Paced;
use crate::ports::{Backup, Clock, Import, ImportOptions, ImportStatus, Ledger};
use crate::progress::Progress;
use crate::read::Snapshot;
use crate::run::stamped_id;
use crate::{Error, Result};

pub use check::{compare_restored, list_into};
pub use plan::{Plan, Problem};
pub use report::{Failure, Report};

use fit::Fit;

/// How many users or updates are on their way at once; the rates are the limit.
const PARALLEL_CALLS: usize = 64;

/// Restores into one pool.
pub struct Importer {
    /// The new pool.
    pub directory: Arc<Paced>,
    /// Where it is restored from, and where what became of it is kept.
    pub backup: Arc<dyn Backup>,
    /// An empty store, for listing the new pool into when it is compared with the backup.
    pub scratch: Scratch,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
}

/// An empty store that is thrown away afterwards.
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
    snapshot: Snapshot,
    fit: Fit,
    import: Import,
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
            return Snapshot::find(self.backup.clone(), Some(&import.from_pool), Some(import.run.as_str()))
                .await;
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
        let explain = |error| self.directory.explain(error);
        let target = self.directory.describe().await.map_err(explain)?;
        let target = target.settings(serde_json::Value::Null).pool()?;
        let import = self.this_import(&snapshot, options).await?;
        self.directory.read_rates(&crate::pacing::Category::ALL).await;
        let fit = Fit::new(target, import.options.clone());
        let plan = self.plan(&snapshot, &fit).await?;
        Ok(Prepared { plan, snapshot, fit, import })
    }

    /// Restores, and compares the new pool with the backup.
    ///
    /// # Errors
    /// [`Error::Incompatible`] before anything is written. What single records could not be
    /// restored is in the report.
    pub async fn import(&self, prepared: Prepared) -> Result<Report> {
        let Prepared { plan, snapshot, fit, import } = prepared;
        if !plan.incompatible.is_empty() {
            return Err(Error::Incompatible(plan.incompatible));
        }
        let running = Import { status: ImportStatus::Running, ended_at: None, ..import };
        self.backup.put_import(&running).await?;
        self.create_groups(&running, &snapshot).await?;
        self.create_users(&running, &snapshot, &fit, &plan).await?;
        self.add_memberships(&running, &snapshot, &plan).await?;
        let differences = self.check(&running, &snapshot, &fit).await?;
        let report = self.report(running, differences).await?;
        self.backup.put_import(&report.import).await?;
        Ok(report)
    }

    /// The import into this pool that was begun, if any. It can be run again when it has ended:
    /// then it does what it could not do, and compares once more.
    async fn begun(&self) -> Result<Option<Import>> {
        Ok(self.backup.imports(Some(self.directory.pool())).await?.pop())
    }

    async fn this_import(&self, snapshot: &Snapshot, options: ImportOptions) -> Result<Import> {
        if let Some(begun) = self.begun().await? {
            return match difference(&begun, snapshot, &options) {
                None => Ok(begun),
                Some(difference) => Err(Error::OtherImport { import: begun.id, difference }),
            };
        }
        if !self.target_is_empty().await? {
            return Err(Error::TargetNotEmpty(self.directory.pool().clone()));
        }
        let now = self.clock.now();
        Ok(Import {
            id: stamped_id(now, self.clock.random()),
            from_pool: snapshot.pool().clone(),
            into_pool: self.directory.pool().clone(),
            run: snapshot.run.id.clone(),
            as_of: snapshot.at,
            options,
            status: ImportStatus::Running,
            started_at: now,
            ended_at: None,
        })
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

/// How an import differs from the one that was begun, if it does.
fn difference(begun: &Import, snapshot: &Snapshot, options: &ImportOptions) -> Option<String> {
    if begun.run != snapshot.run.id {
        return Some(format!("from run {}", begun.run));
    }
    if begun.options == *options {
        return None;
    }
    let mut words: Vec<String> =
        begun.options.drop_attributes.iter().map(|name| format!("--drop-attribute {name}")).collect();
    words.extend(begun.options.old_sub_attribute.iter().map(|name| format!("--old-sub-attribute {name}")));
    Some(if words.is_empty() { "without options".to_owned() } else { format!("with {}", words.join(" ")) })
}
