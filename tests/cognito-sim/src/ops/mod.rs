//! The operations, one file per kind of resource.

mod groups;
mod import_jobs;
mod limits;
mod listings;
mod mfa;
mod passwords;
mod pools;
mod providers;
mod resources;
pub(crate) mod users;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ServiceError;
use crate::names;
use crate::operation::Operation;
use crate::pool::Pool;
use crate::state::State;

/// The JSON body of an answer.
type Answer = Result<Vec<u8>, ServiceError>;

/// Carries out an operation.
pub(crate) fn run(state: &mut State, operation: Operation, body: &[u8]) -> Answer {
    match operation {
        Operation::DescribeUserPool => pools::describe(state, body),
        Operation::ListUserPools => pools::list(state, body),
        Operation::CreateUserPool => pools::create(state, body),
        Operation::DeleteUserPool => pools::delete(state, body),
        Operation::GetUserPoolMfaConfig => pools::mfa_config(state, body),
        Operation::ListGroups => listings::groups(state, body),
        Operation::GetGroup => groups::get(state, body),
        Operation::CreateGroup => groups::create(state, body),
        Operation::DeleteGroup => groups::delete(state, body),
        Operation::ListUsers => listings::users(state, body),
        Operation::ListUsersInGroup => listings::users_in_group(state, body),
        Operation::AdminCreateUser => users::create(state, body),
        Operation::AdminGetUser => users::get(state, body),
        Operation::AdminListGroupsForUser => listings::groups_of_user(state, body),
        Operation::AdminAddUserToGroup => groups::add_user(state, body),
        Operation::AdminRemoveUserFromGroup => groups::remove_user(state, body),
        Operation::AdminDisableUser => users::enable(state, body, false),
        Operation::AdminEnableUser => users::enable(state, body, true),
        Operation::AdminUpdateUserAttributes => users::update(state, body),
        Operation::AdminDeleteUser => users::delete(state, body),
        Operation::AdminSetUserPassword => passwords::set(state, body),
        Operation::AdminResetUserPassword => passwords::reset(state, body),
        Operation::GetProvisionedLimit => limits::get(state, body),
        Operation::GetCSVHeader => import_jobs::csv_header(state, body),
        Operation::DescribeUserImportJob => import_jobs::describe(state, body),
        Operation::ListUserImportJobs => import_jobs::list(state, body),
        Operation::CreateUserImportJob => import_jobs::create(state, body),
        Operation::StartUserImportJob => import_jobs::start(state, body),
        Operation::StopUserImportJob => import_jobs::stop(state, body),
        Operation::AdminSetUserMFAPreference => mfa::set_preference(state, body),
        Operation::ListIdentityProviders => providers::list(state, body),
        Operation::DescribeIdentityProvider => providers::describe(state, body),
        Operation::CreateIdentityProvider => providers::create(state, body),
        Operation::AdminLinkProviderForUser => providers::link(state, body),
        Operation::CreateUserPoolClient
        | Operation::DescribeUserPoolClient
        | Operation::ListUserPoolClients
        | Operation::DeleteUserPoolClient
        | Operation::CreateResourceServer
        | Operation::ListResourceServers
        | Operation::CreateUserPoolDomain
        | Operation::DescribeUserPoolDomain
        | Operation::DeleteUserPoolDomain
        | Operation::SetUICustomization
        | Operation::GetUICustomization
        | Operation::SetRiskConfiguration
        | Operation::DescribeRiskConfiguration
        | Operation::SetLogDeliveryConfiguration
        | Operation::GetLogDeliveryConfiguration
        | Operation::SetUserPoolMfaConfig => resources::run(state, operation, body),
    }
}

/// A name and a value, as requests spell them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeMember {
    name: Option<String>,
    #[serde(default)]
    value: String,
}

/// Names a user of a pool.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserRequest {
    user_pool_id: Option<String>,
    username: Option<String>,
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ServiceError> {
    // serde's own message may quote the input; this one must not.
    serde_json::from_slice(body).map_err(|error| {
        ServiceError::new("SerializationException", format!("Malformed request at line {}", error.line()))
    })
}

fn required<T>(value: Option<T>, member: &str) -> Result<T, ServiceError> {
    value.ok_or_else(|| ServiceError::missing(member))
}

fn pool_id(value: Option<String>) -> Result<String, ServiceError> {
    let id = required(value, "userPoolId")?;
    names::pool_id(&id)?;
    Ok(id)
}

fn username(value: Option<String>) -> Result<String, ServiceError> {
    let name = required(value, "username")?;
    names::name("username", &name)?;
    Ok(name)
}

fn attributes(members: Vec<AttributeMember>) -> Result<Vec<(String, String)>, ServiceError> {
    members
        .into_iter()
        .map(|member| Ok((required(member.name, "userAttributes.member.name")?, member.value)))
        .collect()
}

/// Finds the user a request means and counts a write to its profile.
fn user_to_write(state: &mut State, request: UserRequest) -> Result<(String, u32), ServiceError> {
    let id = pool_id(request.user_pool_id)?;
    let name = username(request.username)?;
    let pool = state.pool(&id)?;
    let number = pool.find(&name).ok_or_else(ServiceError::no_user)?;
    let key = (pool.key, number);
    let limit = state.config.quotas.writes_per_user;
    if !state.writes.admit(key, state.now, limit) {
        return Err(ServiceError::throttled());
    }
    Ok((id, number))
}

/// The user becomes a billed monthly active user.
fn bill(pool: &mut Pool, number: u32) {
    if let Some(sub) = pool.user(number).map(|user| user.sub.clone()) {
        pool.billed.insert(sub);
    }
}

fn empty() -> Vec<u8> {
    b"{}".to_vec()
}
