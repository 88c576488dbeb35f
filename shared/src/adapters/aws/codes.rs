//! What the codes mean that every AWS service answers with.

/// Whether it has the form of a code. Anything else could be text with personal data.
pub(in crate::adapters) fn is_code(code: &str) -> bool {
    (1..=80).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

/// The codes AWS's own SDKs take for throttling.
pub(in crate::adapters) fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "TooManyRequestsException"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestLimitExceeded"
            | "ProvisionedThroughputExceededException"
            | "BandwidthLimitExceeded"
            | "SlowDown"
            | "PriorRequestNotComplete"
    )
}

/// What is the matter with the credentials, if that is what the code means.
pub(in crate::adapters) fn credentials(code: &str) -> Option<&'static str> {
    Some(match code {
        "ExpiredToken" | "ExpiredTokenException" => "they have expired",
        "UnrecognizedClientException" | "InvalidClientTokenId" => {
            "AWS does not know them, or the account has not enabled this Region"
        }
        "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException" => "the secret key is wrong, or this machine's clock is",
        "RequestExpired" | "RequestTimeTooSkewed" => "this machine's clock is wrong",
        "MissingAuthenticationToken" | "MissingAuthenticationTokenException" | "AuthFailure" => {
            "they did not arrive"
        }
        _ => return None,
    })
}
