use std::sync::Arc;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;

use super::{DEFAULT_RETENTION_DAYS, DynamoStore, Tables};
use crate::adapters::SystemClock;
use crate::adapters::aws::profile::with_profile;
use crate::adapters::aws::region::{configured_region, region_of};
use crate::{Error, Result};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one attempt may take, answer included: at most 1 MB of it.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a request is tried: with the SDK's growing delays, for about half a minute.
const ATTEMPTS: u32 = 8;

/// The backup in `table`, to be read and restored from, by the standard AWS settings: environment,
/// profiles (with SSO, roles and credential processes), containers and instances;
/// `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_DYNAMODB` too. A `profile` named outright goes before
/// all of them, with its credentials and its Region; else the Region is that of the environment or
/// the profile. Nothing is sent yet: credentials or a table that are missing fail the first call.
///
/// # Errors
/// [`Error::Usage`] if no Region is configured.
pub async fn open_backup(table: String, profile: Option<&str>) -> Result<DynamoStore> {
    let client = connect(&table, profile).await?;
    // A backup alone never asks for the other table, and supersedes nothing that is kept.
    let tables = Tables { client, run: table.clone(), backup: table };
    Ok(DynamoStore::new(tables, DEFAULT_RETENTION_DAYS, Arc::new(SystemClock::new())))
}

/// A client for a table that is read from outside of AWS, with patience of its own.
pub(in crate::adapters) async fn connect(table: &str, profile: Option<&str>) -> Result<Client> {
    let named = match profile {
        Some(profile) => region_of(profile).await,
        None => None,
    };
    let region = match named {
        None => configured_region(profile).await.ok_or_else(|| no_region(table))?,
        Some(region) => region,
    };
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts);
    Ok(Client::new(&with_profile(loader, profile, Some(region)).load().await))
}

fn no_region(table: &str) -> Error {
    Error::Usage(format!(
        "no AWS Region is configured: set AWS_REGION to one that has DynamoDB table {table}"
    ))
}
