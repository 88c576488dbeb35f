//! From one row of a file to a user, or to the reason there is none.

use std::borrow::Cow;

use super::file::Row;
use crate::error::ServiceError;
use crate::names;
use crate::ops::users::{Attributes, alias_exists, sign_in_name, taken_aliases, username_exists, value};
use crate::pool::Pool;
use crate::pool_config::MfaMode;
use crate::rng::Rng;
use crate::user::{UserRecord, UserStatus};

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Succeeded,
    Skipped,
    Failed(Cow<'static, str>),
}

impl Fate {
    pub(super) fn failed(reason: &'static str) -> Self {
        Self::Failed(Cow::Borrowed(reason))
    }

    /// Its place among the counts of a job.
    pub(super) fn index(&self) -> usize {
        match self {
            Self::Succeeded => 0,
            Self::Skipped => 1,
            Self::Failed(_) => 2,
        }
    }

    /// The line of the log. It names a row and never a value.
    pub(super) fn log(&self, line: u64) -> String {
        match self {
            Self::Succeeded => format!("[SUCCEEDED] Line Number {line} - The import succeeded."),
            Self::Skipped => format!("[SKIPPED] Line Number {line} - The user already exists."),
            Self::Failed(reason) => format!("[FAILED] Line Number {line} - {reason}"),
        }
    }
}

impl From<ServiceError> for Fate {
    fn from(error: ServiceError) -> Self {
        match &*error.code {
            "UsernameExistsException" | "AliasExistsException" => Self::Skipped,
            _ => Self::Failed(error.message.into()),
        }
    }
}

impl Row {
    /// The user this row makes.
    pub(super) fn admit(self, pool: &Pool, rng: &mut Rng) -> Result<UserRecord, Fate> {
        let Self { username, mfa_enabled, mut attributes } = self;
        names::name("username", &username)?;
        check_mfa(pool, mfa_enabled, &attributes)?;
        check_verified(pool, &attributes)?;
        if pool.signs_in_by_attribute()
            && !pool.config.username_attributes.iter().any(|name| value(&attributes, name) == Some(&username))
        {
            return Err(Fate::failed("The username is not the value of its attribute."));
        }
        let name = sign_in_name(pool, username, &mut attributes)?;
        pool.schema.check(&attributes, true)?;
        // Unlike in AdminCreateUser, the documentation leaves no doubt here.
        pool.schema.check_required(&attributes)?;
        if name.as_deref().is_some_and(|name| pool.by_username(name).is_some()) {
            return Err(username_exists().into());
        }
        if let Some((alias, _)) = taken_aliases(pool, &attributes).first() {
            return Err(alias_exists(alias).into());
        }
        let mut user = UserRecord {
            sub: rng.uuid(),
            attributes: attributes.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            status: UserStatus::ResetRequired,
            ..UserRecord::new(name.unwrap_or_default())
        };
        user.mfa.sms = mfa_enabled;
        Ok(user)
    }
}

fn check_mfa(pool: &Pool, enabled: bool, attributes: &Attributes) -> Result<(), Fate> {
    match (pool.config.mfa, enabled) {
        (MfaMode::Off, true) => Err(Fate::failed("MFA is off for the user pool, and enabled for the user.")),
        (MfaMode::On, false) => {
            Err(Fate::failed("MFA is required for the user pool, and not enabled for the user."))
        }
        (_, true) if value(attributes, "phone_number").is_none() => {
            Err(Fate::failed("MFA is enabled for the user, who has no phone_number."))
        }
        _ => Ok(()),
    }
}

/// A verified flag needs its address, and one address that the pool verifies
/// by itself has to be verified.
fn check_verified(pool: &Pool, attributes: &Attributes) -> Result<(), Fate> {
    let mut verified: Vec<&str> = Vec::new();
    for address in ["email", "phone_number"] {
        if value(attributes, &format!("{address}_verified")) != Some("true") {
            continue;
        }
        if value(attributes, address).is_none() {
            return Err(Fate::failed("An attribute is verified that has no value."));
        }
        verified.push(address);
    }
    if pool.config.auto_verified_attributes.iter().any(|auto| verified.contains(&auto.as_str())) {
        return Ok(());
    }
    Err(Fate::failed(
        "The User Record does not set any of the auto verified attributes to true. (Example: email_verified to \
         true).",
    ))
}
