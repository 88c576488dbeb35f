//! Delivery of logs.

use serde_json::{Value, json};

use super::super::Answer;
use super::body::{Body, answer};
use crate::error::ServiceError;
use crate::state::State;

const DESTINATIONS: [(&str, &str); 3] = [
    ("CloudWatchLogsConfiguration", "LogGroupArn"),
    ("S3Configuration", "BucketArn"),
    ("FirehoseConfiguration", "StreamArn"),
];

fn shown(state: &State, pool: &str) -> Answer {
    let logs = &state.pool(pool)?.resources.logs;
    Ok(answer("LogDeliveryConfiguration", json!({"UserPoolId": pool, "LogConfigurations": logs})))
}

pub(super) fn set(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &["UserPoolId", "LogConfigurations"])?;
    let id = body.pool()?;
    state.pool(&id)?;
    let known = [
        "LogLevel",
        "EventSource",
        "CloudWatchLogsConfiguration",
        "S3Configuration",
        "FirehoseConfiguration",
    ];
    let mut sources = Vec::new();
    for log in body.objects("LogConfigurations", 2, &known)? {
        log.one_of("LogLevel", &["ERROR", "INFO"])?.ok_or_else(|| ServiceError::missing("logLevel"))?;
        let source = log.one_of("EventSource", &["userNotification", "userAuthEvents"])?;
        sources.push(source.ok_or_else(|| ServiceError::missing("eventSource"))?.to_owned());
        let mut destinations = 0;
        for (destination, arn) in DESTINATIONS {
            if let Some(to) = log.object(destination, &[arn])? {
                to.arn(arn)?.ok_or_else(|| ServiceError::missing(arn))?;
                destinations += 1;
            }
        }
        if destinations != 1 {
            return Err(ServiceError::invalid("A log has exactly one destination."));
        }
    }
    sources.sort();
    sources.dedup();
    let logs = body.get("LogConfigurations").and_then(Value::as_array).cloned();
    let logs = logs.ok_or_else(|| ServiceError::missing("logConfigurations"))?;
    if sources.len() < logs.len() {
        return Err(ServiceError::invalid("Each event source is delivered once."));
    }
    state.pool_mut(&id)?.resources.logs = logs;
    shown(state, &id)
}

pub(super) fn get(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &["UserPoolId"])?;
    shown(state, &body.pool()?)
}
