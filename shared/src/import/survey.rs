//! Looks at every record of a backup once and says what a new pool can take of it.

use std::collections::{BTreeMap, HashSet};

use sha2::{Digest, Sha256};

use super::finish::keeps_temporary_password;
use super::fit::{Fit, Route};
use super::plan::{Plan, Problem};
use crate::model::User;
use crate::ports::CreateWith;
use crate::run::Totals;
use crate::settings::PoolSettings;

/// A UUID has so many characters.
const SUB_LENGTH: f64 = 36.0;

/// Triggers that fire when an administrator creates a user
/// (Developer Guide, "Customizing user pool workflows with Lambda triggers").
const CREATION_TRIGGERS: [&str; 4] = ["PreSignUp", "CustomMessage", "CustomEmailSender", "CustomSMSSender"];

/// What is found while looking.
pub(super) struct Survey<'a> {
    /// What the old pool was like; what a pool is by default if nothing is known of it.
    source: PoolSettings,
    is_source_known: bool,
    /// Whether users have names that Cognito did not make up, as it does for a pool that signs in
    /// by e-mail or phone: a user's `sub`.
    have_names: bool,
    fit: &'a Fit,
    used: BTreeMap<String, u64>,
    problems: BTreeMap<String, u64>,
    names: Vec<UniqueName>,
    /// Why users cannot be in an import job.
    without_row: BTreeMap<String, u64>,
    /// Users that cannot be created: their memberships wait for them. By hash, to stay small.
    not_created: HashSet<u128>,
    /// Those who become active by being created, or by a link, though a row carries others.
    active: HashSet<u128>,
    /// Those who become active by a membership, in the shard that is looked at.
    active_by_group: HashSet<u128>,
    memberships_waiting: u64,
    plan: Plan,
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
    pub fn new(source: Option<PoolSettings>, fit: &'a Fit) -> Self {
        let is_source_known = source.is_some();
        let source = source.unwrap_or_default();
        let names = unique_names(&source, &fit.target);
        Self {
            source,
            is_source_known,
            have_names: false,
            fit,
            used: BTreeMap::new(),
            problems: BTreeMap::new(),
            names,
            without_row: BTreeMap::new(),
            not_created: HashSet::new(),
            active: HashSet::new(),
            active_by_group: HashSet::new(),
            memberships_waiting: 0,
            plan: Plan::default(),
        }
    }

    /// Looks at one user.
    pub fn user(&mut self, user: &User) {
        self.have_names |= user.username != user.sub;
        let route = self.fit.route(user);
        if let Route::Not(reason) = route {
            self.not_created.insert(short_hash(&user.sub));
            return self.problem(format!("users: {reason}"));
        }
        for name in user.attributes.keys().filter(|name| self.fit.keeps(name)) {
            *self.used.entry(name.clone()).or_default() += 1;
        }
        if let Route::Api(new) = &route {
            for objection in self.fit.objections(&new.attributes) {
                self.problem(format!("users: {objection}"));
            }
        }
        self.collisions(user);
        self.factors_and_links(user, &route);
        self.plan.users_to_create += 1;
        self.plan.users_to_disable += u64::from(!user.enabled);
        if matches!(route, Route::Row(_)) {
            self.plan.users_by_job += 1;
            return;
        }
        self.plan.passwords_to_set += u64::from(!keeps_temporary_password(user));
        if self.fit.options.create_with == CreateWith::ImportJob {
            self.active.insert(short_hash(&user.sub));
            if let Route::Api(new) = &route
                && let Err(reason) = self.fit.row(user, new)
            {
                *self.without_row.entry(reason).or_default() += 1;
            }
        }
    }

    fn collisions(&mut self, user: &User) {
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
    }

    fn factors_and_links(&mut self, user: &User, route: &Route) {
        match self.fit.mfa_of(user) {
            Some(Err(reason)) => self.problem(format!("users: {reason}")),
            Some(Ok(_)) if matches!(route, Route::Api(_)) => self.plan.factors_to_set += 1,
            _ => {}
        }
        let (links, unknown) = self.fit.links_of(user);
        self.plan.links_to_make += links.len() as u64;
        if !links.is_empty() {
            self.active.insert(short_hash(&user.sub));
        }
        for provider in unknown {
            self.problem(format!("users: the new pool has no identity provider {provider} to link them to"));
        }
    }

    /// Looks at one membership, after all users; at all of a shard one after another.
    pub fn membership(&mut self, sub: &str, of_automatic_group: bool) {
        let user = short_hash(sub);
        if of_automatic_group || self.not_created.contains(&user) {
            self.memberships_waiting += 1;
            return;
        }
        self.plan.memberships_to_add += 1;
        if self.fit.options.create_with == CreateWith::ImportJob && !self.active.contains(&user) {
            self.active_by_group.insert(user);
        }
    }

    /// The next shard of memberships has other users.
    pub fn end_of_shard(&mut self) {
        self.plan.active_users += self.active_by_group.len() as u64;
        self.active_by_group.clear();
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
        let listed = |counted: BTreeMap<String, u64>| {
            counted.into_iter().map(|(what, count)| Problem { what, count }).collect()
        };
        let active_users = match self.fit.options.create_with {
            CreateWith::AdminApi => self.plan.users_to_create,
            CreateWith::ImportJob => self.plan.active_users + self.active.len() as u64,
        };
        Plan {
            totals: *totals,
            incompatible: self.incompatible(),
            notes: self.notes(),
            problems: listed(std::mem::take(&mut self.problems)),
            without_row: listed(std::mem::take(&mut self.without_row)),
            active_users,
            ..self.plan
        }
    }

    fn problem(&mut self, what: String) {
        *self.problems.entry(what).or_default() += 1;
    }

    /// Why the pool cannot take the backup at all.
    fn incompatible(&self) -> Vec<String> {
        let attributes = self.used.iter().filter_map(|(name, users)| self.attribute_objection(name, *users));
        attributes
            .chain(self.sign_in_objection())
            .chain(self.nameless_objection())
            .chain(self.old_sub_objection())
            .chain(self.job_objection())
            .chain(self.column_objection())
            .collect()
    }

    /// Without an attribute to verify, an import job does not even start (Developer Guide,
    /// "Importing users into user pools from a CSV file").
    fn job_objection(&self) -> Option<String> {
        let cannot = self.fit.options.create_with == CreateWith::ImportJob
            && self.fit.target.auto_verified_attributes.is_empty();
        cannot.then(|| {
            "it verifies neither email nor phone_number by itself, as import jobs need it: set its \
             AutoVerifiedAttributes, or create users with the admin API"
                .to_owned()
        })
    }

    /// A file without that column is refused whole (same source).
    fn column_objection(&self) -> Option<String> {
        let name = self.fit.unwritable_column()?;
        Some(format!(
            "the first line of an import job's file cannot name its attribute {name}: create users with the admin API"
        ))
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

    /// The same, where only the users themselves tell how they signed in.
    fn nameless_objection(&self) -> Option<String> {
        let target = &self.fit.target;
        let takes = |name: &str| {
            [&target.username_attributes, &target.alias_attributes]
                .iter()
                .any(|names| names.iter().any(|taken| taken == name))
        };
        let are_nameless = !self.is_source_known && self.plan.users_to_create > 0 && !self.have_names;
        (are_nameless && !takes("email") && !takes("phone_number")).then(|| {
            "users have no names of their own in the backup, so they sign in by email or phone_number, and the new pool takes neither: make one with that as username attribute or alias"
                .to_owned()
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
        if !self.is_source_known {
            notes.push(
                "nothing is known of the old pool's settings, which were not saved: that the new pool has those it needs is not checked"
                    .to_owned(),
            );
        }
        let mfa = |pool: &PoolSettings| pool.mfa_configuration.clone().unwrap_or_else(|| "OFF".to_owned());
        let (was, is) = (mfa(&self.source), mfa(&self.fit.target));
        if was != is && self.is_source_known {
            notes.push(format!("multi-factor authentication was {was} and is {is} in the new pool"));
        }
        if is != "OFF" || was != "OFF" {
            notes.push(
                "no API returns a user's authenticator app or passkey: users set theirs up again".to_owned(),
            );
        }
        let known = |name: &&String| {
            self.fit.target.alias_attributes.contains(name)
                || self.fit.target.username_attributes.contains(name)
        };
        for alias in self.source.alias_attributes.iter().filter(|name| !known(name)) {
            notes.push(format!("users could sign in by {alias}, which is no alias in the new pool"));
        }
        let had_names = if self.is_source_known { !self.source.makes_usernames() } else { self.have_names };
        if self.fit.target.makes_usernames() && had_names {
            notes.push("the new pool makes up usernames: the old ones are kept only in the map".to_owned());
        }
        if self.fit.options.create_with == CreateWith::ImportJob {
            notes.push(
                "users of import jobs are RESET_REQUIRED: when they next sign in, they choose a new password"
                    .to_owned(),
            );
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ports::{ImportOptions, Target};
    use crate::settings::Settings;

    /// The plan of users with these `sub`s and names, each with an e-mail address.
    fn plan(source: Option<Value>, target: Value, users: &[(&str, &str)]) -> Plan {
        let settings = |pool| Settings::new(pool, Value::Null);
        let target = Target { settings: settings(target), ..Target::default() };
        let fit = Fit::new(&target, &ImportOptions::default()).unwrap();
        let mut survey = Survey::new(source.map(|pool| settings(pool).pool().unwrap()), &fit);
        for (sub, username) in users {
            survey.user(&User {
                sub: (*sub).into(),
                username: (*username).into(),
                attributes: [("email".to_owned(), format!("{sub}@example.com"))].into(),
                enabled: true,
                status: "CONFIRMED".into(),
                created_at: None,
                modified_at: None,
                mfa_options: Vec::new(),
            });
        }
        survey.plan(&Totals::default(), 0)
    }

    /// A pool with e-mail addresses, and this besides.
    fn pool(more: &Value) -> Value {
        let mut pool = json!({"SchemaAttributes": [{"Name": "email", "AttributeDataType": "String"}]});
        pool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        pool
    }

    #[test]
    fn without_settings_the_users_tell_how_they_signed_in() {
        let nameless = [("a1", "a1"), ("b2", "b2")];
        let refused = plan(None, pool(&json!({})), &nameless);
        assert_eq!(refused.incompatible.len(), 1, "{:?}", refused.incompatible);
        assert!(refused.incompatible[0].contains("the new pool takes neither"), "{:?}", refused.incompatible);
        for takes in [
            json!({"UsernameAttributes": ["email"]}),
            json!({"UsernameAttributes": ["phone_number"]}),
            json!({"AliasAttributes": ["email"]}),
        ] {
            let taken = plan(None, pool(&takes), &nameless);
            assert_eq!(taken.incompatible, [""; 0]);
        }
        let named = plan(None, pool(&json!({})), &[nameless[0], ("c3", "cleo")]);
        assert_eq!(named.incompatible, [""; 0], "one who has a name has it from a pool that takes names");
        assert_eq!(plan(None, pool(&json!({})), &[]).incompatible, [""; 0], "nobody tells nothing");
    }

    #[test]
    fn says_that_nothing_is_known_and_claims_nothing_else() {
        let target = || pool(&json!({"MfaConfiguration": "OPTIONAL", "UsernameAttributes": ["email"]}));
        let unknown = plan(None, target(), &[("a1", "ann")]).notes.join("; ");
        assert!(unknown.starts_with("nothing is known of the old pool's settings"), "{unknown}");
        assert!(
            !unknown.contains("authentication was") && unknown.contains("makes up usernames"),
            "{unknown}"
        );
        let nameless = plan(None, target(), &[("a1", "a1")]).notes.join("; ");
        assert!(!nameless.contains("makes up usernames"), "{nameless}");
        let known = plan(Some(json!({})), target(), &[("a1", "ann")]).notes.join("; ");
        assert!(!known.contains("nothing is known") && known.contains("authentication was OFF"), "{known}");
    }
}
