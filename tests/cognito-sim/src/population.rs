//! People to fill a pool with, ordinary and odd.

use crate::admin::Admin;
use crate::error::ServiceError;
use crate::group::GroupRecord;
use crate::pool_config::{MfaMode, PoolConfig};
use crate::provider::{IdentityProvider, ProviderType};
use crate::rng::Rng;
use crate::schema::{DataType, SchemaAttribute};
use crate::time::Millis;
use crate::user::{UserRecord, UserStatus};

const GIVEN: &[&str] = &[
    "Ann", "Björn", "Chloé", "Dmitri", "Elif", "Fatima", "Giulia", "Hiroshi", "Ines", "João", "Kim",
    "Łukasz", "Mei", "Nuño", "Olga", "Priya", "Quentin", "Rania", "Søren", "Thị",
];
const FAMILY: &[&str] = &[
    "Smith",
    "Müller",
    "García",
    "Nguyễn",
    "Kowalski",
    "O'Brien",
    "Sato",
    "Silva",
    "Öztürk",
    "Ivanov",
    "Kumar",
    "Rossi",
    "van der Berg",
    "Haddad",
    "Jensen",
    "Chen",
];
/// Values that break whoever quotes, escapes or trims carelessly.
const HOSTILE: &[&str] = &[
    "comma, \"quote\" and 'apostrophe'",
    "line\nbreak and\r\nanother",
    "tab\there, back\\slash, \\, \\n",
    "control \u{1}\u{8}\u{1b}[31m\u{7f}\u{85}",
    "👩‍👩‍👧‍👦 🇩🇪 👍🏽",
    "\u{202e}right to left\u{202c} مرحبا שלום",
    "<script>alert('x')</script> &amp; <!--",
    "=1+1",
    "=HYPERLINK(\"http://example.com\")",
    "@SUM(A1)",
    "  leading and trailing  ",
    "null",
    "{{USERNAME}} ${jndi} %s %n $(id) `id`",
    "e\u{301} and \u{e9}, \u{fb01}, \u{130}\u{131}",
    "\u{feff}byte order mark, zero\u{200b}width, \u{2028} separator",
    "'; DROP TABLE users; --",
    "\u{10ffff}\u{fffd}",
];
/// Where linked identities are, the first ones more often.
const LINKED: [ProviderType; 2] = [ProviderType::Google, ProviderType::Facebook];
/// No spaces: Cognito's group names cannot have any.
const ODD_GROUPS: &[&str] = &[
    "admins",
    "größe#1",
    "a/b/c",
    "日本語グループ",
    "#",
    "👍",
    "Users",
    "users",
    "..",
    "a\"b'c",
    "x%20y&z=1",
    "<group>",
    "-",
    "__proto__",
    "null",
    "GROUPS#MEMBERS#00",
];

/// A seeded set of users, groups and memberships.
///
/// ```
/// use cognito_sim::{Cognito, Config, Population};
///
/// let cognito = Cognito::new(Config::seeded(1));
/// let people = Population::realistic(1_000, 10, 7);
/// cognito.admin(1_700_000_000_000, |admin| {
///     let pool = admin.create_pool(people.pool_config("people"))?;
///     people.fill(admin, &pool)
/// })?;
/// # Ok::<_, cognito_sim::ServiceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Population {
    /// Decides everything below.
    pub seed: u64,
    /// How many users.
    pub users: usize,
    /// How many groups besides those made for identity providers.
    pub groups: usize,
    /// The most groups one user is put in; on average half of that.
    pub groups_per_user: usize,
    /// How many in a hundred are odd in each way: federated, unconfirmed,
    /// disabled, without an address, with hostile text.
    pub odd_percent: u64,
    /// How many users carry all 50 custom attributes, 46 of them with 2,048
    /// characters.
    pub heavy_users: usize,
    /// How many in a hundred of those with a profile of their own are linked
    /// to identities of Google, Facebook or both, too. Filling a pool then
    /// creates these providers.
    pub linked_percent: u64,
    /// How many in a hundred get codes by text message; the pool allows it.
    pub sms_mfa_percent: u64,
    /// Whether people sign in with their e-mail address.
    pub email_sign_in: bool,
}

