//! A backup in one DynamoDB table, and the ledger of its runs in another.

mod backup;
mod batch;
mod connect;
mod expression;
pub(super) mod failure;
mod imports;
mod item;
mod keys;
mod ledger;
mod lock;
mod observe;
mod patience;
mod query;
mod read;
mod runs;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;

pub(super) use connect::connect;
pub use connect::open_backup;

use crate::model::PoolId;
use crate::ports::Clock;
use crate::time::Timestamp;
use table::Table;

/// How many days what is superseded or gone is kept unless told otherwise; the template's default,
/// too.
pub const DEFAULT_RETENTION_DAYS: u32 = 90;

/// Where the tables are. Both have string keys `pk` and `sk`; `expires_at` is their TTL
/// attribute.
#[derive(Clone, Debug)]
pub struct Tables {
    /// How they are reached. Its own retries are relied on.
    pub client: Client,
    /// The name of the table that keeps the backup.
    pub backup: String,
    /// The name of the table that keeps the ledgers and locks.
    pub run: String,
}

/// A backup and its ledger in DynamoDB. It is cheap to make, and remembers within its life what
/// it need not ask twice.
pub struct DynamoStore {
    backup: Table,
    run: Table,
    clock: Arc<dyn Clock>,
    retention_days: u32,
    // The latest time noted in the table, of each pool.
    latest: Mutex<HashMap<PoolId, Timestamp>>,
    ledger: ledger::LedgerMemory,
}

impl DynamoStore {
    /// The store in these tables. What is superseded or gone stays `retention_days` longer.
    pub fn new(tables: Tables, retention_days: u32, clock: Arc<dyn Clock>) -> Self {
        let Tables { client, backup, run } = tables;
        Self {
            backup: Table::new(client.clone(), backup, clock.clone()),
            run: Table::new(client, run, clock.clone()),
            clock,
            retention_days,
            latest: Mutex::default(),
            ledger: ledger::LedgerMemory::default(),
        }
    }
}
