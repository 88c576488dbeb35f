//! Identity providers, and users linked to identities there.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::listings::{close, max_results, start};
use super::{Answer, UserRequest, bill, empty, parse, pool_id, required, user_to_write};
use crate::error::ServiceError;
use crate::page::cut;
use crate::pool::Pool;
use crate::provider::{Identity, IdentityProvider, MAX_LINKS, ProviderType, SUBJECT, identities};
use crate::state::State;
use crate::token::Seal;
use crate::user::UserStatus;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateRequest {
    user_pool_id: Option<String>,
    provider_name: Option<String>,
    provider_type: Option<String>,
    provider_details: Option<BTreeMap<String, String>>,
    #[serde(default)]
    attribute_mapping: BTreeMap<String, String>,
    #[serde(default)]
    idp_identifiers: Vec<String>,
    #[serde(default)]
    acr_mapping: BTreeMap<String, String>,
}

pub(super) fn create(state: &mut State, body: &[u8]) -> Answer {
    let request: CreateRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    let provider_type = required(request.provider_type, "providerType")?;
    let provider_type =
        ProviderType::ALL.into_iter().find(|known| known.name() == provider_type).ok_or_else(|| {
            let names = ProviderType::ALL.map(ProviderType::name).join(", ");
            ServiceError::constraint(
                "providerType",
                &format!("Member must satisfy enum value set: [{names}]"),
            )
        })?;
    let provider = IdentityProvider {
        name: required(request.provider_name, "providerName")?,
        provider_type,
        details: required(request.provider_details, "providerDetails")?,
        attribute_mapping: request.attribute_mapping,
        idp_identifiers: request.idp_identifiers,
        acr_mapping: request.acr_mapping,
        created: 0,
    };
    provider.validate()?;
    let now = state.now;
    let pool = state.pool_mut(&id)?;
    check_mapping(pool, &provider)?;
    let provider = pool.add_provider(provider.complete(now))?;
    Ok(answer(&provider.describe(&id)))
}

/// Attributes are only taken into those that exist.
fn check_mapping(pool: &Pool, provider: &IdentityProvider) -> Result<(), ServiceError> {
    let known = |name: &str| {
        name == "username"
            || name != "sub" && pool.schema.attributes().iter().any(|attribute| attribute.name == name)
    };
    match provider.attribute_mapping.keys().find(|name| !known(name)) {
        Some(name) => Err(ServiceError::invalid(format!("Attribute {name} does not exist in the schema."))),
        None => Ok(()),
    }
}

fn answer(provider: &Value) -> Vec<u8> {
    json!({ "IdentityProvider": provider }).to_string().into_bytes()
}

