//! Users: compact inside, plain outside.

use std::borrow::Cow;

use crate::json::{write_escaped, write_str};
use crate::mfa::UserMfa;
use crate::provider::{Identity, ProviderType};
use crate::schema::Schema;
use crate::time::{Millis, write_seconds};

/// The state of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // The names are Amazon's.
pub enum UserStatus {
    Unconfirmed,
    #[default]
    Confirmed,
    Archived,
    Compromised,
    Unknown,
    ResetRequired,
    ForceChangePassword,
    ExternalProvider,
}

impl UserStatus {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unconfirmed => "UNCONFIRMED",
            Self::Confirmed => "CONFIRMED",
            Self::Archived => "ARCHIVED",
            Self::Compromised => "COMPROMISED",
            Self::Unknown => "UNKNOWN",
            Self::ResetRequired => "RESET_REQUIRED",
            Self::ForceChangePassword => "FORCE_CHANGE_PASSWORD",
            Self::ExternalProvider => "EXTERNAL_PROVIDER",
        }
    }
}

/// A user as tests and the demo see one, both to add it and to read the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// Its `sub`; when empty, adding the user makes one from the seed.
    pub sub: String,
    /// Its name; when empty, the same as the `sub`.
    pub username: String,
    /// Its attributes without `sub`, in the order they were set.
    pub attributes: Vec<(Cow<'static, str>, String)>,
    /// Whether it may sign in.
    pub enabled: bool,
    /// Its state.
    pub status: UserStatus,
    /// When it was created; 0 means now, when adding.
    pub created: Millis,
    /// When it was changed last; 0 means when created, when adding.
    pub modified: Millis,
    /// The names of its groups, which must exist, in the order it joined.
    pub groups: Vec<String>,
    /// Its second factors.
    pub mfa: UserMfa,
}

impl UserRecord {
    /// A confirmed, enabled user without attributes.
    pub fn new(username: impl Into<String>) -> Self {
        Self {
            sub: String::new(),
            username: username.into(),
            attributes: Vec::new(),
            enabled: true,
            status: UserStatus::Confirmed,
            created: 0,
            modified: 0,
            groups: Vec::new(),
            mfa: UserMfa::default(),
        }
    }

    /// The same with this `sub`, which need not be a UUID.
    #[must_use]
    pub fn with_sub(mut self, sub: impl Into<String>) -> Self {
        self.sub = sub.into();
        self
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// The same in another state.
    #[must_use]
    pub fn status(mut self, status: UserStatus) -> Self {
        self.status = status;
        self
    }

    /// The same, not allowed to sign in.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.enabled = false;
        self
    }

    /// The same in one more group.
    #[must_use]
    pub fn in_group(mut self, group: impl Into<String>) -> Self {
        self.groups.push(group.into());
        self
    }

    /// The same with text messages as a second factor.
    #[must_use]
    pub fn with_sms_mfa(mut self) -> Self {
        self.mfa.sms = true;
        self
    }

    /// The same linked to one more identity, as `AdminLinkProviderForUser`
    /// would have done it when the user was created.
    #[must_use]
    pub fn linked(self, provider: &str, provider_type: ProviderType, id: &str) -> Self {
        let before = self.attribute("identities").map(str::to_owned);
        let value = Identity::linked(provider, provider_type, id, self.created).append(before.as_deref());
        let mut user = self;
        user.attributes.retain(|(name, _)| name != "identities");
        user.with("identities", value)
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A user as stored: a million of them have to fit.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) sub: Box<str>,
    /// Absent where it equals the `sub`, as in pools with sign-in by e-mail.
    pub(crate) name: Option<Box<str>>,
    pub(crate) attributes: Box<[(u16, Box<str>)]>,
    pub(crate) created: Millis,
    pub(crate) modified: Millis,
    /// Its place in listings.
    pub(crate) place: u64,
    pub(crate) groups: Vec<u32>,
    pub(crate) status: UserStatus,
    pub(crate) enabled: bool,
    pub(crate) mfa: UserMfa,
}

impl User {
    pub(crate) fn username(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.sub)
    }

    pub(crate) fn value(&self, attribute: u16) -> Option<&str> {
        self.attributes.iter().find(|(id, _)| *id == attribute).map(|(_, value)| &**value)
    }

    /// Sets attributes; an empty value removes one.
    pub(crate) fn set(&mut self, changes: impl IntoIterator<Item = (u16, String)>) {
        let mut attributes = std::mem::take(&mut self.attributes).into_vec();
        for (id, value) in changes {
            let known = attributes.iter().position(|(known, _)| *known == id);
            match known {
                Some(at) if value.is_empty() => {
                    attributes.remove(at);
                }
                Some(at) => attributes[at].1 = value.into(),
                None if value.is_empty() => {}
                None => attributes.push((id, value.into())),
            }
        }
        self.attributes = attributes.into();
    }

    /// Writes `[{"Name":…,"Value":…}…]`; `only` restricts it to some
    /// attributes, where `None` in the slice stands for `sub`.
    pub(crate) fn write_attributes(&self, out: &mut Vec<u8>, schema: &Schema, only: Option<&[Option<u16>]>) {
        let wanted = |id: Option<u16>| only.is_none_or(|only| only.contains(&id));
        out.push(b'[');
        let mut first = true;
        let subs = wanted(None).then_some((b"{\"Name\":\"sub\",\"Value\":\"".as_slice(), &*self.sub));
        let rest = self
            .attributes
            .iter()
            .filter(|(id, _)| wanted(Some(*id)))
            .map(|(id, value)| (schema.head(*id), &**value));
        for (head, value) in subs.into_iter().chain(rest) {
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(head);
            write_escaped(out, value);
            out.extend_from_slice(b"\"}");
        }
        out.push(b']');
    }

    /// Writes the user as listings and `AdminCreateUser` answer it; `only`
    /// restricts its attributes.
    pub(crate) fn write(&self, out: &mut Vec<u8>, schema: &Schema, only: Option<&[Option<u16>]>) {
        self.write_members(out, schema, "Attributes", only);
        out.push(b'}');
    }

    /// Writes the user as `AdminGetUser` answers it.
    pub(crate) fn write_whole(&self, out: &mut Vec<u8>, schema: &Schema) {
        self.write_members(out, schema, "UserAttributes", None);
        self.mfa.write_settings(out);
        out.push(b'}');
    }

    fn write_members(
        &self,
        out: &mut Vec<u8>,
        schema: &Schema,
        attributes: &str,
        only: Option<&[Option<u16>]>,
    ) {
        out.extend_from_slice(b"{\"Username\":");
        write_str(out, self.username());
        out.extend_from_slice(b",\"");
        out.extend_from_slice(attributes.as_bytes());
        out.extend_from_slice(b"\":");
        self.write_attributes(out, schema, only);
        out.extend_from_slice(b",\"UserCreateDate\":");
        write_seconds(out, self.created);
        out.extend_from_slice(b",\"UserLastModifiedDate\":");
        write_seconds(out, self.modified);
        out.extend_from_slice(b",\"Enabled\":");
        out.extend_from_slice(if self.enabled { b"true" } else { b"false" });
        out.extend_from_slice(b",\"UserStatus\":\"");
        out.extend_from_slice(self.status.name().as_bytes());
        out.push(b'"');
        self.mfa.write_options(out);
    }
}
