//! Any pool there can be, exported and restored, against what the README says that Cognito can give
//! back ("What Cognito can and cannot give back"); any sequence of exports, against what the pool
//! was at the end of each. What is expected is worked out here, from the pool itself and the table
//! alone.

use std::collections::{BTreeMap, BTreeSet};

use cognito_profiles::compare::{Diff, Difference, What};
use cognito_profiles::export::ShrinkGuard;
use cognito_profiles::import::Report;
use cognito_profiles::model::{Kind, PoolId};
use cognito_profiles::ports::{CreateWith, ImportOptions, ImportStatus, Imports as _, Mapping};
use cognito_profiles::read::Snapshot;
use cognito_profiles::run::Run;
use cognito_profiles_tests::fuzz_cases;
use cognito_profiles_tests::mortal::Fate;
use cognito_profiles_tests::world::{Contents, World, scratch};
use cognito_sim::{
    Config, GroupRecord, IdentityProvider, ListingBehaviour, MfaMode, PoolConfig, Population, ProviderType,
    Truth, UserRecord, UserStatus,
};
use proptest::prelude::*;
use proptest::sample::Index;

/// What people sign in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignIn {
    Name,
    Email,
    Phone,
    /// A name, or an alias.
    Alias,
}

/// An address, and what is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    None,
    /// Nothing is said of it.
    Bare,
    Unverified,
    Verified,
}

#[derive(Clone, Debug)]
struct Person {
    name: String,
    attributes: BTreeMap<&'static str, String>,
    email: Address,
    phone: Address,
    status: UserStatus,
    enabled: bool,
    groups: Vec<Index>,
    links: usize,
    sms: bool,
}

#[derive(Clone, Debug)]
struct Pool {
    sign_in: SignIn,
    groups: Vec<GroupRecord>,
    people: Vec<Person>,
}

const LINKED: [ProviderType; 2] = [ProviderType::Google, ProviderType::Facebook];

/// Texts that break whoever quotes, escapes, trims, folds or counts carelessly.
const HOSTILE: [&str; 22] = [
    "",
    " ",
    "a, b",
    ",",
    "\"quoted\"",
    "back\\slash\\,",
    "\\",
    "line\nbreak",
    "\r\n",
    "\ttab",
    " both ends ",
    "\u{a0}no break",
    "\u{feff}mark",
    "control \u{1}\u{7f}\u{85}",
    "line \u{2028} separator",
    "\u{202e}right to left\u{202c} مرحبا שלום",
    "👩‍👩‍👧‍👦 🇩🇪",
    "e\u{301} \u{e9} \u{130} \u{df}",
    "=HYPERLINK(\"x\")",
    "null",
    "' OR 1=1 --",
    "\u{10ffff}\u{fffe}",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9 .]{1,12}".prop_map(|text: String| format!("x{text}x")),
        3 => prop::sample::select(&HOSTILE[..]).prop_map(str::to_owned),
        2 => any::<String>().prop_map(|text| text.chars().take(40).collect()),
        1 => prop::sample::select(vec!["x", "é", "👍", ","]).prop_map(|letter| letter.repeat(2048)),
    ]
}

/// What the name of a user or a group may be made of: no separators, no control characters.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        "[\\p{L}\\p{M}\\p{S}\\p{N}\\p{P}]{1,10}",
        prop::sample::select(vec![
            "a,b",
            "\"q\"",
            "b\\s",
            "\\,",
            "#",
            "a#b",
            "$",
            "../",
            "%25",
            "Ann",
            "日本語",
            "👍",
            "ſ",
            "İ",
            "=1+1",
        ])
        .prop_map(str::to_owned),
        "[a-z]{120}",
    ]
}

