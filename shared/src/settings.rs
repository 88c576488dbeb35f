//! A pool's settings: kept whole, exactly as Cognito answers, but for secrets; read where a restore
//! needs them; and made into what creates an equal pool.

#[cfg(test)]
mod fuzz;
mod gather;
mod pool;
mod rebuild;
mod secrets;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use gather::Gathering;
pub use pool::{
    NumberConstraints, PasswordPolicy, Policies, PoolSettings, SchemaAttribute, StringConstraints,
    UsernameConfiguration,
};
pub use rebuild::{ByHand, Filled, Rebuild, Request, Source};
pub use secrets::{Identity, Recipient, Secrets};

use crate::model::Kind;
use crate::{Error, Result};

use crate::ports::Factor;

/// The pool's settings in AWS's own words, so that nothing a future Cognito adds is lost.
///
/// `UserPool` is the answer of `DescribeUserPool`, `MfaConfig` that of `GetUserPoolMfaConfig`; the
/// other parts are those of [`Part`]. A secret is null where it was; `Secrets` holds them sealed, if
/// there is somebody to seal them for. `NotSaved` names the parts that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(Map<String, Value>);

/// What changes of a pool's description without its settings changing: a count, and whether
/// messages could be sent lately.
const VOLATILE: [&str; 3] =
    ["EstimatedNumberOfUsers", "EmailConfigurationFailure", "SmsConfigurationFailure"];

const USER_POOL: &str = "UserPool";
const NOT_SAVED: &str = "NotSaved";
const SECRETS: &str = "Secrets";

/// A part of the settings that is read by calls of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `GetUserPoolMfaConfig`.
    MfaConfig,
    /// `DescribeUserPoolClient` of each client.
    UserPoolClients,
    /// `DescribeIdentityProvider` of each provider.
    IdentityProviders,
    /// `ListResourceServers`.
    ResourceServers,
    /// `DescribeUserPoolDomain` of the prefix, and of a domain of one's own.
    Domains,
    /// `GetUICustomization` of the pool, and of each client that has its own.
    UiCustomizations,
    /// `DescribeRiskConfiguration` of the pool, and of each client that has its own.
    RiskConfigurations,
    /// `GetLogDeliveryConfiguration`, if logs are delivered.
    LogDeliveryConfiguration,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 8] = [
        Self::MfaConfig,
        Self::UserPoolClients,
        Self::IdentityProviders,
        Self::ResourceServers,
        Self::Domains,
        Self::UiCustomizations,
        Self::RiskConfigurations,
        Self::LogDeliveryConfiguration,
    ];

    /// Its member of the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MfaConfig => "MfaConfig",
            Self::UserPoolClients => "UserPoolClients",
            Self::IdentityProviders => "IdentityProviders",
            Self::ResourceServers => "ResourceServers",
            Self::Domains => "Domains",
            Self::UiCustomizations => "UICustomizations",
            Self::RiskConfigurations => "RiskConfigurations",
            Self::LogDeliveryConfiguration => "LogDeliveryConfiguration",
        }
    }
}

/// A part that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotSaved {
    /// The member of the document that is missing.
    pub part: String,
    /// The operation that was refused, in AWS's words.
    pub operation: String,
    /// The error's code, in AWS's words.
    pub code: String,
}

impl NotSaved {
    /// Whether it lacks a permission.
    pub fn is_denied(&self) -> bool {
        self.code.starts_with("AccessDenied")
    }

    /// What is the matter and what to do, as a sentence without its full stop.
    pub fn advice(&self) -> String {
        let Self { part, operation, code } = self;
        if !self.is_denied() {
            return format!("{part} of the pool's settings could not be saved: {operation} answered {code}");
        }
        // What a request for a domain may see, IAM cannot narrow to a pool (Service Authorization
        // Reference, "Amazon Cognito User Pools").
        let resource = if operation == "DescribeUserPoolDomain" { "*" } else { "the pool" };
        format!(
            "{part} of the pool's settings could not be saved: grant cognito-idp:{operation} on {resource} to these credentials"
        )
    }
}

impl Settings {
    /// Takes the two answers every pool gives. What changes without the settings is left out.
    pub fn new(mut user_pool: Value, mfa_config: Value) -> Self {
        if let Some(pool) = user_pool.as_object_mut() {
            pool.retain(|name, _| !VOLATILE.contains(&name.as_str()));
        }
        let mut document = Map::new();
        document.insert(Part::MfaConfig.as_str().to_owned(), mfa_config);
        document.insert(USER_POOL.to_owned(), user_pool);
        Self(document)
    }

