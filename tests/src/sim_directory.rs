//! A simulated pool behind the port, without a network: every call is one step.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cognito_profiles::model::{Group, MfaOption, PoolId, User};
use cognito_profiles::ports::{
    CallError, Clock, Directory, Factor, Fault, Identity, JobCounts, JobReport, NewJob, NewUser, Operation,
    Page, PoolDescription, RawAnswer, SettingsCall, UploadUrl, UserFilter,
};
use cognito_profiles::time::Timestamp;
use cognito_sim::{Cognito, Reply};
use serde_json::{Value, json};

/// One pool of a simulated Cognito, at the time of `clock`.
pub struct SimDirectory {
    pool: PoolId,
    cognito: Arc<Cognito>,
    clock: Arc<dyn Clock>,
}

impl SimDirectory {
    /// The pool of that id.
    pub fn new(cognito: Arc<Cognito>, pool: &str, clock: Arc<dyn Clock>) -> Self {
        Self { pool: PoolId::new(pool), cognito, clock }
    }

    fn now(&self) -> u64 {
        self.clock.now().as_millis().cast_unsigned()
    }

    async fn call(&self, operation: Operation, mut body: Value) -> Result<Value, CallError> {
        // The one request that names no pool.
        if operation != Operation::DescribeUserPoolDomain {
            body["UserPoolId"] = json!(self.pool.as_str());
        }
        let outcome = self.cognito.call(operation.as_str(), body.to_string().as_bytes(), self.now());
        self.clock.sleep(std::time::Duration::from_millis(outcome.latency)).await;
        outcome.json().map_err(|reply| CallError { operation, fault: fault(reply) })
    }
}

fn fault(reply: Reply) -> Fault {
    let error = match reply {
        Reply::Error(error) => error,
        Reply::Unavailable => return Fault::Transient("HTTP 503".to_owned()),
        _ => return Fault::Transient("connection closed".to_owned()),
    };
    match error.code.as_ref() {
        "TooManyRequestsException" => Fault::Throttled,
        "InternalErrorException" => Fault::Transient("HTTP 500".to_owned()),
        "ResourceNotFoundException" if error.message.starts_with("User pool client") => Fault::NotFound,
        "ResourceNotFoundException" if error.message.contains("pool") => Fault::NoSuchPool,
        "ResourceNotFoundException" | "UserNotFoundException" => Fault::NotFound,
        "UsernameExistsException" | "GroupExistsException" => Fault::Exists,
        "AliasExistsException" => Fault::AliasExists,
        "PreconditionNotMetException" => Fault::NotReady { no_file: error.message.contains("csv file") },
        "LimitExceededException" => Fault::Limit,
        "InvalidParameterException" if error.message.contains("already linked to DestinationUser") => {
            Fault::Exists
        }
        "InvalidParameterException" | "InvalidPasswordException" => {
            Fault::Invalid { code: error.code.into_owned(), attributes: Vec::new() }
        }
        "AccessDeniedException" => Fault::AccessDenied,
        other => Fault::Refused(other.to_owned()),
    }
}

