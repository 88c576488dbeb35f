//! What each error means.

use std::collections::BTreeMap;
use std::io;

use aws_smithy_runtime_api::client::result::ConnectorError;
use serde_json::json;

use super::wire::Wire;
use crate::model::Group;
use crate::ports::{CallError, Directory, Fault, NewUser, UserFilter};

fn answer(status: u16, code: &str, message: &str) -> Wire {
    Wire::default().then(status, &json!({"__type": code, "message": message}).to_string())
}

async fn list(wire: Wire, token: Option<&str>) -> Fault {
    wire.directory().list_users(&UserFilter::All, 60, token).await.unwrap_err().fault
}

async fn on_list(status: u16, code: &str) -> Fault {
    list(answer(status, code, ""), None).await
}

async fn on_create(code: &str, message: &str, username: &str) -> CallError {
    let attributes = [("email", "a@x.test"), ("phone_number", "+491"), ("custom:tier", "gold")];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let user = NewUser { username: username.into(), attributes: BTreeMap::from(attributes) };
    answer(400, code, message).directory().create_user(&user).await.unwrap_err()
}

fn transient(cause: &str) -> Fault {
    Fault::Transient(cause.to_owned())
}

fn refused(code: &str) -> Fault {
    Fault::Refused(code.to_owned())
}

#[tokio::test]
async fn throttling_by_code_or_status() {
    for code in [
        "TooManyRequestsException",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "ProvisionedThroughputExceededException",
        "com.amazonaws.cognitoidentityprovider#TooManyRequestsException",
    ] {
        assert_eq!(on_list(400, code).await, Fault::Throttled, "{code}");
    }
    assert_eq!(on_list(429, "SomethingElse").await, Fault::Throttled);
    assert_eq!(list(Wire::default().then(429, "<html>"), None).await, Fault::Throttled);
}

#[tokio::test]
async fn a_limit_is_a_rate_only_where_nothing_is_counted() {
    let code = "LimitExceededException";
    assert_eq!(on_list(400, code).await, Fault::Throttled);
    let disabled = answer(400, code, "").directory().disable_user("a").await;
    assert_eq!(disabled.unwrap_err().fault, Fault::Throttled);
    let group = Group {
        name: "g".into(),
        description: None,
        precedence: None,
        role_arn: None,
        created_at: None,
        modified_at: None,
    };
    let created = answer(400, code, "").directory().create_group(&group).await;
    assert_eq!(created.unwrap_err().fault, Fault::Limit);
    let added = answer(400, code, "").directory().add_to_group("a", "g").await;
    assert_eq!(added.unwrap_err().fault, Fault::Limit);
    assert_eq!(on_create(code, "", "anna").await.fault, Fault::Limit);
}

