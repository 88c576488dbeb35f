//! Domains of sign-in pages.

use serde_json::{Value, json};

use super::super::{Answer, empty};
use super::body::{Body, answer};
use crate::error::ServiceError;
use crate::resources::{Domain, Object};
use crate::state::State;

pub(super) fn create(state: &mut State, body: &[u8]) -> Answer {
    let body =
        Body::parse(body, &["UserPoolId", "Domain", "CustomDomainConfig", "ManagedLoginVersion", "Routing"])?;
    let pool = body.pool()?;
    state.pool(&pool)?;
    let name = body.needed("Domain", 1, 63)?.to_owned();
    let version = body.number("ManagedLoginVersion", 1, 2)?.unwrap_or(1);
    let config = body.object("CustomDomainConfig", &["CertificateArn", "SecurityPolicy"])?;
    let is_custom = config.is_some();
    if let Some(config) = &config {
        config.arn("CertificateArn")?.ok_or_else(|| ServiceError::missing("certificateArn"))?;
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let labels = name.split('.').count();
    if !name.split('.').all(is_label) || (labels > 1) != is_custom {
        return Err(ServiceError::invalid(
            "Invalid domain: a prefix has no dots, a domain of one's own has a certificate.",
        ));
    }
    if state.domains.contains_key(&name) {
        return Err(ServiceError::invalid("Domain already associated with another user pool."));
    }
    if state.domains.values().any(|domain| domain.pool == pool && domain.is_custom == is_custom) {
        return Err(ServiceError::invalid("The user pool already has such a domain."));
    }
    let distribution =
        format!("d{:013x}.cloudfront.net", crate::rng::hash(state.config.seed, name.as_bytes()) >> 12);
    let mut description = body.into_object(&[]);
    description.insert("AWSAccountId".to_owned(), json!(state.config.account));
    description.insert("S3Bucket".to_owned(), json!("aws-cognito-prod-assets"));
    description.insert("CloudFrontDistribution".to_owned(), json!(distribution));
    description.insert("Version".to_owned(), json!("20231114000000"));
    description.insert("Status".to_owned(), json!("CREATING"));
    description.insert("ManagedLoginVersion".to_owned(), json!(version));
    description.entry("CustomDomainConfig").or_insert_with(|| json!({}));
    state.domains.insert(name, Domain { pool, is_custom, description });
    Ok(answer("CloudFrontDomain", distribution))
}

pub(super) fn describe(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &["Domain"])?;
    let domain = state.domains.get_mut(body.needed("Domain", 1, 63)?);
    let description = domain.map_or_else(Object::new, |domain| {
        let described = domain.description.clone();
        // It is ready by the time it is looked at again.
        domain.description.insert("Status".to_owned(), json!("ACTIVE"));
        described
    });
    Ok(answer("DomainDescription", description))
}

pub(super) fn delete(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &["UserPoolId", "Domain"])?;
    let (pool, name) = (body.pool()?, body.needed("Domain", 1, 63)?);
    state.pool(&pool)?;
    if state.domains.get(name).is_none_or(|domain| domain.pool != pool) {
        return Err(ServiceError::invalid("No such domain or user pool exists."));
    }
    state.domains.remove(name);
    Ok(empty())
}

/// What `DescribeUserPool` says of a pool's domains.
pub(in crate::ops) fn named(state: &State, pool: &str) -> impl Iterator<Item = (String, Value)> {
    state.domains.iter().filter(move |(_, domain)| domain.pool == pool).map(|(name, domain)| {
        let member = if domain.is_custom { "CustomDomain" } else { "Domain" };
        (member.to_owned(), json!(name))
    })
}
