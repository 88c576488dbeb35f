//! App clients.

use serde_json::{Value, json};

use super::super::{Answer, empty};
use super::body::{Body, answer, dated, page};
use crate::error::ServiceError;
use crate::names;
use crate::pool::Pool;
use crate::resources::Object;
use crate::state::State;

const KNOWN: [&str; 24] = [
    "UserPoolId",
    "ClientName",
    "GenerateSecret",
    "ClientSecret",
    "RefreshTokenValidity",
    "AccessTokenValidity",
    "IdTokenValidity",
    "TokenValidityUnits",
    "ReadAttributes",
    "WriteAttributes",
    "ExplicitAuthFlows",
    "SupportedIdentityProviders",
    "CallbackURLs",
    "LogoutURLs",
    "DefaultRedirectURI",
    "AllowedOAuthFlows",
    "AllowedOAuthScopes",
    "AllowedOAuthFlowsUserPoolClient",
    "AnalyticsConfiguration",
    "PreventUserExistenceErrors",
    "EnableTokenRevocation",
    "EnablePropagateAdditionalUserContextData",
    "AuthSessionValidity",
    "RefreshTokenRotation",
];

const FLOWS: [&str; 9] = [
    "ADMIN_NO_SRP_AUTH",
    "CUSTOM_AUTH_FLOW_ONLY",
    "USER_PASSWORD_AUTH",
    "ALLOW_ADMIN_USER_PASSWORD_AUTH",
    "ALLOW_CUSTOM_AUTH",
    "ALLOW_USER_PASSWORD_AUTH",
    "ALLOW_USER_SRP_AUTH",
    "ALLOW_REFRESH_TOKEN_AUTH",
    "ALLOW_USER_AUTH",
];

const SCOPES: [&str; 5] = ["phone", "email", "openid", "profile", "aws.cognito.signin.user.admin"];

/// A pool may have so many.
const MOST: usize = 1000;

fn no_client(id: &str) -> ServiceError {
    ServiceError::new("ResourceNotFoundException", format!("User pool client {id} does not exist."))
}

pub(super) fn create(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &KNOWN)?;
    let id = body.pool()?;
    names::pool_name(body.needed("ClientName", 1, 128)?)?;
    check(&body, state.pool(&id)?)?;
    let makes_one = body.flag("GenerateSecret")?.unwrap_or(false);
    let secret = body.text("ClientSecret", 24, 64)?.map(ToOwned::to_owned);
    if makes_one && secret.is_some() {
        return Err(ServiceError::invalid("GenerateSecret and ClientSecret exclude each other."));
    }
    if secret
        .as_deref()
        .is_some_and(|secret| !secret.chars().all(|c| c.is_ascii_alphanumeric() || "_+".contains(c)))
    {
        return Err(ServiceError::constraint(
            "clientSecret",
            r"Member must satisfy regular expression pattern: [\w+]+",
        ));
    }
    let client_id = letters(state, 26);
    let generated = makes_one.then(|| letters(state, 52));
    let now = state.now;
    let pool = state.pool_mut(&id)?;
    if pool.resources.clients.len() >= MOST {
        return Err(ServiceError::new("LimitExceededException", "Too many app clients."));
    }
    let mut client = dated(body.into_object(&["GenerateSecret", "ClientSecret"]), &id, None, now);
    for (member, default) in [
        ("RefreshTokenValidity", json!(30)),
        ("TokenValidityUnits", json!({})),
        ("AllowedOAuthFlowsUserPoolClient", json!(false)),
        ("EnableTokenRevocation", json!(true)),
        ("EnablePropagateAdditionalUserContextData", json!(false)),
        ("AuthSessionValidity", json!(3)),
    ] {
        client.entry(member).or_insert(default);
    }
    client.insert("ClientId".to_owned(), json!(client_id));
    if let Some(secret) = secret.or(generated) {
        client.insert("ClientSecret".to_owned(), json!(secret));
    }
    pool.resources.clients.insert(client_id, client.clone());
    Ok(answer("UserPoolClient", client))
}

