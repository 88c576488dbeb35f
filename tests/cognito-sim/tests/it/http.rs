use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use cognito_sim::{Clock, Cognito, Config, Fault, PoolConfig, Server, serve};

use crate::harness::NOW;

struct Client(TcpStream);

impl Client {
    fn new(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).expect("it listens"))
    }

    /// Sends a request and reads one answer: head and body.
    fn send(&mut self, head: &str, body: &str) -> io::Result<(String, String)> {
        write!(self.0, "{head}\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let count = self.0.read(&mut chunk)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if Some(body.len()) == length.and_then(|length| length.parse().ok()) {
                return Ok((head.to_owned(), body.to_owned()));
            }
        }
    }

    fn call(&mut self, operation: &str, body: &str) -> io::Result<(String, String)> {
        let head = format!(
            "POST / HTTP/1.1\r\nX-Amz-Target: AWSCognitoIdentityProviderService.{operation}\r\n\
             Content-Type: application/x-amz-json-1.1"
        );
        self.send(&head, body)
    }
}

fn start() -> (tokio::runtime::Runtime, Arc<Cognito>, String, Server) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let config = Config { clock: Clock::Custom(Arc::new(|| NOW)), ..Config::default() };
    let cognito = Arc::new(Cognito::new(config));
    let pool = cognito.admin(NOW, |admin| admin.create_pool(PoolConfig::default())).expect("new");
    let server = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        serve(Arc::clone(&cognito), listener).expect("a listener")
    });
    (runtime, cognito, format!(r#"{{"UserPoolId":"{pool}"}}"#), server)
}

#[test]
fn the_meter_can_be_read_meanwhile() {
    let (_runtime, _, body, server) = start();
    let mut client = Client::new(server.local_addr());
    client.call("ListUsers", &body).expect("an answer");
    for _ in 0..2 {
        // Reading it is not metered itself.
        let (head, meter) = client.send("GET /meter HTTP/1.1", "").expect("an answer");
        assert!(head.starts_with("HTTP/1.1 200"));
        let meter: serde_json::Value = serde_json::from_str(&meter).expect("JSON");
        assert_eq!(meter["operations"]["ListUsers"]["attempts"], 1);
        assert_eq!(meter["categories"].as_object().map(serde_json::Map::len), Some(1));
    }
    let (_, last) = client.send("DELETE /meter HTTP/1.1", "").expect("an answer");
    let (_, anew) = client.send("GET /meter HTTP/1.1", "").expect("an answer");
    assert!(last.contains("ListUsers") && !anew.contains("ListUsers"), "{last} {anew}");
}

#[test]
fn the_protocol_is_amazons() {
    let (_runtime, _, body, server) = start();
    let mut client = Client::new(server.local_addr());
    // All over one connection: it is kept alive.
    let (head, answer) = client.call("ListUsers", &body).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200"));
    assert!(head.contains("content-type: application/x-amz-json-1.1"));
    assert_eq!(answer, r#"{"Users":[]}"#);
    let (head, answer) = client.call("ListUsers", r#"{"UserPoolId":"us-east-1_x"}"#).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 400"));
    assert_eq!(
        answer,
        r#"{"__type":"ResourceNotFoundException","message":"User pool us-east-1_x does not exist."}"#
    );
    for head in [
        "GET / HTTP/1.1",
        "POST / HTTP/1.1\r\nContent-Type: application/x-amz-json-1.1",
        "POST / HTTP/1.1\r\nX-Amz-Target: Other.ListUsers\r\nContent-Type: application/x-amz-json-1.1",
        "POST / HTTP/1.1\r\nX-Amz-Target: AWSCognitoIdentityProviderService.ListUsers\r\nContent-Type: text/html",
    ] {
        let (_, answer) = client.send(head, "").expect("an answer");
        assert!(answer.contains("UnknownOperationException"), "{head}: {answer}");
    }
}

#[test]
fn faults_look_like_faults() {
    let (_runtime, cognito, body, server) = start();
    cognito.configure(|config| {
        config.faults.script(None, 0, 1, Fault::InternalError);
        config.faults.script(None, 0, 1, Fault::Unavailable);
        config.faults.script(None, 0, 1, Fault::DropAfter);
    });
    let mut client = Client::new(server.local_addr());
    let (head, answer) = client.call("ListUsers", &body).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 500") && answer.contains("InternalErrorException"));
    let (head, answer) = client.call("ListUsers", &body).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 503") && answer.starts_with("<html>"));
    assert!(client.call("ListUsers", &body).is_err(), "the connection is dropped");
    assert!(Client::new(server.local_addr()).call("ListUsers", &body).is_ok());
}

#[test]
fn a_server_shuts_down() {
    let (runtime, _, body, server) = start();
    let address = server.local_addr();
    let mut client = Client::new(address);
    client.call("ListUsers", &body).expect("an answer");
    runtime.block_on(server.shutdown());
    assert!(client.call("ListUsers", &body).is_err());
    assert!(TcpStream::connect(address).is_err());
}

/// A job made through the server: its id, and where its file goes.
fn import_job(client: &mut Client, body: &str) -> (String, String) {
    let request = body
        .replace('}', r#","JobName":"a","CloudWatchLogsRoleArn":"arn:aws:iam::123456789012:role/import"}"#);
    let (_, answer) = client.call("CreateUserImportJob", &request).expect("an answer");
    let job: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    let text = |member: &str| job["UserImportJob"][member].as_str().expect("text").to_owned();
    (text("JobId"), text("PreSignedUrl"))
}

fn put(client: &mut Client, path: &str, header: &str, file: &str) -> io::Result<String> {
    let head = format!("PUT {path} HTTP/1.1\r\nx-amz-server-side-encryption: {header}");
    client.send(&head, file).map(|(head, _)| head.lines().next().unwrap_or_default().to_owned())
}

#[test]
fn a_file_is_put_to_the_server_that_made_the_url() {
    let (_runtime, cognito, body, server) = start();
    let mut client = Client::new(server.local_addr());
    let (job, url) = import_job(&mut client, &body);
    let path = url.strip_prefix(&server.endpoint()).expect("its own address").to_owned();
    let start = body.replace('}', &format!(r#","JobId":"{job}"}}"#));
    for (path, header, status) in [
        ("/", "aws:kms", "HTTP/1.1 403 Forbidden"),
        (path.as_str(), "AES256", "HTTP/1.1 403 Forbidden"),
        (path.as_str(), "aws:kms", "HTTP/1.1 200 OK"),
    ] {
        assert_eq!(put(&mut client, path, header, "x").expect("an answer"), status);
    }
    let (head, _) = client.call("StartUserImportJob", &start).expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200"));
    assert_eq!(cognito.meter().calls(cognito_sim::Operation::CreateUserImportJob), 1);
}

#[test]
fn a_file_says_how_long_it_is() {
    let (_runtime, _, body, server) = start();
    let mut client = Client::new(server.local_addr());
    let (_, url) = import_job(&mut client, &body);
    let path = url.strip_prefix(&server.endpoint()).expect("its own address").to_owned();
    let mut stream = client.0;
    write!(stream, "PUT {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        .expect("sent");
    let mut status = [0; 12];
    stream.read_exact(&mut status).expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 411");
}

#[test]
fn a_file_may_have_a_hundred_megabytes() {
    let (_runtime, _, body, server) = start();
    let mut client = Client::new(server.local_addr());
    let (_, url) = import_job(&mut client, &body);
    let path = url.strip_prefix(&server.endpoint()).expect("its own address").to_owned();
    // The job will say that it is too large; taking it is another matter.
    let file = "x".repeat(100_000_001);
    assert_eq!(put(&mut client, &path, "aws:kms", &file).expect("an answer"), "HTTP/1.1 200 OK");
}

#[test]
fn uploads_have_faults_too() {
    let (_runtime, cognito, body, server) = start();
    let mut client = Client::new(server.local_addr());
    let (_, url) = import_job(&mut client, &body);
    let path = url.strip_prefix(&server.endpoint()).expect("its own address").to_owned();
    cognito.configure(|config| {
        config.faults.script_upload(0, 1, Fault::InternalError);
        config.faults.script_upload(0, 1, Fault::Unavailable);
        config.faults.script_upload(0, 1, Fault::DropBefore);
    });
    assert_eq!(
        put(&mut client, &path, "aws:kms", "x").expect("an answer"),
        "HTTP/1.1 500 Internal Server Error"
    );
    assert_eq!(
        put(&mut client, &path, "aws:kms", "x").expect("an answer"),
        "HTTP/1.1 503 Service Unavailable"
    );
    assert!(put(&mut client, &path, "aws:kms", "x").is_err(), "the connection is dropped");
    let mut client = Client::new(server.local_addr());
    assert_eq!(put(&mut client, &path, "aws:kms", "x").expect("an answer"), "HTTP/1.1 200 OK");
}
