//! Takes a run of an export through its steps: begin, progress, reconcile, finish, fail.

use cognito_profiles::adapters::deployment::Deployment;
use cognito_profiles::workflow::Request;
use cognito_profiles_lambda::{FunctionError, complete_run_metric};
use lambda_runtime::{LambdaEvent, service_fn, tracing};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = cognito_profiles_lambda::start().await?;
    lambda_runtime::run(service_fn(|event| answer(&deployment, event))).await
}

async fn answer(deployment: &Deployment, event: LambdaEvent<Request>) -> Result<Value, FunctionError> {
    let request = event.payload;
    let (action, pool) = (request.action.name(), request.user_pool_id.clone());
    tracing::info!(action, %pool, run = ?request.run_id, "asked");
    let answer = deployment.coordinator(&pool)?.answer(request).await.inspect_err(|error| {
        tracing::error!(action, %pool, error_type = error.kind(), %error, "failed");
    })?;
    if answer["Status"] == "Complete" {
        println!("{}", complete_run_metric(&pool, deployment.clock().now()));
    }
    Ok(answer)
}
