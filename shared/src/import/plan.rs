use std::collections::HashMap;

use serde::{Serialize, Serializer};

use super::survey::Survey;
use super::{Importer, Ongoing, jobs};
use crate::Result;
use crate::model::{Partition, PoolId, Record, Shard};
use crate::pacing::Rates;
use crate::ports::{CreateWith, ImportOptions, Operation, PAGE_SIZE};
use crate::progress::Stage;
use crate::read::Snapshot;
use crate::run::{Run, RunId, RunStatus, Totals};
use crate::time::Timestamp;
use crate::verify;

/// What an import will do, and what it will not. As JSON, it is what `import --plan --json` and the
/// `ImportWorkflow`'s `PlanOnly` tell; docs/CLI.md is the contract.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(tag = "type", rename = "plan")]
pub struct Plan {
    /// The pool in the backup.
    pub from_pool: Option<PoolId>,
    /// The new pool.
    pub into_pool: Option<PoolId>,
    /// The run restored.
    #[serde(rename = "run_id")]
    pub run: Option<RunId>,
    /// Its end.
    pub as_of: Option<Timestamp>,
    /// What the run holds.
    #[serde(flatten)]
    pub totals: Totals,
    /// How users are created, among others.
    #[serde(rename = "create_with", serialize_with = "method")]
    pub options: ImportOptions,
    /// Users that will be created.
    pub users_to_create: u64,
    /// Those of them whom import jobs create.
    pub users_by_job: u64,
    /// Users that get a password nobody knows.
    pub passwords_to_set: u64,
    /// Users that will be disabled.
    pub users_to_disable: u64,
    /// Users whose second factor will be turned on by an API.
    pub factors_to_set: u64,
    /// Links of users to identities of providers that will be made.
    pub links_to_make: u64,
    /// Memberships that will be added.
    pub memberships_to_add: u64,
    /// Users that become billed monthly active users: by being created by `AdminCreateUser`, by
    /// being added to a group, or by being linked to an identity.
    #[serde(rename = "billed_users")]
    pub active_users: u64,
    /// Why the pool cannot take the backup at all. If there is a reason, nothing is written.
    pub incompatible: Vec<String>,
    /// What single records cannot be restored, and why.
    pub problems: Vec<Problem>,
    /// Why users cannot be in an import job, where one was asked for, and are created by
    /// `AdminCreateUser` instead.
    pub without_row: Vec<Problem>,
    /// What a person should know before.
    pub notes: Vec<String>,
    /// How long it will take at the rates in force, in seconds; the import jobs' own time included.
    #[serde(serialize_with = "to_milliseconds")]
    pub seconds: f64,
    /// How long of it the import jobs will take. Cognito promises nothing: reckoned by what the
    /// retired solution reached.
    #[serde(serialize_with = "to_milliseconds")]
    pub job_seconds: f64,
}

/// Records that cannot be restored, or may not be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What is the matter, without personal data.
    pub what: String,
    /// With how many records.
    pub count: u64,
}

fn method<S: Serializer>(options: &ImportOptions, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    options.create_with.serialize(serializer)
}

/// An estimate has no use for more digits.
#[allow(clippy::trivially_copy_pass_by_ref)] // so serde passes it
fn to_milliseconds<S: Serializer>(seconds: &f64, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_f64((seconds * 1000.0).round() / 1000.0)
}

impl Importer {
    /// Looks through everything the snapshot holds. Writes nothing.
    pub(super) async fn plan(&self, ongoing: &Ongoing) -> Result<Plan> {
        let Ongoing { snapshot, fit, import } = ongoing;
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
        let groups = self.plan_memberships(snapshot, &mut survey).await?;
        self.progress.end(Stage::Plan);
        let automatic = groups.keys().filter(|name| snapshot.pool().makes_group(name)).count() as u64;
        let mut plan = survey.plan(&totals, automatic);
        plan.options = import.options.clone();
        plan.from_pool = Some(snapshot.pool().clone());
        plan.into_pool = Some(self.directory.pool().clone());
        plan.run = Some(snapshot.run.id.clone());
        plan.as_of = Some(snapshot.at);
        plan.notes.extend(run_note(&snapshot.run));
        let pages = groups.values().map(|members| members.div_ceil(u64::from(PAGE_SIZE)).max(1)).sum();
        plan.reckon(pages, &self.directory.pacer().rates());
        Ok(plan)
    }

    /// Looks at the memberships. Returns how many each group has that was there.
    async fn plan_memberships(
        &self,
        snapshot: &Snapshot,
        survey: &mut Survey<'_>,
    ) -> Result<HashMap<String, u64>> {
        let mut groups: HashMap<String, u64> = HashMap::new();
        let mut walk = snapshot.groups();
        while let Some(versions) = walk.next().await? {
            groups.extend(versions.into_iter().map(|version| (version.key, 0)));
        }
        let names = self.backup.group_names(snapshot.pool()).await?;
        // By shard, so that what is remembered of each user is forgotten with the shard.
        for shard in Shard::members() {
            let of_shard = |group: &String| Partition::Members(group.clone(), shard.clone());
            let mut walk = snapshot.walk(names.iter().map(of_shard));
            while let Some(versions) = walk.next().await? {
                let group = versions.first().map_or("", |version| version.partition.group());
                *groups.entry(group.to_owned()).or_default() += versions.len() as u64;
                for version in &versions {
                    survey.membership(&version.key, snapshot.pool().makes_group(group));
                }
                self.progress.advance(Stage::Plan, versions.len() as u64);
            }
            survey.end_of_shard();
        }
        Ok(groups)
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

impl Plan {
    /// How long the import will take: one phase after another, each limited by the slowest of its
    /// calls; and every page of the new pool is read, twice if import jobs create users.
    #[allow(clippy::cast_precision_loss)] // no pool has more than 40 million users
    fn reckon(&mut self, member_pages: u64, rates: &Rates) {
        let take = |calls: u64, operation: Operation| calls as f64 / rates.reached(operation);
        let by_api = self.users_to_create - self.users_by_job;
        let creation = take(by_api, Operation::AdminCreateUser)
            .max(take(self.passwords_to_set, Operation::AdminSetUserPassword))
            .max(take(self.factors_to_set, Operation::AdminSetUserMFAPreference));
        let updates = take(self.users_to_disable + self.links_to_make, Operation::AdminDisableUser);
        let (creation, finishing) = match self.options.create_with {
            CreateWith::AdminApi => (creation.max(updates), 0.0),
            CreateWith::ImportJob => (creation, updates),
        };
        let pages = self.users_to_create.div_ceil(u64::from(PAGE_SIZE)) + member_pages;
        let listings = 1.0 + f64::from(u8::from(self.options.create_with == CreateWith::ImportJob));
        self.job_seconds = self.users_by_job as f64 / jobs::ROWS_PER_SECOND;
        self.seconds = take(self.totals.groups, Operation::CreateGroup)
            + self.job_seconds
            + creation
            + finishing
            + take(self.memberships_to_add, Operation::AdminAddUserToGroup)
            + listings * take(pages, Operation::ListUsers);
    }
}
