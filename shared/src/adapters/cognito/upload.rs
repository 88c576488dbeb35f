//! Sends the file of an import job to the place Cognito named for it.

use std::sync::LazyLock;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use crate::adapters::aws::undelivered::{self, transient};
use crate::ports::{Fault, UploadUrl};

/// How long an upload may take: at most 100 MB, over a connection that is worth having.
const TIMEOUT: Duration = Duration::from_mins(5);

/// The header without which the place refuses the file (Developer Guide, "Importing users from a
/// CSV file").
const ENCRYPTION: (&str, &str) = ("x-amz-server-side-encryption", "aws:kms");

/// The SDK's own HTTP client, without the SDK: the URL is signed already.
static CONNECTOR: LazyLock<Connector> =
    LazyLock::new(|| Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build());

/// One attempt. No fault names the URL.
pub(super) async fn put(url: &UploadUrl, file: Bytes) -> Result<(), Fault> {
    let sent = CONNECTOR.call(request(url, file)?);
    let answer = match tokio::time::timeout(TIMEOUT, sent).await {
        Err(_) => return Err(transient("time-out")),
        Ok(answer) => answer.map_err(|error| undelivered::fault(&error))?,
    };
    match answer.status().as_u16() {
        200..=299 => Ok(()),
        429 => Err(Fault::Throttled),
        status @ (408 | 500..) => Err(transient(&format!("HTTP {status}"))),
        // Most likely the URL has expired: a new job brings a new one.
        status => Err(Fault::Refused(format!("HTTP {status}"))),
    }
}

fn request(url: &UploadUrl, file: Bytes) -> Result<HttpRequest, Fault> {
    let not_built = || Fault::Refused("RequestNotBuilt".to_owned());
    let length = file.len().to_string();
    let mut request = HttpRequest::new(SdkBody::from(file));
    request.set_method("PUT").map_err(|_| not_built())?;
    request.set_uri(url.expose()).map_err(|_| not_built())?;
    let headers = request.headers_mut();
    headers.try_insert(ENCRYPTION.0, ENCRYPTION.1).map_err(|_| not_built())?;
    headers.try_insert("content-length", length).map_err(|_| not_built())?;
    Ok(request)
}