fn check(body: &Body, pool: &Pool) -> Result<(), ServiceError> {
    body.number("RefreshTokenValidity", 0, 315_360_000)?;
    body.number("AccessTokenValidity", 1, 86_400)?;
    body.number("IdTokenValidity", 1, 86_400)?;
    body.number("AuthSessionValidity", 3, 15)?;
    body.flag("EnableTokenRevocation")?;
    body.flag("EnablePropagateAdditionalUserContextData")?;
    body.texts_of("ExplicitAuthFlows", &FLOWS)?;
    body.one_of("PreventUserExistenceErrors", &["LEGACY", "ENABLED"])?;
    if let Some(units) = body.object("TokenValidityUnits", &["AccessToken", "IdToken", "RefreshToken"])? {
        for token in ["AccessToken", "IdToken", "RefreshToken"] {
            units.one_of(token, &["seconds", "minutes", "hours", "days"])?;
        }
    }
    if let Some(rotation) = body.object("RefreshTokenRotation", &["Feature", "RetryGracePeriodSeconds"])? {
        rotation
            .one_of("Feature", &["ENABLED", "DISABLED"])?
            .ok_or_else(|| ServiceError::missing("feature"))?;
        rotation.number("RetryGracePeriodSeconds", 0, 60)?;
    }
    let of_pool = |name: &str| pool.schema.attributes().iter().any(|attribute| attribute.name == name);
    for list in ["ReadAttributes", "WriteAttributes"] {
        if let Some(unknown) = body.texts(list, 100)?.into_iter().find(|name| !of_pool(name)) {
            return Err(ServiceError::invalid(format!("Invalid attribute in {list}: {unknown}")));
        }
    }
    oauth(body, pool)
}

fn oauth(body: &Body, pool: &Pool) -> Result<(), ServiceError> {
    let callbacks = body.texts("CallbackURLs", 100)?;
    body.texts("LogoutURLs", 100)?;
    if let Some(redirect) = body.text("DefaultRedirectURI", 1, 1024)?
        && !callbacks.contains(&redirect)
    {
        return Err(ServiceError::invalid("DefaultRedirectURI must be in the list of CallbackURLs."));
    }
    let flows = body.texts_of("AllowedOAuthFlows", &["code", "implicit", "client_credentials"])?;
    let scopes = body.texts("AllowedOAuthScopes", 50)?;
    let uses = body.flag("AllowedOAuthFlowsUserPoolClient")?.unwrap_or(false);
    if uses && (flows.is_empty() || scopes.is_empty()) {
        return Err(ServiceError::new("InvalidOAuthFlowException", "Flows and scopes are required."));
    }
    let known = |scope: &&str| {
        SCOPES.contains(scope)
            || scope.rsplit_once('/').is_some_and(|(server, name)| has_scope(pool, server, name))
    };
    if scopes.iter().any(|scope| !known(scope)) {
        return Err(ServiceError::new("ScopeDoesNotExistException", "Invalid scope requested."));
    }
    Ok(())
}

fn has_scope(pool: &Pool, server: &str, name: &str) -> bool {
    let server = pool.resources.servers.get(server);
    let scopes = server.and_then(|server| server.get("Scopes")).and_then(Value::as_array);
    scopes.into_iter().flatten().any(|scope| scope["ScopeName"] == name)
}

fn letters(state: &mut State, count: usize) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..count).map(|_| char::from(LETTERS[state.ids.index(LETTERS.len())])).collect()
}

fn named<'a>(body: &Body, pool: &'a Pool) -> Result<(String, &'a Object), ServiceError> {
    let id = body.needed("ClientId", 1, 128)?.to_owned();
    let client = pool.resources.clients.get(&id).ok_or_else(|| no_client(&id))?;
    Ok((id, client))
}

pub(super) fn describe(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &["UserPoolId", "ClientId"])?;
    let (_, client) = named(&body, state.pool(&body.pool()?)?)?;
    Ok(answer("UserPoolClient", client.clone()))
}

pub(super) fn delete(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &["UserPoolId", "ClientId"])?;
    let pool = state.pool_mut(&body.pool()?)?;
    let (id, _) = named(&body, pool)?;
    pool.resources.clients.remove(&id);
    pool.resources.styles.remove(&id);
    pool.resources.risks.remove(&id);
    Ok(empty())
}

pub(super) fn list(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &["UserPoolId", "MaxResults", "NextToken"])?;
    let pool = body.pool()?;
    let clients = &state.pool(&pool)?.resources.clients;
    let shown = |(id, client): (&String, &Object)| {
        (id.clone(), json!({"ClientId": id, "UserPoolId": pool, "ClientName": client["ClientName"]}))
    };
    let records: Vec<_> = clients.iter().map(shown).collect();
    page(state, &body, ("ListUserPoolClients", "UserPoolClients", 60), &pool, &records)
}

/// The client a request may name: it must exist.
pub(super) fn optional(body: &Body, pool: &Pool, all: Option<&str>) -> Result<Option<String>, ServiceError> {
    match body.text("ClientId", 1, 128)? {
        None => Ok(None),
        Some(id) if Some(id) == all => Ok(None),
        Some(id) if pool.resources.clients.contains_key(id) => Ok(Some(id.to_owned())),
        Some(id) => Err(no_client(id)),
    }
}
