//! What the Lambda functions share: their logs, their errors, and batches of SQS messages.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use cognito_profiles::adapters::deployment::{Deployment, Environment};
use cognito_profiles::model::PoolId;
use cognito_profiles::ports::Clock;
use cognito_profiles::time::Timestamp;
use cognito_profiles::workflow::{Delivery, Failed};
use lambda_runtime::{Context, Diagnostic};
use serde_json::json;

/// An error of the library, as Lambda reports it: the state machine matches the type.
pub struct FunctionError(cognito_profiles::Error);

impl From<cognito_profiles::Error> for FunctionError {
    fn from(error: cognito_profiles::Error) -> Self {
        Self(error)
    }
}

/// As the library says it: its errors hold no personal data, what caused them may.
impl fmt::Debug for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<FunctionError> for Diagnostic {
    fn from(FunctionError(error): FunctionError) -> Self {
        Self { error_type: error.kind().to_owned(), error_message: error.to_string() }
    }
}

/// Starts the logs and connects to what the environment names.
pub async fn start() -> Result<Arc<Deployment>, lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let environment = Environment::read(|name| std::env::var(name).ok())?;
    Ok(Deployment::connect(environment).await)
}

/// The messages of an event, each as it was delivered.
pub fn deliveries(event: SqsEvent) -> Vec<Delivery> {
    event.records.into_iter().map(delivery).collect()
}

fn delivery(message: SqsMessage) -> Delivery {
    let receives = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
    Delivery {
        id: message.message_id.unwrap_or_default(),
        receipt: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        receives: receives.unwrap_or(1),
    }
}

/// The answer that has these messages, and no others, delivered again. Each is logged.
pub fn batch_response(messages: usize, failed: Vec<Failed>) -> SqsBatchResponse {
    tracing::info!(messages, failed = failed.len(), "dealt with");
    let mut response = SqsBatchResponse::default();
    for Failed { id, error } in failed {
        tracing::error!(message_id = %id, error_type = error.kind(), error = %error, "not dealt with");
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = id;
        response.batch_item_failures.push(failure);
    }
    response
}

/// A log line of which CloudWatch makes the metric `CompleteRuns` of a pool (CloudWatch User
/// Guide, "Specification: Embedded metric format"). No complete run in time raises an alarm.
pub fn complete_run_metric(pool: &PoolId, now: Timestamp) -> String {
    json!({
        "_aws": {
            "Timestamp": now.as_millis(),
            "CloudWatchMetrics": [{
                "Namespace": "CognitoUserProfilesExport",
                "Dimensions": [["UserPoolId"]],
                "Metrics": [{ "Name": "CompleteRuns", "Unit": "Count" }],
            }],
        },
        "UserPoolId": pool,
        "CompleteRuns": 1,
    })
    .to_string()
}

/// When work must end, by the clock's `elapsed()`: `margin` before Lambda ends the invocation.
pub fn deadline(context: &Context, clock: &dyn Clock, margin: Duration) -> Duration {
    clock.elapsed() + time_left(context.deadline, clock.now()).saturating_sub(margin)
}

/// Lambda counts milliseconds since 1970, as the clock does. A deadline that is over leaves none.
fn time_left(deadline: u64, now: Timestamp) -> Duration {
    let now = u64::try_from(now.as_millis()).unwrap_or_default();
    Duration::from_millis(deadline.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use cognito_profiles::Error;
    use cognito_profiles::run::RunId;

    use super::*;

    #[test]
    fn the_time_left_is_until_the_deadline() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        assert_eq!(time_left(1_800_000_120_000, now), Duration::from_mins(2));
        assert_eq!(time_left(1_799_999_999_999, now), Duration::ZERO);
    }

    #[test]
    fn errors_are_named_for_the_state_machine() {
        let error = FunctionError::from(Error::LockLost(RunId::new("r")));
        let diagnostic = Diagnostic::from(error);
        assert_eq!(diagnostic.error_type, "lock_lost");
        assert!(diagnostic.error_message.starts_with("run r lost its lock"));
    }

    #[test]
    fn each_message_is_read_by_itself_and_only_what_failed_comes_again() {
        let event = json!({ "Records": [
            { "messageId": "1", "receiptHandle": "r1", "body": "no JSON", "attributes": { "ApproximateReceiveCount": "4" } },
            { "messageId": "2", "body": null, "attributes": { "ApproximateReceiveCount": "many" } },
        ] });
        let deliveries = deliveries(serde_json::from_value(event).unwrap());
        let told: Vec<_> = deliveries.iter().map(|d| (d.id.as_str(), d.body.as_str(), d.receives)).collect();
        assert_eq!(told, [("1", "no JSON", 4), ("2", "", 1)]);
        let failed = vec![Failed { id: "2".into(), error: Error::EmptyBackup }];
        let response = serde_json::to_value(batch_response(2, failed)).unwrap();
        assert_eq!(response, json!({ "batchItemFailures": [{ "itemIdentifier": "2" }] }));
    }
}
