//! The ledger of runs that have not ended.
//!
//! It is written for few writes: a page is counted, and what was on it kept, by one. What has to
//! be known of all pages is found by reading them.

mod entries;
mod listings;
mod seen;
mod space;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::DynamoStore;
use super::expression::Expression;
use super::item::{Attributes, expiry, text};
use super::keys::encode;
use super::query::{Query, Range};
use super::table::{Item, Key, in_parallel};
use crate::adapters::reading::Reading;
use crate::model::{Hash, Partition};
use crate::ports::{Cursor, DeadLetter, Ledger, Listing, ListingProgress, PageId};
use crate::run::RunId;
use crate::{Error, Result};
use seen::SeenCache;
use space::{DEAD, GONE, Space};

/// A run goes on for two days at most; what is left of it may be looked at for some more.
const KEPT_DAYS: u32 = 7;

/// The item that says what was cleared stays longer than what was.
const RUN_KEPT_DAYS: u32 = 2 * KEPT_DAYS;

/// What is gone is kept as parts of hashes, 16 bytes each: nobody asks for the keys. A million
/// in one partition make 64 items of 250 KB.
const GONE_BYTES: usize = 16;
const GONE_BUCKETS: u8 = 64;

/// What a store need not read twice.
#[derive(Default)]
pub(super) struct LedgerMemory {
    spaces: Mutex<HashMap<RunId, Space>>,
    seen: SeenCache,
}

#[async_trait]
impl Ledger for DynamoStore {
    async fn open(&self, run: &RunId, listings: &[Listing]) -> Result<()> {
        self.open_listings(run, listings).await
    }

    async fn listings(&self, run: &RunId) -> Result<Vec<ListingProgress>> {
        self.all_listings(run).await
    }

    async fn listing(&self, run: &RunId, listing: &Listing) -> Result<Option<ListingProgress>> {
        self.one_listing(run, listing).await
    }

    async fn mark_sent(&self, run: &RunId, listings: &[Listing]) -> Result<()> {
        self.mark_listings_sent(run, listings).await
    }

    async fn take(&self, run: &RunId, listing: &Listing) -> Result<Option<Cursor>> {
        self.take_listing(run, listing, Reading::taken).await
    }

    async fn restart(&self, run: &RunId, listing: &Listing) -> Result<Option<Cursor>> {
        self.take_listing(run, listing, Reading::begun_anew).await
    }

    async fn advance(&self, run: &RunId, listing: &Listing, cursor: &Cursor) -> Result<bool> {
        self.move_cursor(run, listing, cursor).await
    }

    async fn counts(&self, run: &RunId, page: &PageId) -> Result<bool> {
        self.is_of_reading(run, page).await
    }

    async fn count_page(&self, run: &RunId, page: &PageId, seen: &[(Partition, String)]) -> Result<()> {
        self.put_page(&self.space(run).await?, page, seen).await
    }

    async fn count_seen(&self, run: &RunId, seen: &[(Partition, String)]) -> Result<()> {
        self.put_seen(&self.space(run).await?, seen).await
    }

    async fn seen(&self, run: &RunId, partition: &Partition) -> Result<Vec<String>> {
        self.seen_of(&self.space(run).await?, partition).await
    }

    async fn users_seen(&self, run: &RunId) -> Result<u64> {
        self.count_users(run).await
    }

    async fn put_gone(&self, run: &RunId, partition: &Partition, keys: &[String]) -> Result<()> {
        let space = &self.space(run).await?;
        let mut buckets: BTreeMap<u8, BTreeSet<&[u8]>> = BTreeMap::new();
        let hashes: Vec<Hash> = keys.iter().map(|key| Hash::of(key.as_bytes())).collect();
        for hash in &hashes {
            let hash = hash.as_bytes();
            buckets.entry(hash[0] % GONE_BUCKETS).or_default().insert(&hash[..GONE_BYTES]);
        }
        let adds = buckets.into_iter().map(|(bucket, hashes)| async move {
            let hashes = hashes.into_iter().map(Blob::new).collect();
            let update = Expression::new("SET #expires_at = :expires_at ADD #gone :gone")
                .with(":expires_at", self.expiry())
                .with(":gone", AttributeValue::Bs(hashes));
            self.run.update(gone_key(space, partition, bucket), update, None).await?;
            Ok(())
        });
        in_parallel(adds.collect()).await?;
        Ok(())
    }

