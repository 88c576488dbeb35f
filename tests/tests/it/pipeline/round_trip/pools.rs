//! Pools of every kind there can be.

use std::collections::{BTreeMap, BTreeSet};

use cognito_profiles_tests::world::World;
use cognito_sim::{
    Config, GroupRecord, IdentityProvider, ListingBehaviour, MfaMode, PoolConfig, Population, ProviderType,
    UserRecord, UserStatus,
};
use proptest::prelude::*;
use proptest::sample::Index;

/// What people sign in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignIn {
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
pub(super) struct Person {
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
pub(super) struct Pool {
    pub(super) sign_in: SignIn,
    pub(super) groups: Vec<GroupRecord>,
    pub(super) people: Vec<Person>,
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

pub(super) fn text() -> impl Strategy<Value = String> {
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

pub(super) fn person() -> impl Strategy<Value = Person> {
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

pub(super) fn group() -> impl Strategy<Value = GroupRecord> {
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

pub(super) fn pool() -> impl Strategy<Value = Pool> {
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
    pub(super) fn world(&self) -> World {
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
    pub(super) fn record(&self, number: usize, sign_in: SignIn, groups: BTreeSet<String>) -> UserRecord {
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
