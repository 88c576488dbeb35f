//! The rates Cognito allows, by category of request.
//!
//! Source: Developer Guide, "Quotas in Amazon Cognito", "User pools API request rate quotas".
//! They hold per account and Region, over all pools together.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::ports::Operation;

/// A category of requests that share one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // AWS's own names
pub enum Category {
    UserList,
    UserCreation,
    UserUpdate,
    UserResourceUpdate,
    UserAccountRecovery,
    UserPoolRead,
    UserPoolResourceRead,
    UserPoolResourceUpdate,
    UserPoolClientRead,
    LimitManagement,
}

/// Requests per second that any single operation on the resources of one pool may reach,
/// whatever its category allows (same source, "Operations limited per user pool").
const PER_POOL_RPS: f64 = 5.0;

impl Category {
    /// Every category this tool uses.
    pub const ALL: [Self; 10] = [
        Self::UserList,
        Self::UserCreation,
        Self::UserUpdate,
        Self::UserResourceUpdate,
        Self::UserAccountRecovery,
        Self::UserPoolRead,
        Self::UserPoolResourceRead,
        Self::UserPoolResourceUpdate,
        Self::UserPoolClientRead,
        Self::LimitManagement,
    ];

    /// AWS's name of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserList => "UserList",
            Self::UserCreation => "UserCreation",
            Self::UserUpdate => "UserUpdate",
            Self::UserResourceUpdate => "UserResourceUpdate",
            Self::UserAccountRecovery => "UserAccountRecovery",
            Self::UserPoolRead => "UserPoolRead",
            Self::UserPoolResourceRead => "UserPoolResourceRead",
            Self::UserPoolResourceUpdate => "UserPoolResourceUpdate",
            Self::UserPoolClientRead => "UserPoolClientRead",
            Self::LimitManagement => "LimitManagement",
        }
    }

    /// The default rate, in requests per second.
    pub const fn default_rps(self) -> f64 {
        match self {
            Self::UserList | Self::UserAccountRecovery => 30.0,
            Self::UserCreation => 50.0,
            Self::UserUpdate | Self::UserResourceUpdate => 25.0,
            Self::UserPoolRead | Self::UserPoolResourceUpdate | Self::UserPoolClientRead => 15.0,
            Self::UserPoolResourceRead => 20.0,
            Self::LimitManagement => 1.0,
        }
    }

    /// Whether an account can have another rate, which `GetProvisionedLimit` then tells.
    pub const fn is_adjustable(self) -> bool {
        matches!(self, Self::UserCreation)
    }

    /// Whether each operation of it is also limited per pool.
    const fn is_limited_per_pool(self) -> bool {
        matches!(self, Self::UserPoolResourceRead | Self::UserPoolResourceUpdate | Self::UserPoolClientRead)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No such category.
#[derive(Debug, thiserror::Error)]
#[error("no such category of requests: it is one of {}", Category::ALL.map(Category::as_str).join(", "))]
pub struct UnknownCategory;

impl FromStr for Category {
    type Err = UnknownCategory;

    fn from_str(text: &str) -> Result<Self, UnknownCategory> {
        Self::ALL.into_iter().find(|category| category.as_str() == text).ok_or(UnknownCategory)
    }
}

impl Operation {
    /// The category whose rate the operation counts against.
    pub const fn category(self) -> Category {
        match self {
            Self::ListUsers | Self::ListUsersInGroup => Category::UserList,
            Self::AdminCreateUser => Category::UserCreation,
            Self::AdminAddUserToGroup | Self::AdminDisableUser | Self::AdminLinkProviderForUser => {
                Category::UserUpdate
            }
            Self::AdminSetUserMFAPreference => Category::UserResourceUpdate,
            Self::AdminSetUserPassword => Category::UserAccountRecovery,
            Self::DescribeUserPool => Category::UserPoolRead,
            // The quotas' page does not name every one of these; all read resources of a pool.
            Self::GetUserPoolMfaConfig
            | Self::ListGroups
            | Self::GetGroup
            | Self::ListIdentityProviders
            | Self::DescribeIdentityProvider
            | Self::ListResourceServers
            | Self::DescribeUserPoolDomain
            | Self::GetUICustomization
            | Self::DescribeRiskConfiguration
            | Self::GetLogDeliveryConfiguration
            | Self::GetCSVHeader
            | Self::DescribeUserImportJob => Category::UserPoolResourceRead,
            Self::ListUserPoolClients | Self::DescribeUserPoolClient => Category::UserPoolClientRead,
            // The upload is no request to Cognito: one beside each new job changes no rate.
            Self::CreateGroup
            | Self::CreateUserImportJob
            | Self::UploadUserImportFile
            | Self::StartUserImportJob => Category::UserPoolResourceUpdate,
            Self::GetProvisionedLimit => Category::LimitManagement,
        }
    }
}

/// The rates in force for us: what the account has, less the share left to the application.
#[derive(Clone, Debug)]
pub struct Rates {
    share: f64,
    cap: f64,
    workers: u32,
    chosen: BTreeMap<Category, f64>,
    read: BTreeMap<Category, f64>,
}

impl Rates {
    /// The share of each category's rate we take unless told otherwise.
    pub const DEFAULT_SHARE: f64 = 0.8;

    /// Takes `share` (above 0, at most 1) of every category's rate, and exactly the `chosen`
    /// rate, in requests per second, where the operator named one.
    pub const fn new(share: f64, chosen: BTreeMap<Category, f64>) -> Self {
        Self { share, cap: f64::INFINITY, workers: 1, chosen, read: BTreeMap::new() }
    }

    /// At most `rps` requests per second in every category.
    #[must_use]
    pub fn capped(self, rps: f64) -> Self {
        Self { cap: rps, ..self }
    }

    /// The part of one of so many workers that do the same work at the same time: together they
    /// keep the rates.
    #[must_use]
    pub fn among(self, workers: u32) -> Self {
        Self { workers, ..self }
    }

    /// Notes a rate that Cognito says the account has.
    pub fn note(&mut self, category: Category, rps: f64) {
        self.read.insert(category, rps);
    }

    /// The rate of `UserCreation` that Cognito says the account has, if it said so.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Cognito answers whole numbers
    pub fn read_creation_rps(&self) -> Option<u32> {
        self.read.get(&Category::UserCreation).map(|rps| *rps as u32)
    }

    /// Whether the operator named the rate of this category.
    pub fn is_chosen(&self, category: Category) -> bool {
        self.chosen.contains_key(&category)
    }

    /// Requests per second we may send in this category.
    pub fn of(&self, category: Category) -> f64 {
        let account = || self.read.get(&category).copied().unwrap_or(category.default_rps());
        let ours = match self.chosen.get(&category) {
            Some(rps) => *rps,
            // A call or two to read the limits leaves nobody short; a share of 1 would be none.
            None if category == Category::LimitManagement => account(),
            None => account() * self.share,
        };
        ours.min(self.cap) / f64::from(self.workers.max(1))
    }

    /// Requests per second we may send of this one operation, if it has a limit of its own.
    pub fn of_operation(&self, operation: Operation) -> Option<f64> {
        let ours = (PER_POOL_RPS * self.share).min(self.cap) / f64::from(self.workers.max(1));
        operation.category().is_limited_per_pool().then_some(ours)
    }

    /// Requests per second we reach with an operation, all limits considered.
    pub fn reached(&self, operation: Operation) -> f64 {
        let category = self.of(operation.category());
        super::window::steady_rps(self.of_operation(operation).map_or(category, |own| own.min(category)))
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self::new(Self::DEFAULT_SHARE, BTreeMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_rate_wins_over_one_read_and_the_share_applies_to_the_rest() {
        let mut rates = Rates::new(0.5, BTreeMap::from([(Category::UserList, 7.0)]));
        rates.note(Category::UserList, 100.0);
        rates.note(Category::UserCreation, 100.0);
        assert!((rates.of(Category::UserList) - 7.0).abs() < f64::EPSILON);
        assert!((rates.of(Category::UserCreation) - 50.0).abs() < f64::EPSILON);
        assert!((rates.of(Category::UserUpdate) - 12.5).abs() < f64::EPSILON);
        assert_eq!(rates.of_operation(Operation::ListGroups), Some(2.5));
        assert_eq!(rates.of_operation(Operation::DescribeUserPoolClient), Some(2.5));
        assert!((rates.of(Category::UserPoolClientRead) - 7.5).abs() < f64::EPSILON);
        assert_eq!(rates.of_operation(Operation::ListUsers), None);
    }

    #[test]
    fn workers_share_what_is_under_the_cap() {
        let rates = Rates::new(0.8, BTreeMap::new()).among(2);
        assert!((rates.of(Category::UserList) - 12.0).abs() < f64::EPSILON);
        assert_eq!(rates.of_operation(Operation::ListGroups), Some(2.0));
        let rates = rates.capped(3.0);
        assert!((rates.of(Category::UserList) - 1.5).abs() < f64::EPSILON);
        assert_eq!(rates.of_operation(Operation::ListGroups), Some(1.5));
    }

    #[test]
    fn categories_are_named_as_aws_names_them() {
        for category in Category::ALL {
            assert_eq!(category.as_str().parse::<Category>().unwrap(), category);
        }
        assert!("userlist".parse::<Category>().is_err());
    }
}
