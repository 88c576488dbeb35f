use std::sync::Arc;

use cognito_profiles::adapters::SystemClock;
use cognito_profiles_tests::conformance::{backup_conformance, ledger_conformance, lock_conformance};
use cognito_profiles_tests::{Dynoxide, dynamodb};

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_a_backup() {
    let dynoxide = Dynoxide::start();
    let client = dynamodb::client(&dynoxide.endpoint());
    let clock = Arc::new(SystemClock::new());
    backup_conformance(async || dynamodb::new_store(&client, clock.clone()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_a_ledger() {
    let dynoxide = Dynoxide::start();
    let client = dynamodb::client(&dynoxide.endpoint());
    let clock = Arc::new(SystemClock::new());
    ledger_conformance(async || dynamodb::new_store(&client, clock.clone()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_a_lock() {
    let dynoxide = Dynoxide::start();
    let client = dynamodb::client(&dynoxide.endpoint());
    let clock = Arc::new(SystemClock::new());
    lock_conformance(async || dynamodb::new_store(&client, clock.clone()).await).await;
}

#[test]
fn ends_with_the_test() {
    let dynoxide = Dynoxide::start();
    let address = dynoxide.endpoint().replace("http://", "");
    assert!(std::net::TcpStream::connect(&address).is_ok());
    drop(dynoxide);
    assert!(std::net::TcpStream::connect(&address).is_err());
}
