use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};

use super::plan::Plan;
use super::{Importer, PARALLEL_CALLS};
use crate::Result;
use crate::model::{Kind, Partition};
use crate::ports::{Import, Mapping, MappingState, Outcome};
use crate::progress::Stage;
use crate::read::Snapshot;

impl Importer {
    /// Adds users to their groups.
    pub(super) async fn add_memberships(
        &self,
        import: &Import,
        snapshot: &Snapshot,
        plan: &Plan,
    ) -> Result<()> {
        self.progress.begin(Stage::Updates, Some(plan.memberships_to_add));
        for group in self.backup.group_names(snapshot.pool()).await? {
            let of_group =
                self.backup.outcomes_of(&import.id, Kind::Group, "", std::slice::from_ref(&group)).await?;
            let group_failed = of_group.iter().any(|outcome| outcome.failure.is_some());
            let mut members = snapshot.walk(Partition::members(&group));
            while let Some(versions) = members.next().await? {
                let subs = versions.into_iter().map(|version| version.key).collect();
                self.add_to(import, &group, group_failed, subs).await?;
            }
        }
        self.progress.end(Stage::Updates);
        Ok(())
    }

    /// Adds those who are not yet in the group.
    async fn add_to(
        &self,
        import: &Import,
        group: &str,
        group_failed: bool,
        mut subs: Vec<String>,
    ) -> Result<()> {
        let done = self.done(import, Kind::Membership, group, &subs).await?;
        self.progress.advance(Stage::Updates, done.len() as u64);
        subs.retain(|sub| !done.contains(sub));
        let mappings = self.backup.mappings_of(&import.id, &subs).await?;
        let mappings: HashMap<&str, &Mapping> =
            mappings.iter().map(|mapping| (mapping.sub.as_str(), mapping)).collect();
        stream::iter(&subs)
            .map(|sub| {
                let mapping = mappings.get(sub.as_str()).copied();
                async move {
                    let failure = match username(mapping, group_failed) {
                        Ok(username) => self.add(username, group).await?,
                        Err(reason) => Some(reason.to_owned()),
                    };
                    let outcome = Outcome {
                        kind: Kind::Membership,
                        group: group.to_owned(),
                        key: sub.clone(),
                        failure,
                    };
                    self.backup.put_outcomes(&import.id, &[outcome]).await
                }
            })
            .buffer_unordered(PARALLEL_CALLS)
            .try_collect()
            .await
    }

    /// Adds one user. Returns why that cannot be done, if it cannot.
    async fn add(&self, username: &str, group: &str) -> Result<Option<String>> {
        let added = self.directory.add_to_group(username, group).await;
        self.progress.advance(Stage::Updates, 1);
        match added {
            Ok(()) => Ok(None),
            Err(error) if error.is_fatal() => Err(self.directory.explain(error)),
            Err(error) => Ok(Some(format!("{}: {}", error.operation, error.reason()))),
        }
    }
}

/// Who is to be added, or why nobody can be.
fn username(mapping: Option<&Mapping>, group_failed: bool) -> std::result::Result<&str, &'static str> {
    match mapping {
        None => Err("its user is not in this run of the backup"),
        Some(mapping) if mapping.state != MappingState::Restored => {
            Err("waits for its user, who was not restored")
        }
        Some(_) if group_failed => Err("waits for its group, which was not restored"),
        Some(mapping) => mapping.new_username.as_deref().ok_or("waits for its user, who was not restored"),
    }
}
