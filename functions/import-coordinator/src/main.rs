//! Takes an import through its steps: plan, begin, create-users, match, progress, verify, finish,
//! fail.

use std::time::Duration;

use cognito_profiles::adapters::deployment::Deployment;
use cognito_profiles::workflow::ImportRequest;
use cognito_profiles_lambda::{FunctionError, deadline};
use lambda_runtime::{LambdaEvent, service_fn, tracing};
use serde_json::Value;

/// What is left of the invocation when work stops: for what was begun, and for its place.
const MARGIN: Duration = Duration::from_mins(2);

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = cognito_profiles_lambda::start().await?;
    lambda_runtime::run(service_fn(|event| answer(&deployment, event))).await
}

async fn answer(deployment: &Deployment, event: LambdaEvent<ImportRequest>) -> Result<Value, FunctionError> {
    let (request, deadline) = (event.payload, deadline(&event.context, &*deployment.clock(), MARGIN));
    let (action, into) = (request.action.name(), request.new_user_pool_id.clone());
    tracing::info!(action, %into, import = ?request.import_id, "asked");
    // On the heap: its state is larger than a stack should carry.
    let answered = Box::pin(deployment.import_coordinator(&into, deadline)?.answer(request)).await;
    Ok(answered.inspect_err(|error| {
        tracing::error!(action, %into, error_type = error.kind(), %error, "failed");
    })?)
}
