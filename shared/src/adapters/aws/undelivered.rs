//! Why a request did not reach a service.

use std::error::Error as StdError;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::ConnectorError;

use crate::ports::Fault;

/// The fault, by what lies in the chain of causes.
pub(in crate::adapters) fn fault(error: &(dyn StdError + 'static)) -> Fault {
    match find::<CredentialsError>(error) {
        Some(cause) => without_credentials(cause),
        None => match find::<ConnectorError>(error) {
            Some(cause) => transient(connection(cause)),
            None => transient("request not sent"),
        },
    }
}

/// A fault that trying again may overcome.
pub(in crate::adapters) fn transient(cause: &str) -> Fault {
    Fault::Transient(cause.to_owned())
}

/// A session that must be renewed over a broken network is no reason to give up a long run; one
/// that is not there or has ended is. What the provider says stays out: it may quote the output
/// of a credential process.
fn without_credentials(cause: &CredentialsError) -> Fault {
    let matter = match cause {
        CredentialsError::CredentialsNotLoaded(_) => "none were found",
        CredentialsError::InvalidConfiguration(_) => "the AWS configuration files are not usable",
        CredentialsError::ProviderTimedOut(_) => return transient("time-out of the credentials"),
        _ => match find::<ConnectorError>(cause) {
            Some(lost) if lost.is_io() || lost.is_timeout() => return transient("credentials not reachable"),
            _ => "the profile's session, role or process gave none",
        },
    };
    Fault::Credentials(matter.to_owned())
}

fn connection(cause: &ConnectorError) -> &'static str {
    if cause.is_timeout() {
        return "time-out";
    }
    match find::<io::Error>(cause).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused",
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof) => {
            "connection closed"
        }
        Some(io::ErrorKind::TimedOut) => "time-out",
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => "network unreachable",
        // Without a cause from the system, the other side hung up before or amid the answer; the
        // SDK calls some of those transient instead of I/O.
        None if cause.is_io() || cause.as_other().is_some() => "connection closed",
        Some(_) => "connection failed",
        None => "request not sent",
    }
}

/// The first cause of that type.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