impl Population {
    /// Mostly ordinary people, some of every odd kind.
    pub fn realistic(users: usize, groups: usize, seed: u64) -> Self {
        Self {
            seed,
            users,
            groups,
            groups_per_user: groups.min(3),
            odd_percent: 4,
            heavy_users: (users / 1000).min(5),
            linked_percent: 0,
            sms_mfa_percent: 0,
            email_sign_in: true,
        }
    }

    /// Ordinary people only: confirmed, enabled, with a verified address.
    pub fn plain(users: usize, groups: usize, seed: u64) -> Self {
        Self { odd_percent: 0, heavy_users: 0, ..Self::realistic(users, groups, seed) }
    }

    /// A few people, nearly all of them odd: for tests.
    pub fn odd(users: usize, groups: usize, seed: u64) -> Self {
        Self { odd_percent: 25, heavy_users: 1.min(users), ..Self::realistic(users, groups, seed) }
    }

    /// A pool these people fit in: with 50 custom attributes of every type.
    pub fn pool_config(&self, name: &str) -> PoolConfig {
        let base =
            if self.email_sign_in { PoolConfig::with_email_sign_in(name) } else { PoolConfig::named(name) };
        let base = if self.sms_mfa_percent > 0 {
            PoolConfig { mfa: MfaMode::Optional, sms_mfa: true, ..base }
        } else {
            base
        };
        let config = base
            .attribute(SchemaAttribute::string("tenant", 1, 64).immutable())
            .attribute(SchemaAttribute::number("level", 0, 1_000_000));
        (0..48).fold(config, |config, i| {
            config.attribute(match i {
                // One of each remaining type.
                46 => SchemaAttribute::typed("opted_in", DataType::Boolean),
                47 => SchemaAttribute::typed("since", DataType::DateTime),
                _ => SchemaAttribute::string(&format!("field{i:02}"), 0, 2048),
            })
        })
    }

    /// The names of the groups, in no useful order.
    pub fn group_names(&self) -> Vec<String> {
        (0..self.groups)
            .map(|i| match ODD_GROUPS.get(i) {
                Some(name) if self.odd_percent > 0 => (*name).to_owned(),
                _ => format!("group-{i:05}"),
            })
            .collect()
    }

    /// Puts everybody into a pool.
    pub fn fill(&self, admin: &mut Admin<'_>, pool: &str) -> Result<(), ServiceError> {
        let mut rng = Rng::new(self.seed);
        let names = self.group_names();
        let now = admin.now();
        let account = "123456789012";
        let mut groups: Vec<GroupRecord> = names
            .iter()
            .enumerate()
            .map(|(i, name)| GroupRecord {
                description: (i % 3 != 1).then(|| {
                    let text = if self.odd_percent > 0 { HOSTILE[i % HOSTILE.len()] } else { "people" };
                    format!("Group {i}: {text}")
                }),
                precedence: (i % 2 == 0).then(|| u32::try_from(i).unwrap_or(0)),
                role_arn: (i % 4 == 0).then(|| format!("arn:aws:iam::{account}:role/group-{i}")),
                created: past(now, &mut rng),
                ..GroupRecord::new(name.clone())
            })
            .collect();
        if self.odd_percent > 0 {
            for provider in ["Google", "Facebook"] {
                groups.push(GroupRecord {
                    description: Some(format!("Autogenerated group for users who sign in using {provider}")),
                    created: past(now, &mut rng),
                    ..GroupRecord::new(format!("{pool}_{provider}"))
                });
            }
        }
        admin.add_groups(pool, groups)?;
        if self.linked_percent > 0 {
            for kind in LINKED {
                admin.create_identity_provider(pool, IdentityProvider::social(kind))?;
            }
        }
        let users = (0..self.users).map(|i| self.user(i, pool, &names, now, &mut rng));
        // Made one by one as they are added: a million need not exist twice.
        admin.add_users(pool, users)?;
        Ok(())
    }

