use std::collections::HashSet;

use super::{Importer, Ongoing, all_of};
use crate::Result;
use crate::model::{Group, Partition, Record};
use crate::ports::{Fault, Import, Outcome, Step};
use crate::progress::Stage;

/// Why groups of identity providers are not restored.
pub(super) const AUTOMATIC: &str = "Cognito makes the group of an identity provider itself";

impl Importer {
    /// Creates those of these groups that are not there yet.
    pub(super) async fn create_groups(&self, ongoing: &Ongoing, names: &[String]) -> Result<()> {
        let Ongoing { import, snapshot, .. } = ongoing;
        let done = self.done(import, Step::Group, "", names).await?;
        let todo: Vec<String> = names.iter().filter(|name| !done.contains(*name)).cloned().collect();
        let versions = self.backup.get(snapshot.pool(), &Partition::Groups, &todo, snapshot.at).await?;
        let records = versions.iter().map(crate::ports::Version::record).collect::<Result<Vec<_>>>()?;
        let work = records.into_iter().filter_map(|record| match record {
            Record::Group(group) => Some(self.create_group(import, group)),
            _ => None,
        });
        all_of(work.collect()).await?;
        self.progress.advance(Stage::CreateGroups, names.len() as u64);
        Ok(())
    }

    async fn create_group(&self, import: &Import, group: Group) -> Result<()> {
        let failure = if group.is_automatic(&import.from_pool) {
            Some(AUTOMATIC.to_owned())
        } else {
            match self.directory.create_group(&group).await {
                // Made by the template of the new pool, or by us before an answer was lost.
                // Whether it is the same is seen when the pool is compared.
                Ok(()) => None,
                Err(error) if error.fault == Fault::Exists => None,
                Err(error) if error.is_fatal() => return Err(self.directory.explain(error)),
                Err(error) => Some(error.reason()),
            }
        };
        let outcome = Outcome { step: Step::Group, group: String::new(), key: group.name, failure };
        self.imports.put_outcomes(&import.id, &[outcome]).await
    }

    /// Which of these are done, and need not be done again.
    pub(super) async fn done(
        &self,
        import: &Import,
        step: Step,
        group: &str,
        keys: &[String],
    ) -> Result<HashSet<String>> {
        let outcomes = self.imports.outcomes_of(&import.id, step, group, keys).await?;
        let done = outcomes.into_iter().filter(|outcome| outcome.failure.is_none());
        Ok(done.map(|outcome| outcome.key).collect())
    }
}
