//! Pools as a whole.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::listings::max_results;
use super::{Answer, empty, parse, pool_id, required, resources};
use crate::error::ServiceError;
use crate::names;
use crate::password::PasswordPolicy;
use crate::pool::Pool;
use crate::pool_config::{MfaMode, PoolConfig};
use crate::schema::SchemaAttribute;
use crate::state::State;
use crate::time::seconds;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PoolRequest {
    user_pool_id: Option<String>,
}

pub(super) fn describe(state: &mut State, body: &[u8]) -> Answer {
    let id = pool_id(parse::<PoolRequest>(body)?.user_pool_id)?;
    let description = description(state, state.pool(&id)?);
    Ok(json!({ "UserPool": description }).to_string().into_bytes())
}

pub(super) fn mfa_config(state: &mut State, body: &[u8]) -> Answer {
    let id = pool_id(parse::<PoolRequest>(body)?.user_pool_id)?;
    let answer = second_factors(state, state.pool(&id)?);
    Ok(answer.to_string().into_bytes())
}

/// The answer of `GetUserPoolMfaConfig`: what `SetUserPoolMfaConfig` was told, or made up.
pub(super) fn second_factors(state: &State, pool: &Pool) -> Value {
    let config = &pool.config;
    let mut answer = json!({ "MfaConfiguration": config.mfa.name() });
    if config.mfa != MfaMode::Off || config.software_token_mfa {
        answer["SoftwareTokenMfaConfiguration"] = json!({ "Enabled": config.software_token_mfa });
    }
    if config.sms_mfa {
        answer["SmsMfaConfiguration"] = json!({ "SmsConfiguration": sms_configuration(state, config) });
    }
    if config.email_mfa {
        answer["EmailMfaConfiguration"] =
            json!({ "Subject": "Your code", "Message": "Your code is {####}." });
    }
    for (name, factor) in &pool.resources.factors {
        answer[name] = factor.clone();
    }
    answer
}

/// Where text messages come from: as the pool was told, or made up.
fn sms_configuration(state: &State, config: &PoolConfig) -> Value {
    config.extra.get("SmsConfiguration").cloned().unwrap_or_else(|| {
        json!({
            "SnsCallerArn": format!("arn:aws:iam::{}:role/text-messages", state.config.account),
            "SnsRegion": state.config.region,
        })
    })
}

