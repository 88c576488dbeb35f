//! A user pool through the AWS SDK.

mod capture;
mod connect;
mod convert;
mod fault;
mod message;
mod settings;
#[cfg(test)]
mod tests;
mod upload;

use async_trait::async_trait;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::{
    AttributeType, EmailMfaSettingsType, LimitClass, LimitDefinitionType, MessageActionType,
    ProviderUserIdentifierType, SmsMfaSettingsType,
};
use bytes::Bytes;
use serde_json::Value;

pub use connect::ConnectOptions;

use crate::model::{Group, PoolId, User};
use crate::ports::{
    CallError, Directory, Factor, Identity, JobReport, NewJob, NewUser, Operation, PAGE_SIZE, Page,
    PoolDescription, RawAnswer, SettingsCall, UploadUrl, UserFilter,
};
use capture::Capture;
use fault::Sent;

/// A user pool in Amazon Cognito. Each method is one request, without retries.
#[derive(Clone, Debug)]
pub struct CognitoDirectory {
    pool: PoolId,
    region: String,
    client: Client,
}

impl CognitoDirectory {
    fn id(&self) -> &str {
        self.pool.as_str()
    }
}

#[async_trait]
impl Directory for CognitoDirectory {
    fn pool(&self) -> &PoolId {
        &self.pool
    }

    fn region(&self) -> &str {
        &self.region
    }

    async fn describe(&self) -> Result<PoolDescription, CallError> {
        let sent = Sent::new(Operation::DescribeUserPool);
        let capture = Capture::default();
        let call = self.client.describe_user_pool().user_pool_id(self.id());
        call.customize().interceptor(capture.clone()).send().await.map_err(|error| sent.error(&error))?;
        let mut answer = capture.json().ok_or_else(|| sent.unreadable())?;
        let user_pool = answer.get_mut("UserPool").map(Value::take).filter(Value::is_object);
        let user_pool = user_pool.ok_or_else(|| sent.unreadable())?;
        // Absent, null or negative: nothing is known of the users' number.
        let estimated_users = user_pool["EstimatedNumberOfUsers"].as_u64().unwrap_or(0);
        Ok(PoolDescription { user_pool, estimated_users })
    }

    async fn mfa_config(&self) -> Result<Value, CallError> {
        let sent = Sent::new(Operation::GetUserPoolMfaConfig);
        let capture = Capture::default();
        let call = self.client.get_user_pool_mfa_config().user_pool_id(self.id());
        call.customize().interceptor(capture.clone()).send().await.map_err(|error| sent.error(&error))?;
        capture.json().filter(Value::is_object).ok_or_else(|| sent.unreadable())
    }

    async fn provisioned_limit(&self, category: &str) -> Result<Option<f64>, CallError> {
        let sent = Sent::new(Operation::GetProvisionedLimit);
        let limit = LimitDefinitionType::builder()
            .limit_class(LimitClass::ApiCategory)
            .attributes("Category", category)
            .build()
            .map_err(|_| sent.not_built())?;
        let call = self.client.get_provisioned_limit().limit_definition(limit);
        let answer = call.send().await.map_err(|error| sent.error(&error))?;
        // The SDK reads a missing number as 0, and no account has a rate of 0.
        let value = answer.limit.map(|limit| limit.provisioned_limit_value);
        Ok(value.filter(|rate| *rate > 0).map(f64::from))
    }

    async fn list_users(
        &self,
        filter: &UserFilter,
        limit: u8,
        token: Option<&str>,
    ) -> Result<Page<User>, CallError> {
        let sent = Sent::page(Operation::ListUsers, token);
        let call = self.client.list_users().user_pool_id(self.id()).limit(limit.into());
        let call = call
            .set_filter(filter.expression())
            .set_pagination_token(convert::present(token.map(ToOwned::to_owned)));
        let answer = call.send().await.map_err(|error| sent.error(&error))?;
        convert::user_page(answer.users, answer.pagination_token).ok_or_else(|| sent.unreadable())
    }

