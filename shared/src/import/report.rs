use std::collections::BTreeMap;

use super::{Importer, Ongoing};
use crate::Result;
use crate::compare::Difference;
use crate::model::Kind;
use crate::ports::{CreateWith, Import, ImportStatus, Imports, MappingState, Outcome, Step};
use crate::read::CHUNK;

/// How an import ended, over all its continuations, with everything that is not done or different.
#[derive(Clone, Debug)]
pub struct Report {
    /// The import, with its ending.
    pub import: Import,
    /// How many.
    pub counts: Counts,
    /// What could not be restored, and why.
    pub failures: Vec<Failure>,
    /// What differs between the new pool and what it should hold.
    pub differences: Vec<Difference>,
}

/// What became of how many records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Users that are in the new pool because of it; each of them is matched with its old user.
    pub users_created: u64,
    /// Those of them whom an import job created.
    pub users_by_job: u64,
    /// Users that were not, or not wholly, restored.
    pub users_failed: u64,
    /// Groups that are in the new pool.
    pub groups_created: u64,
    /// Memberships that are in the new pool.
    pub memberships_added: u64,
    /// Users that were disabled.
    pub users_disabled: u64,
    /// Users whose second factor was turned on.
    pub factors_set: u64,
    /// Users who were linked to identities of providers.
    pub users_linked: u64,
    /// Records that could not be restored.
    pub failures: u64,
    /// The same by kind and reason.
    pub reasons: BTreeMap<(Kind, String), u64>,
    /// Records of both pools that were compared.
    pub compared: u64,
    /// Those of them that differ.
    pub differences: u64,
}

/// One record that could not be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it is.
    pub record: Kind,
    /// Its key in the backup: a `sub`, a group's name, or both for a membership.
    pub key: String,
    /// Why, without personal data.
    pub reason: String,
    /// The line of an import job's file that its log says more of.
    pub line: Option<u32>,
}

impl Importer {
    /// Writes down that an import has come to its end, and which, and reports all of it.
    pub(super) async fn report(&self, ongoing: Ongoing) -> Result<Report> {
        let mut failures = Vec::new();
        let (import, counts) = self.end(ongoing.import, |failure| failures.push(failure)).await?;
        let differences = all_differences(&*self.imports, &import).await?;
        Ok(Report { import, counts, failures, differences })
    }

    /// Writes down that an import has come to its end, and which. Each failure is told.
    pub async fn end(&self, import: Import, tell: impl FnMut(Failure)) -> Result<(Import, Counts)> {
        let counts = self.count(&import, tell).await?;
        let whole = counts.failures == 0 && counts.differences == 0;
        let status = if whole { ImportStatus::Complete } else { ImportStatus::Partial };
        let mut import = Import { status, ended_at: Some(self.clock.now()), ..import };
        self.write_down(&mut import).await?;
        Ok((import, counts))
    }

    /// Counts what became of everything. Each failure is told.
    pub async fn count(&self, import: &Import, tell: impl FnMut(Failure)) -> Result<Counts> {
        let groups = self.backup.group_names(&import.from_pool).await?;
        count(&*self.imports, import, groups, tell).await
    }
}

impl Report {
    /// The report of an import as it stands, whether it has ended or not.
    pub async fn of(imports: &dyn Imports, import: Import, groups: Vec<String>) -> Result<Self> {
        let mut failures = Vec::new();
        let counts = count(imports, &import, groups, |failure| failures.push(failure)).await?;
        let differences = all_differences(imports, &import).await?;
        Ok(Self { import, counts, failures, differences })
    }
}

/// Counts what became of everything, in these groups too.
async fn count(
    imports: &dyn Imports,
    import: &Import,
    groups: Vec<String>,
    mut tell: impl FnMut(Failure),
) -> Result<Counts> {
    let mut counts = Counts::default();
    if let Some(compared) = &import.compared {
        (counts.compared, counts.differences) = (compared.records, compared.differences);
    }
    let mut tell = |counts: &mut Counts, failure: Failure| {
        counts.failures += 1;
        *counts.reasons.entry((failure.record, failure.reason.clone())).or_default() += 1;
        tell(failure);
    };
    count_users(imports, import, &mut counts, &mut tell).await?;
    let without_group = Step::ALL.into_iter().filter(|step| *step != Step::Membership);
    let of_groups = groups.iter().map(|group| (Step::Membership, group.as_str()));
    for (step, group) in without_group.map(|step| (step, "")).chain(of_groups) {
        let mut after: Option<String> = None;
        loop {
            let outcomes = imports.outcomes(&import.id, step, group, after.as_deref(), CHUNK).await?;
            let more = outcomes.len() == CHUNK;
            after = outcomes.last().map(|outcome| outcome.key.clone());
            for outcome in outcomes {
                if let Some(failure) = counts.outcome(outcome) {
                    tell(&mut counts, failure);
                }
            }
            if !more {
                break;
            }
        }
    }
    Ok(counts)
}

async fn count_users(
    imports: &dyn Imports,
    import: &Import,
    counts: &mut Counts,
    tell: &mut impl FnMut(&mut Counts, Failure),
) -> Result<()> {
    let mut after: Option<String> = None;
    loop {
        let mappings = imports.mappings(&import.id, after.as_deref(), CHUNK).await?;
        let more = mappings.len() == CHUNK;
        after = mappings.last().map(|mapping| mapping.sub.clone());
        for mapping in mappings {
            let is_created = mapping.new_sub.is_some();
            counts.users_created += u64::from(is_created);
            counts.users_by_job += u64::from(is_created && mapping.created_with == CreateWith::ImportJob);
            if matches!(mapping.state, MappingState::Failed | MappingState::Taken) {
                counts.users_failed += 1;
                let reason = mapping.reason.unwrap_or_default();
                let failure = Failure { record: Kind::User, key: mapping.sub, reason, line: mapping.line };
                tell(counts, failure);
            }
        }
        if !more {
            return Ok(());
        }
    }
}

async fn all_differences(imports: &dyn Imports, import: &Import) -> Result<Vec<Difference>> {
    let Some(compared) = &import.compared else { return Ok(Vec::new()) };
    let mut all: Vec<Difference> = Vec::new();
    loop {
        let first = all.len() as u64;
        let found = imports.differences(&import.id, &compared.listing, first, CHUNK).await?;
        let more = found.len() == CHUNK;
        all.extend(found);
        if !more {
            return Ok(all);
        }
    }
}

impl Counts {
    /// Counts what was done; returns what was not.
    fn outcome(&mut self, outcome: Outcome) -> Option<Failure> {
        let Outcome { step, group, key, failure } = outcome;
        let counted = match step {
            Step::Group => &mut self.groups_created,
            Step::Membership => &mut self.memberships_added,
            Step::Disable => &mut self.users_disabled,
            Step::Mfa => &mut self.factors_set,
            Step::Link => &mut self.users_linked,
        };
        let Some(reason) = failure else {
            *counted += 1;
            return None;
        };
        let key = if step == Step::Membership { format!("{group}/{key}") } else { key };
        Some(Failure { record: step.kind(), key, reason, line: None })
    }
}
