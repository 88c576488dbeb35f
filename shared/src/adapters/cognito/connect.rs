use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cognitoidentityprovider::{Client, config};

use super::CognitoDirectory;
use crate::adapters::aws::profile::with_profile;
use crate::adapters::aws::region::{configured_region, is_named};
use crate::model::PoolId;
use crate::{Error, Result};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one attempt may take, answer included.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Where to connect to and as whom, beside the standard AWS settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// The profile to use instead of `AWS_PROFILE`'s; its credentials also go before those in the
    /// environment, as with `aws --profile`.
    pub profile: Option<String>,
}

impl CognitoDirectory {
    /// Connects by the standard AWS settings: environment, profiles (with SSO, roles and
    /// credential processes), containers and instances; `AWS_ENDPOINT_URL` and
    /// `AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER` too. If they name no Region, the pool's id
    /// does. Nothing is sent yet: credentials that are missing fail the first call.
    pub async fn connect(pool: PoolId, options: &ConnectOptions) -> Result<Self> {
        let region = region(&pool, options).await;
        let loader = aws_config::defaults(BehaviorVersion::latest()).region(region.clone());
        let loader = with_profile(loader, options.profile.as_deref(), region);
        Self::from_config(pool, &loader.load().await)
    }

    /// Connects by settings already loaded. Their retries and time-outs are not taken over: one
    /// call is one attempt.
    pub fn from_config(pool: PoolId, config: &SdkConfig) -> Result<Self> {
        let configured = config.region().filter(|region| is_named(region)).cloned();
        let region = configured.or_else(|| pool_region(&pool)).ok_or_else(no_region)?;
        if config.credentials_provider().is_none() {
            return Err(Error::Credentials("none are configured".to_owned()));
        }
        // The SDK's own HTTP client keeps every idle connection, for 90 seconds: parallel calls
        // need no more.
        let config = config::Builder::from(config)
            .region(region.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            )
            // The attempt's time-out covers the answer's body, which is small.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Ok(Self { pool, region: region.to_string(), client: Client::from_conf(config) })
    }
}

/// The Region that is configured, or else what the pool's id says.
async fn region(pool: &PoolId, options: &ConnectOptions) -> Option<Region> {
    configured_region(options.profile.as_deref()).await.or_else(|| pool_region(pool))
}

fn pool_region(pool: &PoolId) -> Option<Region> {
    pool.region().map(|region| Region::new(region.to_owned()))
}

fn no_region() -> Error {
    Error::Usage("no AWS Region is configured, and the pool's id names none: set AWS_REGION".to_owned())
}
