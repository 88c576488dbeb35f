//! What a caller gets back.

use crate::error::ServiceError;

/// What comes back of a call, if anything does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// HTTP 200 with this JSON body.
    Answer(Vec<u8>),
    /// HTTP 400, or 500 for internal errors.
    Error(ServiceError),
    /// HTTP 503 whose body is not JSON.
    Unavailable,
    /// The connection dropped; the call may have taken effect or not.
    Dropped,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What comes back.
    pub reply: Reply,
    /// How many milliseconds it takes to come back.
    pub latency: u64,
}

impl Outcome {
    /// The answer's JSON, or the reply there was instead.
    pub fn json(&self) -> Result<serde_json::Value, Reply> {
        match &self.reply {
            // The simulation's own output is always valid JSON.
            Reply::Answer(body) => Ok(serde_json::from_slice(body).unwrap_or_default()),
            other => Err(other.clone()),
        }
    }

    /// The name of the exception, if there was one.
    pub fn error_code(&self) -> Option<&str> {
        match &self.reply {
            Reply::Error(error) => Some(&error.code),
            _ => None,
        }
    }
}
