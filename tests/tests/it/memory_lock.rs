use std::sync::Arc;

use cognito_profiles_tests::MemoryLock;
use cognito_profiles_tests::conformance::lock_conformance;

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_a_lock() {
    lock_conformance(async || Arc::new(MemoryLock::default())).await;
}