fn no_provider() -> ServiceError {
    ServiceError::new("ResourceNotFoundException", "Identity provider does not exist.")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeRequest {
    user_pool_id: Option<String>,
    provider_name: Option<String>,
}

pub(super) fn describe(state: &mut State, body: &[u8]) -> Answer {
    let request: DescribeRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    let name = required(request.provider_name, "providerName")?;
    let provider = state.pool(&id)?.provider(&name).ok_or_else(no_provider)?;
    Ok(answer(&provider.describe(&id)))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRequest {
    user_pool_id: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

pub(super) fn list(state: &mut State, body: &[u8]) -> Answer {
    let request: ListRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    // Unlike other listings, this one does not insist on it.
    let limit = max_results(request.max_results.or(Some(60)))?;
    let now = state.now;
    let State { pools, config, chance, .. } = state;
    let pool = pools.get(&id).ok_or_else(|| ServiceError::no_pool(&id))?;
    let seal = Seal::new(config.seed, &["ListIdentityProviders", &id]);
    let start = start(seal, request.next_token.as_ref(), now)?;
    let places = pool.provider_places().into_iter().filter(|place| !start.started || *place > start.after);
    let page = cut(places, start, limit, None, &config.listing, chance);
    let lines: Vec<String> = page
        .numbers
        .iter()
        .filter_map(|&number| pool.providers.get(number as usize))
        .map(|provider| provider.summary().to_string())
        .collect();
    let out = format!("{{\"Providers\":[{}", lines.join(","));
    Ok(close(out.into_bytes(), &page, "NextToken", seal, now))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LinkRequest {
    user_pool_id: Option<String>,
    destination_user: Option<ProviderUser>,
    source_user: Option<ProviderUser>,
}

#[derive(Deserialize)]
struct ProviderUser {
    #[serde(rename = "ProviderName")]
    provider: Option<String>,
    #[serde(rename = "ProviderAttributeName")]
    attribute: Option<String>,
    #[serde(rename = "ProviderAttributeValue")]
    value: Option<String>,
}

pub(super) fn link(state: &mut State, body: &[u8]) -> Answer {
    let request: LinkRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    let destination = required(request.destination_user, "destinationUser")?;
    let source = required(request.source_user, "sourceUser")?;
    let name = native_name(destination)?;
    let provider = required(source.provider, "sourceUser.providerName")?;
    let subject = required(source.value, "sourceUser.providerAttributeValue")?;
    let by = required(source.attribute, "sourceUser.providerAttributeName")?;
    let pool = state.pool(&id)?;
    let provider_type = source_provider(pool, &provider, &by, &subject)?;
    // The name itself, no alias: that is what is documented.
    let number = pool.by_username(&name).filter(|&number| native(pool, number));
    let number = number.ok_or_else(ServiceError::no_user)?;
    user_to_write(state, UserRequest { user_pool_id: Some(id.clone()), username: Some(name) })?;
    let when = state.when();
    let pool = state.pool_mut(&id)?;
    check_free(pool, number, &provider, &subject)?;
    let attribute = pool.schema.intern("identities");
    let before = pool.user(number).and_then(|user| user.value(attribute));
    if before.is_some_and(|value| identities(value).len() >= MAX_LINKS) {
        return Err(ServiceError::new(
            "LimitExceededException",
            "The number of identities linked to the user exceeds the limit of 5.",
        ));
    }
    let value = Identity::linked(&provider, provider_type, &subject, when.now).append(before);
    pool.update(number, when, |user| user.set([(attribute, value)]));
    bill(pool, number);
    Ok(empty())
}

/// The name of the user that is linked to.
fn native_name(user: ProviderUser) -> Result<String, ServiceError> {
    if required(user.provider, "destinationUser.providerName")? != "Cognito" {
        return Err(ServiceError::invalid("The provider of the DestinationUser must be Cognito."));
    }
    let name = required(user.value, "destinationUser.providerAttributeValue")?;
    super::username(Some(name))
}

fn native(pool: &Pool, number: u32) -> bool {
    pool.user(number).is_some_and(|user| user.status != UserStatus::ExternalProvider)
}

/// Checks where the identity comes from.
fn source_provider(pool: &Pool, name: &str, by: &str, subject: &str) -> Result<ProviderType, ServiceError> {
    let provider = pool
        .provider(name)
        .ok_or_else(|| ServiceError::invalid("The provider of the SourceUser is unknown."))?;
    if subject.is_empty() {
        return Err(ServiceError::constraint(
            "sourceUser.providerAttributeValue",
            "Member must not be empty",
        ));
    }
    let mapped = !provider.provider_type.social() && provider.attribute_mapping.contains_key(by);
    if by != SUBJECT && !mapped {
        return Err(ServiceError::invalid("Invalid ProviderAttributeName of the SourceUser."));
    }
    Ok(provider.provider_type)
}

/// Checks that nobody is, or has, this identity yet.
fn check_free(pool: &Pool, destination: u32, provider: &str, subject: &str) -> Result<(), ServiceError> {
    let holder = pool.identity_holder(provider, subject);
    if holder == Some(destination) {
        return Err(ServiceError::invalid("SourceUser is already linked to DestinationUser"));
    }
    let user = pool.provider(provider).and_then(|known| pool.by_username(&known.username(subject)));
    if holder.is_some() || user.is_some() {
        return Err(ServiceError::invalid(
            "Merging is not currently supported, provide a SourceUser that has not been signed up in order to \
             link",
        ));
    }
    Ok(())
}
