//! After a restore: the new pool, listed once more, compared field by field with what it should
//! hold.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::finish::keeps_temporary_password;
use super::fit::{Fit, links};
use super::{Importer, Ongoing, Scratch};
use crate::Result;
use crate::compare::{Difference, What};
use crate::export::{Exporter, SettingsSaved, ShrinkGuard};
use crate::model::{Group, Kind, Partition, Record, User};
use crate::pacing::Paced;
use crate::ports::{
    Clock, Compared, CreateWith, Import, Imports, Mapping, MappingState, Target, UserFilter, Version,
};
use crate::progress::{Progress, Stage};
use crate::read::{Position, Snapshot};

/// How long a listing may take to show what was just done.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How far a comparison is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckPlace {
    part: Part,
    position: Position,
    /// How many records were compared, and found to differ.
    records: u64,
    differences: u64,
}

impl CheckPlace {
    /// Further on, in the same part or at the beginning of another.
    fn then(&self, part: Part, position: Position, found: &Found) -> Self {
        let records = self.records + found.records;
        Self { part, position, records, differences: self.differences + found.differences.len() as u64 }
    }
}

/// What follows some of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The rest, from there on.
    More(CheckPlace),
    /// Nothing: this is what it came to.
    All(Compared),
}

/// What some of a comparison found. A record that is in both pools is counted once.
#[derive(Default)]
struct Found {
    records: u64,
    differences: Vec<Difference>,
}

impl Found {
    /// Of so many records, these differ.
    fn of(records: usize, differences: Vec<Difference>) -> Self {
        Self { records: records as u64, differences }
    }

    /// Records that are in the new pool only.
    fn strangers(differences: Vec<Difference>) -> Self {
        Self::of(differences.len(), differences)
    }

    fn add(&mut self, mut more: Self) {
        self.records += more.records;
        self.differences.append(&mut more.differences);
    }
}

/// The parts of a comparison, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    /// Every restored user must be there, with the fields they should have.
    #[default]
    Users,
    /// Nobody else may be there.
    Strangers,
    /// Every group, with all its fields, and no other.
    Groups,
    /// Everyone restored must be in their groups.
    Members,
    /// Nobody else may be in them.
    OtherMembers,
}

impl Part {
    const fn next(self) -> Option<Self> {
        Some(match self {
            Self::Users => Self::Strangers,
            Self::Strangers => Self::Groups,
            Self::Groups => Self::Members,
            Self::Members => Self::OtherMembers,
            Self::OtherMembers => return None,
        })
    }
}

/// A restored pool beside the backup it was restored from.
struct Check<'a> {
    import: &'a Import,
    imports: &'a dyn Imports,
    /// For users whom a listing misses; else those are missing.
    directory: Option<&'a Paced>,
    old: &'a Snapshot,
    new: &'a Snapshot,
    fit: &'a Fit,
}

impl Importer {
    /// Lists the new pool and compares it; once more if something differs, for a listing lags
    /// behind what was just done.
    pub(super) async fn check(&self, ongoing: &mut Ongoing, scratch: &Scratch) -> Result<()> {
        if self.check_once(ongoing, scratch).await? > 0 {
            self.clock.sleep(LOOK_AGAIN_AFTER).await;
            self.check_once(ongoing, scratch).await?;
        }
        Ok(())
    }

    async fn check_once(&self, ongoing: &mut Ongoing, scratch: &Scratch) -> Result<u64> {
        let new = self.list(scratch).await?;
        self.progress.begin(Stage::Compare, None);
        let mut place = CheckPlace::default();
        let compared = loop {
            match self.check_some(ongoing, &new, place, true).await? {
                Checked::More(next) => place = next,
                Checked::All(compared) => break compared,
            }
        };
        self.progress.end(Stage::Compare);
        let differences = compared.differences;
        ongoing.import.compared = Some(compared);
        self.write_down(&mut ongoing.import).await?;
        Ok(differences)
    }

    /// Compares some records from `place` on with `new`, a listing of the pool, and keeps what
    /// differs. With `look_up`, whom the listing misses is asked for by name.
    pub async fn check_some(
        &self,
        ongoing: &Ongoing,
        new: &Snapshot,
        place: CheckPlace,
        look_up: bool,
    ) -> Result<Checked> {
        let Ongoing { import, snapshot, fit } = ongoing;
        let directory = look_up.then_some(&*self.directory);
        let check = Check { import, imports: &*self.imports, directory, old: snapshot, new, fit };
        let (found, next) = check.some(&place, &*self.progress).await?;
        let (listing, first) = (&new.run.id, place.differences);
        self.imports.put_differences(&import.id, listing, first, &found.differences).await?;
        Ok(next.map_or_else(
            || {
                let CheckPlace { records, differences, .. } = place.then(place.part, Position::End, &found);
                Checked::All(Compared { listing: listing.clone(), records, differences })
            },
            Checked::More,
        ))
    }
}

