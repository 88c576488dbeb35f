//! The protocol over HTTP/1.1: `POST /`, the operation in a header. `PUT` takes
//! files to import. `GET /meter` is for who judges, `DELETE /meter` begins it anew.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cognito::Cognito;
use crate::error::ServiceError;
use crate::imports::MAX_UPLOAD;
use crate::outcome::{Outcome, Reply};

const TARGET_PREFIX: &str = "AWSCognitoIdentityProviderService.";
/// No request of this protocol comes near; more would only fill the memory.
const MAX_BODY: usize = 1024 * 1024;

/// A running server. Dropping it does not stop it; [`Server::shutdown`] does.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What to give a client as its endpoint.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening and closes every connection.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        // It ends by itself, and cannot panic.
        let _ = self.accepting.await;
    }
}

/// Serves a simulated service on a socket.
pub fn serve(cognito: Arc<Cognito>, listener: TcpListener) -> io::Result<Server> {
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let endpoint = format!("http://{address}").into();
    let accepting = tokio::spawn(accept(cognito, endpoint, listener, stopped));
    Ok(Server { address, stop, accepting })
}

async fn accept(
    cognito: Arc<Cognito>,
    endpoint: Arc<str>,
    listener: TcpListener,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop(&mut stopped) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let (cognito, endpoint) = (Arc::clone(&cognito), Arc::clone(&endpoint));
                tokio::spawn(connection(cognito, endpoint, stream, stopped.clone()));
            }
            // Out of file handles, most likely: wait for some to come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Returns when the server shall stop; never when its handle was dropped.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    if stopped.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn connection(
    cognito: Arc<Cognito>,
    endpoint: Arc<str>,
    stream: TcpStream,
    mut stopped: watch::Receiver<bool>,
) {
    // Answers are small: waiting to fill a packet would only add latency.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| handle(Arc::clone(&cognito), Arc::clone(&endpoint), request));
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A connection that breaks is the client's to notice.
        _ = serving => {}
        () = stop(&mut stopped) => {}
    }
}

/// The service "fails" by dropping the connection.
#[derive(Debug, thiserror::Error)]
#[error("the connection was dropped on purpose")]
struct DroppedOnPurpose;

async fn handle(
    cognito: Arc<Cognito>,
    endpoint: Arc<str>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, DroppedOnPurpose> {
    if matches!(*request.method(), Method::GET | Method::DELETE) && request.uri().path() == "/meter" {
        // Numbers and names: it always can be JSON.
        let meter = serde_json::to_vec(&cognito.meter()).unwrap_or_default();
        if request.method() == Method::DELETE {
            cognito.reset_meter();
        }
        return respond(Reply::Answer(meter));
    }
    if request.method() == Method::PUT {
        return upload(&cognito, &endpoint, request).await;
    }
    let outcome = match read(request).await {
        Ok((operation, body)) => cognito.call_at(&operation, &body, Some(&endpoint)),
        Err(error) => Outcome { reply: Reply::Error(error), latency: 0 },
    };
    if outcome.latency > 0 {
        tokio::time::sleep(Duration::from_millis(outcome.latency)).await;
    }
    respond(outcome.reply)
}

/// A file to import, put to a pre-signed URL.
async fn upload(
    cognito: &Cognito,
    endpoint: &str,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, DroppedOnPurpose> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{endpoint}{path}");
    let headers = request.headers();
    if !headers.contains_key(CONTENT_LENGTH) {
        return Ok(uploaded(411));
    }
    let encryption = headers.get("x-amz-server-side-encryption").cloned();
    let Ok(body) = Limited::new(request.into_body(), MAX_UPLOAD).collect().await else {
        return Ok(uploaded(400));
    };
    let encryption = encryption.as_ref().and_then(|value| value.to_str().ok());
    let outcome = cognito.upload_now(&url, encryption, &body.to_bytes());
    if outcome.latency > 0 {
        tokio::time::sleep(Duration::from_millis(outcome.latency)).await;
    }
    outcome.status.map(uploaded).ok_or(DroppedOnPurpose)
}

fn uploaded(status: u16) -> Response<Full<Bytes>> {
    let body = match status {
        200 => Bytes::new(),
        403 => Bytes::from_static(b"<Error><Code>AccessDenied</Code></Error>"),
        _ => Bytes::from_static(b"<Error></Error>"),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// The operation and the body of a request.
async fn read(request: Request<Incoming>) -> Result<(String, Bytes), ServiceError> {
    let unknown = || ServiceError::new("UnknownOperationException", "");
    let headers = request.headers();
    if request.method() != Method::POST || request.uri().path() != "/" {
        return Err(unknown());
    }
    let json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-amz-json-1.1"));
    let operation = headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix(TARGET_PREFIX))
        .filter(|_| json)
        .ok_or_else(unknown)?
        .to_owned();
    let body = Limited::new(request.into_body(), MAX_BODY)
        .collect()
        .await
        .map_err(|_| ServiceError::new("SerializationException", "The body is unreadable."))?;
    Ok((operation, body.to_bytes()))
}

fn respond(reply: Reply) -> Result<Response<Full<Bytes>>, DroppedOnPurpose> {
    let (status, body, json) = match reply {
        Reply::Answer(body) => (StatusCode::OK, body, true),
        Reply::Error(error) => {
            (StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST), error.body(), true)
        }
        Reply::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            b"<html><body><h1>503 Service Unavailable</h1></body></html>".to_vec(),
            false,
        ),
        Reply::Dropped => return Err(DroppedOnPurpose),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let content_type = if json { "application/x-amz-json-1.1" } else { "text/html" };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}
