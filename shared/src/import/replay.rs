//! What is replayed: batches of groups, users and memberships, named by their keys alone, so that
//! a message holds no personal data; and each is read from the backup where it is replayed.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::fit::Route;
use super::{Importer, Ongoing};
use crate::Result;
use crate::model::Record;
use crate::ports::{MappingState, Phase, Version};
use crate::read::{Position, Walk};

/// How many records a batch has at most: as many items as one call writes to DynamoDB.
pub const BATCH: usize = 25;

/// So many users are one batch of those who may be unfinished: few of them are.
const UNFINISHED: usize = 100;

/// Records to be replayed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Batch {
    /// The names of groups to create.
    Groups(Vec<String>),
    /// The old `sub` of users to create by `AdminCreateUser`, or to list as not restored.
    Users(Vec<String>),
    /// The old `sub` of users who are created, and of whom something is still to be set.
    Unfinished(Vec<String>),
    /// Groups, and the old `sub` of those to be added to each.
    Memberships(Vec<(String, Vec<String>)>),
}

impl Batch {
    /// Whether there is nothing to replay.
    pub const fn is_empty(&self) -> bool {
        match self {
            Self::Groups(keys) | Self::Users(keys) | Self::Unfinished(keys) => keys.is_empty(),
            Self::Memberships(groups) => groups.is_empty(),
        }
    }
}

impl Importer {
    /// Replays one batch. What is done already is passed over; what cannot be done is written
    /// down with the reason, and stops nobody else.
    ///
    /// # Errors
    /// What would stop every other record, too.
    pub async fn replay(&self, ongoing: &Ongoing, batch: &Batch) -> Result<()> {
        match batch {
            Batch::Groups(names) => self.create_groups(ongoing, names).await,
            Batch::Users(subs) => self.create_users(ongoing, subs).await,
            Batch::Unfinished(subs) => self.finish_users(ongoing, subs).await,
            Batch::Memberships(groups) => self.add_memberships(ongoing, groups).await,
        }
    }
}

/// The batches of one phase, in the order of the backup.
pub struct Batches<'a> {
    importer: &'a Importer,
    ongoing: &'a Ongoing,
    phase: Phase,
    walk: Walk<'a>,
}

impl<'a> Batches<'a> {
    /// Those after `position`.
    pub async fn new(
        importer: &'a Importer,
        ongoing: &'a Ongoing,
        phase: Phase,
        position: Position,
    ) -> Result<Self> {
        let snapshot = &ongoing.snapshot;
        let walk = match phase {
            Phase::Groups => snapshot.groups(),
            Phase::Users | Phase::Unfinished => snapshot.users(),
            Phase::Memberships => snapshot.memberships().await?,
        };
        Ok(Self { importer, ongoing, phase, walk: walk.from(position) })
    }

    /// The next batches, some of them perhaps empty; `None` at the end. From one place they are
    /// always as many, and of the same records, but that who was finished meanwhile is left out:
    /// so a batch that is sent again can have the same number.
    pub async fn next(&mut self) -> Result<Option<Vec<Batch>>> {
        if self.phase == Phase::Memberships {
            return self.next_memberships().await;
        }
        let Some(versions) = self.walk.next().await? else { return Ok(None) };
        let chunks = |keys: &[String], batch: fn(Vec<String>) -> Batch| {
            keys.chunks(BATCH).map(|keys| batch(keys.to_vec())).collect()
        };
        Ok(Some(match self.phase {
            Phase::Users => chunks(&self.to_create(&versions)?, Batch::Users),
            Phase::Unfinished => self.unfinished(&versions).await?,
            Phase::Groups | Phase::Memberships => {
                let names: Vec<String> = versions.into_iter().map(|version| version.key).collect();
                chunks(&names, Batch::Groups)
            }
        }))
    }

    /// Where the batches go on that were not returned yet.
    pub fn position(&self) -> Position {
        self.walk.position().clone()
    }

    /// All but those whom a row of an import job carries.
    fn to_create(&self, versions: &[Version]) -> Result<Vec<String>> {
        let mut subs = Vec::new();
        for version in versions {
            let Record::User(user) = version.record()? else { continue };
            if !matches!(self.ongoing.fit.route(&user), Route::Row(_)) {
                subs.push(user.sub);
            }
        }
        Ok(subs)
    }

    async fn unfinished(&self, versions: &[Version]) -> Result<Vec<Batch>> {
        let subs: Vec<String> = versions.iter().map(|version| version.key.clone()).collect();
        let mappings = self.importer.imports.mappings_of(&self.ongoing.import.id, &subs).await?;
        let unfinished: HashSet<&str> = mappings
            .iter()
            .filter(|mapping| mapping.state == MappingState::Created)
            .map(|mapping| mapping.sub.as_str())
            .collect();
        let of =
            |subs: &[String]| subs.iter().filter(|sub| unfinished.contains(sub.as_str())).cloned().collect();
        Ok(subs.chunks(UNFINISHED).map(|subs| Batch::Unfinished(of(subs))).collect())
    }

    /// Those of many groups in one batch, for most groups have few members.
    async fn next_memberships(&mut self) -> Result<Option<Vec<Batch>>> {
        let mut found: Vec<(String, String)> = Vec::new();
        while found.len() < BATCH {
            let Some(versions) = self.walk.next().await? else { break };
            let group = versions.first().map(|version| version.partition.group().to_owned());
            let group = group.unwrap_or_default();
            found.extend(versions.into_iter().map(|version| (group.clone(), version.key)));
        }
        if found.is_empty() {
            return Ok(None);
        }
        Ok(Some(found.chunks(BATCH).map(by_group).collect()))
    }
}

fn by_group(members: &[(String, String)]) -> Batch {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (group, sub) in members {
        match groups.last_mut().filter(|(last, _)| last == group) {
            Some((_, subs)) => subs.push(sub.clone()),
            None => groups.push((group.clone(), vec![sub.clone()])),
        }
    }
    Batch::Memberships(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_many_groups_share_a_batch() {
        let members =
            [("a", "1"), ("a", "2"), ("b", "1")].map(|(group, sub)| (group.to_owned(), sub.to_owned()));
        let of = |group: &str, subs: &[&str]| {
            (group.to_owned(), subs.iter().map(|sub| (*sub).to_owned()).collect())
        };
        assert_eq!(by_group(&members), Batch::Memberships(vec![of("a", &["1", "2"]), of("b", &["1"])]));
    }
}