/// Lists a pool into a scratch store: the same export that makes backups.
pub async fn list_into(
    scratch: &Scratch,
    directory: Arc<Paced>,
    clock: Arc<dyn Clock>,
    progress: Arc<dyn Progress>,
    settings: SettingsSaved,
) -> Result<Snapshot> {
    let Scratch { backup, ledger } = scratch.clone();
    let exporter = Exporter::in_process(directory, backup.clone(), ledger, clock, progress);
    let exporter = exporter.saving(settings);
    let run = exporter.export(&ShrinkGuard { allow: true, ..ShrinkGuard::default() }).await?;
    Snapshot::of(backup, run)
}

/// Compares a pool, listed into `new`, with what `import` should have made of `old`.
pub async fn compare_restored(
    import: &Import,
    imports: &dyn Imports,
    directory: &Paced,
    old: &Snapshot,
    new: &Snapshot,
    progress: &dyn Progress,
) -> Result<Vec<Difference>> {
    let target = Target { settings: new.settings().await?, ..import.target.clone() };
    let fit = Fit::new(&target, &import.options)?;
    let check = Check { import, imports, directory: Some(directory), old, new, fit: &fit };
    let mut all = Vec::new();
    let mut place = Some(CheckPlace::default());
    while let Some(from) = place {
        let (mut found, next) = check.some(&from, progress).await?;
        all.append(&mut found.differences);
        place = next;
    }
    Ok(all)
}

