//! Compares pages with what is stored, and writes what changed.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use cognito_profiles::adapters::deployment::Deployment;
use cognito_profiles_lambda::{FunctionError, batch_response, deliveries};
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = cognito_profiles_lambda::start().await?;
    lambda_runtime::run(service_fn(|event| work(&deployment, event))).await
}

async fn work(
    deployment: &Deployment,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, FunctionError> {
    let deliveries = deliveries(event.payload);
    let messages = deliveries.len();
    let failed = deployment.page_worker()?.work(deliveries).await;
    Ok(batch_response(messages, failed))
}
