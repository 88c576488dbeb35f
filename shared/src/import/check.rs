//! After a restore: the new pool, listed once, compared field by field with what it should hold.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::fit::Fit;
use super::survey::has_links;
use super::users::keeps_temporary_password;
use super::{Importer, Scratch};
use crate::Result;
use crate::compare::{Difference, What};
use crate::export::{Exporter, SettingsSaved, ShrinkGuard};
use crate::model::{Group, Kind, Partition, Record, User};
use crate::pacing::Paced;
use crate::ports::{Backup, Clock, Import, Mapping, MappingState, UserFilter, Version};
use crate::progress::{Progress, Stage};
use crate::read::Snapshot;

/// How long a listing may take to show what was just done.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// A restored pool beside the backup it was restored from.
struct Check<'a> {
    import: &'a Import,
    backup: &'a dyn Backup,
    directory: &'a Paced,
    old: &'a Snapshot,
    new: &'a Snapshot,
    fit: &'a Fit,
    differences: Vec<Difference>,
}

impl Importer {
    /// Lists the new pool and compares it; once more if something differs, for a listing lags
    /// behind what was just done.
    pub(super) async fn check(&self, import: &Import, old: &Snapshot, fit: &Fit) -> Result<Vec<Difference>> {
        let differences = self.check_once(import, old, fit).await?;
        if differences.is_empty() {
            return Ok(differences);
        }
        self.clock.sleep(LOOK_AGAIN_AFTER).await;
        self.check_once(import, old, fit).await
    }

    async fn check_once(&self, import: &Import, old: &Snapshot, fit: &Fit) -> Result<Vec<Difference>> {
        let progress = self.progress.clone();
        let (directory, clock) = (self.directory.clone(), self.clock.clone());
        let settings = SettingsSaved::PoolOnly;
        let new = list_into(&self.scratch, directory, clock, progress, settings).await?;
        self.progress.begin(Stage::Compare, None);
        let check = Check {
            import,
            backup: &*self.backup,
            directory: &self.directory,
            old,
            new: &new,
            fit,
            differences: Vec::new(),
        };
        let differences = check.run(&*self.progress).await?;
        self.progress.end(Stage::Compare);
        Ok(differences)
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
    backup: &dyn Backup,
    directory: &Paced,
    old: &Snapshot,
    new: &Snapshot,
    progress: &dyn Progress,
) -> Result<Vec<Difference>> {
    let fit = Fit::new(new.pool_settings().await?, import.options.clone());
    let check = Check { import, backup, directory, old, new, fit: &fit, differences: Vec::new() };
    check.run(progress).await
}

impl Check<'_> {
    async fn run(mut self, progress: &dyn Progress) -> Result<Vec<Difference>> {
        self.users(progress).await?;
        self.unknown_users().await?;
        self.groups().await?;
        for group in self.backup.group_names(self.old.pool()).await? {
            self.members(&group, progress).await?;
        }
        Ok(self.differences)
    }

    fn note(&mut self, kind: Kind, group: &str, key: &str, what: What) {
        self.differences.push(Difference { kind, group: group.to_owned(), key: key.to_owned(), what });
    }

    async fn mappings(&self, versions: &[Version]) -> Result<HashMap<String, Mapping>> {
        let subs: Vec<String> = versions.iter().map(|version| version.key.clone()).collect();
        let found = self.backup.mappings_of(&self.import.id, &subs).await?;
        Ok(found.into_iter().map(|mapping| (mapping.sub.clone(), mapping)).collect())
    }

    /// Every restored user must be there, with the fields they should have.
    async fn users(&mut self, progress: &dyn Progress) -> Result<()> {
        let old = self.old;
        let mut walk = old.users();
        while let Some(versions) = walk.next().await? {
            let mappings = self.mappings(&versions).await?;
            let listed = self.listed(mappings.values()).await?;
            for version in &versions {
                // Who failed is listed as such; who was never tried is missing.
                let mapping = match mappings.get(&version.key) {
                    Some(mapping) if mapping.state == MappingState::Failed => continue,
                    Some(mapping) => mapping,
                    None => {
                        self.note(Kind::User, "", &version.key, What::Gone);
                        continue;
                    }
                };
                let Record::User(user) = version.record()? else { continue };
                let new_sub = mapping.new_sub.as_deref().unwrap_or_default();
                let found = match listed.get(new_sub) {
                    Some(found) => Some(found.clone()),
                    None => self.look_up(new_sub).await?,
                };
                match found.map(|found| self.differing_fields(&user, &found)) {
                    None => self.note(Kind::User, "", &user.sub, What::Gone),
                    Some(fields) if fields.is_empty() => {}
                    Some(fields) => self.note(Kind::User, "", &user.sub, What::Changed(fields)),
                }
            }
            progress.advance(Stage::Compare, versions.len() as u64);
        }
        Ok(())
    }

