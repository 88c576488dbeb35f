//! What only this module can set up: a disk that is full.

use super::*;
use crate::model::{Hash, Partition, PoolId};
use crate::ports::{Backup, Observation};
use crate::run::RunId;
use crate::time::Timestamp;

async fn limit_pages(store: &SqliteStore, pages: i64) {
    let limited = store.worker.run(move |session| {
        let connection = &session.as_ref().unwrap().connection;
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
    });
    limited.await.unwrap().unwrap();
}

fn users(page: usize) -> Vec<Observation> {
    let user = |n: usize| {
        let key = format!("{:08x}", (page * 60 + n).wrapping_mul(2_654_435_761) & 0xffff_ffff);
        let content = format!(r#"{{"sub":"{key}","filler":"{}"}}"#, "x".repeat(800));
        Observation {
            partition: Partition::of_user(&key),
            hash: Hash::of(content.as_bytes()),
            key,
            content,
            observed_at: Timestamp::from_millis(1),
        }
    };
    (0..60).map(user).collect()
}

async fn count(store: &SqliteStore, pool: &PoolId) -> usize {
    let mut count = 0;
    for partition in Partition::users() {
        count += store.heads(pool, &partition, None, 1000).await.unwrap().len();
    }
    count
}

#[tokio::test]
async fn a_full_disk_keeps_what_was_done_and_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full.db");
    let store = SqliteStore::create_or_open(&path).unwrap();
    let (pool, run) = (PoolId::new("pool"), RunId::new("run"));
    limit_pages(&store, 200).await;

    let mut saved = 0;
    let error = loop {
        match store.observe(&pool, &run, &users(saved)).await {
            Ok(()) => saved += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::DiskFull), "{error}");
    assert!(saved > 0);
    assert_eq!(count(&store, &pool).await, saved * 60);

    limit_pages(&store, 1_000_000).await;
    store.observe(&pool, &run, &users(saved)).await.unwrap();
    assert_eq!(count(&store, &pool).await, (saved + 1) * 60);
    store.integrity_check().await.unwrap();
    SqliteStore::close(&store).await.unwrap();
    assert_eq!(check_seal(&path).unwrap(), Seal::Intact);
}
