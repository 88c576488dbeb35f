use std::sync::Arc;

use cognito_profiles::adapters::SystemClock;
use cognito_profiles::adapters::dynamodb::DynamoStore;
use cognito_profiles::model::{Hash, Partition, Record};
use cognito_profiles::ports::{Backup as _, Cursor, Ledger as _, Listing, Observation, PageId};
use cognito_profiles_tests::conformance::{
    at, backup_conformance, imports_conformance, ledger_conformance, lock_conformance, pool, run,
};
use cognito_profiles_tests::dynamodb::RETENTION_DAYS;
use cognito_profiles_tests::{Dynoxide, dynamodb};
use serde_json::{Value, json};

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

/// As many app clients as a pool may have, each with a few addresses: several times the 400 KB of an
/// item before it is compressed.
#[tokio::test(flavor = "multi_thread")]
async fn the_settings_of_a_thousand_clients_fit_into_an_item() {
    let dynoxide = Dynoxide::start();
    let store =
        dynamodb::new_store(&dynamodb::client(&dynoxide.endpoint()), Arc::new(SystemClock::new())).await;
    let client = |number: u64| {
        let id: String = hex(number, 26);
        let callbacks: Vec<String> = (0..5)
            .map(|n| format!("https://tenant-{}.example.com/callback/{n}", hex(number + n, 8)))
            .collect();
        json!({"UserPoolId": pool(), "ClientName": format!("tenant {number}"), "ClientId": id, "ClientSecret": null,
            "CallbackURLs": callbacks, "LogoutURLs": callbacks, "CreationDate": 1_700_000_000 + number,
            "ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"], "RefreshTokenValidity": 30,
            "AllowedOAuthFlows": ["code"], "AllowedOAuthScopes": ["email", "openid"], "EnableTokenRevocation": true})
    };
    let clients: Vec<Value> = (0..1000).map(client).collect();
    let document = json!({"UserPool": {"Name": "p"}, "MfaConfig": {}, "UserPoolClients": clients});
    let settings = Record::Settings(serde_json::from_value(document).unwrap());
    let seen = Observation::new(&settings, at(1)).unwrap();
    assert!(seen.content.len() > 800_000, "{}", seen.content.len());
    store.observe(&pool(), &run(), &[seen]).await.unwrap();
    let found = store.get(&pool(), &Partition::Settings, &["SETTINGS".to_owned()], at(1)).await.unwrap();
    assert!(found[0].is_intact() && found[0].record().unwrap() == settings);
}

/// Digits that no compression foresees.
fn hex(seed: u64, digits: usize) -> String {
    let mut text = String::new();
    for round in 0.. {
        if text.len() >= digits {
            break;
        }
        text += &Hash::of(format!("{seed}/{round}").as_bytes()).to_string();
    }
    text.truncate(digits);
    text
}

#[test]
fn ends_with_the_test() {
    let dynoxide = Dynoxide::start();
    let address = dynoxide.endpoint().replace("http://", "");
    assert!(std::net::TcpStream::connect(&address).is_ok());
    drop(dynoxide);
    assert!(std::net::TcpStream::connect(&address).is_err());
}
