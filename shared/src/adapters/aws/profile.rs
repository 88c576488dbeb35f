//! A profile named outright.

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region};

/// Loads settings by this profile, if one is named. Its credentials go before those in the
/// environment, as with `aws --profile`: the SDK's chain would take those of the environment, and
/// so the keys of the one account for both when copying between two.
pub(in crate::adapters) fn with_profile(
    loader: ConfigLoader,
    profile: Option<&str>,
    region: Option<Region>,
) -> ConfigLoader {
    let Some(profile) = profile else { return loader };
    let config = ProviderConfig::without_region()
        .with_region(region)
        .with_behavior_version(Some(BehaviorVersion::latest()));
    let credentials =
        ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile).build();
    loader.profile_name(profile).credentials_provider(credentials)
}
