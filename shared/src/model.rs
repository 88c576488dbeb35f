//! What is backed up: users, groups, memberships and settings; and how each is keyed and hashed.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::settings::Settings;
use crate::time::Timestamp;

/// The id of a user pool, such as `us-east-1_AbCdEf123`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PoolId(String);

impl PoolId {
    /// Takes the id as it is; Cognito judges whether such a pool exists.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Stands for the pool that `table` of the retired solution is of: its items do not say which
    /// that is. No id of Cognito's has a colon.
    pub fn of_retired_table(table: &str) -> Self {
        Self(format!("{RETIRED}{table}"))
    }

    /// The table of the retired solution that is all that is known of the pool, if it is.
    pub fn retired_table(&self) -> Option<&str> {
        self.0.strip_prefix(RETIRED)
    }

    /// The Region the id names before its underscore, if it has that form.
    pub fn region(&self) -> Option<&str> {
        self.0.split_once('_').map(|(region, _)| region).filter(|region| region.contains('-'))
    }

    /// Whether Cognito makes a group of that name itself, for the users of an identity provider
    /// (`<pool id>_<provider>`). Where the pool's own id is not known, any that looks like one
    /// counts.
    pub fn makes_group(&self, name: &str) -> bool {
        match self.retired_table() {
            None => name.strip_prefix(self.as_str()).is_some_and(|rest| rest.starts_with('_')),
            Some(_) => begins_with_pool_id(name),
        }
    }
}

/// How the ids begin that stand for a pool whose own is not known; also how its table is named
/// with `--backup`.
const RETIRED: &str = "dynamodb-v1:";

/// Cognito makes ids of so many letters and digits after the Region and an underscore. The
/// documentation does not promise it; but a group that a person named after a Region must not be
/// taken for one of Cognito's.
const POOL_ID_LETTERS: usize = 9;

/// Whether a text begins with what looks like the id of a pool, and an underscore.
fn begins_with_pool_id(text: &str) -> bool {
    let mut parts = text.splitn(3, '_');
    let (Some(region), Some(id), Some(_)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let words: Vec<&str> = region.split('-').collect();
    let [first @ .., number] = &words[..] else { return false };
    first.len() >= 2
        && first.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && id.len() == POOL_ID_LETTERS
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A user as a listing returns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The identifier Cognito gave; usually, but by its documentation not always, a UUID.
    pub sub: String,
    /// The name the user signs in with, or a UUID where the pool signs in by e-mail or phone.
    pub username: String,
    /// All attributes but `sub`.
    pub attributes: BTreeMap<String, String>,
    /// Whether the user may sign in.
    pub enabled: bool,
    /// Cognito's `UserStatus`, as it writes it.
    pub status: String,
    /// Cognito's `UserCreateDate`.
    pub created_at: Option<Timestamp>,
    /// Cognito's `UserLastModifiedDate`.
    pub modified_at: Option<Timestamp>,
    /// Cognito's legacy `MFAOptions`: delivery medium and attribute of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mfa_options: Vec<MfaOption>,
}

/// `UserStatus` of a user who comes from an identity provider.
pub const EXTERNAL_PROVIDER: &str = "EXTERNAL_PROVIDER";

impl User {
    /// Whether the user comes from an identity provider: no API can create such a user.
    pub fn is_federated(&self) -> bool {
        self.status == EXTERNAL_PROVIDER
    }
}

/// One entry of a user's legacy `MFAOptions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MfaOption {
    /// `SMS` or `EMAIL`.
    pub delivery_medium: Option<String>,
    /// The attribute the code is sent to.
    pub attribute_name: Option<String>,
}

/// A group of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The group's name, unique in its pool.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Lower wins when a user has several groups with roles.
    pub precedence: Option<i32>,
    /// The IAM role that members may take.
    pub role_arn: Option<String>,
    /// Cognito's `CreationDate`.
    pub created_at: Option<Timestamp>,
    /// Cognito's `LastModifiedDate`.
    pub modified_at: Option<Timestamp>,
}

impl Group {
    /// Whether Cognito made the group itself for the users of an identity provider
    /// (`<pool id>_<provider>`); it makes it again when they sign in.
    pub fn is_automatic(&self, pool: &PoolId) -> bool {
        pool.makes_group(&self.name)
    }
}

/// That a user is in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The group's name.
    pub group: String,
    /// The user's `sub`.
    pub sub: String,
    /// The user's name, so that the record reads plainly.
    pub username: String,
}

