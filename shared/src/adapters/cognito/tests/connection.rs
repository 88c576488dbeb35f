//! The settings in force, over real sockets on this machine.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_cognitoidentityprovider::config::SharedCredentialsProvider;
use aws_sdk_cognitoidentityprovider::error::ConnectorError;

use super::wire::{POOL, settings};
use crate::Error;
use crate::adapters::cognito::CognitoDirectory;
use crate::model::PoolId;
use crate::ports::{Directory, Fault};

/// Fails as an empty chain of providers does.
#[derive(Debug)]
struct NoCredentials(fn() -> CredentialsError);

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err((self.0)()))
    }
}

fn at(endpoint: &str) -> CognitoDirectory {
    let config = settings().into_builder().endpoint_url(endpoint).build();
    CognitoDirectory::from_config(PoolId::new(POOL), &config).unwrap()
}

/// Takes one connection, reads one request, answers `response` and hangs up. Gives the
/// request.
pub(super) fn serve_once(response: &'static str) -> (String, JoinHandle<String>) {
    serve_once_after(r#"{"UserPoolId":"eu-west-1_Test"}"#, response)
}

/// [`serve_once`] of a request that ends so.
pub(super) fn serve_once_after(end: &'static str, response: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(end.as_bytes()) {
            let mut part = [0; 4096];
            let read = stream.read(&mut part).unwrap();
            assert!(read > 0, "the request ended early");
            request.extend_from_slice(&part[..read]);
        }
        stream.write_all(response.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (endpoint, server)
}

#[tokio::test]
async fn plain_http_works() {
    let body = r#"{"UserPool":{"EstimatedNumberOfUsers":7}}"#;
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let (endpoint, server) = serve_once(response.leak());
    assert_eq!(at(&endpoint).describe().await.unwrap().estimated_users, 7);
    server.join().unwrap();
}

#[tokio::test]
async fn a_lost_connection_is_transient() {
    let cut_short = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"UserPool\"";
    for (response, cause) in [("", "connection closed"), (cut_short, "unreadable answer")] {
        let (endpoint, server) = serve_once(response);
        let error = at(&endpoint).describe().await.unwrap_err();
        assert_eq!(error.fault, Fault::Transient(cause.into()), "{response:?}");
        server.join().unwrap();
    }
}

#[tokio::test]
async fn nobody_listening_is_transient() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = at(&endpoint).describe().await.unwrap_err();
    assert_eq!(error.fault, Fault::Transient("connection refused".into()));
}

#[tokio::test]
async fn missing_credentials_are_told_from_unreachable_ones() {
    let fault = async |cause| {
        let provider = SharedCredentialsProvider::new(NoCredentials(cause));
        let config = settings().into_builder().credentials_provider(provider).build();
        let directory = CognitoDirectory::from_config(PoolId::new(POOL), &config).unwrap();
        directory.describe().await.unwrap_err().fault
    };
    let missing = fault(|| CredentialsError::not_loaded("no providers in chain")).await;
    assert_eq!(missing, Fault::Credentials("none were found".into()));
    let broken = fault(|| CredentialsError::invalid_configuration("private")).await;
    assert_eq!(broken, Fault::Credentials("the AWS configuration files are not usable".into()));
    let late = fault(|| CredentialsError::provider_timed_out(std::time::Duration::ZERO)).await;
    assert_eq!(late, Fault::Transient("time-out of the credentials".into()));
    let cut_off = fault(|| CredentialsError::provider_error(ConnectorError::io("private".into()))).await;
    assert_eq!(cut_off, Fault::Transient("credentials not reachable".into()));
    let ended = fault(|| CredentialsError::provider_error("private")).await;
    assert!(matches!(&ended, Fault::Credentials(text) if !text.contains("private")), "{ended:?}");
}

#[test]
fn the_region_is_the_configured_one_or_the_pools() {
    let region = |pool: &str, config: &SdkConfig| {
        CognitoDirectory::from_config(PoolId::new(pool), config)
            .map(|directory| directory.region().to_owned())
    };
    let configured = settings().into_builder().region(Region::new("us-east-1")).build();
    assert_eq!(region(POOL, &configured).unwrap(), "us-east-1");
    let unset = settings().into_builder().region(None::<Region>).build();
    assert_eq!(region(POOL, &unset).unwrap(), "eu-west-1");
    assert!(matches!(region("nonsense", &unset), Err(Error::Usage(_))));
    let nobody = SdkConfig::builder().region(Region::new("us-east-1")).build();
    assert!(matches!(region(POOL, &nobody), Err(Error::Credentials(_))));
}