impl Check<'_> {
    /// Compares some records; returns where to go on, `None` at the end.
    async fn some(&self, place: &CheckPlace, progress: &dyn Progress) -> Result<(Found, Option<CheckPlace>)> {
        let part = place.part;
        let next_part = |found: &Found| part.next().map(|next| place.then(next, Position::Start, found));
        let walk = match part {
            Part::Users => self.old.users(),
            Part::Strangers => self.new.users(),
            Part::Members => self.old.memberships().await?,
            Part::OtherMembers => self.new.memberships().await?,
            Part::Groups => {
                let found = self.groups().await?;
                let next = next_part(&found);
                return Ok((found, next));
            }
        };
        let mut walk = walk.from(place.position.clone());
        let (mut found, mut walked) = (Found::default(), 0);
        // Most groups have few members, and each call begins by finding its place.
        while walked < crate::read::CHUNK {
            let Some(versions) = walk.next().await? else {
                let next = next_part(&found);
                return Ok((found, next));
            };
            walked += versions.len();
            found.add(match part {
                Part::Users => self.users(&versions).await?,
                Part::Strangers => self.strangers(&versions).await?,
                Part::Members => self.members(&versions).await?,
                Part::OtherMembers | Part::Groups => self.other_members(&versions).await?,
            });
        }
        progress.advance(Stage::Compare, walked as u64);
        let next = place.then(part, walk.position().clone(), &found);
        Ok((found, Some(next)))
    }

    async fn mappings(&self, versions: &[Version]) -> Result<HashMap<String, Mapping>> {
        let subs: Vec<String> = versions.iter().map(|version| version.key.clone()).collect();
        let found = self.imports.mappings_of(&self.import.id, &subs).await?;
        Ok(found.into_iter().map(|mapping| (mapping.sub.clone(), mapping)).collect())
    }

    async fn users(&self, versions: &[Version]) -> Result<Found> {
        let mappings = self.mappings(versions).await?;
        let listed = self.listed(mappings.values()).await?;
        let (mut compared, mut differences) = (0, Vec::new());
        for version in versions {
            // Who failed is listed as such; who was never tried is missing.
            let mapping = match mappings.get(&version.key) {
                Some(mapping) if mapping.state == MappingState::Failed => continue,
                mapping => mapping,
            };
            let Record::User(user) = version.record()? else { continue };
            compared += 1;
            let found = match mapping.and_then(|mapping| mapping.new_sub.as_deref()) {
                Some(new_sub) => match listed.get(new_sub) {
                    Some(found) => Some(found.clone()),
                    None => self.look_up(new_sub).await?,
                },
                None => None,
            };
            let what = match (found, mapping) {
                (Some(found), Some(mapping)) => {
                    What::Changed(self.differing_fields(&user, &found, mapping.created_with))
                }
                _ => What::Gone,
            };
            if what != What::Changed(Vec::new()) {
                differences.push(difference(Kind::User, "", &user.sub, what));
            }
        }
        Ok(Found::of(compared, differences))
    }

    /// The listed users that these became, by their new `sub`.
    async fn listed(&self, mappings: impl Iterator<Item = &Mapping>) -> Result<HashMap<String, User>> {
        let subs = mappings.filter_map(|mapping| mapping.new_sub.clone());
        let mut listed = HashMap::new();
        for version in get(self.new, subs, Partition::of_user).await? {
            if let Record::User(user) = version.record()? {
                listed.insert(user.sub.clone(), user);
            }
        }
        Ok(listed)
    }

    /// Listings lag behind: a user just created may be missing from them.
    async fn look_up(&self, sub: &str) -> Result<Option<User>> {
        let Some(directory) = self.directory else { return Ok(None) };
        let filter = UserFilter::Equals("sub", sub.to_owned());
        match directory.find_users(&filter).await {
            Ok(found) => Ok(found.into_iter().find(|user| user.sub == sub)),
            Err(error) if error.is_fatal() => Err(directory.explain(error)),
            Err(_) => Ok(None),
        }
    }

    /// The fields in which a restored user is not as it should be.
    fn differing_fields(&self, old: &User, new: &User, with: CreateWith) -> Vec<String> {
        let mut fields = Vec::new();
        let expected = self.fit.attributes(old);
        let names: BTreeSet<&String> = expected.keys().chain(new.attributes.keys()).collect();
        for name in names.into_iter().filter(|name| self.fit.keeps(name)) {
            if !is_same(name, expected.get(name), new.attributes.get(name), with) {
                fields.push(format!("attributes.{name}"));
            }
        }
        // An answer may say that an identity is linked to this user when it is another's.
        let linked = links(new);
        if self.fit.links_of(old).0.iter().any(|identity| !linked.contains(identity)) {
            fields.push("attributes.identities".to_owned());
        }
        if old.enabled != new.enabled {
            fields.push("enabled".to_owned());
        }
        let status = match with {
            CreateWith::ImportJob => "RESET_REQUIRED",
            CreateWith::AdminApi if keeps_temporary_password(old) => "FORCE_CHANGE_PASSWORD",
            CreateWith::AdminApi => "CONFIRMED",
        };
        // Who has chosen a password since is as they should be.
        let has_chosen = with == CreateWith::ImportJob && new.status == "CONFIRMED";
        if new.status != status && !has_chosen {
            fields.push("status".to_owned());
        }
        if !self.fit.target.makes_usernames() && old.username != new.username {
            fields.push("username".to_owned());
        }
        fields
    }

    /// Users in the new pool that no user of the backup became.
    async fn strangers(&self, versions: &[Version]) -> Result<Found> {
        let new_subs: Vec<String> = versions.iter().map(|version| version.key.clone()).collect();
        let ours = self.imports.mappings_to(&self.import.id, &new_subs).await?;
        let ours: HashSet<&str> = ours.iter().filter_map(|mapping| mapping.new_sub.as_deref()).collect();
        let strangers = new_subs.iter().filter(|new_sub| !ours.contains(new_sub.as_str()));
        let stranger = |new_sub: &String| difference(Kind::User, "", new_sub, What::New);
        Ok(Found::strangers(strangers.map(stranger).collect()))
    }

    /// All groups at once: a pool has 10,000 at most.
    async fn groups(&self) -> Result<Found> {
        let old = all_groups(self.old).await?;
        let mut new = all_groups(self.new).await?;
        let (mut compared, mut differences) = (0, Vec::new());
        for (name, group) in old {
            let in_new = new.remove(&name);
            if group.is_automatic(self.old.pool()) {
                continue;
            }
            compared += 1;
            let what = match in_new {
                Some(in_new) => What::Changed(differing_group_fields(&group, &in_new)),
                None => What::Gone,
            };
            if what != What::Changed(Vec::new()) {
                differences.push(difference(Kind::Group, "", &name, what));
            }
        }
        let mut found = Found::of(compared, differences);
        let others = new.into_iter().filter(|(_, group)| !group.is_automatic(self.new.pool()));
        let others = others.map(|(name, _)| difference(Kind::Group, "", &name, What::New));
        found.add(Found::strangers(others.collect()));
        Ok(found)
    }

    /// Members of one group in the backup whose user was restored, and is not in it.
    async fn members(&self, versions: &[Version]) -> Result<Found> {
        let group = group_of(versions);
        if self.old.pool().makes_group(group) {
            return Ok(Found::default());
        }
        let mappings = self.mappings(versions).await?.into_values();
        let restored = mappings.filter(|mapping| mapping.state == MappingState::Restored);
        let expected: Vec<(String, String)> =
            restored.filter_map(|mapping| Some((mapping.sub, mapping.new_sub?))).collect();
        let new_subs = expected.iter().map(|(_, new_sub)| new_sub.clone());
        let found = get(self.new, new_subs, |sub| Partition::of_member(group, sub)).await?;
        let found: HashSet<&str> = found.iter().map(|version| version.key.as_str()).collect();
        let missing = expected.iter().filter(|(_, new_sub)| !found.contains(new_sub.as_str()));
        let missing = missing.map(|(sub, _)| difference(Kind::Membership, group, sub, What::Gone));
        Ok(Found::of(expected.len(), missing.collect()))
    }

    /// Members of one group of the new pool who were not in it in the backup.
    async fn other_members(&self, versions: &[Version]) -> Result<Found> {
        let group = group_of(versions);
        if self.new.pool().makes_group(group) {
            return Ok(Found::default());
        }
        let new_subs: Vec<String> = versions.iter().map(|version| version.key.clone()).collect();
        let ours = self.imports.mappings_to(&self.import.id, &new_subs).await?;
        let old_subs = ours.iter().map(|mapping| mapping.sub.clone());
        let members = get(self.old, old_subs, |sub| Partition::of_member(group, sub)).await?;
        let members: HashSet<&str> = members.iter().map(|version| version.key.as_str()).collect();
        let expected: HashSet<&str> = ours
            .iter()
            .filter(|mapping| members.contains(mapping.sub.as_str()))
            .filter_map(|mapping| mapping.new_sub.as_deref())
            .collect();
        let others = new_subs.iter().filter(|new_sub| !expected.contains(new_sub.as_str()));
        let others = others.map(|new_sub| difference(Kind::Membership, group, new_sub, What::New));
        Ok(Found::strangers(others.collect()))
    }
}