/// The kinds of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The pool's settings.
    Settings,
    /// A group.
    Group,
    /// A user.
    User,
    /// That a user is in a group.
    Membership,
}

impl Kind {
    /// The word for one such record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Group => "group",
            Self::User => "user",
            Self::Membership => "membership",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Spreads keys over partitions: leading hex digits of `sub`, or a catch-all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(String);

impl Shard {
    /// The shard of a user: the first two hex digits of `sub`, or `zz`.
    pub fn of_user(sub: &str) -> Self {
        Self::of(sub, 2)
    }

    /// The shard of a membership: the first hex digit of `sub`, or `z`.
    pub fn of_member(sub: &str) -> Self {
        Self::of(sub, 1)
    }

    fn of(sub: &str, digits: usize) -> Self {
        match sub.get(..digits) {
            Some(lead) if lead.bytes().all(is_lower_hex) => Self(lead.to_owned()),
            _ => Self("z".repeat(digits)),
        }
    }

    /// Every shard of users, in order.
    pub fn users() -> impl Iterator<Item = Self> {
        (0..=255_u8).map(|byte| Self(format!("{byte:02x}"))).chain([Self("zz".to_owned())])
    }

    /// Every shard of memberships, in order.
    pub fn members() -> impl Iterator<Item = Self> {
        "0123456789abcdefz".chars().map(|digit| Self(digit.to_string()))
    }

    /// As stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a byte is one of the digits a UUID is written with.
pub(crate) const fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// A set of records that is stored, read and compared together, in key order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partition {
    /// The one settings record.
    Settings,
    /// All groups, by name.
    Groups,
    /// The users of one shard, by `sub`.
    Users(Shard),
    /// The memberships of one group in one shard, by `sub`.
    Members(String, Shard),
}

impl Partition {
    /// The partition a user belongs to.
    pub fn of_user(sub: &str) -> Self {
        Self::Users(Shard::of_user(sub))
    }

    /// The partition a membership belongs to.
    pub fn of_member(group: &str, sub: &str) -> Self {
        Self::Members(group.to_owned(), Shard::of_member(sub))
    }

    /// Every partition of users, in order.
    pub fn users() -> impl Iterator<Item = Self> {
        Shard::users().map(Self::Users)
    }

    /// Every partition of one group's memberships, in order.
    pub fn members(group: &str) -> impl Iterator<Item = Self> {
        let group = group.to_owned();
        Shard::members().map(move |shard| Self::Members(group.clone(), shard))
    }

    /// Whether it holds the users whose `sub` is no UUID.
    pub fn is_of_odd_subs(&self) -> bool {
        matches!(self, Self::Users(shard) if *shard == Shard::of_user(""))
    }

    /// What its records are.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Settings => Kind::Settings,
            Self::Groups => Kind::Group,
            Self::Users(_) => Kind::User,
            Self::Members(..) => Kind::Membership,
        }
    }

    /// The group whose memberships it holds; empty for every other kind.
    pub fn group(&self) -> &str {
        match self {
            Self::Members(group, _) => group,
            _ => "",
        }
    }

    /// Its shard; empty for kinds that have none.
    pub fn shard(&self) -> &str {
        match self {
            Self::Users(shard) | Self::Members(_, shard) => shard.as_str(),
            _ => "",
        }
    }
}

/// The key of the one settings record.
pub const SETTINGS_KEY: &str = "SETTINGS";

/// Any one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The pool's settings.
    Settings(Settings),
    /// A group.
    Group(Group),
    /// A user.
    User(User),
    /// That a user is in a group.
    Membership(Membership),
}

impl Record {
    /// The partition it is stored in.
    pub fn partition(&self) -> Partition {
        match self {
            Self::Settings(_) => Partition::Settings,
            Self::Group(_) => Partition::Groups,
            Self::User(user) => Partition::of_user(&user.sub),
            Self::Membership(member) => Partition::of_member(&member.group, &member.sub),
        }
    }

    /// Its key in the partition.
    pub fn key(&self) -> &str {
        match self {
            Self::Settings(_) => SETTINGS_KEY,
            Self::Group(group) => &group.name,
            Self::User(user) => &user.sub,
            Self::Membership(member) => &member.sub,
        }
    }

