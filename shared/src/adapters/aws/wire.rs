//! A stand-in for the network: gives the answers it is told to, in turn, and keeps what was sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

/// A status and body, a failure, or silence.
type Answer = Option<Result<(u16, String), ConnectorError>>;

/// Keeps the calls and gives the answers.
#[derive(Clone, Debug, Default)]
pub(in crate::adapters) struct Wire {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Wire {
    /// Answers with this, after what it was told before.
    pub(in crate::adapters) fn then(self, status: u16, body: &str) -> Self {
        self.answers.lock().unwrap().push_back(Some(Ok((status, body.to_owned()))));
        self
    }

    /// Fails with this, after what it was told before.
    pub(in crate::adapters) fn then_fail(self, error: ConnectorError) -> Self {
        self.answers.lock().unwrap().push_back(Some(Err(error)));
        self
    }

    /// Never answers, after what it was told before.
    pub(in crate::adapters) fn then_hang(self) -> Self {
        self.answers.lock().unwrap().push_back(None);
        self
    }

    /// The operations called, with their parameters.
    pub(in crate::adapters) fn calls(&self) -> Vec<(String, Value)> {
        self.calls.lock().unwrap().clone()
    }

    /// Settings by which calls come here.
    pub(in crate::adapters) fn config(&self) -> SdkConfig {
        settings().into_builder().http_client(self.clone()).build()
    }
}

/// Settings with credentials and a Region.
pub(in crate::adapters) fn settings() -> SdkConfig {
    let credentials = Credentials::new("id", "secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap();
        self.calls.lock().unwrap().push((operation, body));
        // A call too many means that something retried.
        let answer = self.answers.lock().unwrap().pop_front().expect("one call too many");
        let Some(answer) = answer else { return HttpConnectorFuture::new(std::future::pending()) };
        HttpConnectorFuture::ready(answer.map(|(status, body)| {
            HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body))
        }))
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
