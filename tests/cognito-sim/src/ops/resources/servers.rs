//! Resource servers and their scopes.

use serde_json::Value;

use super::super::Answer;
use super::body::{Body, answer, page};
use crate::error::ServiceError;
use crate::names;
use crate::state::State;

/// A pool may have so many.
const MOST: usize = 25;

pub(super) fn create(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &["UserPoolId", "Identifier", "Name", "Scopes"])?;
    let id = body.pool()?;
    let identifier = body.needed("Identifier", 1, 256)?.to_owned();
    names::pool_name(body.needed("Name", 1, 256)?)?;
    for scope in body.objects("Scopes", 100, &["ScopeName", "ScopeDescription"])? {
        if scope.needed("ScopeName", 1, 256)?.contains(['/', ' ']) {
            return Err(ServiceError::constraint(
                "scopeName",
                "Member must satisfy regular expression pattern",
            ));
        }
        scope.needed("ScopeDescription", 1, 256)?;
    }
    let servers = &mut state.pool_mut(&id)?.resources.servers;
    if servers.contains_key(&identifier) {
        return Err(ServiceError::invalid(format!("{id} already has a resource server of that identifier.")));
    }
    if servers.len() >= MOST {
        return Err(ServiceError::new("LimitExceededException", "Too many resource servers."));
    }
    let mut server = body.into_object(&[]);
    server.entry("Scopes").or_insert_with(|| Value::Array(Vec::new()));
    servers.insert(identifier, server.clone());
    Ok(answer("ResourceServer", server))
}

pub(super) fn list(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &["UserPoolId", "MaxResults", "NextToken"])?;
    let pool = body.pool()?;
    let servers = &state.pool(&pool)?.resources.servers;
    let records: Vec<_> =
        servers.iter().map(|(id, server)| (id.clone(), Value::Object(server.clone()))).collect();
    page(state, &body, ("ListResourceServers", "ResourceServers", 50), &pool, &records)
}
