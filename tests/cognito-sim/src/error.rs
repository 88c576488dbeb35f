//! The errors of the service, as they appear on the wire.

use std::borrow::Cow;

/// An error answer: `{"__type": code, "message": …}` with an HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ServiceError {
    /// The HTTP status: 400, or 500 for `InternalErrorException`.
    pub status: u16,
    /// The exception's name, such as `UserNotFoundException`.
    pub code: Cow<'static, str>,
    /// The text meant for people.
    pub message: String,
}

impl ServiceError {
    /// A client error (HTTP 400).
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into() }
    }

    /// The JSON body of this error.
    pub fn body(&self) -> Vec<u8> {
        let mut out = b"{\"__type\":".to_vec();
        crate::json::write_str(&mut out, &self.code);
        out.extend_from_slice(b",\"message\":");
        crate::json::write_str(&mut out, &self.message);
        out.push(b'}');
        out
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    /// A value broke a constraint of the service model.
    pub(crate) fn constraint(member: &str, rule: &str) -> Self {
        // The real message quotes the value; people paste messages into logs,
        // so this one does not.
        Self::invalid(format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: {rule}"
        ))
    }

    pub(crate) fn missing(member: &str) -> Self {
        Self::invalid(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: \
             Member must not be null"
        ))
    }

    pub(crate) fn schema(message: impl AsRef<str>) -> Self {
        Self::invalid(format!("Attributes did not conform to the schema: {}", message.as_ref()))
    }

    pub(crate) fn no_pool(id: &str) -> Self {
        Self::new("ResourceNotFoundException", format!("User pool {id} does not exist."))
    }

    pub(crate) fn no_group() -> Self {
        Self::new("ResourceNotFoundException", "Group not found.")
    }

    pub(crate) fn no_user() -> Self {
        Self::new("UserNotFoundException", "User does not exist.")
    }

    pub(crate) fn throttled() -> Self {
        Self::new("TooManyRequestsException", "Too many requests")
    }

    pub(crate) fn internal() -> Self {
        Self { status: 500, ..Self::new("InternalErrorException", "Internal error") }
    }
}