#[tokio::test]
async fn faults_of_the_server_or_of_what_lies_between_are_transient() {
    assert_eq!(on_list(500, "InternalErrorException").await, transient("InternalErrorException"));
    assert_eq!(on_list(400, "InternalErrorException").await, transient("InternalErrorException"));
    assert_eq!(on_list(503, "Whatever").await, transient("HTTP 503"));
    let text = |status, body| list(Wire::default().then(status, body), None);
    assert_eq!(text(502, "<html>Bad Gateway</html>").await, transient("HTTP 502"));
    assert_eq!(text(404, "not here").await, transient("HTTP 404"));
    assert_eq!(text(500, "").await, transient("HTTP 500"));
    assert_eq!(text(200, "<html>a proxy's log-in page</html>").await, transient("unreadable answer"));
    assert_eq!(text(200, r#"{"Users":[{"Username":"an"#).await, transient("unreadable answer"));
}

#[tokio::test]
async fn what_did_not_arrive_is_transient() {
    let io = |kind| ConnectorError::io(io::Error::from(kind).into());
    for (error, cause) in [
        (ConnectorError::timeout("private".into()), "time-out"),
        (io(io::ErrorKind::ConnectionRefused), "connection refused"),
        (io(io::ErrorKind::ConnectionReset), "connection closed"),
        (io(io::ErrorKind::Other), "connection failed"),
        (ConnectorError::io("private".into()), "connection closed"),
        (ConnectorError::other("private".into(), None), "request not sent"),
    ] {
        assert_eq!(list(Wire::default().then_fail(error), None).await, transient(cause));
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_with_a_time_out() {
    let started = tokio::time::Instant::now();
    assert_eq!(list(Wire::default().then_hang(), None).await, transient("time-out"));
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn a_missing_pool_is_told_from_a_missing_group_or_user() {
    let code = "ResourceNotFoundException";
    let no_pool = "User pool eu-west-1_Test does not exist.";
    assert_eq!(on_list(400, code).await, Fault::NoSuchPool);
    for (message, fault) in
        [(no_pool, Fault::NoSuchPool), ("Group not found.", Fault::NotFound), ("", Fault::NotFound)]
    {
        let directory = || answer(400, code, message).directory();
        assert_eq!(directory().get_group("g").await.unwrap_err().fault, fault, "{message}");
        assert_eq!(directory().list_members("g", None).await.unwrap_err().fault, fault, "{message}");
        assert_eq!(directory().add_to_group("a", "g").await.unwrap_err().fault, fault, "{message}");
        let described = directory().describe().await.unwrap_err().fault;
        assert_eq!(described, Fault::NoSuchPool, "{message}");
    }
    let user = answer(400, "UserNotFoundException", "User does not exist.").directory();
    assert_eq!(user.disable_user("a").await.unwrap_err().fault, Fault::NotFound);
}

#[tokio::test]
async fn a_taken_name_is_told_from_a_taken_alias() {
    let code = "UsernameExistsException";
    let by_email = "An account with the given email already exists.";
    assert_eq!(on_create(code, "User account already exists", "anna").await.fault, Fault::Exists);
    assert_eq!(on_create(code, by_email, "anna").await.fault, Fault::AliasExists);
    assert_eq!(on_create(code, by_email, "A@x.test").await.fault, Fault::Exists);
    assert_eq!(on_create("AliasExistsException", "", "anna").await.fault, Fault::AliasExists);
    assert_eq!(on_list(400, "GroupExistsException").await, Fault::Exists);
}

#[tokio::test]
async fn an_invalid_parameter_names_attributes_but_never_values() {
    let code = "InvalidParameterException";
    let error = on_create(code, "custom:tier: gold of a@x.test is no valid phone number", "anna").await;
    let attributes = vec!["custom:tier".to_owned(), "phone_number".to_owned()];
    assert_eq!(error.fault, Fault::Invalid { code: code.into(), attributes });
    assert!(!format!("{error} {error:?}").contains("gold"));
    let password = answer(400, "InvalidPasswordException", "Password did not conform: p4ss");
    let error = password.directory().set_password("a", "p4ss").await.unwrap_err();
    let fault = Fault::Invalid { code: "InvalidPasswordException".into(), attributes: vec![] };
    assert_eq!(error.fault, fault);
}

#[tokio::test]
async fn not_authorized_is_the_token_the_user_or_everything() {
    let code = "NotAuthorizedException";
    assert_eq!(on_list(400, "AccessDeniedException").await, Fault::AccessDenied);
    assert_eq!(on_list(400, code).await, Fault::AccessDenied);
    let expired = list(answer(400, code, "Invalid Pagination Token"), Some("t")).await;
    assert_eq!(expired, Fault::Invalid { code: code.into(), attributes: vec![] });
    let denied = list(answer(400, "AccessDeniedException", ""), Some("t")).await;
    assert_eq!(denied, Fault::AccessDenied, "IAM refuses whatever the token");
    let user = answer(400, code, "").directory().disable_user("a").await.unwrap_err();
    assert_eq!(user.fault, refused(code));
}

#[tokio::test]
async fn credentials_that_aws_does_not_accept_say_why() {
    for (code, matter) in [
        ("ExpiredTokenException", "expired"),
        ("UnrecognizedClientException", "does not know them"),
        ("InvalidSignatureException", "clock"),
        ("MissingAuthenticationToken", "did not arrive"),
    ] {
        let fault = on_list(403, code).await;
        let Fault::Credentials(text) = fault else { panic!("{code}: {fault:?}") };
        assert!(text.starts_with(code) && text.contains(matter), "{text}");
    }
}

#[tokio::test]
async fn other_refusals_keep_their_code_if_it_is_one() {
    for code in ["UserLambdaValidationException", "UnexpectedLambdaException", "OperationNotEnabledException"]
    {
        assert_eq!(on_create(code, "a@x.test is not welcome", "anna").await.fault, refused(code));
    }
    let odd = on_list(400, "a@x.test is not welcome").await;
    assert_eq!(odd, transient("HTTP 400"), "a code with other text in it is not repeated");
}
