//! Which Region is configured.

use aws_config::Region;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::ProfileFileRegionProvider;

/// The Region of the environment or else of the profile. The SDK's own chain would also ask the
/// instance metadata service, which costs seconds where there is none. An empty setting counts as
/// none, as it does for other AWS tools.
pub(in crate::adapters) async fn configured_region(profile: Option<&str>) -> Option<Region> {
    let environment = EnvironmentVariableRegionProvider::new().region().await;
    if let Some(region) = environment.filter(is_named) {
        return Some(region);
    }
    let mut provider = ProfileFileRegionProvider::builder();
    if let Some(name) = profile {
        provider = provider.profile_name(name);
    }
    provider.build().region().await.filter(is_named)
}

/// The Region that a profile names.
pub(in crate::adapters) async fn region_of(profile: &str) -> Option<Region> {
    let provider = ProfileFileRegionProvider::builder().profile_name(profile).build();
    provider.region().await.filter(is_named)
}

/// Whether it is one at all.
pub(in crate::adapters) fn is_named(region: &Region) -> bool {
    !region.as_ref().is_empty()
}
