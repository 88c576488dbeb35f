//! How the simulated service behaves.

use std::fmt;
use std::sync::Arc;

use crate::fault::Faults;
use crate::imports::ImportBehaviour;
use crate::quota::Quotas;
use crate::time::Millis;

/// Where the HTTP server takes the time from; [`crate::Cognito::call`] is told.
#[derive(Clone, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// Any other.
    Custom(Arc<dyn Fn() -> Millis + Send + Sync>),
}

impl Clock {
    /// The time now.
    pub fn now(&self) -> Millis {
        match self {
            Self::System => std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |since| Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)),
            Self::Custom(clock) => clock(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Custom(_) => "Custom",
        })
    }
}

/// How listings behave within what is documented, and where asked, outside.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListingBehaviour {
    /// Probability that a page is empty and still carries a token.
    pub empty_pages: f64,
    /// Probability that a page is shorter than it need be.
    pub short_pages: f64,
    /// Probability that the last page carries a token to an empty one.
    pub trailing_page: f64,
    /// Probability that a page repeats the last record of the one before. The
    /// documentation neither promises nor excludes it.
    pub duplicates: f64,
    /// How many milliseconds later listings notice a change.
    pub list_lag: Millis,
    /// Whether `sub ^= "…"` is refused with `InvalidParameterException`.
    pub refuse_sub_prefix: bool,
    /// How many users of a pool filters with `^=` silently miss.
    pub prefix_misses: usize,
    /// What `EstimatedNumberOfUsers` is wrong by.
    pub estimate_error: i64,
}

impl ListingBehaviour {
    /// As awkward as the documentation allows.
    pub fn awkward() -> Self {
        Self { empty_pages: 0.1, short_pages: 0.2, trailing_page: 0.5, ..Self::default() }
    }
}

/// What `GetProvisionedLimit` answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProvisionedLimits {
    /// The rates in force.
    #[default]
    Available,
    /// `AccessDeniedException`.
    AccessDenied,
    /// `NotAuthorizedException`.
    NotAuthorized,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Decides ids, listing order and random faults.
    pub seed: u64,
    /// The account's number.
    pub account: String,
    /// The Region.
    pub region: String,
    /// The rates in force.
    pub quotas: Quotas,
    /// How listings behave.
    pub listing: ListingBehaviour,
    /// How import jobs behave.
    pub imports: ImportBehaviour,
    /// What goes wrong.
    pub faults: Faults,
    /// What `GetProvisionedLimit` answers.
    pub provisioned_limits: ProvisionedLimits,
    /// The HTTP server's clock.
    pub clock: Clock,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            quotas: Quotas::documented(),
            listing: ListingBehaviour::default(),
            imports: ImportBehaviour::default(),
            faults: Faults::default(),
            provisioned_limits: ProvisionedLimits::Available,
            clock: Clock::System,
        }
    }
}

impl Config {
    /// The documented defaults with this seed.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }
}
