use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use super::JobCounts;
use crate::model::{Group, PoolId, User};
use crate::settings::Settings;

/// The most users or groups on a page (API Reference: `ListUsers`, `ListUsersInGroup`,
/// `ListGroups`).
pub const PAGE_SIZE: u8 = 60;

/// One user pool. Every method is one attempt of one call to Cognito; pacing and retries are
/// [`crate::pacing::Paced`]'s.
#[async_trait]
pub trait Directory: Send + Sync {
    /// The pool's id.
    fn pool(&self) -> &PoolId;

    /// The Region the calls go to.
    fn region(&self) -> &str;

    /// `DescribeUserPool`, whole as it was answered.
    async fn describe(&self) -> Result<PoolDescription, CallError>;

    /// `GetUserPoolMfaConfig`, whole as it was answered.
    async fn mfa_config(&self) -> Result<serde_json::Value, CallError>;

    /// `GetProvisionedLimit`: requests per second Cognito now enforces for an adjustable
    /// category, by its name.
    async fn provisioned_limit(&self, category: &str) -> Result<Option<f64>, CallError>;

    /// `ListUsers`: a page of at most `limit` users, of 1 to [`PAGE_SIZE`].
    async fn list_users(
        &self,
        filter: &UserFilter,
        limit: u8,
        token: Option<&str>,
    ) -> Result<Page<User>, CallError>;

    /// `ListGroups`: a page of at most 60 groups.
    async fn list_groups(&self, token: Option<&str>) -> Result<Page<Group>, CallError>;

    /// `GetGroup`.
    async fn get_group(&self, name: &str) -> Result<Group, CallError>;

    /// `ListUsersInGroup`: a page of at most 60 users.
    async fn list_members(&self, group: &str, token: Option<&str>) -> Result<Page<User>, CallError>;

    /// `CreateGroup`, with description, precedence and role.
    async fn create_group(&self, group: &Group) -> Result<(), CallError>;

    /// `AdminCreateUser`, with its message suppressed. Returns the user as created.
    async fn create_user(&self, user: &NewUser) -> Result<User, CallError>;

    /// `AdminSetUserPassword`, permanent.
    async fn set_password(&self, username: &str, password: &str) -> Result<(), CallError>;

    /// `AdminAddUserToGroup`.
    async fn add_to_group(&self, username: &str, group: &str) -> Result<(), CallError>;

    /// `AdminDisableUser`.
    async fn disable_user(&self, username: &str) -> Result<(), CallError>;

    /// `AdminSetUserMFAPreference`: these factors on, the first of them preferred.
    async fn set_mfa_preference(&self, username: &str, factors: &[Factor]) -> Result<(), CallError>;

    /// `AdminLinkProviderForUser`.
    async fn link_provider(&self, username: &str, identity: &Identity) -> Result<(), CallError>;

    /// `GetCSVHeader`: the columns of a file for an import job.
    async fn csv_header(&self) -> Result<Vec<String>, CallError>;

    /// `CreateUserImportJob`. `logs_role_arn` is the role by which Cognito writes the job's log.
    async fn create_import_job(&self, name: &str, logs_role_arn: &str) -> Result<NewJob, CallError>;

    /// Sends a job's file to where the job said.
    async fn upload(&self, url: &UploadUrl, file: Bytes) -> Result<(), CallError>;

    /// `StartUserImportJob`.
    async fn start_import_job(&self, job: &str) -> Result<JobReport, CallError>;

    /// `DescribeUserImportJob`.
    async fn describe_import_job(&self, job: &str) -> Result<JobReport, CallError>;

    /// One call that reads a part of the settings, whole as it was answered.
    async fn read_settings(&self, call: &SettingsCall) -> Result<RawAnswer, CallError>;
}

/// A second factor that an API can turn on for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Factor {
    /// A code by SMS.
    Sms,
    /// A code by e-mail.
    Email,
}

/// Who a user is to an identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The provider's name in the pool.
    pub provider: String,
    /// The provider's own id of the user.
    pub user_id: String,
}

/// A new import job.
#[derive(Debug)]
pub struct NewJob {
    /// Its id.
    pub id: String,
    /// Where its file is to be sent.
    pub upload: UploadUrl,
}

/// A pre-signed URL. Whoever has it may write the file: it is a secret, and shows itself nowhere.
pub struct UploadUrl(String);

impl UploadUrl {
    /// Takes the URL as it was answered.
    pub const fn new(url: String) -> Self {
        Self(url)
    }

    /// The URL, for the one request that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UploadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadUrl(…)")
    }
}

/// How far an import job is, as Cognito says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobReport {
    /// `UserImportJobStatusType`, as Cognito writes it.
    pub status: String,
    /// Its rows.
    pub counts: JobCounts,
}