fn difference(kind: Kind, group: &str, key: &str, what: What) -> Difference {
    Difference { kind, group: group.to_owned(), key: key.to_owned(), what }
}

fn group_of(versions: &[Version]) -> &str {
    versions.first().map_or("", |version| version.partition.group())
}

/// Whether an attribute is as it should be. A row of an import job says of an address whether it
/// is verified, also where nothing was said before.
fn is_same(name: &str, expected: Option<&String>, found: Option<&String>, with: CreateWith) -> bool {
    let is_false = |value: Option<&String>| value.is_none_or(|value| value.eq_ignore_ascii_case("false"));
    match (expected, found) {
        (Some(expected), Some(found)) if name.ends_with("_verified") => expected.eq_ignore_ascii_case(found),
        (expected, found) if with == CreateWith::ImportJob && name.ends_with("_verified") => {
            is_false(expected) && is_false(found)
        }
        // An empty value is none: Cognito removes an attribute that is given one.
        (expected, found) => given(expected) == given(found),
    }
}

fn given(value: Option<&String>) -> Option<&String> {
    value.filter(|value| !value.is_empty())
}

/// The versions of these keys in a snapshot.
async fn get(
    snapshot: &Snapshot,
    keys: impl Iterator<Item = String>,
    partition: impl Fn(&str) -> Partition,
) -> Result<Vec<Version>> {
    let mut by_partition: BTreeMap<Partition, Vec<String>> = BTreeMap::new();
    for key in keys {
        by_partition.entry(partition(&key)).or_default().push(key);
    }
    let reads = by_partition
        .iter()
        .map(|(partition, keys)| snapshot.backup().get(snapshot.pool(), partition, keys, snapshot.at));
    Ok(futures::future::try_join_all(reads).await?.into_iter().flatten().collect())
}

/// There are at most 10,000 groups in a pool.
async fn all_groups(snapshot: &Snapshot) -> Result<BTreeMap<String, Group>> {
    let mut groups = BTreeMap::new();
    let mut walk = snapshot.groups();
    while let Some(versions) = walk.next().await? {
        for version in versions {
            if let Record::Group(group) = version.record()? {
                groups.insert(group.name.clone(), group);
            }
        }
    }
    Ok(groups)
}

fn differing_group_fields(old: &Group, new: &Group) -> Vec<String> {
    // Cognito does not tell an empty description from none.
    let text = |description: &Option<String>| description.clone().unwrap_or_default();
    let fields = [
        ("description", text(&old.description) != text(&new.description)),
        ("precedence", old.precedence != new.precedence),
        ("role_arn", old.role_arn != new.role_arn),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect()
}