    /// Its canonical JSON, with members sorted by name: what is stored, and what its hash is
    /// taken of.
    pub fn content(&self) -> crate::Result<String> {
        // By way of a `Value`, whose members are sorted: the same record gives the same text
        // whatever order the fields of a future version have.
        let json = match self {
            Self::Settings(settings) => serde_json::to_value(settings),
            Self::Group(group) => serde_json::to_value(group),
            Self::User(user) => serde_json::to_value(user),
            Self::Membership(member) => serde_json::to_value(member),
        };
        json.map(|value| value.to_string())
            .map_err(|error| crate::Error::encoding(self.partition().kind(), &error))
    }

    /// Reads [`Record::content`] back.
    pub fn from_content(kind: Kind, content: &str) -> crate::Result<Self> {
        let record = match kind {
            Kind::Settings => serde_json::from_str(content).map(Self::Settings),
            Kind::Group => serde_json::from_str(content).map(Self::Group),
            Kind::User => serde_json::from_str(content).map(Self::User),
            Kind::Membership => serde_json::from_str(content).map(Self::Membership),
        };
        record.map_err(|error| crate::Error::encoding(kind, &error))
    }
}

/// The SHA-256 of a record's content, or of many records.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Stands for one that cannot be read: nothing is known to have it.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        hex::serialize(self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hex::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_by_hex_digits_and_catches_the_rest() {
        assert_eq!(Shard::of_user("a1b2").as_str(), "a1");
        assert_eq!(Shard::of_member("a1b2").as_str(), "a");
        for odd in ["", "a", "A1b2", "é1", "zz-top", "\u{1F600}"] {
            assert_eq!(Shard::of_user(odd).as_str(), "zz", "{odd:?}");
        }
        assert_eq!(Shard::of_member("").as_str(), "z");
        assert_eq!(Shard::users().count(), 257);
        assert_eq!(Shard::members().count(), 17);
    }

    #[test]
    fn canonical_json_is_sorted_by_name() {
        let member = Membership { group: "g".into(), sub: "s".into(), username: "u".into() };
        assert_eq!(
            Record::Membership(member).content().unwrap(),
            r#"{"group":"g","sub":"s","username":"u"}"#
        );
        // Fails if some dependency turns on serde_json's `preserve_order`.
        assert_eq!(serde_json::json!({"b": 1, "a": 2}).to_string(), r#"{"a":2,"b":1}"#);
    }

    #[test]
    fn what_cannot_be_read_is_not_quoted() {
        for kind in [Kind::User, Kind::Group, Kind::Membership, Kind::Settings] {
            for content in [r#"{"enabled":"shh","username":"shh"}"#, r#""shh""#, r#"{"shh"#] {
                // Settings are any object.
                let Err(error) = Record::from_content(kind, content) else { continue };
                assert_eq!(error.kind(), "corrupted");
                for text in [error.to_string(), format!("{error:?}")] {
                    assert!(!text.contains("shh"), "{text}");
                }
                assert!(std::error::Error::source(&error).is_none(), "nothing is behind it to be quoted");
            }
        }
    }

    #[test]
    fn knows_the_groups_cognito_makes_itself() {
        let pool = PoolId::new("eu-west-1_abc");
        let group = |name: &str| Group {
            name: name.into(),
            description: None,
            precedence: None,
            role_arn: None,
            created_at: None,
            modified_at: None,
        };
        assert!(group("eu-west-1_abc_Google").is_automatic(&pool));
        assert!(!group("eu-west-1_abcd").is_automatic(&pool));
        assert_eq!(pool.region(), Some("eu-west-1"));
        assert_eq!(PoolId::new("nonsense").region(), None);
    }

    #[test]
    fn knows_them_by_their_form_where_the_pool_is_known_by_its_table_only() {
        let pool = PoolId::of_retired_table("Backup_1.Table");
        assert_eq!(pool.retired_table(), Some("Backup_1.Table"));
        assert_eq!(PoolId::new("eu-west-1_AbCdEf123").retired_table(), None);
        for made in ["eu-west-1_AbCdEf123_Google", "us-gov-west-1_abcdefghi_My_Own_Idp"] {
            assert!(pool.makes_group(made), "{made}");
        }
        for others in [
            "admins",
            "eu-west-1_AbCdEf123",
            "eu-west-1_team_a",
            "eu-west_AbCdEf123_a",
            "1_AbCdEf123_a",
            "-1_AbCdEf123_a",
            "EU-WEST-1_AbCdEf123_a",
            "dynamodb-v1:Backup_1.Table_a",
        ] {
            assert!(!pool.makes_group(others), "{others}");
        }
    }
}
