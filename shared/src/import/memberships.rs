use std::collections::HashMap;

use super::{Importer, Ongoing, all_of};
use crate::Result;
use crate::ports::{Import, Mapping, MappingState, Outcome, Step};
use crate::progress::Stage;

/// What becomes of a membership: who is to be added, or why nobody is.
type Addition<'a> = std::result::Result<&'a str, &'static str>;

impl Importer {
    /// Adds those of these users who are not in their group yet.
    pub(super) async fn add_memberships(
        &self,
        ongoing: &Ongoing,
        groups: &[(String, Vec<String>)],
    ) -> Result<()> {
        let import = &ongoing.import;
        let names: Vec<String> = groups.iter().map(|(group, _)| group.clone()).collect();
        let of_groups = self.imports.outcomes_of(&import.id, Step::Group, "", &names).await?;
        let failed = |group: &String| {
            of_groups.iter().any(|outcome| outcome.key == *group && outcome.failure.is_some())
        };
        let subs: Vec<String> = groups.iter().flat_map(|(_, subs)| subs).cloned().collect();
        let mappings = self.imports.mappings_of(&import.id, &subs).await?;
        let mappings: HashMap<&str, &Mapping> =
            mappings.iter().map(|mapping| (mapping.sub.as_str(), mapping)).collect();
        let work = groups.iter().map(|(group, subs)| {
            let additions = subs
                .iter()
                .map(|sub| (sub.as_str(), addition(mappings.get(sub.as_str()).copied(), failed(group))));
            self.add_to(import, group, subs, additions.collect())
        });
        all_of(work.collect()).await
    }

    async fn add_to(
        &self,
        import: &Import,
        group: &str,
        subs: &[String],
        additions: Vec<(&str, Addition<'_>)>,
    ) -> Result<()> {
        let done = self.done(import, Step::Membership, group, subs).await?;
        self.progress.advance(Stage::Updates, done.len() as u64);
        let work = additions.into_iter().filter(|(sub, _)| !done.contains(*sub));
        all_of(work.map(|(sub, addition)| self.add(import, group, sub, addition)).collect()).await
    }

    async fn add(&self, import: &Import, group: &str, sub: &str, addition: Addition<'_>) -> Result<()> {
        let failure = match addition {
            Ok(username) => {
                let added = self.directory.add_to_group(username, group).await;
                self.progress.advance(Stage::Updates, 1);
                self.failure(added)?
            }
            Err(reason) => Some(reason.to_owned()),
        };
        let (group, key) = (group.to_owned(), sub.to_owned());
        let outcome = Outcome { step: Step::Membership, group, key, failure };
        self.imports.put_outcomes(&import.id, &[outcome]).await
    }
}

fn addition(mapping: Option<&Mapping>, group_failed: bool) -> Addition<'_> {
    const NOT_RESTORED: &str = "waits for its user, who was not restored";
    match mapping {
        None => Err("its user is not in this run of the backup"),
        Some(mapping) if mapping.state != MappingState::Restored => Err(NOT_RESTORED),
        Some(_) if group_failed => Err("waits for its group, which was not restored"),
        Some(mapping) => mapping.new_username.as_deref().ok_or(NOT_RESTORED),
    }
}
