//! What a run has seen: written page by page, read home by home.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use super::DynamoStore;
use super::entries::{Entries, Keys};
use super::space::{Space, home_of, homes_of, own_home_of};
use crate::adapters::dynamodb::expression::Expression;
use crate::adapters::dynamodb::query::{Query, Range};
use crate::adapters::dynamodb::table::{Key, in_parallel};
use crate::model::{Hash, Partition};
use crate::ports::PageId;
use crate::run::RunId;
use crate::{Error, Result};

/// A page has 60 keys; so many of the longest are far from the 400 KB an item may have.
const KEYS_AN_ITEM: usize = 500;

/// Items of one query: less than the megabyte that DynamoDB answers at once.
const ITEMS_AT_ONCE: usize = 800;

/// Homes are kept in memory while they have no more keys than this together: 160 MB. Of a pool
/// with more users than that, listed without a filter, all pages are read once for each home.
const MOST_KEYS: usize = 10_000_000;

/// And no more homes than this: reconciling works on 32 groups at a time, or on some homes of
/// users.
const MOST_HOMES: usize = 64;

/// The homes read lately, the latest last.
#[derive(Default)]
pub(in crate::adapters::dynamodb) struct SeenCache {
    homes: Mutex<Vec<(String, Home)>>,
}

/// Read once, whoever asks meanwhile.
type Home = Arc<OnceCell<Keys>>;

impl SeenCache {
    fn homes(&self) -> MutexGuard<'_, Vec<(String, Home)>> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn home(&self, pk: &str) -> Home {
        let mut homes = self.homes();
        let known = homes.iter().position(|(other, _)| other == pk).map(|at| homes.remove(at).1);
        let home = known.unwrap_or_default();
        homes.push((pk.to_owned(), Arc::clone(&home)));
        home
    }

    /// Drops what was not asked for longest, beyond what is kept.
    fn shrink(&self) {
        let mut homes = self.homes();
        let mut keys = 0;
        let kept = homes.iter().rev().take(MOST_HOMES).enumerate().take_while(|(newer, (_, home))| {
            keys += home.get().map_or(0, Keys::len);
            *newer == 0 || keys <= MOST_KEYS
        });
        let dropped = homes.len() - kept.count();
        homes.drain(..dropped);
    }

    fn forget(&self, pk: &str) {
        self.homes().retain(|(other, _)| other != pk);
    }

    /// What is read from now on is not older than this call.
    pub(super) fn forget_all(&self) {
        self.homes().clear();
    }
}

impl DynamoStore {
    /// One write, which the same again leaves as it is: a set takes what it has only once.
    pub(super) async fn put_page(
        &self,
        space: &Space,
        page: &PageId,
        seen: &[(Partition, String)],
    ) -> Result<()> {
        let home = home_of(&page.listing);
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            seen.iter().cloned().partition(|(partition, _)| homes_of(partition).contains(&home));
        // First, so that a page that counts has been seen whole.
        self.put_seen(space, &elsewhere).await?;
        let key = space.page(page);
        let pk = key.pk.clone();
        self.run.update(key, self.adding(&here.iter().collect()), None).await?;
        self.ledger.seen.forget(&pk);
        Ok(())
    }

    fn adding(&self, entries: &Entries) -> Expression {
        let sets = entries.attributes();
        let adds: Vec<String> = sets.iter().map(|(name, _)| format!("#{name} :{name}")).collect();
        let add = if adds.is_empty() { "" } else { " ADD " };
        let update = Expression::new(format!("SET #expires_at = :expires_at{add}{}", adds.join(", ")))
            .with(":expires_at", self.expiry());
        sets.into_iter().fold(update, |update, (name, set)| update.with(&format!(":{name}"), set))
    }

    /// What was seen elsewhere than its listing shows.
    pub(super) async fn put_seen(&self, space: &Space, seen: &[(Partition, String)]) -> Result<()> {
        let mut homes: BTreeMap<String, Vec<&(Partition, String)>> = BTreeMap::new();
        for entry in seen {
            homes.entry(own_home_of(&entry.0)).or_default().push(entry);
        }
        for (home, mut entries) in homes {
            entries.sort();
            for some in entries.chunks(KEYS_AN_ITEM) {
                self.put_direct(space, &home, some).await?;
            }
            self.ledger.seen.forget(&space.pk(&home));
        }
        Ok(())
    }

    /// The same again is the same item.
    async fn put_direct(&self, space: &Space, home: &str, some: &[&(Partition, String)]) -> Result<()> {
        let entries: Entries = some.iter().copied().collect();
        let named: Vec<(&str, &str)> =
            some.iter().map(|(partition, key)| (partition.shard(), key.as_str())).collect();
        let json = serde_json::to_vec(&named).map_err(|error| Error::not_written(&error))?;
        let key = space.key(home, format!("DIRECT#{}", Hash::of(&json)));
        self.run.update(key, self.adding(&entries), None).await?;
        Ok(())
    }

    pub(super) async fn seen_of(&self, space: &Space, partition: &Partition) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for home in homes_of(partition) {
            let pk = space.pk(&home);
            let home = self.ledger.seen.home(&pk);
            let keys = home.get_or_try_init(|| self.read_home(&pk)).await?;
            found.extend(keys.of(partition.shard()));
            self.ledger.seen.shrink();
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    async fn read_home(&self, pk: &str) -> Result<Keys> {
        let mut keys = Keys::default();
        let mut range = Range::All;
        loop {
            let items = self.run.query(&Query::of(pk, range), ITEMS_AT_ONCE).await?;
            for item in &items {
                keys.extend(item)?;
            }
            match items.last().and_then(Key::of) {
                Some(last) if items.len() == ITEMS_AT_ONCE => range = Range::After(last.sk),
                _ => break,
            }
        }
        keys.sort();
        Ok(keys)
    }

    /// Shard by shard: only a part of a large pool's users is in memory at once.
    pub(super) async fn count_users(&self, run: &RunId) -> Result<u64> {
        let space = &self.space(run).await?;
        let count = |partition| async move { Ok(self.seen_of(space, &partition).await?.len() as u64) };
        let counts = in_parallel(Partition::users().map(count).collect()).await?;
        Ok(counts.into_iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(cache: &SeenCache) -> Vec<String> {
        cache.homes().iter().map(|(name, _)| name.clone()).collect()
    }

    #[test]
    fn keeps_the_homes_asked_for_lately() {
        let cache = SeenCache::default();
        for number in 0..MOST_HOMES {
            cache.home(&number.to_string());
        }
        cache.home("0");
        cache.home("new");
        cache.shrink();
        let kept = names(&cache);
        assert_eq!(kept.len(), MOST_HOMES);
        assert_eq!(
            (kept[0].as_str(), &kept[MOST_HOMES - 2..]),
            ("2", &["0".to_owned(), "new".to_owned()][..])
        );
    }

    #[test]
    fn what_was_forgotten_is_read_anew() {
        let cache = SeenCache::default();
        let home = cache.home("a");
        assert!(Arc::ptr_eq(&home, &cache.home("a")));
        cache.forget("a");
        assert!(!Arc::ptr_eq(&home, &cache.home("a")));
        cache.forget_all();
        assert!(names(&cache).is_empty());
    }
}
