use super::Importer;
use crate::Result;
use crate::compare::Difference;
use crate::model::Kind;
use crate::ports::{Import, ImportStatus, MappingState, Outcome};
use crate::read::CHUNK;

/// How an import ended, over all its continuations.
#[derive(Clone, Debug)]
pub struct Report {
    /// The import, with its ending.
    pub import: Import,
    /// Users that are in the new pool because of it.
    pub users_created: u64,
    /// Users that were not, or not wholly, restored.
    pub users_failed: u64,
    /// Groups that are in the new pool.
    pub groups_created: u64,
    /// Memberships that are in the new pool.
    pub memberships_added: u64,
    /// Users that were disabled.
    pub users_disabled: u64,
    /// Users whose new `sub` is known.
    pub mapped: u64,
    /// What differs between the new pool and what it should hold.
    pub differences: Vec<Difference>,
    /// What could not be restored, and why.
    pub failures: Vec<Failure>,
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
}

impl Importer {
    /// Counts what became of everything.
    pub(super) async fn report(&self, import: Import, differences: Vec<Difference>) -> Result<Report> {
        let mut report = Report {
            import,
            users_created: 0,
            users_failed: 0,
            groups_created: 0,
            memberships_added: 0,
            users_disabled: 0,
            mapped: 0,
            differences,
            failures: Vec::new(),
        };
        self.count_users(&mut report).await?;
        self.count_outcomes(&mut report, Kind::Group, "").await?;
        for group in self.backup.group_names(&report.import.from_pool).await? {
            self.count_outcomes(&mut report, Kind::Membership, &group).await?;
        }
        self.count_outcomes(&mut report, Kind::User, "").await?;
        let whole = report.failures.is_empty() && report.differences.is_empty();
        report.import.status = if whole { ImportStatus::Complete } else { ImportStatus::Partial };
        report.import.ended_at = Some(self.clock.now());
        Ok(report)
    }

    async fn count_users(&self, report: &mut Report) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            let mappings = self.backup.mappings(&report.import.id, after.as_deref(), CHUNK).await?;
            let more = mappings.len() == CHUNK;
            after = mappings.last().map(|mapping| mapping.sub.clone());
            for mapping in mappings {
                report.users_created += u64::from(mapping.new_sub.is_some());
                report.mapped += u64::from(mapping.new_sub.is_some());
                if mapping.state == MappingState::Failed {
                    report.users_failed += 1;
                    let reason = mapping.reason.unwrap_or_default();
                    report.failures.push(Failure { record: Kind::User, key: mapping.sub, reason });
                }
            }
            if !more {
                return Ok(());
            }
        }
    }

    async fn count_outcomes(&self, report: &mut Report, kind: Kind, group: &str) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            let outcomes =
                self.backup.outcomes(&report.import.id, kind, group, after.as_deref(), CHUNK).await?;
            let more = outcomes.len() == CHUNK;
            after = outcomes.last().map(|outcome| outcome.key.clone());
            for outcome in outcomes {
                report.count(outcome);
            }
            if !more {
                return Ok(());
            }
        }
    }
}

impl Report {
    fn count(&mut self, outcome: Outcome) {
        let Outcome { kind, group, key, failure } = outcome;
        match failure {
            Some(reason) => {
                let key = if kind == Kind::Membership { format!("{group}/{key}") } else { key };
                self.failures.push(Failure { record: kind, key, reason });
            }
            None => match kind {
                Kind::Group => self.groups_created += 1,
                Kind::Membership => self.memberships_added += 1,
                Kind::User => self.users_disabled += 1,
                Kind::Settings => {}
            },
        }
    }
}