    /// The whole document.
    pub const fn document(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The second factors the pool can ask for by a message, as `GetUserPoolMfaConfig` says; none
    /// if it asks for no second factor.
    pub fn factors(&self) -> Vec<Factor> {
        let config = self.0.get("MfaConfig").unwrap_or(&Value::Null);
        let is_off = matches!(config["MfaConfiguration"].as_str(), None | Some("OFF"));
        let has = |name: &str| !is_off && config[name].is_object();
        let factors =
            [("SmsMfaConfiguration", Factor::Sms), ("EmailMfaConfiguration", Factor::Email)].into_iter();
        factors.filter(|(name, _)| has(name)).map(|(_, factor)| factor).collect()
    }

    /// The document as it is shown: the sealed secrets are left out, for they are of use to their
    /// recipient only.
    #[must_use]
    pub fn shown(&self) -> Self {
        let mut shown = self.clone();
        if let Some(secrets) = shown.0.get_mut(SECRETS) {
            *secrets = json!({ "Recipient": secrets["Recipient"] });
        }
        shown
    }

    /// The settings a restore has to look at.
    pub fn pool(&self) -> Result<PoolSettings> {
        let pool = self.0.get(USER_POOL).cloned().unwrap_or(Value::Null);
        PoolSettings::deserialize(pool).map_err(|error| Error::encoding(Kind::Settings, &error))
    }

    /// A part, if it was saved: an earlier version saved `MfaConfig` only.
    pub fn part(&self, part: Part) -> Option<&Value> {
        self.0.get(part.as_str()).filter(|value| !value.is_null())
    }

    /// The parts that could not be read.
    pub fn not_saved(&self) -> Vec<NotSaved> {
        let members = self.0.get(NOT_SAVED).and_then(Value::as_object);
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let read = |(part, why): (&String, &Value)| NotSaved {
            part: part.clone(),
            operation: text(why, "Operation"),
            code: text(why, "Code"),
        };
        members.into_iter().flatten().map(read).collect()
    }

    /// Of fields in which two records of settings differ, those that say so of the pool. A part that
    /// one of them does not have was not read, and secrets are sealed by exports only.
    pub fn comparable(&self, other: &Self, mut fields: Vec<String>) -> Vec<String> {
        let is_in_both = |member: &str| [self, other].iter().all(|settings| settings.has(member));
        fields.retain(|field| {
            let member = field.split('.').next().unwrap_or_default();
            member != SECRETS && member != NOT_SAVED && is_in_both(member)
        });
        fields
    }

    /// Whether a member was read. Without log delivery there is nothing to keep of it.
    fn has(&self, member: &str) -> bool {
        let is_saved = self.0.get(member).is_some_and(|value| !value.is_null());
        let reads_all = self.part(Part::UserPoolClients).is_some();
        let optional = member == Part::LogDeliveryConfiguration.as_str();
        is_saved || optional && reads_all && self.0.get(NOT_SAVED).is_none_or(|parts| parts[member].is_null())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_everything_but_what_changes_by_itself() {
        let settings = Settings::new(
            json!({"Name": "p", "EstimatedNumberOfUsers": 7, "SomethingNew": {"A": 1},
                   "SmsConfigurationFailure": "x", "UsernameAttributes": ["email"]}),
            json!({"MfaConfiguration": "OFF"}),
        );
        let text = serde_json::to_string(&settings).unwrap();
        assert!(text.contains("SomethingNew") && !text.contains("EstimatedNumberOfUsers"));
        assert!(!text.contains("Failure"));
        assert!(settings.pool().unwrap().makes_usernames());
        assert!(settings.pool().unwrap().is_case_sensitive());
    }

    #[test]
    fn only_what_both_have_read_is_compared() {
        let with = |more: Value| {
            let mut settings = Settings::new(json!({"Name": "p"}), json!({"MfaConfiguration": "OFF"}));
            settings.0.extend(more.as_object().cloned().unwrap_or_default());
            settings
        };
        let fields = ["UserPool.Name", "UserPoolClients", "Domains", "Secrets.Digest", "NotSaved.Domains"];
        let fields = || fields.map(str::to_owned).to_vec();
        let all = with(json!({"UserPoolClients": [], "Domains": []}));
        let old = with(json!({}));
        let some = with(json!({"UserPoolClients": [1], "NotSaved": {"Domains": {"Code": "X"}}}));
        assert_eq!(all.comparable(&old, fields()), ["UserPool.Name"]);
        assert_eq!(some.comparable(&all, fields()), ["UserPool.Name", "UserPoolClients"]);
        let fields = || vec!["LogDeliveryConfiguration".to_owned()];
        let delivers = with(json!({"UserPoolClients": [], "LogDeliveryConfiguration": {}}));
        assert_eq!(all.comparable(&delivers, fields()), fields());
        assert!(old.comparable(&delivers, fields()).is_empty());
    }

    #[test]
    fn says_what_to_grant_or_what_was_answered() {
        let not_saved = |operation: &str, code: &str| NotSaved {
            part: "P".into(),
            operation: operation.into(),
            code: code.into(),
        };
        let advice = not_saved("ListUserPoolClients", "AccessDeniedException").advice();
        assert!(advice.ends_with("grant cognito-idp:ListUserPoolClients on the pool to these credentials"));
        let advice = not_saved("DescribeUserPoolDomain", "AccessDeniedException").advice();
        assert!(advice.contains("grant cognito-idp:DescribeUserPoolDomain on * to"), "{advice}");
        assert!(not_saved("X", "Y").advice().ends_with("X answered Y"));
    }
}
