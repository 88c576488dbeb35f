//! Threat protection.

use serde_json::json;

use super::super::Answer;
use super::body::{Body, answer};
use super::clients::optional;
use crate::error::ServiceError;
use crate::resources::Object;
use crate::state::State;
use crate::time::seconds;

const KNOWN: [&str; 5] = [
    "UserPoolId",
    "ClientId",
    "CompromisedCredentialsRiskConfiguration",
    "AccountTakeoverRiskConfiguration",
    "RiskExceptionConfiguration",
];

fn protected(state: &State, pool: &str) -> Result<(), ServiceError> {
    let mode =
        &state.pool(pool)?.config.extra.get("UserPoolAddOns").map(|add_ons| &add_ons["AdvancedSecurityMode"]);
    if mode.is_none_or(|mode| mode == "OFF" || mode.is_null()) {
        return Err(ServiceError::new(
            "UserPoolAddOnNotEnabledException",
            "Threat protection is not enabled.",
        ));
    }
    Ok(())
}

pub(super) fn set(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &KNOWN)?;
    let id = body.pool()?;
    protected(state, &id)?;
    let client = optional(&body, state.pool(&id)?, None)?.unwrap_or_default();
    check(&body)?;
    let mut risk = body.into_object(&["ClientId"]);
    risk.insert("LastModifiedDate".to_owned(), json!(seconds(state.now)));
    if !client.is_empty() {
        risk.insert("ClientId".to_owned(), json!(client));
    }
    state.pool_mut(&id)?.resources.risks.insert(client, risk.clone());
    Ok(answer("RiskConfiguration", risk))
}

fn check(body: &Body) -> Result<(), ServiceError> {
    let action = |object: &Body, name: &str, allowed: &[&str]| {
        object.one_of(name, allowed)?.map(|_| ()).ok_or_else(|| ServiceError::missing(name))
    };
    if let Some(config) =
        body.object("CompromisedCredentialsRiskConfiguration", &["EventFilter", "Actions"])?
    {
        config.texts_of("EventFilter", &["SIGN_IN", "PASSWORD_CHANGE", "SIGN_UP"])?;
        let actions =
            config.object("Actions", &["EventAction"])?.ok_or_else(|| ServiceError::missing("actions"))?;
        action(&actions, "EventAction", &["BLOCK", "NO_ACTION"])?;
    }
    if let Some(config) =
        body.object("AccountTakeoverRiskConfiguration", &["NotifyConfiguration", "Actions"])?
    {
        let known = ["From", "ReplyTo", "SourceArn", "BlockEmail", "NoActionEmail", "MfaEmail"];
        if let Some(notify) = config.object("NotifyConfiguration", &known)? {
            notify.arn("SourceArn")?.ok_or_else(|| ServiceError::missing("sourceArn"))?;
        }
        let levels = ["LowAction", "MediumAction", "HighAction"];
        let actions = config.object("Actions", &levels)?.ok_or_else(|| ServiceError::missing("actions"))?;
        for level in levels {
            if let Some(level) = actions.object(level, &["Notify", "EventAction"])? {
                level.flag("Notify")?.ok_or_else(|| ServiceError::missing("notify"))?;
                action(&level, "EventAction", &["BLOCK", "MFA_IF_CONFIGURED", "MFA_REQUIRED", "NO_ACTION"])?;
            }
        }
    }
    if let Some(config) =
        body.object("RiskExceptionConfiguration", &["BlockedIPRangeList", "SkippedIPRangeList"])?
    {
        config.texts("BlockedIPRangeList", 200)?;
        config.texts("SkippedIPRangeList", 200)?;
    }
    Ok(())
}

/// A client without a configuration of its own is answered with the pool's.
pub(super) fn describe(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &["UserPoolId", "ClientId"])?;
    let id = body.pool()?;
    protected(state, &id)?;
    let pool = state.pool(&id)?;
    let client = optional(&body, pool, None)?.unwrap_or_default();
    let risks = &pool.resources.risks;
    let risk = risks.get(&client).or_else(|| risks.get("")).cloned();
    let none = || [("UserPoolId".to_owned(), json!(id))].into_iter().collect::<Object>();
    Ok(answer("RiskConfiguration", risk.unwrap_or_else(none)))
}