pub(super) fn delete(state: &mut State, body: &[u8]) -> Answer {
    let id = pool_id(parse::<PoolRequest>(body)?.user_pool_id)?;
    if state.pool(&id)?.config.deletion_protection {
        return Err(ServiceError::invalid(
            "The user pool cannot be deleted because deletion protection is activated. Deletion \
             protection must be inactivated first.",
        ));
    }
    if resources::domains_of(state, &id).next().is_some() {
        return Err(ServiceError::invalid(
            "User pool cannot be deleted. It has a domain configured that should be deleted first.",
        ));
    }
    state.pools.remove(&id);
    Ok(empty())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRequest {
    max_results: Option<i64>,
    next_token: Option<String>,
}

pub(super) fn list(state: &mut State, body: &[u8]) -> Answer {
    let request: ListRequest = parse(body)?;
    let limit = max_results(request.max_results)?;
    // The id itself serves as the token here: pools are few, and the caller
    // knows their ids anyway.
    let after = request.next_token.unwrap_or_default();
    if !after.is_empty() && names::pool_id(&after).is_err() {
        return Err(ServiceError::invalid("Invalid pagination token."));
    }
    let mut rest = state.pools.values().filter(|pool| pool.id > after);
    let pools: Vec<Value> = rest
        .by_ref()
        .take(limit)
        .map(|pool| {
            json!({
                "Id": pool.id,
                "Name": pool.config.name,
                "LambdaConfig": pool.config.lambda_triggers,
                "CreationDate": seconds(pool.created),
                "LastModifiedDate": seconds(pool.created),
            })
        })
        .collect();
    let more = rest.next().is_some();
    let mut answer = json!({ "UserPools": pools });
    if more && let Some(last) = pools.last() {
        answer["NextToken"] = last["Id"].clone();
    }
    Ok(answer.to_string().into_bytes())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateRequest {
    pool_name: Option<String>,
    #[serde(default)]
    policies: Policies,
    #[serde(default)]
    deletion_protection: Option<String>,
    #[serde(default)]
    lambda_config: Map<String, Value>,
    #[serde(default)]
    auto_verified_attributes: Vec<String>,
    #[serde(default)]
    alias_attributes: Vec<String>,
    #[serde(default)]
    username_attributes: Vec<String>,
    #[serde(default)]
    username_configuration: Option<UsernameConfiguration>,
    #[serde(default)]
    mfa_configuration: Option<String>,
    #[serde(default)]
    schema: Vec<SchemaAttribute>,
    /// Whatever else is asked for is described as it was asked.
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policies {
    #[serde(default)]
    password_policy: PasswordPolicy,
    #[serde(default)]
    sign_in_policy: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UsernameConfiguration {
    case_sensitive: bool,
}

pub(super) fn create(state: &mut State, body: &[u8]) -> Answer {
    let request: CreateRequest = parse(body)?;
    let name = required(request.pool_name, "poolName")?;
    names::pool_name(&name)?;
    request.policies.password_policy.validate()?;
    only("usernameAttributes", &request.username_attributes, &["email", "phone_number"])?;
    only("aliasAttributes", &request.alias_attributes, &["email", "phone_number", "preferred_username"])?;
    only("autoVerifiedAttributes", &request.auto_verified_attributes, &["email", "phone_number"])?;
    if !request.username_attributes.is_empty() && !request.alias_attributes.is_empty() {
        return Err(ServiceError::invalid(
            "Only one of the aliasAttributes or usernameAttributes can be set in a user pool.",
        ));
    }
    let mfa = match request.mfa_configuration.as_deref() {
        None | Some("OFF") => MfaMode::Off,
        Some("OPTIONAL") => MfaMode::Optional,
        Some("ON") => MfaMode::On,
        Some(_) => {
            return Err(ServiceError::constraint(
                "mfaConfiguration",
                "Member must satisfy enum value set: [OFF, ON, OPTIONAL]",
            ));
        }
    };
    let mut extra = request.extra;
    // One of the two would have to win: the service refuses to choose.
    let days = request.policies.password_policy.temporary_password_validity_days;
    if extra.get("AdminCreateUserConfig").is_some_and(|config| {
        config.get("UnusedAccountValidityDays").is_some_and(|unused| *unused != json!(days))
    }) {
        return Err(ServiceError::invalid(
            "Please use TemporaryPasswordValidityDays in PasswordPolicy instead of UnusedAccountValidityDays",
        ));
    }
    if let Some(sign_in) = request.policies.sign_in_policy {
        let policies = json!({ "PasswordPolicy": request.policies.password_policy, "SignInPolicy": sign_in });
        extra.insert("Policies".to_owned(), policies);
    }
    // Described from what the pool is, never from what a request claims.
    for member in
        ["Id", "Name", "Arn", "EstimatedNumberOfUsers", "SchemaAttributes", "Domain", "CustomDomain"]
    {
        extra.remove(member);
    }
    let config = PoolConfig {
        name,
        id: None,
        schema: request.schema,
        username_attributes: request.username_attributes,
        alias_attributes: request.alias_attributes,
        // The documented default of this operation.
        case_sensitive: request.username_configuration.is_none_or(|config| config.case_sensitive),
        password_policy: request.policies.password_policy,
        mfa,
        software_token_mfa: false,
        // As the service does it where it can send text messages.
        sms_mfa: mfa != MfaMode::Off && extra.contains_key("SmsConfiguration"),
        email_mfa: false,
        auto_verified_attributes: request.auto_verified_attributes,
        lambda_triggers: request.lambda_config,
        deletion_protection: request.deletion_protection.as_deref() == Some("ACTIVE"),
        enforce_required: true,
        extra,
    };
    let id = state.create_pool(config)?;
    let description = description(state, state.pool(&id)?);
    Ok(json!({ "UserPool": description }).to_string().into_bytes())
}

fn only(member: &str, values: &[String], allowed: &[&str]) -> Result<(), ServiceError> {
    if values.iter().all(|value| allowed.contains(&value.as_str())) {
        return Ok(());
    }
    Err(ServiceError::constraint(member, &format!("Member must satisfy enum value set: {allowed:?}")))
}

fn description(state: &State, pool: &Pool) -> Value {
    let config = &pool.config;
    let real = i64::try_from(pool.len()).unwrap_or(i64::MAX);
    let estimate = real.saturating_add(state.config.listing.estimate_error).max(0);
    let mut value = json!({
        "Id": pool.id,
        "Name": config.name,
        "Arn": format!(
            "arn:aws:cognito-idp:{}:{}:userpool/{}",
            state.config.region, state.config.account, pool.id
        ),
        "Policies": {
            "PasswordPolicy": config.password_policy,
            "SignInPolicy": { "AllowedFirstAuthFactors": ["PASSWORD"] },
        },
        "DeletionProtection": if config.deletion_protection { "ACTIVE" } else { "INACTIVE" },
        "LambdaConfig": config.lambda_triggers,
        "LastModifiedDate": seconds(pool.created),
        "CreationDate": seconds(pool.created),
        "SchemaAttributes": pool.schema.attributes(),
        "VerificationMessageTemplate": { "DefaultEmailOption": "CONFIRM_WITH_CODE" },
        "UserAttributeUpdateSettings": { "AttributesRequireVerificationBeforeUpdate": [] },
        "MfaConfiguration": config.mfa.name(),
        "EstimatedNumberOfUsers": estimate,
        "EmailConfiguration": { "EmailSendingAccount": "COGNITO_DEFAULT" },
        "UserPoolTags": {},
        "AdminCreateUserConfig": {
            "AllowAdminCreateUserOnly": false,
            "UnusedAccountValidityDays": config.password_policy.temporary_password_validity_days,
        },
        "UsernameConfiguration": { "CaseSensitive": config.case_sensitive },
        "AccountRecoverySetting": {
            "RecoveryMechanisms": [
                { "Priority": 1, "Name": "verified_email" },
                { "Priority": 2, "Name": "verified_phone_number" },
            ],
        },
        "UserPoolTier": "ESSENTIALS",
    });
    let Some(members) = value.as_object_mut() else {
        return value;
    };
    for (name, list) in [
        ("AutoVerifiedAttributes", &config.auto_verified_attributes),
        ("AliasAttributes", &config.alias_attributes),
        ("UsernameAttributes", &config.username_attributes),
    ] {
        if !list.is_empty() {
            members.insert(name.to_owned(), json!(list));
        }
    }
    members.extend(config.extra.clone());
    members.extend(resources::domains_of(state, &pool.id));
    // Both the old member and the one that has replaced it are answered.
    let days = config.password_policy.temporary_password_validity_days;
    if let Some(created) = members.get_mut("AdminCreateUserConfig") {
        created["UnusedAccountValidityDays"] = json!(days);
    }
    value
}
