//! Tables in any service that answers as DynamoDB does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use cognito_profiles::adapters::dynamodb::{DynamoStore, Tables};
use cognito_profiles::ports::Clock;

/// For how long the stores made here keep what is gone.
pub const RETENTION_DAYS: u32 = 30;

/// A client with test credentials, in the Region where the tables are made.
pub fn client(endpoint: &str) -> Client {
    client_in("eu-west-1", endpoint)
}

/// The same in another Region.
pub fn client_in(region: &'static str, endpoint: &str) -> Client {
    let credentials = Credentials::new("test", "test", None, None, "test");
    let settings = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .retry_config(RetryConfig::standard())
        .build();
    Client::new(&settings)
}

/// Makes two tables that no other call made, and names them.
///
/// # Panics
/// If the service refuses.
pub async fn new_tables(client: &Client) -> Tables {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let tables =
        Tables { client: client.clone(), backup: format!("backup-{number}"), run: format!("run-{number}") };
    create(client, &tables.backup, ["pk", "sk"]).await;
    create(client, &tables.run, ["pk", "sk"]).await;
    tables
}

/// A store in two new tables.
///
/// # Panics
/// If the service refuses.
pub async fn new_store(client: &Client, clock: Arc<dyn Clock>) -> Arc<DynamoStore> {
    Arc::new(DynamoStore::new(new_tables(client).await, RETENTION_DAYS, clock))
}

/// Makes a table with these keys, the partition's and the one it is sorted by; both are texts.
///
/// # Panics
/// If the service refuses.
pub async fn create(client: &Client, name: &str, [partition, sort]: [&str; 2]) {
    let attribute = |name: &str| {
        let text = ScalarAttributeType::S;
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(text)
            .build()
            .expect("an attribute")
    };
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a key")
    };
    client
        .create_table()
        .table_name(name)
        .set_attribute_definitions(Some(vec![attribute(partition), attribute(sort)]))
        .set_key_schema(Some(vec![key(partition, KeyType::Hash), key(sort, KeyType::Range)]))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .expect("a new table");
}
