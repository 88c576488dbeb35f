use std::sync::Arc;

use cognito_profiles::adapters::SystemClock;
use cognito_profiles_tests::conformance::{
    imports_conformance, ledger_conformance, lock_conformance, small_backup_conformance,
};
use cognito_profiles_tests::{MiniStack, dynamodb};

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_a_backup() {
    let ministack = MiniStack::start();
    let client = dynamodb::client(&ministack.endpoint());
    let clock = Arc::new(SystemClock::new());
    // It copies the whole table for every transaction: ten thousand records take it an hour.
    small_backup_conformance(async || dynamodb::new_store(&client, clock.clone()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_a_ledger() {
    let ministack = MiniStack::start();
    let client = dynamodb::client(&ministack.endpoint());
    let clock = Arc::new(SystemClock::new());
    ledger_conformance(async || dynamodb::new_store(&client, clock.clone()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_a_record_of_imports() {
    let ministack = MiniStack::start();
    let client = dynamodb::client(&ministack.endpoint());
    let clock = Arc::new(SystemClock::new());
    imports_conformance(async || dynamodb::new_store(&client, clock.clone()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_a_lock() {
    let ministack = MiniStack::start();
    let client = dynamodb::client(&ministack.endpoint());
    let clock = Arc::new(SystemClock::new());
    lock_conformance(async || dynamodb::new_store(&client, clock.clone()).await).await;
}
