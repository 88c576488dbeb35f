use futures::{StreamExt, TryStreamExt, stream};

use super::{Importer, PARALLEL_CALLS};
use crate::Result;
use crate::model::{Group, Kind, Record};
use crate::ports::{Fault, Import, Outcome, Version};
use crate::progress::Stage;
use crate::read::Snapshot;

/// Why groups of identity providers are not restored.
pub(super) const AUTOMATIC: &str = "Cognito makes the group of an identity provider itself";

impl Importer {
    /// Creates every group that is not there yet.
    pub(super) async fn create_groups(&self, import: &Import, snapshot: &Snapshot) -> Result<()> {
        let total = snapshot.run.manifest.as_ref().map(|manifest| manifest.totals.groups);
        self.progress.begin(Stage::CreateGroups, total);
        let mut groups = snapshot.groups();
        while let Some(versions) = groups.next().await? {
            let names: Vec<String> = versions.iter().map(|version| version.key.clone()).collect();
            let done = self.done(import, Kind::Group, "", &names).await?;
            let records = versions.iter().map(Version::record).collect::<Result<Vec<_>>>()?;
            stream::iter(records)
                .map(|record| async {
                    match record {
                        Record::Group(group) if !done.contains(&group.name) => {
                            self.create_group(import, group).await
                        }
                        _ => Ok(()),
                    }
                })
                .buffer_unordered(PARALLEL_CALLS)
                .try_collect::<()>()
                .await?;
            self.progress.advance(Stage::CreateGroups, versions.len() as u64);
        }
        self.progress.end(Stage::CreateGroups);
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
        let outcome = Outcome { kind: Kind::Group, group: String::new(), key: group.name, failure };
        self.backup.put_outcomes(&import.id, &[outcome]).await
    }

    /// Which of these are done, and need not be done again.
    pub(super) async fn done(
        &self,
        import: &Import,
        kind: Kind,
        group: &str,
        keys: &[String],
    ) -> Result<std::collections::HashSet<String>> {
        let outcomes = self.backup.outcomes_of(&import.id, kind, group, keys).await?;
        Ok(outcomes
            .into_iter()
            .filter(|outcome| outcome.failure.is_none())
            .map(|outcome| outcome.key)
            .collect())
    }
}
