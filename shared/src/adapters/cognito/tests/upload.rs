//! The file of an import job, sent over a real connection.

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::wire::Wire;
use crate::ports::{CallError, Directory, Fault, Operation, UploadUrl};

const FILE: &[u8] = b"cognito:username\r\nanna\r\n";

/// Takes one request, answers with this status, and returns the request and what became of it.
async fn sent(status: &'static str) -> (String, Result<(), CallError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/file.csv?X-Amz-Signature=5ecret", listener.local_addr().unwrap());
    let place = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(FILE) {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the file did not come");
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    };
    let directory = Wire::default().directory();
    let url = UploadUrl::new(url);
    tokio::join!(place, directory.upload(&url, Bytes::from_static(FILE)))
}

#[tokio::test]
async fn the_file_comes_as_it_is_with_the_header_the_place_wants() {
    let (request, answer) = sent("200 OK").await;
    answer.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("put /file.csv?x-amz-signature=5ecret http/1.1"), "{head}");
    assert!(head.contains("x-amz-server-side-encryption: aws:kms"), "{head}");
    assert!(head.contains(&format!("content-length: {}", FILE.len())), "{head}");
    assert_eq!(body.as_bytes(), FILE);
}

#[tokio::test]
async fn a_place_that_does_not_take_the_file_is_a_fault_that_names_no_url() {
    let transient = |cause: &str| Fault::Transient(cause.to_owned());
    for (status, fault) in [
        ("403 Forbidden", Fault::Refused("HTTP 403".into())),
        ("307 Temporary Redirect", Fault::Refused("HTTP 307".into())),
        ("408 Request Timeout", transient("HTTP 408")),
        ("503 Slow Down", transient("HTTP 503")),
        ("429 Too Many Requests", Fault::Throttled),
    ] {
        let error = sent(status).await.1.unwrap_err();
        assert_eq!((error.operation, &error.fault), (Operation::UploadUserImportFile, &fault));
        assert!(!format!("{error} {error:?}").contains("5ecret"));
    }
}

#[tokio::test]
async fn a_place_that_is_not_there_or_no_place_is_a_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}/5ecret", listener.local_addr().unwrap());
    drop(listener);
    for (url, fault) in [
        (nobody, Fault::Transient("connection refused".into())),
        ("no URL: 5ecret".to_owned(), Fault::Refused("RequestNotBuilt".into())),
    ] {
        let sent = Wire::default().directory().upload(&UploadUrl::new(url), Bytes::from_static(FILE)).await;
        let error = sent.unwrap_err();
        assert_eq!(error.fault, fault);
        assert!(!format!("{error} {error:?}").contains("5ecret"));
    }
}