/// A call that reads a part of a pool's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsCall {
    /// `ListUserPoolClients`: a page after this token.
    Clients(Option<String>),
    /// `DescribeUserPoolClient`, by its id.
    Client(String),
    /// `ListIdentityProviders`: a page after this token.
    IdentityProviders(Option<String>),
    /// `DescribeIdentityProvider`, by its name.
    IdentityProvider(String),
    /// `ListResourceServers`: a page after this token.
    ResourceServers(Option<String>),
    /// `DescribeUserPoolDomain`, of a prefix or a domain of one's own.
    Domain(String),
    /// `GetUICustomization`, of the pool or one of its clients.
    UiCustomization(Option<String>),
    /// `DescribeRiskConfiguration`, of the pool or one of its clients.
    RiskConfiguration(Option<String>),
    /// `GetLogDeliveryConfiguration`.
    LogDelivery,
}

impl SettingsCall {
    /// The operation it calls.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Clients(_) => Operation::ListUserPoolClients,
            Self::Client(_) => Operation::DescribeUserPoolClient,
            Self::IdentityProviders(_) => Operation::ListIdentityProviders,
            Self::IdentityProvider(_) => Operation::DescribeIdentityProvider,
            Self::ResourceServers(_) => Operation::ListResourceServers,
            Self::Domain(_) => Operation::DescribeUserPoolDomain,
            Self::UiCustomization(_) => Operation::GetUICustomization,
            Self::RiskConfiguration(_) => Operation::DescribeRiskConfiguration,
            Self::LogDelivery => Operation::GetLogDeliveryConfiguration,
        }
    }
}

/// An answer just as it came. It can hold secrets, so it shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct RawAnswer(serde_json::Value);

impl RawAnswer {
    /// What was answered.
    pub const fn new(json: serde_json::Value) -> Self {
        Self(json)
    }

    /// The JSON.
    pub fn into_json(self) -> serde_json::Value {
        self.0
    }
}

impl fmt::Debug for RawAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawAnswer")
    }
}

/// What `DescribeUserPool` answers.
#[derive(Clone, Debug)]
pub struct PoolDescription {
    /// The `UserPool` object, whole.
    pub user_pool: serde_json::Value,
    /// `EstimatedNumberOfUsers`; absent or negative counts as 0.
    pub estimated_users: u64,
}

impl PoolDescription {
    /// The settings, with the answer of `GetUserPoolMfaConfig`.
    pub fn settings(&self, mfa_config: serde_json::Value) -> Settings {
        Settings::new(self.user_pool.clone(), mfa_config)
    }
}

/// One answer of a listing.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// May be few or none, even if more follow.
    pub items: Vec<T>,
    /// Only its absence ends a listing.
    pub next: Option<String>,
}

/// Which users a listing returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserFilter {
    /// All.
    All,
    /// An attribute (or `username`, `sub`) is exactly this.
    Equals(&'static str, String),
    /// An attribute begins with this.
    StartsWith(&'static str, String),
}

impl UserFilter {
    /// As `ListUsers` takes it; `None` for all users.
    pub fn expression(&self) -> Option<String> {
        let quote = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
        match self {
            Self::All => None,
            Self::Equals(name, value) => Some(format!("{name} = \"{}\"", quote(value))),
            Self::StartsWith(name, value) => Some(format!("{name} ^= \"{}\"", quote(value))),
        }
    }
}

/// What a user is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// A username, or the e-mail address or phone number where the pool signs in by those.
    pub username: String,
    /// Attributes, without `sub`.
    pub attributes: BTreeMap<String, String>,
}

/// The operations this tool calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // AWS's own names
pub enum Operation {
    DescribeUserPool,
    GetUserPoolMfaConfig,
    GetProvisionedLimit,
    ListUsers,
    ListGroups,
    GetGroup,
    ListUsersInGroup,
    CreateGroup,
    AdminCreateUser,
    AdminSetUserPassword,
    AdminAddUserToGroup,
    AdminDisableUser,
    AdminSetUserMFAPreference,
    AdminLinkProviderForUser,
    ListIdentityProviders,
    GetCSVHeader,
    CreateUserImportJob,
    UploadUserImportFile,
    StartUserImportJob,
    DescribeUserImportJob,
    ListUserPoolClients,
    DescribeUserPoolClient,
    DescribeIdentityProvider,
    ListResourceServers,
    DescribeUserPoolDomain,
    GetUICustomization,
    DescribeRiskConfiguration,
    GetLogDeliveryConfiguration,
}

