//! What an error of the SDK means. An answer's message can hold personal data: it is looked at,
//! never kept.

use std::collections::BTreeMap;
use std::error::Error as StdError;

use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::message;
use crate::adapters::aws::codes::{credentials, is_code, is_throttling};
use crate::adapters::aws::undelivered::{self, transient};
use crate::ports::{CallError, Fault, Operation};

/// What was sent, as far as it decides what the answer means.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    operation: Operation,
    username: &'a str,
    attributes: Option<&'a BTreeMap<String, String>>,
    with_token: bool,
}

impl<'a> Sent<'a> {
    /// A call of which nothing else matters.
    pub(super) const fn new(operation: Operation) -> Self {
        Self { operation, username: "", attributes: None, with_token: false }
    }

    /// A call for one page.
    pub(super) fn page(operation: Operation, token: Option<&str>) -> Self {
        Self { with_token: token.is_some_and(|token| !token.is_empty()), ..Self::new(operation) }
    }

    /// A call that sends a user's attributes.
    pub(super) const fn user(
        operation: Operation,
        username: &'a str,
        attributes: &'a BTreeMap<String, String>,
    ) -> Self {
        Self { username, attributes: Some(attributes), ..Self::new(operation) }
    }

    /// The port's error for one of the SDK's.
    pub(super) fn error<E>(self, error: &SdkError<E, HttpResponse>) -> CallError
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        self.fault(match error {
            SdkError::ServiceError(context) => {
                let (status, answer) = (context.raw().status().as_u16(), context.err());
                self.answered(status, answer.code(), answer.message().unwrap_or_default())
            }
            SdkError::ResponseError(context) => unreadable(context.raw().status().as_u16()),
            SdkError::TimeoutError(_) => transient("time-out"),
            SdkError::DispatchFailure(_) => undelivered::fault(error),
            // Nothing was sent: a parameter cannot be put into a request.
            _ => Fault::Refused("RequestNotBuilt".to_owned()),
        })
    }

    /// The error for an answer that misses what every answer has.
    pub(super) fn unreadable(self) -> CallError {
        self.fault(unreadable(200))
    }

    /// The error for a request that cannot be put together.
    pub(super) fn not_built(self) -> CallError {
        self.fault(Fault::Refused("RequestNotBuilt".to_owned()))
    }

    fn fault(self, fault: Fault) -> CallError {
        CallError { operation: self.operation, fault }
    }

    /// Codes first: Cognito throttles, and misses users and groups, with the same HTTP 400.
    fn answered(self, status: u16, code: Option<&str>, message: &str) -> Fault {
        let Some(code) = code.filter(|code| is_code(code)) else { return unreadable(status) };
        match code {
            _ if status == 429 || is_throttling(code) => Fault::Throttled,
            "PreconditionNotMetException" => Fault::NotReady { no_file: message::is_about_the_file(message) },
            "LimitExceededException" if self.limit_is_a_rate() => Fault::Throttled,
            "LimitExceededException" => Fault::Limit,
            "InternalErrorException"
            | "InternalFailure"
            | "ServiceUnavailable"
            | "RequestTimeout"
            | "RequestTimeoutException"
            | "ConcurrentModificationException" => transient(code),
            "UserNotFoundException" => Fault::NotFound,
            "ResourceNotFoundException" => self.missing(message),
            "GroupExistsException" => Fault::Exists,
            "UsernameExistsException" => self.taken(message),
            "AliasExistsException" => Fault::AliasExists,
            "InvalidParameterException"
            | "InvalidPasswordException"
            | "ValidationException"
            | "SerializationException" => self.invalid(code, message),
            "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => Fault::AccessDenied,
            "NotAuthorizedException" => self.not_authorized(code),
            _ => match credentials(code) {
                Some(matter) => Fault::Credentials(format!("{code}: {matter}")),
                None if status >= 500 => transient(&format!("HTTP {status}")),
                None => Fault::Refused(code.to_owned()),
            },
        }
    }

    /// By its documentation `LimitExceededException` is a quota on resources, and only
    /// `CreateGroup` declares it (10,000 groups a pool); users a pool and groups a user are such
    /// quotas too, and waiting does not raise those. Where a call makes nothing that is counted, only
    /// a rate can be meant.
    const fn limit_is_a_rate(self) -> bool {
        !matches!(
            self.operation,
            Operation::CreateGroup
                | Operation::AdminCreateUser
                | Operation::AdminAddUserToGroup
                | Operation::AdminLinkProviderForUser
                | Operation::CreateUserImportJob
                | Operation::StartUserImportJob
        )
    }

    /// The pool, or the group or user in it. The live service says "User pool … does not exist."
    /// of the one on every operation, and "Group not found." of the other.
    fn missing(self, message: &str) -> Fault {
        let in_pool = match self.operation {
            Operation::DescribeUserPool
            | Operation::GetUserPoolMfaConfig
            | Operation::ListUsers
            | Operation::ListGroups
            | Operation::CreateGroup
            | Operation::AdminCreateUser
            | Operation::AdminSetUserPassword
            | Operation::AdminDisableUser
            | Operation::AdminSetUserMFAPreference
            | Operation::GetCSVHeader
            | Operation::CreateUserImportJob
            | Operation::UploadUserImportFile
            | Operation::ListUserPoolClients
            | Operation::ListIdentityProviders
            | Operation::ListResourceServers => false,
            // Of these the message is no guide ("User pool client … does not exist."), and that
            // the pool is gone, the next call finds.
            Operation::GetProvisionedLimit
            | Operation::DescribeUserPoolClient
            | Operation::DescribeIdentityProvider
            | Operation::DescribeUserPoolDomain
            | Operation::GetUICustomization
            | Operation::DescribeRiskConfiguration
            | Operation::GetLogDeliveryConfiguration => true,
            // A group, a provider or a job may be what is missing.
            Operation::GetGroup
            | Operation::ListUsersInGroup
            | Operation::AdminAddUserToGroup
            | Operation::AdminLinkProviderForUser
            | Operation::StartUserImportJob
            | Operation::DescribeUserImportJob => !message::is_about_the_pool(message),
        };
        if in_pool { Fault::NotFound } else { Fault::NoSuchPool }
    }

    /// Creating a user whose alias is taken answers `UsernameExistsException` too, and only its
    /// message tells ("An account with the given email already exists."). Where that e-mail
    /// address or number is the username itself, it is the name that is taken.
    fn taken(self, message: &str) -> Fault {
        let is_alias = |name: &str| {
            let value = self.attributes.and_then(|attributes| attributes.get(name));
            value.is_some_and(|value| !value.eq_ignore_ascii_case(self.username))
                && message::mentions(message, name)
        };
        if ["email", "phone_number", "preferred_username"].into_iter().any(is_alias) {
            Fault::AliasExists
        } else {
            Fault::Exists
        }
    }

    fn invalid(self, code: &str, message: &str) -> Fault {
        if self.operation == Operation::AdminLinkProviderForUser && message::says_already_linked(message) {
            return Fault::Exists;
        }
        let names = self.attributes.into_iter().flat_map(BTreeMap::keys);
        let attributes = names.filter(|name| message::mentions(message, name)).cloned().collect();
        Fault::Invalid { code: code.to_owned(), attributes }
    }

    /// IAM refuses with `AccessDeniedException`; what Cognito itself means by this code depends.
    /// With a page token it can only be the token, since the page before was allowed: the listing
    /// can begin anew. On a user it is about that user, and others may still work.
    fn not_authorized(self, code: &str) -> Fault {
        match self.operation {
            _ if self.with_token => Fault::Invalid { code: code.to_owned(), attributes: Vec::new() },
            Operation::AdminCreateUser
            | Operation::AdminSetUserPassword
            | Operation::AdminAddUserToGroup
            | Operation::AdminDisableUser
            | Operation::AdminSetUserMFAPreference
            | Operation::AdminLinkProviderForUser => Fault::Refused(code.to_owned()),
            _ => Fault::AccessDenied,
        }
    }
}

/// An answer Cognito did not write, or that did not arrive whole: something between is broken.
fn unreadable(status: u16) -> Fault {
    match status {
        429 => Fault::Throttled,
        200..=299 => transient("unreadable answer"),
        _ => transient(&format!("HTTP {status}")),
    }
}