    async fn list_groups(&self, token: Option<&str>) -> Result<Page<Group>, CallError> {
        let sent = Sent::page(Operation::ListGroups, token);
        let call = self.client.list_groups().user_pool_id(self.id()).limit(PAGE_SIZE.into());
        let call = call.set_next_token(convert::present(token.map(ToOwned::to_owned)));
        let answer = call.send().await.map_err(|error| sent.error(&error))?;
        convert::group_page(answer.groups, answer.next_token).ok_or_else(|| sent.unreadable())
    }

    async fn get_group(&self, name: &str) -> Result<Group, CallError> {
        let sent = Sent::new(Operation::GetGroup);
        let call = self.client.get_group().user_pool_id(self.id()).group_name(name);
        let answer = call.send().await.map_err(|error| sent.error(&error))?;
        answer.group.and_then(convert::group).ok_or_else(|| sent.unreadable())
    }

    async fn list_members(&self, group: &str, token: Option<&str>) -> Result<Page<User>, CallError> {
        let sent = Sent::page(Operation::ListUsersInGroup, token);
        let call = self.client.list_users_in_group().user_pool_id(self.id()).group_name(group);
        let call =
            call.limit(PAGE_SIZE.into()).set_next_token(convert::present(token.map(ToOwned::to_owned)));
        let answer = call.send().await.map_err(|error| sent.error(&error))?;
        convert::user_page(answer.users, answer.next_token).ok_or_else(|| sent.unreadable())
    }

    async fn create_group(&self, group: &Group) -> Result<(), CallError> {
        let sent = Sent::new(Operation::CreateGroup);
        let call = self.client.create_group().user_pool_id(self.id()).group_name(&group.name);
        let call = call
            .set_description(convert::present(group.description.clone()))
            .set_precedence(group.precedence)
            .set_role_arn(convert::present(group.role_arn.clone()));
        call.send().await.map_err(|error| sent.error(&error))?;
        Ok(())
    }

    async fn create_user(&self, user: &NewUser) -> Result<User, CallError> {
        let sent = Sent::user(Operation::AdminCreateUser, &user.username, &user.attributes);
        let attributes: Result<Vec<_>, _> = user
            .attributes
            .iter()
            .map(|(name, value)| AttributeType::builder().name(name).value(value).build())
            .collect();
        // No temporary password: Cognito makes one, and nobody learns it. Never
        // ForceAliasCreation: it would take another user's alias away.
        let call = self.client.admin_create_user().user_pool_id(self.id()).username(&user.username);
        let call = call
            .set_user_attributes(Some(attributes.map_err(|_| sent.not_built())?))
            .message_action(MessageActionType::Suppress);
        let answer = call.send().await.map_err(|error| sent.error(&error))?;
        answer.user.and_then(convert::named_user).ok_or_else(|| sent.unreadable())
    }

    async fn set_password(&self, username: &str, password: &str) -> Result<(), CallError> {
        let sent = Sent::new(Operation::AdminSetUserPassword);
        let call = self.client.admin_set_user_password().user_pool_id(self.id()).username(username);
        let call = call.password(password).permanent(true);
        call.send().await.map_err(|error| sent.error(&error))?;
        Ok(())
    }

    async fn add_to_group(&self, username: &str, group: &str) -> Result<(), CallError> {
        let sent = Sent::new(Operation::AdminAddUserToGroup);
        let call = self.client.admin_add_user_to_group().user_pool_id(self.id());
        let call = call.username(username).group_name(group);
        call.send().await.map_err(|error| sent.error(&error))?;
        Ok(())
    }

    async fn disable_user(&self, username: &str) -> Result<(), CallError> {
        let sent = Sent::new(Operation::AdminDisableUser);
        let call = self.client.admin_disable_user().user_pool_id(self.id()).username(username);
        call.send().await.map_err(|error| sent.error(&error))?;
        Ok(())
    }