    fn user(&self, i: usize, pool: &str, groups: &[String], now: Millis, rng: &mut Rng) -> UserRecord {
        let sub = rng.uuid();
        let given = GIVEN[rng.index(GIVEN.len())];
        let family = FAMILY[rng.index(FAMILY.len())];
        let email = format!("user{i}.{}@example.com", &sub[..4]);
        let odd = |rng: &mut Rng| rng.below(100) < self.odd_percent;
        let mut user = UserRecord::new(if self.email_sign_in { String::new() } else { format!("user{i}") });
        user.created = past(now, rng);
        user.modified = user.created + rng.below(now.saturating_sub(user.created) + 1);
        let kinds = [
            UserStatus::ExternalProvider,
            UserStatus::Unconfirmed,
            UserStatus::ForceChangePassword,
            UserStatus::ResetRequired,
            UserStatus::Archived,
        ];
        user.status = kinds.into_iter().find(|_| odd(rng)).unwrap_or_default();
        if user.status == UserStatus::ExternalProvider {
            self.federate(&mut user, i, pool, &email, rng);
        }
        user.enabled = !odd(rng);
        user.sub = sub;
        if !odd(rng) {
            let verified = user.status != UserStatus::Unconfirmed;
            user = user.with("email", email).with("email_verified", if verified { "true" } else { "false" });
        }
        if rng.below(3) == 0 {
            user = user
                .with("phone_number", format!("+4915{:09}", i % 1_000_000_000))
                .with("phone_number_verified", "false");
        }
        user = self.with_more(user, i, rng);
        let updated = user.modified / 1000;
        user = user
            .with("name", format!("{given} {family}"))
            .with("given_name", given)
            .with("family_name", family)
            .with("locale", "en-GB")
            .with("updated_at", updated.to_string())
            .with("custom:tenant", format!("tenant-{}", i % 97))
            .with("custom:level", rng.below(1_000_001).to_string());
        if i < self.heavy_users {
            user = user.with("custom:opted_in", "false").with("custom:since", "2020-02-29");
            for field in 0..46 {
                let letter = char::from(b'a' + u8::try_from(field % 26).unwrap_or(0));
                user = user.with(format!("custom:field{field:02}"), String::from(letter).repeat(2048));
            }
        } else if odd(rng) {
            user = user
                .with("nickname", HOSTILE[rng.index(HOSTILE.len())])
                .with("address", HOSTILE[rng.index(HOSTILE.len())])
                .with("birthdate", "1970-02-28")
                .with("custom:opted_in", "true")
                .with("custom:field00", HOSTILE[i % HOSTILE.len()]);
        }
        for _ in 0..rng.index(self.groups_per_user + 1) {
            let group = &groups[rng.index(groups.len())];
            if !user.groups.contains(group) {
                user.groups.push(group.clone());
            }
        }
        user
    }

    /// Adds links and second factors, where they are asked for.
    fn with_more(&self, mut user: UserRecord, i: usize, rng: &mut Rng) -> UserRecord {
        if user.status == UserStatus::ExternalProvider {
            return user;
        }
        // Nothing is drawn for what is off: other populations stay as they are.
        if self.linked_percent > 0 && rng.below(100) < self.linked_percent {
            let count = 1 + rng.index(LINKED.len());
            for kind in LINKED.into_iter().take(count) {
                user = user.linked(kind.name(), kind, &format!("2{:020}", i as u64));
            }
        }
        if self.sms_mfa_percent > 0 && rng.below(100) < self.sms_mfa_percent {
            user.attributes.retain(|(name, _)| !name.starts_with("phone_number"));
            user = user
                .with("phone_number", format!("+4915{:09}", i % 1_000_000_000))
                .with("phone_number_verified", "true")
                .with_sms_mfa();
        }
        user
    }

    /// Makes somebody come from an identity provider.
    fn federate(&self, user: &mut UserRecord, i: usize, pool: &str, email: &str, rng: &mut Rng) {
        let provider = if rng.below(3) == 0 { "Facebook" } else { "Google" };
        let id = format!("1{:020}", i as u64 + self.seed % 1_000_000);
        user.username = format!("{}_{id}", provider.to_lowercase());
        user.groups.push(format!("{pool}_{provider}"));
        let identities = format!(
            r#"[{{"dateCreated":"{}","userId":"{id}","providerName":"{provider}","providerType":"{provider}","issuer":null,"primary":"true"}}]"#,
            user.created
        );
        user.attributes.push(("identities".into(), identities));
        // Providers hand over pictures; addresses come from the caller.
        let picture = format!("https://example.com/{}.png", hash_of(email));
        user.attributes.push(("picture".into(), picture));
    }
}

fn hash_of(text: &str) -> u64 {
    crate::rng::hash(0, text.as_bytes())
}

/// Some time in the five years before `now`.
fn past(now: Millis, rng: &mut Rng) -> Millis {
    now.saturating_sub(rng.below(5 * 365 * 86_400_000)).max(1)
}