fn attributes() -> impl Strategy<Value = BTreeMap<&'static str, String>> {
    let texts = prop::collection::btree_map(
        prop::sample::select(vec![
            "name",
            "given_name",
            "nickname",
            "address",
            "locale",
            "custom:field00",
            "custom:field01",
        ]),
        text(),
        0..5,
    );
    let others = (
        prop::option::of(prop_oneof![
            Just("1999-12-31".to_owned()),
            Just("2000-02-29".to_owned()),
            Just("0001-01-01".to_owned()),
            Just("1999-02-30".to_owned()),
            Just("no date,\\\n".chars().cycle().take(10).collect::<String>()),
        ]),
        prop::option::of(0..=u64::from(u32::MAX)),
        prop::option::of(
            prop_oneof![4 => (0..=1_000_000_i64).prop_map(|level| level.to_string()), 1 => Just(String::new())],
        ),
        prop::option::of(any::<bool>()),
        prop::option::weighted(
            0.2,
            prop::sample::select(vec!["2020-02-29", "1700000000", "2020-02-29T01:02:03Z"]),
        ),
        prop::option::of(text().prop_filter("64 at most", |text| text.chars().count() <= 64)),
    );
    (texts, others).prop_map(|(mut all, (birthdate, updated, level, opted_in, since, tenant))| {
        all.extend(birthdate.map(|value| ("birthdate", value)));
        all.extend(updated.map(|value| ("updated_at", value.to_string())));
        all.extend(level.map(|value| ("custom:level", value)));
        all.extend(opted_in.map(|value| ("custom:opted_in", value.to_string())));
        all.extend(since.map(|value| ("custom:since", value.to_owned())));
        all.extend(tenant.map(|value| ("custom:tenant", value)));
        all
    })
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![
        3 => Just(Address::Verified),
        1 => Just(Address::None),
        1 => Just(Address::Bare),
        1 => Just(Address::Unverified),
    ]
}

fn status() -> impl Strategy<Value = UserStatus> {
    use UserStatus as S;
    prop_oneof![
        5 => Just(S::Confirmed),
        5 => prop::sample::select(vec![
            S::Unconfirmed, S::Archived, S::Compromised, S::Unknown, S::ResetRequired, S::ForceChangePassword,
        ]),
        2 => Just(S::ExternalProvider),
    ]
}

fn person() -> impl Strategy<Value = Person> {
    let state = (status(), prop::bool::weighted(0.8), prop::collection::vec(any::<Index>(), 0..4));
    let more = (prop_oneof![4 => Just(0_usize), 1 => 1..=2_usize], prop::bool::weighted(0.2));
    (name(), attributes(), address(), address(), state, more).prop_map(
        |(name, attributes, email, phone, (status, enabled, groups), (links, sms))| Person {
            name,
            attributes,
            email,
            phone,
            status,
            enabled,
            groups,
            links,
            sms,
        },
    )
}

fn group() -> impl Strategy<Value = GroupRecord> {
    let description = text().prop_filter("Cognito takes no empty one", |text| !text.is_empty());
    let role = prop::option::of(Just("arn:aws:iam::123456789012:role/group".to_owned()));
    let precedence = prop::option::of(prop_oneof![Just(0), any::<u32>().prop_map(|number| number >> 1)]);
    (name(), prop::option::of(description), precedence, role).prop_map(
        |(name, description, precedence, role_arn)| GroupRecord {
            description,
            precedence,
            role_arn,
            ..GroupRecord::new(name)
        },
    )
}

fn pool() -> impl Strategy<Value = Pool> {
    let sign_in =
        prop_oneof![Just(SignIn::Name), Just(SignIn::Email), Just(SignIn::Phone), Just(SignIn::Alias)];
    (sign_in, prop::collection::vec(group(), 0..4), prop::collection::vec(person(), 0..7)).prop_map(
        |(sign_in, mut groups, people)| {
            // Each has a name of its own.
            let mut names = BTreeSet::new();
            groups.retain(|group| names.insert(group.name.clone()));
            Pool { sign_in, groups, people }
        },
    )
}

impl Pool {
    fn config(&self) -> PoolConfig {
        let base = Population { email_sign_in: false, ..Population::plain(0, 0, 1) }.pool_config("source");
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let base = PoolConfig { mfa: MfaMode::Optional, sms_mfa: true, ..base };
        match self.sign_in {
            SignIn::Name => base,
            SignIn::Email => PoolConfig { username_attributes: list(&["email"]), ..base },
            SignIn::Phone => PoolConfig {
                username_attributes: list(&["phone_number"]),
                auto_verified_attributes: list(&["phone_number"]),
                ..base
            },
            SignIn::Alias => PoolConfig { alias_attributes: list(&["email", "preferred_username"]), ..base },
        }
    }

