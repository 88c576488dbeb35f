//! What a restored pool must be, by the README's table and the old pool alone.

use std::collections::{BTreeMap, BTreeSet};

use cognito_profiles::import::Report;
use cognito_profiles::model::{Kind, PoolId};
use cognito_profiles::ports::{CreateWith, ImportOptions, ImportStatus, Imports as _, Mapping};
use cognito_profiles::run::Run;
use cognito_profiles_tests::mortal::Fate;
use cognito_profiles_tests::world::{World, scratch};
use cognito_sim::{GroupRecord, Truth, UserRecord, UserStatus};
use proptest::prelude::*;

use super::pools::SignIn;

/// The attributes of a user that a restore gives back. An empty value is none; a row of an import
/// job says of each address whether it is verified.
fn given_back(user: &UserRecord, with: CreateWith) -> BTreeMap<&str, &str> {
    let is_kept = |name: &str, value: &str| {
        let is_said_by_row = with == CreateWith::ImportJob && name.ends_with("_verified") && value == "false";
        !value.is_empty() && name != "identities" && !is_said_by_row
    };
    let attributes = user.attributes.iter().map(|(name, value)| (&**name, value.as_str()));
    attributes.filter(|(name, value)| is_kept(name, value)).collect()
}

/// Provider and id of each identity.
fn identities(user: &UserRecord) -> BTreeSet<(String, String)> {
    let text = user.attribute("identities").unwrap_or("[]");
    let entries: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    let word = |entry: &serde_json::Value, name: &str| entry[name].as_str().unwrap().to_owned();
    entries.iter().map(|entry| (word(entry, "providerName"), word(entry, "userId"))).collect()
}

/// Whether any row of an import job could carry the user, and whether none could.
fn row(user: &UserRecord, sign_in: SignIn) -> (bool, bool) {
    let address = if sign_in == SignIn::Phone { "phone_number" } else { "email" };
    let is_verified =
        user.attribute(address).is_some() && user.attribute(&format!("{address}_verified")) == Some("true");
    let texts: Vec<&str> = user
        .attributes
        .iter()
        .filter(|(name, _)| name != "identities")
        .map(|(_, value)| value.as_str())
        .chain([&*user.username])
        .collect();
    let is_plain = |text: &&str| {
        !text.is_empty()
            && text.len() < 100
            && text.chars().all(|c| c.is_ascii_graphic() && !"\\\"".contains(c))
    };
    let is_impossible = |text: &&str| text.contains(['\n', '\r']);
    let (date, birth) = (user.attribute("custom:since"), user.attribute("birthdate"));
    let is_date = birth.is_none_or(|birth| matches!(birth, "1999-12-31" | "2000-02-29" | "0001-01-01"));
    let can = is_verified && date.is_none() && is_date && texts.iter().all(is_plain);
    (can, !is_verified || date.is_some() || !is_date || texts.iter().any(is_impossible))
}

/// Judges a restored pool by the table.
struct Judge<'a> {
    world: &'a World,
    sign_in: SignIn,
    old: Truth,
    new: Truth,
    mappings: BTreeMap<String, Mapping>,
    by_job: bool,
    /// Whether the new pool has the providers of the old.
    providers: bool,
}

