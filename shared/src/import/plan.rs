use super::Importer;
use super::fit::Fit;
use super::survey::Survey;
use crate::Result;
use crate::model::{Partition, PoolId, Record};
use crate::pacing::Rates;
use crate::ports::Operation;
use crate::progress::Stage;
use crate::read::Snapshot;
use crate::run::{Run, RunId, RunStatus, Totals};
use crate::time::Timestamp;
use crate::verify;

/// What an import will do, and what it will not.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The pool in the backup.
    pub from_pool: Option<PoolId>,
    /// The new pool.
    pub into_pool: Option<PoolId>,
    /// The run restored.
    pub run: Option<RunId>,
    /// Its end.
    pub as_of: Option<Timestamp>,
    /// What the run holds.
    pub totals: Totals,
    /// Users that will be created. Each becomes a billed monthly active user.
    pub users_to_create: u64,
    /// Users that get a password nobody knows.
    pub passwords_to_set: u64,
    /// Users that will be disabled.
    pub users_to_disable: u64,
    /// Memberships that will be added.
    pub memberships_to_add: u64,
    /// Why the pool cannot take the backup at all. If there is a reason, nothing is written.
    pub incompatible: Vec<String>,
    /// What single records cannot be restored, and why.
    pub problems: Vec<Problem>,
    /// What a person should know before.
    pub notes: Vec<String>,
    /// How long it will take at the rates in force, in seconds.
    pub seconds: f64,
}

/// Records that cannot be restored, or may not be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is the matter, without personal data.
    pub what: String,
    /// With how many records.
    pub count: u64,
}

impl Importer {
    /// Looks through everything the snapshot holds. Writes nothing.
    pub(super) async fn plan(&self, snapshot: &Snapshot, fit: &Fit) -> Result<Plan> {
        let held = snapshot.run.manifest.as_ref().map(|manifest| manifest.totals);
        self.progress
            .begin(Stage::Plan, held.map(|totals| 2 * (totals.users + totals.groups + totals.memberships)));
        let totals = verify::check(snapshot, &*self.progress).await?;
        let mut survey = Survey::new(snapshot.pool_settings().await?, fit);
        let mut users = snapshot.users();
        while let Some(versions) = users.next().await? {
            for version in &versions {
                if let Record::User(user) = version.record()? {
                    survey.user(&user);
                }
            }
            self.progress.advance(Stage::Plan, versions.len() as u64);
        }
        let mut automatic_groups = 0;
        let mut member_pages = 0;
        for name in self.backup.group_names(snapshot.pool()).await? {
            let automatic = name.starts_with(&format!("{}_", snapshot.pool()));
            automatic_groups += u64::from(automatic);
            member_pages += self.plan_members(snapshot, &name, automatic, &mut survey).await?;
        }
        self.progress.end(Stage::Plan);
        let mut plan = survey.plan(&totals, automatic_groups);
        plan.from_pool = Some(snapshot.pool().clone());
        plan.into_pool = Some(self.directory.pool().clone());
        plan.run = Some(snapshot.run.id.clone());
        plan.as_of = Some(snapshot.at);
        plan.notes.extend(run_note(&snapshot.run));
        plan.seconds = seconds(&plan, member_pages, &self.directory.pacer().rates());
        Ok(plan)
    }

    /// Counts the memberships of one group. Returns the pages a listing of them will have.
    async fn plan_members(
        &self,
        snapshot: &Snapshot,
        group: &str,
        automatic: bool,
        survey: &mut Survey<'_>,
    ) -> Result<u64> {
        let mut walk = snapshot.walk(Partition::members(group));
        let mut members = 0;
        while let Some(versions) = walk.next().await? {
            for version in &versions {
                survey.membership(&version.key, automatic);
            }
            members += versions.len() as u64;
            self.progress.advance(Stage::Plan, versions.len() as u64);
        }
        Ok(members.div_ceil(60).max(1))
    }
}

/// What to know of a run that is not complete, and is restored because it was named.
fn run_note(run: &Run) -> Option<String> {
    match run.status {
        RunStatus::Complete => None,
        RunStatus::Held => Some(format!("run {} was held: whoever was gone by then is restored too", run.id)),
        _ => Some(format!("run {} did not complete: it holds only what was seen until it ended", run.id)),
    }
}

/// How long the import will take: creation is limited by the slowest of its calls, then come the
/// memberships, then every page of the new pool is read once.
#[allow(clippy::cast_precision_loss)] // no pool has more than 40 million users
fn seconds(plan: &Plan, member_pages: u64, rates: &Rates) -> f64 {
    let take = |calls: u64, operation: Operation| calls as f64 / rates.reached(operation);
    let creation = take(plan.users_to_create, Operation::AdminCreateUser)
        .max(take(plan.passwords_to_set, Operation::AdminSetUserPassword))
        .max(take(plan.users_to_disable, Operation::AdminDisableUser));
    let pages = plan.users_to_create.div_ceil(60) + member_pages;
    take(plan.totals.groups, Operation::CreateGroup)
        + creation
        + take(plan.memberships_to_add, Operation::AdminAddUserToGroup)
        + take(pages, Operation::ListUsers)
}
