//! Which second factors a user has.

use serde::Deserialize;

use super::{Answer, UserRequest, empty, parse, user_to_write};
use crate::error::ServiceError;
use crate::mfa::MfaFactor;
use crate::pool::Pool;
use crate::pool_config::{MfaMode, PoolConfig};
use crate::state::State;
use crate::user::{User, UserStatus};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    #[serde(flatten)]
    user: UserRequest,
    #[serde(rename = "SMSMfaSettings")]
    sms: Option<Settings>,
    #[serde(rename = "EmailMfaSettings")]
    email: Option<Settings>,
    #[serde(rename = "SoftwareTokenMfaSettings")]
    software_token: Option<Settings>,
    #[serde(rename = "WebAuthnMfaSettings")]
    passkey: Option<Settings>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Settings {
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    preferred_mfa: bool,
}

pub(super) fn set_preference(state: &mut State, body: &[u8]) -> Answer {
    let request: Request = parse(body)?;
    let (id, number) = user_to_write(state, request.user)?;
    // Nobody here ever set one of these up.
    for (settings, name) in
        [(request.software_token, "SOFTWARE_TOKEN_MFA"), (request.passkey, "WEB_AUTHN_MFA")]
    {
        if settings.is_some() {
            return Err(no_delivery(name));
        }
    }
    let wanted: Vec<(MfaFactor, Settings)> =
        [(MfaFactor::Sms, request.sms), (MfaFactor::Email, request.email)]
            .into_iter()
            .filter_map(|(factor, settings)| Some((factor, settings?)))
            .collect();
    if wanted.is_empty() {
        return Err(ServiceError::invalid("No MFA settings were given."));
    }
    if wanted.iter().filter(|(_, settings)| settings.preferred_mfa).count() > 1 {
        return Err(ServiceError::invalid("Only one MFA method can be preferred."));
    }
    let when = state.when();
    let pool = state.pool_mut(&id)?;
    let user = pool.user(number).ok_or_else(ServiceError::no_user)?;
    check_state(user)?;
    for &(factor, settings) in &wanted {
        check(pool, user, factor, settings)?;
    }
    pool.update(number, when, |user| {
        for (factor, settings) in wanted {
            user.mfa.set(factor, settings.enabled, settings.preferred_mfa);
        }
    });
    Ok(empty())
}

fn check_state(user: &User) -> Result<(), ServiceError> {
    match user.status {
        UserStatus::ResetRequired => {
            Err(ServiceError::new("PasswordResetRequiredException", "Password reset required for the user"))
        }
        UserStatus::Unconfirmed => {
            Err(ServiceError::new("UserNotConfirmedException", "User is not confirmed."))
        }
        UserStatus::ExternalProvider => {
            Err(ServiceError::invalid("MFA is the provider's for users of an external provider."))
        }
        _ => Ok(()),
    }
}

fn check(pool: &Pool, user: &User, factor: MfaFactor, settings: Settings) -> Result<(), ServiceError> {
    let name = factor.name();
    if !pool.config.offers(factor) {
        return Err(ServiceError::invalid(format!("User pool is not configured for {name}.")));
    }
    if settings.preferred_mfa && !settings.enabled {
        return Err(ServiceError::invalid(format!("{name} cannot be preferred without being enabled.")));
    }
    if !settings.enabled && pool.config.mfa == MfaMode::On {
        return Err(ServiceError::invalid(format!("{name} cannot be turned off: the pool requires MFA.")));
    }
    if settings.enabled && !verified(pool, user, factor.attribute()) {
        return Err(no_delivery(name));
    }
    Ok(())
}

/// Whether a user has a verified address of this kind.
fn verified(pool: &Pool, user: &User, address: &str) -> bool {
    let value = |name: &str| pool.schema.id(name).and_then(|id| user.value(id));
    value(address).is_some()
        && value(&format!("{address}_verified")).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn no_delivery(name: &str) -> ServiceError {
    ServiceError::invalid(format!("User does not have delivery config set to turn on {name}"))
}

impl PoolConfig {
    /// Whether users may have this factor.
    fn offers(&self, factor: MfaFactor) -> bool {
        self.mfa != MfaMode::Off
            && match factor {
                MfaFactor::Sms => self.sms_mfa,
                MfaFactor::Email => self.email_mfa,
            }
    }
}
