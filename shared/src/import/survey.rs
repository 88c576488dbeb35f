//! Looks at every record of a backup once and says what a new pool can take of it.

use std::collections::{BTreeMap, HashSet};

use sha2::{Digest, Sha256};

use super::fit::Fit;
use super::plan::{Plan, Problem};
use super::users::keeps_temporary_password;
use crate::model::User;
use crate::run::Totals;
use crate::settings::PoolSettings;

/// A UUID has so many characters.
const SUB_LENGTH: f64 = 36.0;

/// Triggers that fire when an administrator creates a user
/// (Developer Guide, "Customizing user pool workflows with Lambda triggers").
const CREATION_TRIGGERS: [&str; 4] = ["PreSignUp", "CustomMessage", "CustomEmailSender", "CustomSMSSender"];

/// What is found while looking.
pub(super) struct Survey<'a> {
    source: PoolSettings,
    fit: &'a Fit,
    used: BTreeMap<String, u64>,
    problems: BTreeMap<String, u64>,
    names: Vec<UniqueName>,
    /// Users that cannot be created: their memberships wait for them. By hash, to stay small.
    not_created: HashSet<u128>,
    memberships_waiting: u64,
    plan: Plan,
}

/// Whether identities of providers are linked to a user of the pool's own.
pub(super) fn has_links(user: &User) -> bool {
    user.attributes.get("identities").is_some_and(|identities| !matches!(identities.trim(), "" | "[]"))
}

/// How to read a name off a user.
type NameOf = fn(&User) -> Option<&str>;

/// A name that must be unique in the new pool, but need not have been in the old one.
struct UniqueName {
    what: &'static str,
    of: NameOf,
    ignore_case: bool,
    seen: HashSet<u128>,
}

impl<'a> Survey<'a> {
    pub fn new(source: PoolSettings, fit: &'a Fit) -> Self {
        let names = unique_names(&source, &fit.target);
        Self {
            source,
            fit,
            used: BTreeMap::new(),
            problems: BTreeMap::new(),
            names,
            not_created: HashSet::new(),
            memberships_waiting: 0,
            plan: Plan::default(),
        }
    }

    /// Looks at one user.
    pub fn user(&mut self, user: &User) {
        let new = match self.fit.new_user(user) {
            Ok(new) => new,
            Err(reason) => {
                self.not_created.insert(short_hash(&user.sub));
                return self.problem(format!("users: {reason}"));
            }
        };
        for name in user.attributes.keys().filter(|name| self.fit.keeps(name)) {
            *self.used.entry(name.clone()).or_default() += 1;
        }
        if has_links(user) {
            self.problem("users: linked identities of providers are not restored".to_owned());
        }
        for objection in self.fit.objections(&new.attributes) {
            self.problem(format!("users: {objection}"));
        }
        let mut collisions = Vec::new();
        for name in &mut self.names {
            if (name.of)(user).is_some_and(|value| !name.insert(value)) {
                collisions.push(format!(
                    "users: {} is another user's too, and must be unique in the new pool",
                    name.what
                ));
            }
        }
        for collision in collisions {
            self.problem(collision);
        }
        self.plan.users_to_create += 1;
        self.plan.passwords_to_set += u64::from(!keeps_temporary_password(user));
        self.plan.users_to_disable += u64::from(!user.enabled);
    }

    /// Looks at one membership, after all users.
    pub fn membership(&mut self, sub: &str, of_automatic_group: bool) {
        if of_automatic_group || self.not_created.contains(&short_hash(sub)) {
            self.memberships_waiting += 1;
        } else {
            self.plan.memberships_to_add += 1;
        }
    }

    /// What was found.
    pub fn plan(mut self, totals: &Totals, automatic_groups: u64) -> Plan {
        if automatic_groups > 0 {
            self.problems.insert(format!("groups: {}", super::groups::AUTOMATIC), automatic_groups);
        }
        if self.memberships_waiting > 0 {
            let waiting = "memberships: wait for users or groups that no API can create".to_owned();
            self.problems.insert(waiting, self.memberships_waiting);
        }
        let problems = std::mem::take(&mut self.problems);
        Plan {
            totals: *totals,
            incompatible: self.incompatible(),
            notes: self.notes(),
            problems: problems.into_iter().map(|(what, count)| Problem { what, count }).collect(),
            ..self.plan
        }
    }

    fn problem(&mut self, what: String) {
        *self.problems.entry(what).or_default() += 1;
    }

    /// Why the pool cannot take the backup at all.
    fn incompatible(&self) -> Vec<String> {
        let attributes = self.used.iter().filter_map(|(name, users)| self.attribute_objection(name, *users));
        attributes.chain(self.sign_in_objection()).chain(self.old_sub_objection()).collect()
    }