    async fn set_mfa_preference(&self, username: &str, factors: &[Factor]) -> Result<(), CallError> {
        let sent = Sent::new(Operation::AdminSetUserMFAPreference);
        let preferred = |factor| factors.first() == Some(&factor);
        let call = self.client.admin_set_user_mfa_preference().user_pool_id(self.id()).username(username);
        let sms = factors.contains(&Factor::Sms).then(|| {
            let settings = SmsMfaSettingsType::builder().enabled(true);
            settings.preferred_mfa(preferred(Factor::Sms)).build()
        });
        let email = factors.contains(&Factor::Email).then(|| {
            let settings = EmailMfaSettingsType::builder().enabled(true);
            settings.preferred_mfa(preferred(Factor::Email)).build()
        });
        let call = call.set_sms_mfa_settings(sms).set_email_mfa_settings(email);
        call.send().await.map_err(|error| sent.error(&error))?;
        Ok(())
    }

    async fn link_provider(&self, username: &str, identity: &Identity) -> Result<(), CallError> {
        let sent = Sent::new(Operation::AdminLinkProviderForUser);
        let user = ProviderUserIdentifierType::builder()
            .provider_name("Cognito")
            .provider_attribute_value(username)
            .build();
        // The one name every kind of provider takes: its own id of the user.
        let source = ProviderUserIdentifierType::builder()
            .provider_name(&identity.provider)
            .provider_attribute_name("Cognito_Subject")
            .provider_attribute_value(&identity.user_id)
            .build();
        let call = self.client.admin_link_provider_for_user().user_pool_id(self.id());
        let call = call.destination_user(user).source_user(source);
        call.send().await.map_err(|error| sent.error(&error))?;
        Ok(())
    }

    async fn csv_header(&self) -> Result<Vec<String>, CallError> {
        let sent = Sent::new(Operation::GetCSVHeader);
        let call = self.client.get_csv_header().user_pool_id(self.id());
        let answer = call.send().await.map_err(|error| sent.error(&error))?;
        answer.csv_header.filter(|columns| !columns.is_empty()).ok_or_else(|| sent.unreadable())
    }

    async fn create_import_job(&self, name: &str, logs_role_arn: &str) -> Result<NewJob, CallError> {
        let sent = Sent::new(Operation::CreateUserImportJob);
        let call = self.client.create_user_import_job().user_pool_id(self.id()).job_name(name);
        let answer = call.cloud_watch_logs_role_arn(logs_role_arn).send().await;
        let job = answer.map_err(|error| sent.error(&error))?.user_import_job;
        job.and_then(convert::new_job).ok_or_else(|| sent.unreadable())
    }

    async fn upload(&self, url: &UploadUrl, file: Bytes) -> Result<(), CallError> {
        let operation = Operation::UploadUserImportFile;
        upload::put(url, file).await.map_err(|fault| CallError { operation, fault })
    }

    async fn start_import_job(&self, job: &str) -> Result<JobReport, CallError> {
        let sent = Sent::new(Operation::StartUserImportJob);
        let call = self.client.start_user_import_job().user_pool_id(self.id()).job_id(job);
        let answer = call.send().await.map_err(|error| sent.error(&error))?;
        answer.user_import_job.and_then(convert::job).ok_or_else(|| sent.unreadable())
    }

    async fn describe_import_job(&self, job: &str) -> Result<JobReport, CallError> {
        let sent = Sent::new(Operation::DescribeUserImportJob);
        let call = self.client.describe_user_import_job().user_pool_id(self.id()).job_id(job);
        let answer = call.send().await.map_err(|error| sent.error(&error))?;
        answer.user_import_job.and_then(convert::job).ok_or_else(|| sent.unreadable())
    }

    async fn read_settings(&self, call: &SettingsCall) -> Result<RawAnswer, CallError> {
        self.settings(call).await
    }
}