fn job_report(job: &Value) -> JobReport {
    let count = |name: &str| job[name].as_u64().unwrap_or(0);
    JobReport {
        status: text(job, "Status").unwrap_or_default(),
        counts: JobCounts {
            imported: count("ImportedUsers"),
            skipped: count("SkippedUsers"),
            failed: count("FailedUsers"),
        },
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

#[allow(clippy::cast_possible_truncation)] // milliseconds of this age fit
fn time(value: &Value, name: &str) -> Option<Timestamp> {
    value[name].as_f64().map(|seconds| Timestamp::from_millis((seconds * 1000.0).round() as i64))
}

fn mfa_option(value: &Value) -> MfaOption {
    MfaOption { delivery_medium: text(value, "DeliveryMedium"), attribute_name: text(value, "AttributeName") }
}

fn user(value: &Value) -> User {
    let attributes = value["Attributes"].as_array().into_iter().flatten();
    let mut attributes: BTreeMap<String, String> = attributes
        .filter_map(|pair| Some((text(pair, "Name")?, text(pair, "Value").unwrap_or_default())))
        .collect();
    let username = text(value, "Username").unwrap_or_default();
    User {
        sub: attributes.remove("sub").unwrap_or_else(|| username.clone()),
        username,
        attributes,
        enabled: value["Enabled"].as_bool().unwrap_or(false),
        status: text(value, "UserStatus").unwrap_or_default(),
        created_at: time(value, "UserCreateDate"),
        modified_at: time(value, "UserLastModifiedDate"),
        mfa_options: value["MFAOptions"].as_array().into_iter().flatten().map(mfa_option).collect(),
    }
}

#[allow(clippy::cast_possible_truncation)] // precedence is an i32 in the API
fn group(value: &Value) -> Group {
    Group {
        name: text(value, "GroupName").unwrap_or_default(),
        description: text(value, "Description"),
        precedence: value["Precedence"].as_i64().map(|precedence| precedence as i32),
        role_arn: text(value, "RoleArn"),
        created_at: time(value, "CreationDate"),
        modified_at: time(value, "LastModifiedDate"),
    }
}

fn page<T>(answer: &Value, items: &str, token: &str, read: fn(&Value) -> T) -> Page<T> {
    let items = answer[items].as_array().into_iter().flatten().map(read).collect();
    Page { items, next: text(answer, token) }
}

/// Cognito does not take nulls for what is absent.
fn without_nulls(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    body
}

#[async_trait]
impl Directory for SimDirectory {
    fn pool(&self) -> &PoolId {
        &self.pool
    }

    fn region(&self) -> &str {
        self.pool.region().unwrap_or("nowhere")
    }

    async fn describe(&self) -> Result<PoolDescription, CallError> {
        let mut answer = self.call(Operation::DescribeUserPool, json!({})).await?;
        let user_pool = answer["UserPool"].take();
        let estimated_users = user_pool["EstimatedNumberOfUsers"].as_u64().unwrap_or(0);
        Ok(PoolDescription { user_pool, estimated_users })
    }

    async fn mfa_config(&self) -> Result<Value, CallError> {
        self.call(Operation::GetUserPoolMfaConfig, json!({})).await
    }

    async fn provisioned_limit(&self, category: &str) -> Result<Option<f64>, CallError> {
        let body =
            json!({"LimitDefinition": {"LimitClass": "API_CATEGORY", "Attributes": {"Category": category}}});
        let answer = self.call(Operation::GetProvisionedLimit, body).await?;
        Ok(answer["Limit"]["ProvisionedLimitValue"].as_f64())
    }

    async fn list_users(
        &self,
        filter: &UserFilter,
        limit: u8,
        token: Option<&str>,
    ) -> Result<Page<User>, CallError> {
        let body = json!({"Filter": filter.expression(), "PaginationToken": token, "Limit": limit});
        let answer = self.call(Operation::ListUsers, without_nulls(body)).await?;
        Ok(page(&answer, "Users", "PaginationToken", user))
    }

    async fn list_groups(&self, token: Option<&str>) -> Result<Page<Group>, CallError> {
        let body = without_nulls(json!({"NextToken": token, "Limit": 60}));
        let answer = self.call(Operation::ListGroups, body).await?;
        Ok(page(&answer, "Groups", "NextToken", group))
    }

    async fn get_group(&self, name: &str) -> Result<Group, CallError> {
        let answer = self.call(Operation::GetGroup, json!({"GroupName": name})).await?;
        Ok(group(&answer["Group"]))
    }

    async fn list_members(&self, group: &str, token: Option<&str>) -> Result<Page<User>, CallError> {
        let body = without_nulls(json!({"GroupName": group, "NextToken": token, "Limit": 60}));
        let answer = self.call(Operation::ListUsersInGroup, body).await?;
        Ok(page(&answer, "Users", "NextToken", user))
    }

    async fn create_group(&self, group: &Group) -> Result<(), CallError> {
        let body = json!({"GroupName": group.name, "Description": group.description,
                          "Precedence": group.precedence, "RoleArn": group.role_arn});
        self.call(Operation::CreateGroup, without_nulls(body)).await.map(drop)
    }

    async fn create_user(&self, new: &NewUser) -> Result<User, CallError> {
        let attributes: Vec<Value> =
            new.attributes.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
        let body =
            json!({"Username": new.username, "UserAttributes": attributes, "MessageAction": "SUPPRESS"});
        let answer = self.call(Operation::AdminCreateUser, body).await?;
        Ok(user(&answer["User"]))
    }

    async fn set_password(&self, username: &str, password: &str) -> Result<(), CallError> {
        let body = json!({"Username": username, "Password": password, "Permanent": true});
        self.call(Operation::AdminSetUserPassword, body).await.map(drop)
    }

    async fn add_to_group(&self, username: &str, group: &str) -> Result<(), CallError> {
        let body = json!({"Username": username, "GroupName": group});
        self.call(Operation::AdminAddUserToGroup, body).await.map(drop)
    }

    async fn disable_user(&self, username: &str) -> Result<(), CallError> {
        self.call(Operation::AdminDisableUser, json!({"Username": username})).await.map(drop)
    }

    async fn set_mfa_preference(&self, username: &str, factors: &[Factor]) -> Result<(), CallError> {
        let settings = |factor| {
            let set = json!({"Enabled": true, "PreferredMfa": factors.first() == Some(&factor)});
            factors.contains(&factor).then_some(set)
        };
        let body = json!({"Username": username, "SMSMfaSettings": settings(Factor::Sms),
                          "EmailMfaSettings": settings(Factor::Email)});
        self.call(Operation::AdminSetUserMFAPreference, without_nulls(body)).await.map(drop)
    }

    async fn link_provider(&self, username: &str, identity: &Identity) -> Result<(), CallError> {
        let body = json!({
            "DestinationUser": {"ProviderName": "Cognito", "ProviderAttributeValue": username},
            "SourceUser": {"ProviderName": identity.provider, "ProviderAttributeName": "Cognito_Subject",
                           "ProviderAttributeValue": identity.user_id}});
        self.call(Operation::AdminLinkProviderForUser, body).await.map(drop)
    }

    async fn csv_header(&self) -> Result<Vec<String>, CallError> {
        let mut answer = self.call(Operation::GetCSVHeader, json!({})).await?;
        Ok(serde_json::from_value(answer["CSVHeader"].take()).unwrap_or_default())
    }

    async fn create_import_job(&self, name: &str, logs_role_arn: &str) -> Result<NewJob, CallError> {
        let body = json!({"JobName": name, "CloudWatchLogsRoleArn": logs_role_arn});
        let answer = self.call(Operation::CreateUserImportJob, body).await?;
        let job = &answer["UserImportJob"];
        let member = |name| text(job, name).unwrap_or_default();
        Ok(NewJob { id: member("JobId"), upload: UploadUrl::new(member("PreSignedUrl")) })
    }

    async fn upload(&self, url: &UploadUrl, file: Bytes) -> Result<(), CallError> {
        let operation = Operation::UploadUserImportFile;
        let fault = match self.cognito.upload(url.expose(), Some("aws:kms"), &file, self.now()) {
            200..=299 => return Ok(()),
            status @ 500.. => Fault::Transient(format!("HTTP {status}")),
            status => Fault::Refused(format!("HTTP {status}")),
        };
        Err(CallError { operation, fault })
    }

    async fn start_import_job(&self, job: &str) -> Result<JobReport, CallError> {
        let answer = self.call(Operation::StartUserImportJob, json!({"JobId": job})).await?;
        Ok(job_report(&answer["UserImportJob"]))
    }

    async fn describe_import_job(&self, job: &str) -> Result<JobReport, CallError> {
        let answer = self.call(Operation::DescribeUserImportJob, json!({"JobId": job})).await?;
        Ok(job_report(&answer["UserImportJob"]))
    }

    async fn read_settings(&self, call: &SettingsCall) -> Result<RawAnswer, CallError> {
        let body = match call {
            SettingsCall::Clients(token) | SettingsCall::IdentityProviders(token) => {
                json!({"MaxResults": 60, "NextToken": token})
            }
            SettingsCall::ResourceServers(token) => json!({"MaxResults": 50, "NextToken": token}),
            SettingsCall::Client(id) => json!({"ClientId": id}),
            SettingsCall::IdentityProvider(name) => json!({"ProviderName": name}),
            SettingsCall::Domain(name) => json!({"Domain": name}),
            SettingsCall::UiCustomization(id) | SettingsCall::RiskConfiguration(id) => {
                json!({"ClientId": id})
            }
            SettingsCall::LogDelivery => json!({}),
        };
        self.call(call.operation(), without_nulls(body)).await.map(RawAnswer::new)
    }
}