    /// The listed users that these became, by their new `sub`.
    async fn listed(&self, mappings: impl Iterator<Item = &Mapping>) -> Result<HashMap<String, User>> {
        let mut by_partition: BTreeMap<Partition, Vec<String>> = BTreeMap::new();
        for sub in mappings.filter_map(|mapping| mapping.new_sub.clone()) {
            by_partition.entry(Partition::of_user(&sub)).or_default().push(sub);
        }
        let mut listed = HashMap::new();
        for (partition, subs) in by_partition {
            for version in self.new.backup().get(self.new.pool(), &partition, &subs, self.new.at).await? {
                if let Record::User(user) = version.record()? {
                    listed.insert(user.sub.clone(), user);
                }
            }
        }
        Ok(listed)
    }

    /// Listings lag behind: a user just created may be missing from them.
    async fn look_up(&self, sub: &str) -> Result<Option<User>> {
        let filter = UserFilter::Equals("sub", sub.to_owned());
        match self.directory.find_users(&filter).await {
            Ok(found) => Ok(found.into_iter().find(|user| user.sub == sub)),
            Err(error) if error.is_fatal() => Err(self.directory.explain(error)),
            Err(_) => Ok(None),
        }
    }

    /// The fields in which a restored user is not as it should be.
    fn differing_fields(&self, old: &User, new: &User) -> Vec<String> {
        let mut fields = Vec::new();
        let expected = self.fit.attributes(old);
        let names: std::collections::BTreeSet<&String> =
            expected.keys().chain(new.attributes.keys()).collect();
        for name in names.into_iter().filter(|name| self.fit.keeps(name)) {
            if expected.get(name) != new.attributes.get(name) {
                fields.push(format!("attributes.{name}"));
            }
        }
        if has_links(old) && !has_links(new) {
            fields.push("attributes.identities".to_owned());
        }
        if old.enabled != new.enabled {
            fields.push("enabled".to_owned());
        }
        let status = if keeps_temporary_password(old) { "FORCE_CHANGE_PASSWORD" } else { "CONFIRMED" };
        if new.status != status {
            fields.push("status".to_owned());
        }
        if !self.fit.target.makes_usernames() && old.username != new.username {
            fields.push("username".to_owned());
        }
        fields
    }

    /// Users in the new pool that no user of the backup became.
    async fn unknown_users(&mut self) -> Result<()> {
        let new = self.new;
        let mut walk = new.users();
        while let Some(versions) = walk.next().await? {
            for version in versions {
                if self.backup.mapping_to(&self.import.id, &version.key).await?.is_none() {
                    self.note(Kind::User, "", &version.key, What::New);
                }
            }
        }
        Ok(())
    }

    async fn groups(&mut self) -> Result<()> {
        let old = all_groups(self.old).await?;
        let mut new = all_groups(self.new).await?;
        for (name, group) in old {
            let found = new.remove(&name);
            if group.is_automatic(self.old.pool()) {
                continue;
            }
            match found.map(|found| differing_group_fields(&group, &found)) {
                None => self.note(Kind::Group, "", &name, What::Gone),
                Some(fields) if fields.is_empty() => {}
                Some(fields) => self.note(Kind::Group, "", &name, What::Changed(fields)),
            }
        }
        for (name, group) in new {
            if !group.is_automatic(self.new.pool()) {
                self.note(Kind::Group, "", &name, What::New);
            }
        }
        Ok(())
    }

    /// Every member whose user was restored must be there, and nobody else.
    async fn members(&mut self, group: &str, progress: &dyn Progress) -> Result<()> {
        let (old, new) = (self.old, self.new);
        if group.strip_prefix(old.pool().as_str()).is_some_and(|rest| rest.starts_with('_')) {
            return Ok(());
        }
        let mut expected: HashSet<String> = HashSet::new();
        let mut walk = old.walk(Partition::members(group));
        while let Some(versions) = walk.next().await? {
            for mapping in self.mappings(&versions).await?.into_values() {
                if let (MappingState::Restored, Some(new_sub)) = (mapping.state, mapping.new_sub) {
                    expected.insert(new_sub);
                }
            }
            progress.advance(Stage::Compare, versions.len() as u64);
        }
        let mut walk = new.walk(Partition::members(group));
        while let Some(versions) = walk.next().await? {
            for version in versions {
                if !expected.remove(&version.key) {
                    self.note(Kind::Membership, group, &version.key, What::New);
                }
            }
        }
        for new_sub in expected {
            let old_sub = self.backup.mapping_to(&self.import.id, &new_sub).await?.map(|mapping| mapping.sub);
            self.note(Kind::Membership, group, &old_sub.unwrap_or(new_sub), What::Gone);
        }
        Ok(())
    }
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