    fn attribute_objection(&self, name: &str, users: u64) -> Option<String> {
        let advice = format!("change the new pool, or pass --drop-attribute {name}");
        let Some(target) = self.fit.target.attribute(name) else {
            return Some(format!("it has no attribute {name}, which {users} users have: {advice}"));
        };
        let source = self.source.attribute(name)?;
        (source.attribute_data_type != target.attribute_data_type).then(|| {
            let (was, is) = (&source.attribute_data_type, &target.attribute_data_type);
            format!("attribute {name} is a {was} in the backup and a {is} in the new pool: {advice}")
        })
    }

    /// Users who signed in by e-mail or phone must be able to do so again.
    fn sign_in_objection(&self) -> Option<String> {
        let target = &self.fit.target;
        let takes = |name: &String| {
            target.username_attributes.contains(name) || target.alias_attributes.contains(name)
        };
        let lost: Vec<&str> =
            self.source.username_attributes.iter().filter(|name| !takes(name)).map(String::as_str).collect();
        (!lost.is_empty()).then(|| {
            let lost = lost.join(" and ");
            format!("users sign in by {lost} in the backup, which the new pool does not take: make one with that as username attribute or alias")
        })
    }

    fn old_sub_objection(&self) -> Option<String> {
        let name = self.fit.options.old_sub_attribute.as_ref()?;
        let Some(attribute) = self.fit.target.attribute(name) else {
            return Some(format!("it has no attribute {name} for --old-sub-attribute: add it as a String"));
        };
        let longest =
            attribute.string_attribute_constraints.max_length.as_ref().and_then(|text| text.parse().ok());
        let fits =
            attribute.attribute_data_type == "String" && longest.is_none_or(|most: f64| most >= SUB_LENGTH);
        (!fits).then(|| {
            format!("attribute {name} cannot hold a sub: it must be a String of at least 36 characters")
        })
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mfa = |pool: &PoolSettings| pool.mfa_configuration.clone().unwrap_or_else(|| "OFF".to_owned());
        let (was, is) = (mfa(&self.source), mfa(&self.fit.target));
        if was != is {
            notes.push(format!("multi-factor authentication was {was} and is {is} in the new pool"));
        }
        if is != "OFF" || was != "OFF" {
            notes.push("no API returns a user's second factor: users set theirs up again".to_owned());
        }
        if self.fit.target.makes_usernames() && !self.source.makes_usernames() {
            notes.push("the new pool makes up usernames: the old ones are kept only in the map".to_owned());
        }
        for trigger in CREATION_TRIGGERS {
            if self.fit.target.lambda_config.get(trigger).is_some_and(|value| !value.is_null()) {
                notes
                    .push(format!("the new pool's {trigger} trigger may run for every user that is created"));
            }
        }
        notes
    }
}

impl UniqueName {
    /// Whether the name was not there before.
    fn insert(&mut self, value: &str) -> bool {
        let hash = if self.ignore_case { short_hash(&value.to_lowercase()) } else { short_hash(value) };
        self.seen.insert(hash)
    }
}

/// The names to watch: unique in the new pool, not already so in the old.
fn unique_names(source: &PoolSettings, target: &PoolSettings) -> Vec<UniqueName> {
    let name =
        |what, of| UniqueName { what, of, ignore_case: !target.is_case_sensitive(), seen: HashSet::new() };
    let has = |list: &[String], name: &str| list.iter().any(|entry| entry == name);
    // An alias need be unique only once it is verified, a username attribute always.
    let will_be = |name| has(&target.username_attributes, name) || has(&target.alias_attributes, name);
    let was = |name| {
        has(&source.username_attributes, name)
            || (has(&source.alias_attributes, name) && !has(&target.username_attributes, name))
    };
    let case_matters_no_more = source.is_case_sensitive() && !target.is_case_sensitive();
    let mut names = Vec::new();
    if !target.makes_usernames() && case_matters_no_more {
        names.push(name("the username", |user| Some(&user.username)));
    }
    let watched: [(&'static str, NameOf); 3] = [
        ("email", |user| user.attributes.get("email").map(String::as_str)),
        ("phone_number", |user| user.attributes.get("phone_number").map(String::as_str)),
        ("preferred_username", |user| user.attributes.get("preferred_username").map(String::as_str)),
    ];
    for (what, of) in watched {
        if will_be(what) && (!was(what) || case_matters_no_more) {
            names.push(name(what, of));
        }
    }
    names
}

/// Half a SHA-256: no two of 40 million texts will share it.
fn short_hash(text: &str) -> u128 {
    let hash = Sha256::digest(text);
    hash.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}
