//! The standard AWS settings. A test must not change its own environment, so each runs [`child`]
//! in a process of its own.

use std::io::Write;
use std::process::Command;

use super::connection::{serve_once, serve_once_after};
use super::wire::POOL;
use crate::adapters::cognito::{CognitoDirectory, ConnectOptions};
use crate::model::PoolId;
use crate::ports::Directory;

/// Set in the child only; its value is the profile to use, if any.
const MARK: &str = "COGNITO_PROFILES_TEST_PROFILE";

const FOUND: &str =
    "HTTP/1.1 200 OK\r\ncontent-length: 41\r\n\r\n{\"UserPool\":{\"EstimatedNumberOfUsers\":7}}";

const ASSUMED: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
    <AccessKeyId>roleid</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
    <Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")];

/// Connects and describes the pool by nothing but the environment.
#[tokio::test]
async fn child() {
    let Ok(profile) = std::env::var(MARK) else { return };
    let options = ConnectOptions { profile: Some(profile).filter(|profile| !profile.is_empty()) };
    let directory = CognitoDirectory::connect(PoolId::new(POOL), &options).await.unwrap();
    let users = directory.describe().await.map(|description| description.estimated_users);
    println!("{} {users:?}", directory.region());
}

/// What [`child`] printed, without any settings but these.
fn connect_with(profile: &str, settings: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "adapters::cognito::tests::environment::child", "--nocapture"])
        .env_clear()
        .envs([("HOME", "/nonexistent"), ("AWS_EC2_METADATA_DISABLED", "true"), (MARK, profile)])
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn config_file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn the_endpoint_comes_from_the_environment_and_the_region_from_the_pool() {
    let (endpoint, server) = serve_once(FOUND);
    let printed = connect_with("", &[KEYS[0], KEYS[1], ("AWS_REGION", ""), ("AWS_ENDPOINT_URL", &endpoint)]);
    assert!(printed.contains("eu-west-1 Ok(7)"), "{printed}");
    server.join().unwrap();
}

#[test]
fn cognitos_own_endpoint_goes_before_the_general_one() {
    let (endpoint, server) = serve_once(FOUND);
    let settings = [
        KEYS[0],
        KEYS[1],
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", &endpoint),
    ];
    let printed = connect_with("", &settings);
    assert!(printed.contains("us-east-1 Ok(7)"), "{printed}");
    server.join().unwrap();
}

#[test]
fn a_profile_brings_its_region_endpoint_and_credentials() {
    let (endpoint, server) = serve_once(FOUND);
    let file = config_file(&format!(
        "[default]\nregion = us-west-1\n[profile source]\nregion = us-west-2\nendpoint_url = {endpoint}\n\
         aws_access_key_id = sourceid\naws_secret_access_key = secret\n"
    ));
    let settings = [KEYS[0], KEYS[1], ("AWS_CONFIG_FILE", file.path().to_str().unwrap()), ("AWS_REGION", "")];
    let printed = connect_with("source", &settings);
    assert!(printed.contains("us-west-2 Ok(7)"), "{printed}");
    let request = server.join().unwrap();
    assert!(request.contains("Credential=sourceid/") && request.contains("/us-west-2/"), "{request}");
}

#[test]
fn a_profile_may_take_on_a_role() {
    let (endpoint, server) = serve_once(FOUND);
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ASSUMED}", ASSUMED.len());
    let (sts, sts_server) = serve_once_after("RoleSessionName=backup", response.leak());
    let file = config_file(
        "[profile keys]\naws_access_key_id = id\naws_secret_access_key = secret\n\
         [profile role]\nsource_profile = keys\nrole_session_name = backup\n\
         role_arn = arn:aws:iam::123456789012:role/r\n",
    );
    let settings = [
        ("AWS_CONFIG_FILE", file.path().to_str().unwrap()),
        ("AWS_ENDPOINT_URL_STS", &sts),
        ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", &endpoint),
    ];
    let printed = connect_with("role", &settings);
    assert!(printed.contains("eu-west-1 Ok(7)"), "{printed}");
    sts_server.join().unwrap();
    assert!(server.join().unwrap().contains("Credential=roleid/"));
}

#[test]
fn missing_credentials_fail_the_first_call() {
    let printed = connect_with("", &[("AWS_ENDPOINT_URL", "http://127.0.0.1:9")]);
    assert!(printed.contains("fault: Credentials(\"none were found\")"), "{printed}");
    let printed = connect_with("no-such-profile", &[("AWS_ENDPOINT_URL", "http://127.0.0.1:9")]);
    assert!(printed.contains("fault: Credentials("), "{printed}");
}
