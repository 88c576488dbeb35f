//! The operations the service knows, and the request category of each.

use serde::Serialize;

/// A request-rate category ("Quotas in Amazon Cognito").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[allow(missing_docs)] // The names are Amazon's.
pub enum Category {
    UserAuthentication,
    UserCreation,
    UserFederation,
    UserAccountRecovery,
    UserRead,
    UserUpdate,
    UserToken,
    UserResourceRead,
    UserResourceUpdate,
    UserList,
    UserPoolRead,
    UserPoolUpdate,
    UserPoolResourceRead,
    UserPoolResourceUpdate,
    UserPoolClientRead,
    UserPoolClientUpdate,
    ClientAuthentication,
    LimitManagement,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 18] = [
        Self::UserAuthentication,
        Self::UserCreation,
        Self::UserFederation,
        Self::UserAccountRecovery,
        Self::UserRead,
        Self::UserUpdate,
        Self::UserToken,
        Self::UserResourceRead,
        Self::UserResourceUpdate,
        Self::UserList,
        Self::UserPoolRead,
        Self::UserPoolUpdate,
        Self::UserPoolResourceRead,
        Self::UserPoolResourceUpdate,
        Self::UserPoolClientRead,
        Self::UserPoolClientUpdate,
        Self::ClientAuthentication,
        Self::LimitManagement,
    ];

    /// The documented default, in requests per second.
    pub fn default_rps(self) -> u32 {
        match self {
            Self::UserAuthentication | Self::UserRead | Self::UserToken => 120,
            Self::ClientAuthentication => 150,
            Self::UserCreation | Self::UserResourceRead => 50,
            Self::UserAccountRecovery | Self::UserList => 30,
            Self::UserFederation | Self::UserUpdate | Self::UserResourceUpdate => 25,
            Self::UserPoolResourceRead => 20,
            Self::UserPoolRead
            | Self::UserPoolUpdate
            | Self::UserPoolResourceUpdate
            | Self::UserPoolClientRead
            | Self::UserPoolClientUpdate => 15,
            Self::LimitManagement => 1,
        }
    }

    /// Whether an account can have this quota raised.
    pub fn adjustable(self) -> bool {
        matches!(
            self,
            Self::UserAuthentication
                | Self::UserCreation
                | Self::UserFederation
                | Self::UserRead
                | Self::UserResourceRead
                | Self::UserToken
                | Self::ClientAuthentication
        )
    }

    /// Whether each single operation of this category is capped per pool too.
    pub fn capped_per_pool(self) -> bool {
        matches!(
            self,
            Self::UserPoolResourceRead
                | Self::UserPoolResourceUpdate
                | Self::UserPoolClientRead
                | Self::UserPoolClientUpdate
        )
    }

    /// The category of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.name() == name)
    }

    /// Its name, such as `UserList`.
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

macro_rules! operations {
    ($($name:ident => $category:ident,)*) => {
        /// An operation of the service.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[allow(missing_docs)] // The names are Amazon's.
        pub enum Operation { $($name,)* }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The operation of this name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$name),)* _ => None }
            }

            /// Its name, such as `ListUsers`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The category whose rate it counts against.
            pub fn category(self) -> Category {
                match self { $(Self::$name => Category::$category,)* }
            }
        }
    };
}

operations! {
    DescribeUserPool => UserPoolRead,
    ListUserPools => UserPoolRead,
    CreateUserPool => UserPoolUpdate,
    DeleteUserPool => UserPoolUpdate,
    GetUserPoolMfaConfig => UserPoolResourceRead,
    ListGroups => UserPoolResourceRead,
    GetGroup => UserPoolResourceRead,
    CreateGroup => UserPoolResourceUpdate,
    DeleteGroup => UserPoolResourceUpdate,
    ListUsers => UserList,
    ListUsersInGroup => UserList,
    AdminCreateUser => UserCreation,
    AdminGetUser => UserRead,
    AdminListGroupsForUser => UserResourceRead,
    AdminAddUserToGroup => UserUpdate,
    AdminRemoveUserFromGroup => UserUpdate,
    AdminDisableUser => UserUpdate,
    AdminEnableUser => UserUpdate,
    AdminUpdateUserAttributes => UserUpdate,
    AdminDeleteUser => UserUpdate,
    AdminSetUserPassword => UserAccountRecovery,
    AdminResetUserPassword => UserAccountRecovery,
    GetProvisionedLimit => LimitManagement,
    GetCSVHeader => UserPoolResourceRead,
    DescribeUserImportJob => UserPoolResourceRead,
    ListUserImportJobs => UserPoolResourceRead,
    CreateUserImportJob => UserPoolResourceUpdate,
    StartUserImportJob => UserPoolResourceUpdate,
    StopUserImportJob => UserPoolResourceUpdate,
    AdminSetUserMFAPreference => UserResourceUpdate,
    ListIdentityProviders => UserPoolResourceRead,
    DescribeIdentityProvider => UserPoolResourceRead,
    CreateIdentityProvider => UserPoolResourceUpdate,
    AdminLinkProviderForUser => UserUpdate,
    CreateUserPoolClient => UserPoolClientUpdate,
    DescribeUserPoolClient => UserPoolClientRead,
    ListUserPoolClients => UserPoolClientRead,
    DeleteUserPoolClient => UserPoolClientUpdate,
    CreateResourceServer => UserPoolResourceUpdate,
    ListResourceServers => UserPoolResourceRead,
    CreateUserPoolDomain => UserPoolResourceUpdate,
    DescribeUserPoolDomain => UserPoolResourceRead,
    DeleteUserPoolDomain => UserPoolResourceUpdate,
    SetUICustomization => UserPoolResourceUpdate,
    GetUICustomization => UserPoolResourceRead,
    SetRiskConfiguration => UserPoolResourceUpdate,
    DescribeRiskConfiguration => UserPoolResourceRead,
    SetLogDeliveryConfiguration => UserPoolResourceUpdate,
    GetLogDeliveryConfiguration => UserPoolResourceRead,
    SetUserPoolMfaConfig => UserPoolResourceUpdate,
}
