//! What an error says.

use aws_smithy_runtime_api::client::result::ConnectorError;

use super::store;
use crate::Error;
use crate::adapters::aws::wire::Wire;
use crate::adapters::dynamodb::table::Key;

async fn reading(wire: Wire) -> Error {
    store(&wire).0.backup.get(Key::new("a secret key", "another")).await.unwrap_err()
}

async fn transacting(wire: Wire) -> Error {
    let table = store(&wire).0.backup;
    let part = table.putting(Key::new("a secret key", "another").into_item(), None).unwrap();
    table.transact(vec![part]).await.unwrap_err()
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let error = reading(Wire::default().refuses("ResourceNotFoundException")).await;
    assert_eq!(error.kind(), "no_such_table");
    assert!(error.to_string().contains("table backup in this Region"), "{error}");
    let error = reading(Wire::default().refuses("com.amazon.coral.service#AccessDeniedException")).await;
    assert_eq!(error.kind(), "access_denied");
    assert!(error.to_string().contains("grant dynamodb:GetItem on DynamoDB table backup"), "{error}");
    let error = transacting(Wire::default().refuses("AccessDeniedException")).await;
    assert!(
        error.to_string().contains("dynamodb:PutItem, dynamodb:UpdateItem and dynamodb:DeleteItem"),
        "{error}"
    );
    let error = reading(Wire::default().refuses("ExpiredTokenException")).await;
    assert_eq!(error.kind(), "credentials");
}

#[tokio::test]
async fn what_may_pass_is_unavailable() {
    for (code, status) in [
        ("ThrottlingException", 400),
        ("ProvisionedThroughputExceededException", 400),
        ("RequestLimitExceeded", 400),
        ("InternalServerError", 500),
    ] {
        let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"secret"}}"#);
        let error = reading(Wire::default().then(status, &body)).await;
        assert_eq!(error.kind(), "store_unavailable", "{code}");
        assert!(
            error.to_string().contains(&format!("GetItem on DynamoDB kept failing, last with {code}:")),
            "{error}"
        );
    }
    let lost = ConnectorError::timeout("secret".into());
    for wire in [
        Wire::default().then(503, "secret"),
        Wire::default().then(200, "not JSON, secret"),
        Wire::default().then_fail(lost),
    ] {
        let error = reading(wire).await;
        assert_eq!(error.kind(), "store_unavailable");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn no_error_repeats_a_message_or_a_key() {
    for code in ["ValidationException", "ResourceNotFoundException", "AccessDeniedException", "a secret: x"] {
        let said = reading(Wire::default().refuses(code)).await.to_string();
        assert!(!said.contains("secret") && !said.contains("another"), "{said}");
    }
}
