use std::sync::Arc;

use cognito_profiles::adapters::SystemClock;
use cognito_profiles::adapters::dynamodb::DynamoStore;
use cognito_profiles::model::Partition;
use cognito_profiles::ports::{Cursor, Ledger as _, Listing, PageId};
use cognito_profiles_tests::conformance::{
    backup_conformance, imports_conformance, ledger_conformance, lock_conformance, run,
};
use cognito_profiles_tests::dynamodb::RETENTION_DAYS;
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
async fn tables_are_a_record_of_imports() {
    let dynoxide = Dynoxide::start();
    let client = dynamodb::client(&dynoxide.endpoint());
    let clock = Arc::new(SystemClock::new());
    imports_conformance(async || dynamodb::new_store(&client, clock.clone()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_a_lock() {
    let dynoxide = Dynoxide::start();
    let client = dynamodb::client(&dynoxide.endpoint());
    let clock = Arc::new(SystemClock::new());
    lock_conformance(async || dynamodb::new_store(&client, clock.clone()).await).await;
}

/// As two functions do: what one remembers does not hide what the other did.
#[tokio::test]
async fn two_stores_are_one_ledger() {
    let dynoxide = Dynoxide::start();
    let tables = dynamodb::new_tables(&dynamodb::client(&dynoxide.endpoint())).await;
    let store = || DynamoStore::new(tables.clone(), RETENTION_DAYS, Arc::new(SystemClock::new()));
    let (one, other) = (store(), store());
    let page = |number| PageId { listing: Listing::Users, attempt: 0, number };
    let user = |sub: &str| [(Partition::of_user(sub), sub.to_owned())];
    let cursor = |pages| Cursor { pages, ..Cursor::default() };

    one.open(&run(), &[Listing::Users]).await.unwrap();
    other.open(&run(), &[Listing::Groups, Listing::Users]).await.unwrap();
    for (number, store) in [&one, &other, &one].into_iter().enumerate() {
        store.count_page(&run(), &page(number as u64), &user(&format!("ab{number}"))).await.unwrap();
        store.advance(&run(), &Listing::Users, &cursor(number as u64 + 1)).await.unwrap();
        for reader in [&one, &other] {
            let listings = reader.listings(&run()).await.unwrap();
            let written: Vec<u64> = listings.iter().map(|progress| progress.written).collect();
            assert_eq!(written, [number as u64 + 1, 0]);
            assert_eq!(reader.users_seen(&run()).await.unwrap(), number as u64 + 1);
        }
    }
    one.clear(&run()).await.unwrap();
    assert_eq!(store().listings(&run()).await.unwrap(), []);
    assert_eq!(store().users_seen(&run()).await.unwrap(), 0);
}

#[test]
fn ends_with_the_test() {
    let dynoxide = Dynoxide::start();
    let address = dynoxide.endpoint().replace("http://", "");
    assert!(std::net::TcpStream::connect(&address).is_ok());
    drop(dynoxide);
    assert!(std::net::TcpStream::connect(&address).is_err());
}
