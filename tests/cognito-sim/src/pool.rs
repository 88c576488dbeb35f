//! One user pool: its users, groups and the indexes over them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::error::ServiceError;
use crate::group::{Group, GroupRecord};
use crate::imports::Job;
use crate::lag::{Lag, Leaves, When};
use crate::pool_config::PoolConfig;
use crate::provider::{self, IdentityProvider, MAX_PROVIDERS};
use crate::resources::Resources;
use crate::rng;
use crate::schema::Schema;
use crate::time::Millis;
use crate::user::{User, UserRecord, UserStatus};

/// Groups a pool may have.
pub(crate) const MAX_GROUPS: usize = 10_000;
/// Groups a user may be in.
pub(crate) const MAX_GROUPS_OF_USER: usize = 100;

/// One user pool.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) id: String,
    pub(crate) config: PoolConfig,
    pub(crate) schema: Schema,
    pub(crate) created: Millis,
    /// Identifies the pool where its name would be too long.
    pub(crate) key: u64,
    seed: u64,
    /// By internal number. Numbers are never used again: a token or an older
    /// state may still hold one.
    users: Vec<Option<User>>,
    live: usize,
    by_name: HashMap<Box<str>, u32>,
    by_sub: HashMap<Box<str>, u32>,
    by_alias: HashMap<(u16, Box<str>), u32>,
    /// Who has which identity: provider and id.
    by_identity: HashMap<(Box<str>, Box<str>), u32>,
    /// All users in the order of listings.
    pub(crate) order: BTreeSet<(u64, u32)>,
    /// The same, under the first two bytes of the `sub`: listings by prefix
    /// must not walk a million users for a page.
    pub(crate) by_prefix: BTreeSet<([u8; 2], u64, u32)>,
    groups: Vec<Group>,
    group_numbers: HashMap<String, u32>,
    pub(crate) group_order: BTreeSet<(u64, u32)>,
    pub(crate) lag: Lag,
    pub(crate) providers: Vec<IdentityProvider>,
    /// Import jobs, the oldest first.
    pub(crate) jobs: Vec<Job>,
    pub(crate) resources: Resources,
    /// The `sub` of every user that became a billed monthly active user.
    pub(crate) billed: HashSet<Box<str>>,
}

pub(crate) fn prefix_of(sub: &str) -> [u8; 2] {
    let mut bytes = sub.bytes();
    [bytes.next().unwrap_or(0), bytes.next().unwrap_or(0)]
}

impl Pool {
    pub(crate) fn new(id: String, config: PoolConfig, seed: u64, now: Millis) -> Result<Self, ServiceError> {
        let schema = Schema::new(&config.schema)?;
        let key = rng::hash(seed, id.as_bytes());
        Ok(Self {
            key,
            seed: key,
            schema,
            id,
            config,
            created: now,
            users: Vec::new(),
            live: 0,
            by_name: HashMap::new(),
            by_sub: HashMap::new(),
            by_alias: HashMap::new(),
            by_identity: HashMap::new(),
            order: BTreeSet::new(),
            by_prefix: BTreeSet::new(),
            groups: Vec::new(),
            group_numbers: HashMap::new(),
            group_order: BTreeSet::new(),
            lag: Lag::default(),
            providers: Vec::new(),
            jobs: Vec::new(),
            resources: Resources::default(),
            billed: HashSet::new(),
        })
    }

