//! Second factors.

use super::super::Answer;
use super::super::pools::second_factors;
use super::body::Body;
use crate::error::ServiceError;
use crate::pool_config::MfaMode;
use crate::resources::Object;
use crate::state::State;

const FACTORS: [&str; 3] = ["SmsMfaConfiguration", "EmailMfaConfiguration", "WebAuthnConfiguration"];

pub(super) fn set(state: &mut State, body: &[u8]) -> Answer {
    let known = [
        "UserPoolId",
        "MfaConfiguration",
        "SoftwareTokenMfaConfiguration",
        "SmsMfaConfiguration",
        "EmailMfaConfiguration",
        "WebAuthnConfiguration",
    ];
    let body = Body::parse(body, &known)?;
    let id = body.pool()?;
    let mode = body.one_of("MfaConfiguration", &["OFF", "ON", "OPTIONAL"])?;
    let mode = match mode {
        Some("ON") => MfaMode::On,
        Some("OPTIONAL") => MfaMode::Optional,
        _ => MfaMode::Off,
    };
    let token = body.object("SoftwareTokenMfaConfiguration", &["Enabled"])?;
    let token = token.map(|token| token.flag("Enabled")).transpose()?.flatten().unwrap_or(false);
    if let Some(sms) =
        body.object("SmsMfaConfiguration", &["SmsAuthenticationMessage", "SmsConfiguration"])?
    {
        let known = ["SnsCallerArn", "ExternalId", "SnsRegion", "EumsSms"];
        let sns = sms
            .object("SmsConfiguration", &known)?
            .ok_or_else(|| ServiceError::missing("smsConfiguration"))?;
        sns.arn("SnsCallerArn")?;
    }
    let email = body.object("EmailMfaConfiguration", &["Message", "Subject"])?;
    let pool = state.pool(&id)?;
    let sends = pool
        .config
        .extra
        .get("EmailConfiguration")
        .is_some_and(|email| email["EmailSendingAccount"] == "DEVELOPER");
    if email.is_some() && !sends {
        return Err(ServiceError::invalid("E-mail MFA needs a pool that sends with Amazon SES."));
    }
    if mode != MfaMode::Off && !token && email.is_none() && body.get("SmsMfaConfiguration").is_none() {
        return Err(ServiceError::invalid("No second factor is enabled."));
    }
    if let Some(passkeys) =
        body.object("WebAuthnConfiguration", &["RelyingPartyId", "UserVerification", "FactorConfiguration"])?
    {
        passkeys.text("RelyingPartyId", 1, 127)?;
        passkeys.one_of("UserVerification", &["required", "preferred"])?;
    }
    let factors: Object =
        FACTORS.into_iter().filter_map(|name| Some((name.to_owned(), body.get(name)?.clone()))).collect();
    let pool = state.pool_mut(&id)?;
    pool.config.mfa = mode;
    pool.config.software_token_mfa = token;
    pool.config.sms_mfa = factors.contains_key("SmsMfaConfiguration");
    pool.config.email_mfa = factors.contains_key("EmailMfaConfiguration");
    pool.resources.factors = factors;
    Ok(second_factors(state, state.pool(&id)?).to_string().into_bytes())
}