    /// A world with this pool, and a group that Cognito made itself.
    fn world(&self) -> World {
        let config = Config { listing: ListingBehaviour::awkward(), ..Config::seeded(7) };
        World::of(self.config(), config, |admin, pool| {
            for kind in LINKED {
                admin.create_identity_provider(pool, IdentityProvider::social(kind)).unwrap();
            }
            admin
                .add_groups(
                    pool,
                    self.groups.iter().cloned().chain([GroupRecord::new(format!("{pool}_Google"))]),
                )
                .unwrap();
            for (number, person) in self.people.iter().enumerate() {
                let groups = person.groups_of(&self.groups, pool);
                admin.create_user(pool, person.record(number, self.sign_in, groups)).unwrap();
            }
        })
    }
}

impl Person {
    fn groups_of(&self, groups: &[GroupRecord], pool: &str) -> BTreeSet<String> {
        let own = (self.status == UserStatus::ExternalProvider).then(|| format!("{pool}_Google"));
        let joined = self.groups.iter().filter(|_| !groups.is_empty()).map(|at| at.get(groups).name.clone());
        joined.chain(own).collect()
    }

    /// The user, whose name and addresses are nobody else's.
    fn record(&self, number: usize, sign_in: SignIn, groups: BTreeSet<String>) -> UserRecord {
        let is_federated = self.status == UserStatus::ExternalProvider;
        let has_name = matches!(sign_in, SignIn::Name | SignIn::Alias);
        let username = match (is_federated, has_name) {
            (true, _) => format!("google_{number}"),
            // What looks like an address cannot be a name where addresses are aliases.
            (false, true) => format!("{number}-{}", self.name.replace('@', "a")),
            (false, false) => String::new(),
        };
        let mut user = UserRecord::new(username).status(self.status);
        user.enabled = self.enabled;
        user.groups = groups.into_iter().collect();
        let attributes = self.attributes.iter().map(|(name, value)| ((*name).into(), value.clone()));
        user.attributes.extend(attributes);
        let email = format!("user{number}+ü'%@example.com");
        for (name, value, address) in
            [("email", email, self.email), ("phone_number", format!("+49151{number:08}"), self.phone)]
        {
            if address != Address::None {
                user = user.with(name, value);
            }
            if matches!(address, Address::Verified | Address::Unverified) {
                user = user.with(format!("{name}_verified"), (address == Address::Verified).to_string());
            }
        }
        if sign_in == SignIn::Alias {
            user = user.with("preferred_username", format!("p{number}"));
        }
        if is_federated {
            return user.linked("Google", ProviderType::Google, &number.to_string());
        }
        for kind in LINKED.into_iter().take(self.links) {
            user = user.linked(kind.name(), kind, &format!("7{number}"));
        }
        if self.sms && self.phone == Address::Verified { user.with_sms_mfa() } else { user }
    }
}

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

fn truth(world: &World, pool: &str) -> Truth {
    world.change(|admin| admin.truth(pool)).unwrap()
}

