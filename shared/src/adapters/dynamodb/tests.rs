//! The adapter against answers shaped like DynamoDB's, without a network: what no service can be
//! made to answer at will.

mod faults;
mod fuzz;
mod ledger;
mod races;
mod requests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use serde_json::{Value, json};

use super::{DynamoStore, Tables};
use crate::adapters::aws::wire::Wire;
use crate::ports::Clock;
use crate::time::Timestamp;

/// The table of every test.
const TABLE: &str = "backup";

/// The time it always is.
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A clock that stands still and counts who sleeps.
#[derive(Default)]
struct Still {
    sleeps: AtomicU32,
}

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {
        self.sleeps.fetch_add(1, Ordering::Relaxed);
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// A store at the other end of the wire, whose SDK does not retry, and its clock.
fn store(wire: &Wire) -> (DynamoStore, Arc<Still>) {
    let settings = wire.config().into_builder().retry_config(RetryConfig::disabled()).build();
    let tables = Tables { client: Client::new(&settings), backup: TABLE.to_owned(), run: "run".to_owned() };
    let clock = Arc::new(Still::default());
    (DynamoStore::new(tables, 30, clock.clone()), clock)
}

impl Wire {
    /// Answers with this JSON.
    fn answers(self, body: &Value) -> Self {
        self.then(200, &body.to_string())
    }

    /// Refuses with this code.
    fn refuses(self, code: &str) -> Self {
        self.then(400, &json!({ "__type": code, "message": "the secret value" }).to_string())
    }

    /// Cancels a transaction for these reasons.
    fn cancels(self, codes: &[&str]) -> Self {
        let reasons: Vec<_> = codes.iter().map(|code| json!({ "Code": code })).collect();
        let body = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "message": "the secret value",
            "CancellationReasons": reasons,
        });
        self.then(400, &body.to_string())
    }

    /// What was called, in order.
    fn operations(&self) -> Vec<String> {
        self.calls().into_iter().map(|(operation, _)| operation).collect()
    }
}
