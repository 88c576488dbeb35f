//! How a pool is set up.

use serde_json::{Map, Value};

use crate::password::PasswordPolicy;
use crate::schema::SchemaAttribute;

/// Whether users need a second factor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MfaMode {
    /// Never.
    #[default]
    Off,
    /// Who wants one.
    Optional,
    /// Everybody.
    On,
}

impl MfaMode {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Optional => "OPTIONAL",
            Self::On => "ON",
        }
    }
}

/// The configuration of one pool.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // Switches of the service, each its own.
pub struct PoolConfig {
    /// Its name; need not be unique.
    pub name: String,
    /// Its id; made from the seed when absent.
    pub id: Option<String>,
    /// Custom attributes, and standard ones whose defaults are overridden.
    pub schema: Vec<SchemaAttribute>,
    /// `email`, `phone_number`: what people sign in with instead of a name.
    pub username_attributes: Vec<String>,
    /// `email`, `phone_number`, `preferred_username`: what they may sign in
    /// with besides a name.
    pub alias_attributes: Vec<String>,
    /// Whether `Ann` and `ann` are two users.
    pub case_sensitive: bool,
    /// What passwords must look like.
    pub password_policy: PasswordPolicy,
    /// Second factors.
    pub mfa: MfaMode,
    /// Whether authenticator apps are allowed as the second factor.
    pub software_token_mfa: bool,
    /// Whether text messages are allowed as the second factor.
    pub sms_mfa: bool,
    /// Whether e-mails are allowed as the second factor.
    pub email_mfa: bool,
    /// `email`, `phone_number`: what Cognito verifies by itself.
    pub auto_verified_attributes: Vec<String>,
    /// Lambda triggers: `PreSignUp` and the like, to function ARNs.
    pub lambda_triggers: Map<String, Value>,
    /// Whether the pool refuses to be deleted.
    pub deletion_protection: bool,
    /// Whether `AdminCreateUser` insists on the schema's required attributes.
    pub enforce_required: bool,
    /// Any other members `DescribeUserPool` answers, as they are.
    pub extra: Map<String, Value>,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            name: "simulated".to_owned(),
            id: None,
            schema: Vec::new(),
            username_attributes: Vec::new(),
            alias_attributes: Vec::new(),
            case_sensitive: false,
            password_policy: PasswordPolicy::default(),
            mfa: MfaMode::Off,
            software_token_mfa: false,
            sms_mfa: false,
            email_mfa: false,
            auto_verified_attributes: vec!["email".to_owned()],
            lambda_triggers: Map::new(),
            deletion_protection: false,
            enforce_required: true,
            extra: Map::new(),
        }
    }
}

impl PoolConfig {
    /// A pool whose users have a name of their own.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// A pool whose users sign in with their e-mail address.
    pub fn with_email_sign_in(name: impl Into<String>) -> Self {
        Self { username_attributes: vec!["email".to_owned()], ..Self::named(name) }
    }

    /// The same with one more attribute in the schema.
    #[must_use]
    pub fn attribute(mut self, attribute: SchemaAttribute) -> Self {
        self.schema.push(attribute);
        self
    }
}
