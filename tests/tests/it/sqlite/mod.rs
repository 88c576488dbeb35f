//! A backup and ledger in SQLite.

mod conformance;
mod copy;
mod corruption;
mod files;
mod model;
mod seal;

use cognito_profiles::ports::{Backup, Observation};
use cognito_profiles_tests::conformance::{pool, run};

async fn observe(store: &impl Backup, observations: &[Observation]) {
    store.observe(&pool(), &run(), observations).await.unwrap();
}
