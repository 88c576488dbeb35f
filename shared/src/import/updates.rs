use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};

use super::plan::Plan;
use super::{Importer, PARALLEL_CALLS};
use crate::Result;
use crate::model::{Kind, Partition, Record};
use crate::ports::{Import, Mapping, MappingState, Outcome, Version};
use crate::progress::Stage;
use crate::read::Snapshot;

/// Something to do to a user that was created.
enum Update {
    AddToGroup(String),
    Disable,
}

impl Importer {
    /// Adds users to their groups, then disables those that were.
    pub(super) async fn update(&self, import: &Import, snapshot: &Snapshot, plan: &Plan) -> Result<()> {
        self.progress.begin(Stage::Updates, Some(plan.memberships_to_add + plan.users_to_disable));
        for group in self.backup.group_names(snapshot.pool()).await? {
            let mut members = snapshot.walk(Partition::members(&group));
            while let Some(versions) = members.next().await? {
                let subs = versions.into_iter().map(|version| version.key).collect();
                self.update_users(import, Kind::Membership, &group, subs).await?;
            }
        }
        let mut users = snapshot.users();
        while let Some(versions) = users.next().await? {
            self.update_users(import, Kind::User, "", disabled(&versions)?).await?;
        }
        self.progress.end(Stage::Updates);
        Ok(())
    }

    /// Makes the updates of one kind that are not made yet.
    async fn update_users(
        &self,
        import: &Import,
        kind: Kind,
        group: &str,
        mut subs: Vec<String>,
    ) -> Result<()> {
        let done = self.done(import, kind, group, &subs).await?;
        self.progress.advance(Stage::Updates, done.len() as u64);
        subs.retain(|sub| !done.contains(sub));
        let mappings = self.backup.mappings_of(&import.id, &subs).await?;
        let mappings: HashMap<&str, &Mapping> =
            mappings.iter().map(|mapping| (mapping.sub.as_str(), mapping)).collect();
        stream::iter(&subs)
            .map(|sub| {
                let mapping = mappings.get(sub.as_str()).copied();
                async move {
                    let update = match kind {
                        Kind::Membership => Update::AddToGroup(group.to_owned()),
                        _ => Update::Disable,
                    };
                    let failure = self.apply(mapping, &update).await?;
                    let outcome = Outcome { kind, group: group.to_owned(), key: sub.clone(), failure };
                    self.backup.put_outcomes(&import.id, &[outcome]).await
                }
            })
            .buffer_unordered(PARALLEL_CALLS)
            .try_collect()
            .await
    }

    /// Makes one update. Returns why it cannot be made, if it cannot.
    async fn apply(&self, mapping: Option<&Mapping>, update: &Update) -> Result<Option<String>> {
        let username = match mapping {
            None => return Ok(Some("its user is not in this run of the backup".to_owned())),
            Some(Mapping { state: MappingState::Failed, .. }) => {
                return Ok(Some("waits for its user, who was not restored".to_owned()));
            }
            Some(mapping) => mapping.new_username.as_deref().unwrap_or_default(),
        };
        let made = match update {
            Update::AddToGroup(group) => self.directory.add_to_group(username, group).await,
            Update::Disable => self.directory.disable_user(username).await,
        };
        self.progress.advance(Stage::Updates, 1);
        match made {
            Ok(()) => Ok(None),
            Err(error) if error.is_fatal() => Err(self.directory.explain(error)),
            Err(error) => Ok(Some(format!("{}: {}", error.operation, error.reason()))),
        }
    }
}

fn disabled(versions: &[Version]) -> Result<Vec<String>> {
    let mut subs = Vec::new();
    for version in versions {
        if let Record::User(user) = version.record()?
            && !user.enabled
        {
            subs.push(user.sub);
        }
    }
    Ok(subs)
}
