//! The character rules of the service model.

use std::sync::LazyLock;

use regex::Regex;

use crate::error::ServiceError;

/// Letters, marks, symbols, numbers and punctuation: neither separators (so no
/// spaces) nor control or format characters.
static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{S}\p{N}\p{P}]+$").ok());
static POOL_ID: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[a-zA-Z0-9_-]+_[0-9a-zA-Z]+$").ok());
static POOL_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\w\s+=,.@-]+$").ok());
static ROLE_ARN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^arn:[\w+=/,.@-]+:[\w+=/,.@-]+:([\w+=/,.@-]*)?:[0-9]+:[\w+=/,.@-]+(:[\w+=/,.@-]+)?(:[\w+=/,.@-]+)?$",
    )
    .ok()
});
static EMAIL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^[^\s@,;<>()\[\]\x00-\x1f]+@[^\s@,;<>()\[\]\x00-\x1f.]+(\.[^\s@,;<>()\[\]\x00-\x1f.]+)+$")
        .ok()
});
/// As documented: an underscore may only be the second character.
static PROVIDER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[^_\p{Z}][\p{L}\p{M}\p{S}\p{N}\p{P}][^_\p{Z}]+$").ok());
static IDP_IDENTIFIER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\w\s+=.@-]+$").ok());
static IMPORT_JOB_ID: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^import-[0-9a-zA-Z-]+$").ok());
static PHONE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\+[1-9][0-9]{1,14}$").ok());

fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    // The patterns are constants, and a test compiles every one of them.
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// Whether text is an e-mail address as Cognito accepts it.
pub(crate) fn is_email(text: &str) -> bool {
    text.len() <= 2048 && matches(&EMAIL, text)
}

/// Whether text is a phone number in E.164 form.
pub(crate) fn is_phone(text: &str) -> bool {
    matches(&PHONE, text)
}

/// Checks a length in characters.
pub(crate) fn length(member: &str, text: &str, min: usize, max: usize) -> Result<(), ServiceError> {
    let count = text.chars().count();
    if count < min {
        return Err(ServiceError::constraint(
            member,
            &format!("Member must have length greater than or equal to {min}"),
        ));
    }
    if count > max {
        return Err(ServiceError::constraint(
            member,
            &format!("Member must have length less than or equal to {max}"),
        ));
    }
    Ok(())
}

/// Checks a user name or a group name: 1 to 128 characters, none of them a
/// space or a control character.
pub(crate) fn name(member: &str, text: &str) -> Result<(), ServiceError> {
    length(member, text, 1, 128)?;
    pattern(member, matches(&NAME, text), r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+")
}

/// Checks an attribute's name.
pub(crate) fn attribute_name(text: &str) -> Result<(), ServiceError> {
    const MEMBER: &str = "userAttributes.member.name";
    length(MEMBER, text, 1, 32)?;
    pattern(MEMBER, matches(&NAME, text), r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+")
}

/// Checks a user pool id.
pub(crate) fn pool_id(text: &str) -> Result<(), ServiceError> {
    length("userPoolId", text, 1, 55)?;
    pattern("userPoolId", matches(&POOL_ID, text), r"[\w-]+_[0-9a-zA-Z]+")
}

/// Checks a user pool's name.
pub(crate) fn pool_name(text: &str) -> Result<(), ServiceError> {
    length("poolName", text, 1, 128)?;
    pattern("poolName", matches(&POOL_NAME, text), r"[\w\s+=,.@-]+")
}

/// Checks an import job's name: the same characters as a pool's.
pub(crate) fn import_job_name(text: &str) -> Result<(), ServiceError> {
    length("jobName", text, 1, 128)?;
    pattern("jobName", matches(&POOL_NAME, text), r"[\w\s+=,.@-]+")
}

/// Checks an import job's id.
pub(crate) fn import_job_id(text: &str) -> Result<(), ServiceError> {
    length("jobId", text, 1, 55)?;
    pattern("jobId", matches(&IMPORT_JOB_ID, text), "import-[0-9a-zA-Z-]+")
}

/// Checks the name of a new identity provider.
pub(crate) fn provider_name(text: &str) -> Result<(), ServiceError> {
    length("providerName", text, 3, 32)?;
    pattern("providerName", matches(&PROVIDER, text), r"[^_\p{Z}][\p{L}\p{M}\p{S}\p{N}\p{P}][^_\p{Z}]+")
}

/// Checks one of the other names of an identity provider.
pub(crate) fn idp_identifier(text: &str) -> Result<(), ServiceError> {
    const MEMBER: &str = "idpIdentifiers.member";
    length(MEMBER, text, 1, 40)?;
    pattern(MEMBER, matches(&IDP_IDENTIFIER, text), r"[\w\s+=.@-]+")
}

/// Checks the role of a group.
pub(crate) fn role_arn(text: &str) -> Result<(), ServiceError> {
    length("roleArn", text, 20, 2048)?;
    pattern("roleArn", matches(&ROLE_ARN, text), "arn:…")
}

fn pattern(member: &str, matches: bool, pattern: &str) -> Result<(), ServiceError> {
    if matches {
        return Ok(());
    }
    Err(ServiceError::constraint(
        member,
        &format!("Member must satisfy regular expression pattern: {pattern}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        let patterns = [&NAME, &POOL_ID, &POOL_NAME, &ROLE_ARN, &EMAIL, &PHONE];
        for pattern in patterns.into_iter().chain([&PROVIDER, &IDP_IDENTIFIER, &IMPORT_JOB_ID]) {
            assert!(pattern.is_some());
        }
    }

    #[test]
    fn names_refuse_spaces_and_control_characters() {
        for good in ["a", "Käse", "日本", "#/", "a😀", "<b>", &"x".repeat(128)] {
            assert!(name("username", good).is_ok(), "{good:?}");
        }
        for bad in ["", "a b", "a\n", "a\u{200d}b", "a\u{a0}", &"x".repeat(129)] {
            assert!(name("username", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses() {
        assert!(is_email("a.b+c@example.com"));
        for bad in ["a", "a@b", "a b@c.de", "@c.de", "a@c..de", "a@@c.de"] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(is_phone("+4915112345678"));
        for bad in ["4915112345678", "+0123", "+49 151", "+1234567890123456"] {
            assert!(!is_phone(bad), "{bad}");
        }
    }

    #[test]
    fn roles() {
        assert!(role_arn("arn:aws:iam::123456789012:role/Admin").is_ok());
        assert!(role_arn("arn:aws:iam::123456789012:role").is_ok());
        assert!(role_arn("arn:aws:iam::x:role/Administrators").is_err());
        assert!(role_arn("not-an-arn-but-long-enough").is_err());
    }
}
