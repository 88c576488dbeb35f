use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles_tests::conformance::{backup_conformance, imports_conformance, ledger_conformance};

/// A new file at each call.
fn in_file(folder: &Path) -> impl Fn() -> Arc<SqliteStore> {
    let next = AtomicU32::new(0);
    move || {
        let name = format!("{}.db", next.fetch_add(1, Ordering::Relaxed));
        Arc::new(SqliteStore::create_or_open(&folder.join(name)).unwrap())
    }
}

fn temporary() -> Arc<SqliteStore> {
    Arc::new(SqliteStore::temporary().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let new_store = in_file(folder.path());
    backup_conformance(async || new_store()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_a_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let new_store = in_file(folder.path());
    ledger_conformance(async || new_store()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_store_is_a_backup() {
    backup_conformance(async || temporary()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_store_is_a_ledger() {
    ledger_conformance(async || temporary()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_account_of_imports() {
    let folder = tempfile::tempdir().unwrap();
    let new_store = in_file(folder.path());
    imports_conformance(async || new_store()).await;
}
