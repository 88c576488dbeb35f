//! What only this module can set up: a disk that is full.

use super::*;
use crate::model::{Hash, Partition, PoolId};
use crate::ports::{Backup, Observation};
use crate::run::RunId;
use crate::time::Timestamp;

async fn limit_pages(store: &SqliteStore, pages: i64) {
    let session = store.session.lock().await;
    let connection = &session.as_ref().unwrap().connection;
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
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

/// As a listing by `sub` prefix finds them: the users of one page are of one shard.
fn users_by_prefix(page: usize) -> Vec<Observation> {
    let mut users = users(page);
    for user in &mut users {
        user.key.replace_range(..2, &format!("{:02x}", page % 256));
        user.partition = Partition::of_user(&user.key);
    }
    users
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

/// The speeds that the layout of the tables was chosen for. Run it by hand:
/// `cargo test --release -p cognito-profiles measure -- --ignored --nocapture`
#[tokio::test]
#[ignore = "a measurement"]
async fn measure() {
    println!("all users in no order:");
    measure_with(users).await;
    println!("by prefix:");
    measure_with(users_by_prefix).await;
}

async fn measure_with(users: fn(usize) -> Vec<Observation>) {
    use crate::ports::{Ledger, Listing, PageId};
    use std::time::Instant;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("measured.db");
    let store = SqliteStore::create_or_open(&path).unwrap();
    let (pool, first, second) = (PoolId::new("pool"), RunId::new("first"), RunId::new("second"));
    let pages: usize = std::env::var("PAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(2000);
    for run in [&first, &second] {
        let (mut observing, mut counting) = (std::time::Duration::ZERO, std::time::Duration::ZERO);
        for page in 0..pages {
            let users = users(page);
            let seen: Vec<_> = users.iter().map(|user| (user.partition.clone(), user.key.clone())).collect();
            let id = PageId { listing: Listing::Users, attempt: 0, number: page as u64 };
            let begun = Instant::now();
            store.observe(&pool, run, &users).await.unwrap();
            observing += begun.elapsed();
            let begun = Instant::now();
            store.count_page(run, &id, &seen).await.unwrap();
            counting += begun.elapsed();
        }
        let each = |time: std::time::Duration| time / u32::try_from(pages).unwrap();
        println!("{run}: observe {:?} count_page {:?} a page", each(observing), each(counting));
    }
    let begun = Instant::now();
    println!("heads of all {} in {:?}", count(&store, &pool).await, begun.elapsed());
    let begun = Instant::now();
    for partition in Partition::users() {
        store.as_of(&pool, &partition, Timestamp::from_millis(1), None, 1_000_000).await.unwrap();
    }
    println!("as_of everything in {:?}", begun.elapsed());
    let begun = Instant::now();
    for partition in Partition::users() {
        store.seen(&second, &partition).await.unwrap();
    }
    println!("seen everything in {:?}", begun.elapsed());
    let begun = Instant::now();
    println!("{} users seen, in {:?}", store.users_seen(&second).await.unwrap(), begun.elapsed());
    let begun = Instant::now();
    store.clear(&first).await.unwrap();
    println!("clear in {:?}", begun.elapsed());
    let begun = Instant::now();
    store.integrity_check().await.unwrap();
    println!("integrity check in {:?}", begun.elapsed());
    let begun = Instant::now();
    SqliteStore::close(&store).await.unwrap();
    println!("close and seal in {:?}; {} bytes", begun.elapsed(), std::fs::metadata(&path).unwrap().len());
}
