use async_trait::async_trait;

use super::{SqliteStore, ledger, seen};
use crate::Result;
use crate::adapters::reading::Reading;
use crate::model::Partition;
use crate::ports::{Cursor, DeadLetter, Ledger, Listing, ListingProgress, PageId};
use crate::run::RunId;

#[async_trait]
impl Ledger for SqliteStore {
    async fn open(&self, run: &RunId, listings: &[Listing]) -> Result<()> {
        let (run, listings) = (run.clone(), listings.to_vec());
        self.write(move |db| ledger::open(db, &run, &listings)).await
    }

    async fn listings(&self, run: &RunId) -> Result<Vec<ListingProgress>> {
        let run = run.clone();
        self.read(move |db| ledger::listings(db, &run)).await
    }

    async fn listing(&self, run: &RunId, listing: &Listing) -> Result<Option<ListingProgress>> {
        let (run, listing) = (run.clone(), listing.clone());
        self.read(move |db| ledger::listing(db, &run, &listing)).await
    }

    async fn mark_sent(&self, run: &RunId, listings: &[Listing]) -> Result<()> {
        let (run, listings) = (run.clone(), listings.to_vec());
        self.write(move |db| ledger::mark_sent(db, &run, &listings)).await
    }

    async fn take(&self, run: &RunId, listing: &Listing) -> Result<Option<Cursor>> {
        let (run, listing) = (run.clone(), listing.clone());
        self.write(move |db| ledger::take(db, &run, &listing, Reading::taken)).await
    }

    async fn restart(&self, run: &RunId, listing: &Listing) -> Result<Option<Cursor>> {
        let (run, listing) = (run.clone(), listing.clone());
        self.write(move |db| ledger::take(db, &run, &listing, Reading::begun_anew)).await
    }

    async fn advance(&self, run: &RunId, listing: &Listing, cursor: &Cursor) -> Result<bool> {
        let (run, listing, cursor) = (run.clone(), listing.clone(), cursor.clone());
        self.write(move |db| ledger::advance(db, &run, &listing, &cursor)).await
    }

    async fn counts(&self, run: &RunId, page: &PageId) -> Result<bool> {
        let (run, page) = (run.clone(), page.clone());
        self.read(move |db| ledger::counts(db, &run, &page)).await
    }

    async fn count_page(&self, run: &RunId, page: &PageId, seen: &[(Partition, String)]) -> Result<()> {
        let (run, page, seen) = (run.clone(), page.clone(), seen.to_vec());
        self.write(move |db| ledger::count_page(db, &run, &page, &seen)).await
    }

    async fn count_seen(&self, run: &RunId, seen: &[(Partition, String)]) -> Result<()> {
        let (run, seen) = (run.clone(), seen.to_vec());
        self.write(move |db| seen::add(db, &run, &seen)).await
    }

    async fn seen(&self, run: &RunId, partition: &Partition) -> Result<Vec<String>> {
        let (run, partition) = (run.clone(), partition.clone());
        self.read(move |db| seen::of(db, &run, &partition)).await
    }

    async fn users_seen(&self, run: &RunId) -> Result<u64> {
        let run = run.clone();
        self.read(move |db| seen::users(db, &run)).await
    }

    async fn put_gone(&self, run: &RunId, partition: &Partition, keys: &[String]) -> Result<()> {
        let (run, partition, keys) = (run.clone(), partition.clone(), keys.to_vec());
        self.write(move |db| ledger::put_gone(db, &run, &partition, &keys)).await
    }

    async fn gone(&self, run: &RunId) -> Result<u64> {
        let run = run.clone();
        self.read(move |db| ledger::gone(db, &run)).await
    }

    async fn put_dead_letter(&self, run: &RunId, letter: &DeadLetter) -> Result<()> {
        let (run, letter) = (run.clone(), letter.clone());
        self.write(move |db| ledger::put_dead_letter(db, &run, &letter)).await
    }

    async fn remove_dead_letter(&self, run: &RunId, letter: &DeadLetter) -> Result<()> {
        let (run, letter) = (run.clone(), letter.clone());
        self.write(move |db| ledger::remove_dead_letter(db, &run, &letter)).await
    }

    async fn dead_letters(&self, run: &RunId) -> Result<Vec<DeadLetter>> {
        let run = run.clone();
        self.read(move |db| ledger::dead_letters(db, &run)).await
    }

    async fn clear(&self, run: &RunId) -> Result<()> {
        let run = run.clone();
        self.write(move |db| ledger::clear(db, &run)).await
    }
}