/// Restores a run into a new pool, and judges that by what the old pool was.
async fn comes_back(
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

/// One thing that happens to a pool.
#[derive(Clone, Debug)]
enum Event {
    Came(Person),
    Left(Index),
    Changed(Index, &'static str, String),
    Enabled(Index, bool),
    Joined(Index, Index),
    Parted(Index),
    GroupMade(GroupRecord),
    GroupGone(Index),
    GroupChanged(Index, Option<u32>),
}

fn event() -> impl Strategy<Value = Event> {
    let changed = prop::sample::select(vec!["name", "nickname", "custom:field00"]);
    prop_oneof![
        person().prop_map(Event::Came),
        any::<Index>().prop_map(Event::Left),
        (any::<Index>(), changed, text()).prop_map(|(who, name, value)| Event::Changed(who, name, value)),
        (any::<Index>(), any::<bool>()).prop_map(|(who, enabled)| Event::Enabled(who, enabled)),
        (any::<Index>(), any::<Index>()).prop_map(|(who, group)| Event::Joined(who, group)),
        any::<Index>().prop_map(Event::Parted),
        group().prop_map(Event::GroupMade),
        any::<Index>().prop_map(Event::GroupGone),
        (any::<Index>(), prop::option::of(0..9_u32))
            .prop_map(|(which, precedence)| Event::GroupChanged(which, precedence)),
    ]
}

/// Lets it happen, if there is someone or something to happen to.
fn happen(world: &World, sign_in: SignIn, number: usize, event: &Event) {
    let truth = truth(world, &world.pool);
    let subs: Vec<&String> = truth.users.keys().collect();
    let groups: Vec<&String> = truth.groups.keys().collect();
    let members: Vec<(String, String)> = truth.memberships().into_iter().collect();
    let (of_users, of_groups) = (!subs.is_empty(), !groups.is_empty());
    let user = |who: &Index| subs[who.index(subs.len())].clone();
    let named = |which: &Index| groups[which.index(groups.len())].clone();
    world
        .change(|admin| {
            let pool = &world.pool;
            match event {
                Event::Came(person) => {
                    admin.create_user(pool, person.record(1000 + number, sign_in, BTreeSet::new())).map(drop)
                }
                Event::Left(who) if of_users => admin.delete_user(pool, &user(who)),
                Event::Changed(who, name, value) if of_users => admin.update_user(pool, &user(who), |user| {
                    user.attributes.retain(|(known, _)| known != name);
                    user.attributes.push(((*name).into(), value.clone()));
                }),
                Event::Enabled(who, enabled) if of_users => {
                    admin.update_user(pool, &user(who), |user| user.enabled = *enabled)
                }
                Event::Joined(who, group) if of_users && of_groups => {
                    admin.join(pool, &user(who), &named(group))
                }
                Event::Parted(which) if !members.is_empty() => {
                    let (group, sub) = which.get(&members);
                    admin.leave(pool, sub, group)
                }
                Event::GroupMade(group) if !truth.groups.contains_key(&group.name) => {
                    admin.create_group(pool, group.clone())
                }
                Event::GroupGone(which) if of_groups => admin.delete_group(pool, &named(which)),
                Event::GroupChanged(which, precedence) if of_groups => {
                    admin.update_group(pool, &named(which), |group| group.precedence = *precedence)
                }
                _ => Ok(()),
            }
        })
        .unwrap();
}

type Found = BTreeSet<(Kind, String, String, Option<Vec<String>>)>;

/// What is different by the backup. When a record was made and modified is not what it is.
async fn found(world: &World, first: &Run, second: &Run) -> Found {
    let of = |run: &Run| Snapshot::of(world.store.clone(), run.clone()).unwrap();
    let (first, second) = (of(first), of(second));
    let (mut diff, mut all) = (Diff::new(&first, &second).await.unwrap(), Found::new());
    while let Some(some) = diff.next().await.unwrap() {
        for Difference { kind, group, key, what } in some {
            let fields = match what {
                What::New => Some(vec!["new".to_owned()]),
                What::Gone => None,
                What::Changed(mut fields) => {
                    fields.retain(|field| !matches!(&**field, "created_at" | "modified_at"));
                    if fields.is_empty() {
                        continue;
                    }
                    Some(fields)
                }
            };
            all.insert((kind, group, key, fields));
        }
    }
    all
}

/// What is different in truth.
fn differs(first: &Contents, second: &Contents) -> Found {
    let mut all = Found::new();
    let mut note =
        |kind, group: &str, key: &str, fields| all.insert((kind, group.to_owned(), key.to_owned(), fields));
    let new = || Some(vec!["new".to_owned()]);
    let keys =
        |a: Vec<&String>, b: Vec<&String>| a.into_iter().chain(b).cloned().collect::<BTreeSet<String>>();
    for sub in keys(first.users.keys().collect(), second.users.keys().collect()) {
        match (first.users.get(&sub), second.users.get(&sub)) {
            (Some(a), Some(b)) if a != b => {
                let names = keys(a.3.keys().collect(), b.3.keys().collect());
                let names = names.into_iter().filter(|name| a.3.get(name) != b.3.get(name));
                let mut fields: Vec<String> = names.map(|name| format!("attributes.{name}")).collect();
                fields.extend((a.1 != b.1).then(|| "enabled".to_owned()));
                note(Kind::User, "", &sub, Some(fields))
            }
            (Some(_), None) => note(Kind::User, "", &sub, None),
            (None, Some(_)) => note(Kind::User, "", &sub, new()),
            _ => true,
        };
    }
    for name in keys(first.groups.keys().collect(), second.groups.keys().collect()) {
        match (first.groups.get(&name), second.groups.get(&name)) {
            (Some(a), Some(b)) if a != b => {
                let differ =
                    [(a.0 != b.0, "description"), (a.1 != b.1, "precedence"), (a.2 != b.2, "role_arn")];
                let fields = differ.into_iter().filter(|(differs, _)| *differs);
                let mut fields: Vec<String> = fields.map(|(_, field)| field.to_owned()).collect();
                // One that was made anew under the name.
                fields.sort();
                note(Kind::Group, "", &name, Some(fields))
            }
            (Some(_), None) => note(Kind::Group, "", &name, None),
            (None, Some(_)) => note(Kind::Group, "", &name, new()),
            _ => true,
        };
    }
    for (group, sub) in first.memberships.difference(&second.memberships) {
        note(Kind::Membership, group, sub, None);
    }
    for (group, sub) in second.memberships.difference(&first.memberships) {
        note(Kind::Membership, group, sub, new());
    }
    all
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases: fuzz_cases(cases),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..ProptestConfig::default()
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn any_pool_comes_back_but_for_what_the_table_says(pool in pool(), by_job in any::<bool>(), providers in prop::bool::weighted(0.8)) {
        block_on(async {
            let world = pool.world();
            let run = world.export().await.unwrap();
            let old = truth(&world, &world.pool);
            prop_assert_eq!(world.saved(&run).await.unwrap(), world.truth(&world.pool));
            comes_back(&world, &run, (pool.sign_in, old), (by_job, providers)).await
        })?;
    }
}

proptest! {
    #![proptest_config(config(20))]

    /// As each run saved it, as they differ, and as one of them comes back after all the others.
    #[test]
    fn any_sequence_of_exports_reads_back_and_differs_as_the_pool_did(
        pool in pool(),
        history in prop::collection::vec(prop::collection::vec(event(), 0..5), 0..4),
        which in any::<Index>(),
        by_job in any::<bool>(),
    ) {
        block_on(async {
            let world = pool.world();
            let exporter = world.exporter(&Fate::immortal());
            let guard = ShrinkGuard { allow: true, ..ShrinkGuard::default() };
            let mut runs = Vec::new();
            for (part, events) in std::iter::once(&Vec::new()).chain(&history).enumerate() {
                for (number, event) in events.iter().enumerate() {
                    happen(&world, pool.sign_in, part * 10 + number, event);
                }
                let run = exporter.export(&guard).await.unwrap();
                runs.push((run, truth(&world, &world.pool), world.truth(&world.pool)));
            }
            for (run, _, was) in &runs {
                prop_assert_eq!(&world.saved(run).await.unwrap(), was);
            }
            for pair in runs.windows(2) {
                prop_assert_eq!(found(&world, &pair[0].0, &pair[1].0).await, differs(&pair[0].2, &pair[1].2));
            }
            let (first, last) = (&runs[0], &runs[runs.len() - 1]);
            prop_assert_eq!(found(&world, &first.0, &last.0).await, differs(&first.2, &last.2));
            prop_assert_eq!(found(&world, &last.0, &first.0).await, differs(&last.2, &first.2));
            let (run, was, _) = which.get(&runs);
            comes_back(&world, run, (pool.sign_in, was.clone()), (by_job, true)).await
        })?;
    }
}

/// The one property in which nothing may be refused: so a judge who let all pass would show.
#[test]
fn the_judge_finds_what_is_not_as_it_was() {
    let pool = Pool { sign_in: SignIn::Name, groups: vec![GroupRecord::new("g")], people: vec![] };
    block_on(async {
        let world = pool.world();
        let sub = world
            .change(|admin| admin.create_user(&world.pool, UserRecord::new("ann").in_group("g")))
            .unwrap();
        let run = world.export().await.unwrap();
        let was = truth(&world, &world.pool);
        comes_back(&world, &run, (SignIn::Name, was.clone()), (false, true)).await.unwrap();
        let judged = async |change: fn(&mut UserRecord)| {
            let mut other = was.clone();
            other.users.get_mut(&sub).map(change).unwrap();
            comes_back(&world, &run, (SignIn::Name, other), (false, true)).await
        };
        assert!(judged(|user| user.enabled = false).await.is_err());
        assert!(judged(|user| user.status = UserStatus::Unconfirmed).await.is_err());
        assert!(judged(|user| user.groups.clear()).await.is_err());
        assert!(judged(|user| user.attributes.push(("name".into(), "Ann".into()))).await.is_err());
    });
}