    /// How many users there are now.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn reserve(&mut self, more: usize) {
        self.users.reserve(more);
        self.by_sub.reserve(more);
        if !self.signs_in_by_attribute() {
            self.by_name.reserve(more);
        }
    }

    /// Whether people sign in with an address instead of a name.
    pub(crate) fn signs_in_by_attribute(&self) -> bool {
        !self.config.username_attributes.is_empty()
    }

    fn fold(&self, text: &str) -> Box<str> {
        if self.config.case_sensitive { text.into() } else { text.to_lowercase().into() }
    }

    // ---- users -----------------------------------------------------------

    pub(crate) fn user(&self, number: u32) -> Option<&User> {
        self.users.get(number as usize)?.as_ref()
    }

    pub(crate) fn users(&self) -> impl Iterator<Item = &User> {
        self.users.iter().flatten()
    }

    /// The state of a user that listings show.
    pub(crate) fn listed(&self, number: u32) -> Option<&User> {
        match self.lag.before(number) {
            Some(before) => before.as_ref(),
            None => self.user(number),
        }
    }

    /// The number of the user with exactly this name.
    pub(crate) fn by_username(&self, username: &str) -> Option<u32> {
        if let Some(&number) = self.by_name.get(&self.fold(username)) {
            return Some(number);
        }
        self.by_sub
            .get(username)
            .copied()
            .filter(|&number| self.user(number).is_some_and(|user| user.name.is_none()))
    }

    pub(crate) fn by_sub(&self, sub: &str) -> Option<u32> {
        self.by_sub.get(sub).copied()
    }

    /// The number of the user that a request means: by name, `sub` or alias.
    pub(crate) fn find(&self, username: &str) -> Option<u32> {
        self.by_username(username).or_else(|| self.by_sub(username)).or_else(|| {
            ["email", "phone_number", "preferred_username"]
                .into_iter()
                .find_map(|alias| self.alias_holder(alias, username))
        })
    }

    /// Who signs in with this address.
    pub(crate) fn alias_holder(&self, attribute: &str, value: &str) -> Option<u32> {
        let id = self.schema.id(attribute)?;
        self.by_alias.get(&(id, self.fold(value))).copied()
    }

    /// The aliases a user holds: any address it signs in with, or, besides a
    /// name, its verified addresses. Federated users hold none.
    fn aliases(&self, user: &User) -> Vec<(u16, Box<str>)> {
        if user.status == UserStatus::ExternalProvider {
            return Vec::new();
        }
        let mut aliases = Vec::new();
        for name in &self.config.username_attributes {
            if let Some(id) = self.schema.id(name)
                && let Some(value) = user.value(id)
            {
                aliases.push((id, self.fold(value)));
            }
        }
        for name in &self.config.alias_attributes {
            let verified = name == "preferred_username"
                || self
                    .schema
                    .id(&format!("{name}_verified"))
                    .and_then(|id| user.value(id))
                    .is_some_and(|value| value.eq_ignore_ascii_case("true"));
            if verified
                && let Some(id) = self.schema.id(name)
                && let Some(value) = user.value(id)
            {
                aliases.push((id, self.fold(value)));
            }
        }
        aliases
    }

    /// The identities a user came from or is linked to.
    fn identities(&self, user: &User) -> Vec<(Box<str>, Box<str>)> {
        let value = self.schema.id("identities").and_then(|id| user.value(id));
        value.map(provider::identities).unwrap_or_default()
    }

    /// Who has this identity.
    pub(crate) fn identity_holder(&self, provider: &str, id: &str) -> Option<u32> {
        self.by_identity.get(&(provider.into(), id.into())).copied()
    }

    fn index(&mut self, number: u32) {
        let Some(user) = self.user(number) else { return };
        // Who had it first keeps it; requests check before they get here.
        let (aliases, identities) = (self.aliases(user), self.identities(user));
        for alias in aliases {
            self.by_alias.entry(alias).or_insert(number);
        }
        for identity in identities {
            self.by_identity.entry(identity).or_insert(number);
        }
    }

    fn unindex(&mut self, number: u32) {
        let Some(user) = self.user(number) else { return };
        let (aliases, identities) = (self.aliases(user), self.identities(user));
        for alias in aliases {
            if self.by_alias.get(&alias) == Some(&number) {
                self.by_alias.remove(&alias);
            }
        }
        for identity in identities {
            if self.by_identity.get(&identity) == Some(&number) {
                self.by_identity.remove(&identity);
            }
        }
    }

    /// Takes an alias away from whoever holds it.
    pub(crate) fn release_alias(&mut self, attribute: &str, value: &str) {
        if let Some(id) = self.schema.id(attribute) {
            let alias = (id, self.fold(value));
            self.by_alias.remove(&alias);
        }
    }

    /// Adds a user. The name and the `sub` must be free.
    pub(crate) fn add_user(&mut self, record: UserRecord, when: When) -> Result<u32, ServiceError> {
        let exists = || ServiceError::new("UsernameExistsException", "User account already exists");
        let same = record.username.is_empty() || record.username == record.sub;
        if self.by_sub.contains_key(record.sub.as_str())
            || !same && self.by_username(&record.username).is_some()
        {
            return Err(exists());
        }
        let mut groups = Vec::with_capacity(record.groups.len());
        for name in &record.groups {
            groups.push(self.group_number(name).ok_or_else(ServiceError::no_group)?);
        }
        let number = u32::try_from(self.users.len()).map_err(|_| ServiceError::internal())?;
        let place = rng::hash(self.seed, record.sub.as_bytes());
        self.by_sub.insert(record.sub.as_str().into(), number);
        if !same {
            let folded = self.fold(&record.username);
            self.by_name.insert(folded, number);
        }
        self.order.insert((place, number));
        self.by_prefix.insert((prefix_of(&record.sub), place, number));
        for &group in &groups {
            if let Some(group) = self.groups.get_mut(group as usize) {
                group.members.insert((place, number));
            }
        }
        let created = if record.created == 0 { when.now } else { record.created };
        let attributes = record
            .attributes
            .into_iter()
            .map(|(name, value)| (self.schema.intern(&name), value.into_boxed_str()))
            .collect();
        self.users.push(Some(User {
            name: (!same).then(|| record.username.into_boxed_str()),
            sub: record.sub.into_boxed_str(),
            attributes,
            created,
            modified: if record.modified == 0 { created } else { record.modified },
            place,
            groups,
            status: record.status,
            enabled: record.enabled,
            mfa: record.mfa,
        }));
        self.live += 1;
        self.index(number);
        if when.lag > 0 {
            self.lag.remember(number, None, Leaves::Nothing, when);
        }
        Ok(number)
    }

    /// Changes a user.
    pub(crate) fn update(&mut self, number: u32, when: When, change: impl FnOnce(&mut User)) {
        self.remember(number, Leaves::Nothing, when);
        self.unindex(number);
        if let Some(Some(user)) = self.users.get_mut(number as usize) {
            user.modified = when.now;
            change(user);
        }
        self.index(number);
    }

    pub(crate) fn delete_user(&mut self, number: u32, when: When) {
        self.remember(number, Leaves::Pool, when);
        self.unindex(number);
        let Some(user) = self.users.get_mut(number as usize).and_then(Option::take) else {
            return;
        };
        self.live -= 1;
        self.by_sub.remove(&user.sub);
        if let Some(name) = &user.name {
            let folded = self.fold(name);
            self.by_name.remove(&folded);
        }
        if when.lag == 0 {
            self.unlist(number, &user);
        }
    }

    fn unlist(&mut self, number: u32, user: &User) {
        self.order.remove(&(user.place, number));
        self.by_prefix.remove(&(prefix_of(&user.sub), user.place, number));
        for &group in &user.groups {
            if let Some(group) = self.groups.get_mut(group as usize) {
                group.members.remove(&(user.place, number));
            }
        }
    }

    fn remember(&mut self, number: u32, leaves: Leaves, when: When) {
        if when.lag > 0 {
            let before = self.user(number).cloned();
            self.lag.remember(number, before, leaves, when);
        }
    }

    /// Lets listings notice what is old enough.
    pub(crate) fn settle(&mut self, now: Millis) {
        while let Some((number, leaves, before)) = self.lag.next_due(now) {
            let Some(before) = before else { continue };
            match leaves {
                Leaves::Nothing => {}
                Leaves::Pool => self.unlist(number, &before),
                Leaves::Group(group) => {
                    let member = self.user(number).is_some_and(|user| user.groups.contains(&group));
                    if !member && let Some(group) = self.groups.get_mut(group as usize) {
                        group.members.remove(&(before.place, number));
                    }
                }
            }
        }
    }

    // ---- groups ----------------------------------------------------------

    pub(crate) fn group_number(&self, name: &str) -> Option<u32> {
        self.group_numbers.get(name).copied()
    }

    pub(crate) fn group(&self, number: u32) -> Option<&Group> {
        self.groups.get(number as usize)
    }

    /// The groups that exist now.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| !group.deleted())
    }

    pub(crate) fn add_group(&mut self, mut record: GroupRecord, when: When) -> Result<u32, ServiceError> {
        if self.group_numbers.contains_key(&record.name) {
            return Err(ServiceError::new("GroupExistsException", "A group with the name already exists."));
        }
        if self.group_numbers.len() >= MAX_GROUPS {
            return Err(ServiceError::new(
                "LimitExceededException",
                "The number of groups exceeds the limit of the user pool.",
            ));
        }
        if record.created == 0 {
            record.created = when.now;
        }
        if record.modified == 0 {
            record.modified = record.created;
        }
        let number = u32::try_from(self.groups.len()).map_err(|_| ServiceError::internal())?;
        let place = rng::hash(self.seed, record.name.as_bytes());
        self.group_numbers.insert(record.name.clone(), number);
        self.group_order.insert((place, number));
        self.groups.push(Group {
            record,
            place,
            visible_from: if when.lag > 0 { when.now + when.lag } else { 0 },
            visible_until: None,
            members: BTreeSet::new(),
        });
        Ok(number)
    }

    pub(crate) fn update_group(&mut self, number: u32, change: impl FnOnce(&mut GroupRecord)) {
        if let Some(group) = self.groups.get_mut(number as usize) {
            change(&mut group.record);
        }
    }

    pub(crate) fn delete_group(&mut self, number: u32, when: When) {
        let Some(group) = self.groups.get_mut(number as usize) else {
            return;
        };
        group.visible_until = Some(when.now + when.lag);
        let name = group.record.name.clone();
        let place = group.place;
        let members: Vec<_> = group.members.iter().copied().collect();
        for (_, member) in members {
            self.leave(member, number, when);
        }
        self.group_numbers.remove(&name);
        if when.lag == 0 {
            self.group_order.remove(&(place, number));
        }
    }

    /// Adds a user to a group; does nothing if it is in it.
    pub(crate) fn join(&mut self, number: u32, group: u32, when: When) -> Result<(), ServiceError> {
        let Some(user) = self.user(number) else {
            return Err(ServiceError::no_user());
        };
        if user.groups.contains(&group) {
            return Ok(());
        }
        if user.groups.len() >= MAX_GROUPS_OF_USER {
            return Err(ServiceError::new(
                "LimitExceededException",
                "The number of groups a user belongs to exceeds the limit.",
            ));
        }
        self.remember(number, Leaves::Nothing, when);
        if let Some(Some(user)) = self.users.get_mut(number as usize) {
            user.groups.push(group);
            let place = user.place;
            if let Some(group) = self.groups.get_mut(group as usize) {
                group.members.insert((place, number));
            }
        }
        Ok(())
    }

    /// Removes a user from a group; does nothing if it is not in it.
    pub(crate) fn leave(&mut self, number: u32, group: u32, when: When) {
        if !self.user(number).is_some_and(|user| user.groups.contains(&group)) {
            return;
        }
        self.remember(number, Leaves::Group(group), when);
        if let Some(Some(user)) = self.users.get_mut(number as usize) {
            user.groups.retain(|&known| known != group);
            let place = user.place;
            if when.lag == 0
                && let Some(group) = self.groups.get_mut(group as usize)
            {
                group.members.remove(&(place, number));
            }
        }
    }

    // ---- identity providers ----------------------------------------------

    pub(crate) fn provider(&self, name: &str) -> Option<&IdentityProvider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Adds a provider and answers it.
    pub(crate) fn add_provider(
        &mut self,
        provider: IdentityProvider,
    ) -> Result<&IdentityProvider, ServiceError> {
        let same = |known: &IdentityProvider| {
            known.name == provider.name
                || known.idp_identifiers.iter().any(|name| provider.idp_identifiers.contains(name))
        };
        if self.providers.iter().any(same) {
            return Err(ServiceError::new(
                "DuplicateProviderException",
                "A provider with this name or identifier already exists.",
            ));
        }
        if self.providers.len() >= MAX_PROVIDERS {
            return Err(ServiceError::new(
                "LimitExceededException",
                "The number of identity providers exceeds the limit of the user pool.",
            ));
        }
        self.providers.push(provider);
        self.providers.last().ok_or_else(ServiceError::internal)
    }

    /// Place and number of every provider, in the order of listings.
    pub(crate) fn provider_places(&self) -> Vec<(u64, u32)> {
        let place = |provider: &IdentityProvider| rng::hash(self.seed, provider.name.as_bytes());
        let mut places: Vec<(u64, u32)> = self.providers.iter().map(place).zip(0..).collect();
        places.sort_unstable();
        places
    }

    // ---- the truth -------------------------------------------------------

    pub(crate) fn record(&self, user: &User) -> UserRecord {
        UserRecord {
            sub: user.sub.to_string(),
            username: user.username().to_owned(),
            attributes: user
                .attributes
                .iter()
                .map(|(id, value)| (self.schema.name(*id).to_owned().into(), value.to_string()))
                .collect(),
            enabled: user.enabled,
            status: user.status,
            created: user.created,
            modified: user.modified,
            groups: user
                .groups
                .iter()
                .filter_map(|&group| self.group(group))
                .map(|group| group.record.name.clone())
                .collect(),
            mfa: user.mfa,
        }
    }

    pub(crate) fn records(&self) -> BTreeMap<String, UserRecord> {
        self.users().map(|user| (user.sub.to_string(), self.record(user))).collect()
    }
}