    async fn gone(&self, run: &RunId) -> Result<u64> {
        let space = self.space(run).await?;
        let count = |item: &Item| match item.get("gone") {
            Some(AttributeValue::Bs(gone)) => Ok(gone.len() as u64),
            _ => Err(Attributes { item, what: "list of what is gone" }.damaged("gone")),
        };
        let counts = self.run.query_all(&Query::of(space.pk(GONE), Range::All), count).await?;
        Ok(counts.iter().sum())
    }

    async fn put_dead_letter(&self, run: &RunId, letter: &DeadLetter) -> Result<()> {
        let mut item = letter_key(&self.space(run).await?, letter)?.into_item();
        let json = serde_json::to_string(letter).map_err(|error| Error::not_written(&error))?;
        item.insert("letter".to_owned(), text(&json));
        item.insert("expires_at".to_owned(), self.expiry());
        let _ = self.run.put(item, None).await?;
        Ok(())
    }

    async fn remove_dead_letter(&self, run: &RunId, letter: &DeadLetter) -> Result<()> {
        self.run.delete(letter_key(&self.space(run).await?, letter)?).await
    }

    async fn dead_letters(&self, run: &RunId) -> Result<Vec<DeadLetter>> {
        let space = self.space(run).await?;
        let read = |item: &Item| {
            let letter = Attributes { item, what: "dead letter" };
            serde_json::from_str(letter.text("letter")?).map_err(|_| letter.damaged("letter"))
        };
        self.run.query_all(&Query::of(space.pk(DEAD), Range::All), read).await
    }

    /// Nothing is removed, for that would cost as much as writing it did: nobody looks there any
    /// more, and it expires.
    async fn clear(&self, run: &RunId) -> Result<()> {
        let update = Expression::new("SET #expires_at = :expires_at ADD #epoch :one")
            .with(":expires_at", self.run_expiry())
            .with(":one", number(1));
        let item = self.run.update(space::run(run), update, None).await?;
        self.remember(run, item.as_ref())?;
        self.ledger.seen.forget_all();
        Ok(())
    }
}

impl DynamoStore {
    /// Where the run's items are. Asked once: only `clear` changes it, and a run that has ended
    /// needs no ledger.
    async fn space(&self, run: &RunId) -> Result<Space> {
        let known = self.ledger.spaces.lock().unwrap_or_else(PoisonError::into_inner).get(run).cloned();
        match known {
            Some(space) => Ok(space),
            None => self.remember(run, self.run.get(space::run(run)).await?.as_ref()),
        }
    }

    fn remember(&self, run: &RunId, item: Option<&Item>) -> Result<Space> {
        let epoch = match item.and_then(|item| Some((item, item.get("epoch")?))) {
            None => 0,
            Some((item, epoch)) => epoch
                .as_n()
                .ok()
                .and_then(|epoch| epoch.parse().ok())
                .ok_or_else(|| Attributes { item, what: "run's ledger" }.damaged("epoch"))?,
        };
        let space = Space::new(run, epoch);
        let mut spaces = self.ledger.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        spaces.insert(run.clone(), space.clone());
        Ok(space)
    }

    fn expiry(&self) -> AttributeValue {
        expiry(self.clock.now(), KEPT_DAYS)
    }

    fn run_expiry(&self) -> AttributeValue {
        expiry(self.clock.now(), RUN_KEPT_DAYS)
    }
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn gone_key(space: &Space, partition: &Partition, bucket: u8) -> Key {
    let (kind, group) = (partition.kind(), encode(partition.group()));
    space.key(GONE, format!("{kind}#{group}#{}#{bucket:02}", partition.shard()))
}

/// Each message has one.
fn letter_key(space: &Space, letter: &DeadLetter) -> Result<Key> {
    let message = serde_json::to_vec(&(&letter.listing, &letter.page));
    let message = message.map_err(|error| Error::not_written(&error))?;
    Ok(space.key(DEAD, Hash::of(&message).to_string()))
}
