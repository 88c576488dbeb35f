//! Replays batches of imports: groups, users, what is left of them, memberships.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use cognito_profiles::adapters::deployment::Deployment;
use cognito_profiles_lambda::{FunctionError, batch_response, deadline, deliveries};
use lambda_runtime::{LambdaEvent, service_fn};

/// What is left of the invocation when replaying stops: for calls that stall, and to send the
/// rest.
const MARGIN: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = cognito_profiles_lambda::start().await?;
    lambda_runtime::run(service_fn(|event| work(&deployment, event))).await
}

async fn work(
    deployment: &Arc<Deployment>,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, FunctionError> {
    let deliveries = deliveries(event.payload);
    let messages = deliveries.len();
    let deadline = deadline(&event.context, &*deployment.clock(), MARGIN);
    let failed = deployment.replay_worker()?.work(deliveries, deadline).await;
    Ok(batch_response(messages, failed))
}