impl Judge<'_> {
    /// Why a user cannot be in the new pool.
    fn is_impossible(&self, user: &UserRecord) -> bool {
        let lacks = |name| user.attribute(name).is_none();
        user.status == UserStatus::ExternalProvider
            || (self.sign_in == SignIn::Email && lacks("email"))
            || (self.sign_in == SignIn::Phone && lacks("phone_number"))
    }

    fn is_automatic(&self, group: &str) -> bool {
        group.starts_with(&format!("{}_", self.world.pool))
    }

    /// Everything that is to be listed as not done.
    fn failures(&self) -> BTreeSet<(Kind, String)> {
        let mut failures = BTreeSet::new();
        for user in self.old.users.values() {
            let is_unlinked = !self.providers && !identities(user).is_empty();
            if self.is_impossible(user) || is_unlinked {
                failures.insert((Kind::User, user.sub.clone()));
            }
        }
        failures.extend(
            self.old
                .groups
                .keys()
                .filter(|name| self.is_automatic(name))
                .map(|name| (Kind::Group, name.clone())),
        );
        let waits = |(group, sub): &(String, String)| {
            self.is_automatic(group) || self.is_impossible(&self.old.users[sub])
        };
        let waiting = self.old.memberships().into_iter().filter(waits);
        failures.extend(waiting.map(|(group, sub)| (Kind::Membership, format!("{group}/{sub}"))));
        failures
    }

    fn user(&self, user: &UserRecord) -> std::result::Result<(), TestCaseError> {
        let mapping = &self.mappings[&user.sub];
        prop_assert_eq!(mapping.new_sub.is_none(), self.is_impossible(user), "{:?}", mapping.reason);
        let Some(new) = mapping.new_sub.as_ref().map(|sub| &self.new.users[sub]) else { return Ok(()) };
        let with = mapping.created_with;
        let (can, cannot) = row(user, self.sign_in);
        match with {
            CreateWith::ImportJob => prop_assert!(self.by_job && !cannot),
            CreateWith::AdminApi => prop_assert!(!self.by_job || !can),
        }
        prop_assert_eq!(given_back(new, with), given_back(user, with));
        prop_assert_eq!((new.enabled, new.mfa.sms), (user.enabled, user.mfa.sms));
        let status = match (with, user.status) {
            (CreateWith::ImportJob, _) => UserStatus::ResetRequired,
            (_, UserStatus::Unconfirmed | UserStatus::ForceChangePassword) => UserStatus::ForceChangePassword,
            _ => UserStatus::Confirmed,
        };
        prop_assert_eq!(new.status, status);
        if matches!(self.sign_in, SignIn::Name | SignIn::Alias) {
            prop_assert_eq!(&new.username, &user.username);
        }
        let linked = if self.providers { identities(user) } else { BTreeSet::new() };
        prop_assert_eq!(identities(new), linked);
        Ok(())
    }

    fn pool(&self, report: &Report) -> std::result::Result<(), TestCaseError> {
        for user in self.old.users.values() {
            self.user(user)?;
        }
        let became: BTreeSet<&String> =
            self.mappings.values().filter_map(|mapping| mapping.new_sub.as_ref()).collect();
        prop_assert!(became.into_iter().eq(self.new.users.keys()), "each is one old user");
        let new_sub = |sub: &String| self.mappings[sub].new_sub.clone();
        let members = self.old.memberships().into_iter().filter(|(group, _)| !self.is_automatic(group));
        let members: BTreeSet<_> = members.filter_map(|(group, sub)| Some((group, new_sub(&sub)?))).collect();
        prop_assert_eq!(self.new.memberships(), members);
        let fields = |group: &GroupRecord| {
            (group.name.clone(), group.description.clone(), group.precedence, group.role_arn.clone())
        };
        let old = self.old.groups.values().filter(|group| !self.is_automatic(&group.name));
        prop_assert!(old.map(fields).eq(self.new.groups.values().map(fields)), "groups");
        let listed: BTreeSet<_> =
            report.failures.iter().map(|failure| (failure.record, failure.key.clone())).collect();
        let expected = self.failures();
        prop_assert_eq!(&listed, &expected);
        prop_assert_eq!(&report.differences[..], &[]);
        let is_complete = report.import.status == ImportStatus::Complete;
        prop_assert_eq!(is_complete, expected.is_empty());
        prop_assert_eq!(self.world.cognito.meter().messages_sent, 0);
        Ok(())
    }
}

pub(super) fn truth(world: &World, pool: &str) -> Truth {
    world.change(|admin| admin.truth(pool)).unwrap()
}

/// Restores a run into a new pool, and judges that by what the old pool was.
pub(super) async fn comes_back(
    world: &World,
    run: &Run,
    (sign_in, old): (SignIn, Truth),
    (by_job, providers): (bool, bool),
) -> std::result::Result<(), TestCaseError> {
    let target = if providers { world.empty_pool() } else { world.empty_pool_without_providers() };
    let importer = world.importer(&target, &Fate::immortal());
    let create_with = if by_job { CreateWith::ImportJob } else { CreateWith::AdminApi };
    let options = ImportOptions { create_with, ..ImportOptions::default() };
    let snapshot =
        importer.find_snapshot(Some(&PoolId::new(&world.pool)), Some(run.id.as_str())).await.unwrap();
    let prepared = importer.prepare(snapshot, options).await.unwrap();
    let report = importer.import(prepared, &scratch()).await.unwrap();
    let mappings = world.store.mappings(&report.import.id, None, usize::MAX).await.unwrap();
    let mappings = mappings.into_iter().map(|mapping| (mapping.sub.clone(), mapping)).collect();
    let new = truth(world, &target);
    Judge { world, sign_in, old, new, mappings, by_job, providers }.pool(&report)
}