impl Operation {
    /// AWS's name of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DescribeUserPool => "DescribeUserPool",
            Self::GetUserPoolMfaConfig => "GetUserPoolMfaConfig",
            Self::GetProvisionedLimit => "GetProvisionedLimit",
            Self::ListUsers => "ListUsers",
            Self::ListGroups => "ListGroups",
            Self::GetGroup => "GetGroup",
            Self::ListUsersInGroup => "ListUsersInGroup",
            Self::CreateGroup => "CreateGroup",
            Self::AdminCreateUser => "AdminCreateUser",
            Self::AdminSetUserPassword => "AdminSetUserPassword",
            Self::AdminAddUserToGroup => "AdminAddUserToGroup",
            Self::AdminDisableUser => "AdminDisableUser",
            Self::AdminSetUserMFAPreference => "AdminSetUserMFAPreference",
            Self::AdminLinkProviderForUser => "AdminLinkProviderForUser",
            Self::ListIdentityProviders => "ListIdentityProviders",
            Self::GetCSVHeader => "GetCSVHeader",
            Self::CreateUserImportJob => "CreateUserImportJob",
            Self::UploadUserImportFile => "the upload of an import job's file",
            Self::StartUserImportJob => "StartUserImportJob",
            Self::DescribeUserImportJob => "DescribeUserImportJob",
            Self::ListUserPoolClients => "ListUserPoolClients",
            Self::DescribeUserPoolClient => "DescribeUserPoolClient",
            Self::DescribeIdentityProvider => "DescribeIdentityProvider",
            Self::ListResourceServers => "ListResourceServers",
            Self::DescribeUserPoolDomain => "DescribeUserPoolDomain",
            Self::GetUICustomization => "GetUICustomization",
            Self::DescribeRiskConfiguration => "DescribeRiskConfiguration",
            Self::GetLogDeliveryConfiguration => "GetLogDeliveryConfiguration",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why one attempt of one call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {fault:?}")]
pub struct CallError {
    /// The call.
    pub operation: Operation,
    /// What was the matter.
    pub fault: Fault,
}

/// What was the matter with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its category's rate was exceeded. Nothing happened.
    Throttled,
    /// A server fault, a time-out or a lost connection. The call may have had its effect.
    Transient(String),
    /// Some limit is exceeded, and the answer does not tell a rate from a quota on resources
    /// (`LimitExceededException`). Nothing happened.
    Limit,
    /// The pool does not exist here. Nothing happened.
    NoSuchPool,
    /// The group or user does not exist. Nothing happened.
    NotFound,
    /// The name is taken. Nothing happened.
    Exists,
    /// The e-mail address or phone number is another user's alias. Nothing happened.
    AliasExists,
    /// An import job cannot start now: another one runs in the account, or its file has not
    /// arrived. Nothing happened.
    NotReady {
        /// Whether the answer says that the file is what is missing.
        no_file: bool,
    },
    /// A parameter is not accepted: a filter, a token, an attribute. Nothing happened.
    /// `attributes` names those the answer complained of, if any.
    Invalid {
        /// The error's code, in AWS's words.
        code: String,
        /// Names of attributes, never their values.
        attributes: Vec<String>,
    },
    /// The credentials do not allow it.
    AccessDenied,
    /// The credentials are missing, expired or not accepted: what is the matter with them.
    Credentials(String),
    /// Any other refusal, by its code in AWS's words.
    Refused(String),
}

impl CallError {
    /// Whether trying again can help.
    pub const fn is_transient(&self) -> bool {
        matches!(self.fault, Fault::Throttled | Fault::Limit | Fault::Transient(_))
    }

    /// Whether a parameter was not accepted.
    pub const fn is_invalid(&self) -> bool {
        matches!(self.fault, Fault::Invalid { .. })
    }

    /// Whether every other call would fail in the same way, so that going on makes no sense.
    pub const fn is_fatal(&self) -> bool {
        matches!(
            self.fault,
            Fault::NoSuchPool
                | Fault::AccessDenied
                | Fault::Credentials(_)
                | Fault::Throttled
                | Fault::Transient(_)
        )
    }

    /// In one or two words, for a list of what could not be done.
    pub fn reason(&self) -> String {
        match &self.fault {
            Fault::Throttled => "throttled".to_owned(),
            Fault::Limit => "LimitExceededException".to_owned(),
            Fault::NoSuchPool | Fault::NotFound => "not found".to_owned(),
            Fault::NotReady { .. } => "PreconditionNotMetException".to_owned(),
            Fault::Exists => "the name is taken in the new pool".to_owned(),
            Fault::AliasExists => {
                "the e-mail address or phone number is another user's in the new pool".to_owned()
            }
            Fault::Invalid { code, attributes } if attributes.is_empty() => code.clone(),
            Fault::Invalid { code, attributes } => format!("{code}: {}", attributes.join(", ")),
            Fault::AccessDenied => "access denied".to_owned(),
            Fault::Transient(cause) | Fault::Credentials(cause) | Fault::Refused(cause) => cause.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_a_filter_compares_with() {
        assert_eq!(UserFilter::All.expression(), None);
        assert_eq!(
            UserFilter::Equals("sub", r#"a"b\c"#.into()).expression().as_deref(),
            Some(r#"sub = "a\"b\\c""#)
        );
        assert_eq!(UserFilter::StartsWith("sub", "f".into()).expression().as_deref(), Some(r#"sub ^= "f""#));
    }
}
