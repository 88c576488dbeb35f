//! What changes versions: observations and closings. Many writers may do it at once, so every
//! write is on condition that nobody else wrote meanwhile; if somebody did, it is decided anew.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::PoisonError;

use super::DynamoStore;
use super::expression::Expression;
use super::item::{Attributes, expiry, fitting, put_content, text};
use super::keys::{self, Place};
use super::query::Query;
use super::table::{Item, Key, Written, in_parallel};
use crate::Result;
use crate::model::{Hash, Kind, Partition, PoolId};
use crate::ports::{Change, Observation};
use crate::run::RunId;
use crate::time::Timestamp;

/// The attributes of [`Stored`], and the keys.
pub(super) const HEAD: &str = "#pk, #sk, #valid_from, #content_hash, #run_id, #change";

/// A current version, without its content.
pub(super) struct Stored {
    pub(super) hash: Hash,
    pub(super) valid_from: Timestamp,
    pub(super) run: RunId,
    pub(super) change: Change,
}

/// What an observation is to the current version.
enum Verdict {
    /// It says nothing new, or is older.
    Ignored,
    /// Of the same millisecond, and its hash is greater.
    Replaces,
    /// What is current ends where this begins.
    Supersedes,
}

impl Stored {
    pub(super) fn read(item: &Item, kind: Kind) -> Result<Self> {
        let attributes = Attributes { item, what: kind.as_str() };
        Ok(Self {
            hash: attributes.hash("content_hash")?,
            valid_from: attributes.time("valid_from")?,
            run: RunId::new(attributes.text("run_id")?),
            change: match attributes.text("change")? {
                "new" => Change::New,
                "changed" => Change::Changed,
                _ => return Err(attributes.damaged("change")),
            },
        })
    }

    fn against(&self, seen: &Observation) -> Verdict {
        match seen.observed_at.cmp(&self.valid_from) {
            _ if seen.hash == self.hash => Verdict::Ignored,
            Ordering::Greater => Verdict::Supersedes,
            Ordering::Equal if seen.hash > self.hash => Verdict::Replaces,
            _ => Verdict::Ignored,
        }
    }

    /// That this still is the current version.
    fn still_current(&self) -> Expression {
        Expression::new("#valid_from = :valid_from AND #content_hash = :content_hash")
            .with(":valid_from", text(&self.valid_from))
            .with(":content_hash", text(&self.hash))
    }
}

/// The observations of one record that may change what is stored, in the order given.
struct Work<'a> {
    place: Place<'a>,
    key: &'a str,
    seen: Vec<&'a Observation>,
    /// Whether nothing was current when all heads were read.
    absent: bool,
}

impl DynamoStore {
    /// [`crate::ports::Backup::observe`].
    pub(super) async fn observe_all(
        &self,
        pool: &PoolId,
        run: &RunId,
        observations: &[Observation],
    ) -> Result<()> {
        let work = self.work(pool, observations).await?;
        let Some(last) = work.iter().flat_map(|work| &work.seen).map(|seen| seen.observed_at).max() else {
            return Ok(());
        };
        self.note_latest(pool, last).await?;
        in_parallel(work.into_iter().map(|work| self.apply(run, work)).collect()).await?;
        Ok(())
    }

    /// Leaves out what is as it was: in an ordinary run nearly everything. The heads are read at
    /// half the price, as they were about a second ago at the earliest; whatever is then written is
    /// decided by a strongly consistent read or a condition.
    async fn work<'a>(&self, pool: &PoolId, observations: &'a [Observation]) -> Result<Vec<Work<'a>>> {
        let mut by_record: BTreeMap<(&Partition, &str), Vec<&Observation>> = BTreeMap::new();
        for seen in observations {
            by_record.entry((&seen.partition, &seen.key)).or_default().push(seen);
        }
        let record = |(partition, key): &(&'a Partition, &'a str)| Place::new(pool, partition).current(key);
        let items = self.backup.batch_get(by_record.keys().map(record).collect(), Some(HEAD), false).await?;
        let heads: HashMap<Option<Key>, Item> =
            items.into_iter().map(|item| (Key::of(&item), item)).collect();
        let mut work = Vec::new();
        for ((partition, key), mut seen) in by_record {
            let place = Place::new(pool, partition);
            let head = heads.get(&Some(place.current(key)));
            if let Some(item) = head {
                let head = Stored::read(item, partition.kind())?;
                // Only up to the first that changes it: the next are judged by what it leaves.
                let ignored = |seen: &&&Observation| matches!(head.against(seen), Verdict::Ignored);
                let ignored = seen.iter().take_while(ignored).count();
                seen.drain(..ignored);
            }
            if !seen.is_empty() {
                work.push(Work { place, key, seen, absent: head.is_none() });
            }
        }
        Ok(work)
    }

    async fn apply(&self, run: &RunId, work: Work<'_>) -> Result<()> {
        let Work { place, key, seen, mut absent } = work;
        for seen in seen {
            let mut patience = self.backup.patience("TransactWriteItems");
            loop {
                let current = if absent { None } else { self.backup.get(place.current(key)).await? };
                absent = false;
                let written = match current {
                    None => self.insert(&place, run, seen).await?,
                    Some(current) => self.supersede(&place, run, seen, current).await?,
                };
                if written == Written::Done {
                    break;
                }
                patience.wait("other writers of the same record").await?;
            }
        }
        Ok(())
    }

    /// Makes it current, unless the record went at that time or later.
    async fn insert(&self, place: &Place<'_>, run: &RunId, seen: &Observation) -> Result<Written> {
        let past = Query::of(place.history_pk(), place.past_of(&seen.key)).only("#valid_to").backwards();
        if let Some(last) = self.backup.query(&past, 1).await?.first() {
            let last = Attributes { item: last, what: place.partition.kind().as_str() };
            if last.time("valid_to")? >= seen.observed_at {
                return Ok(Written::Done);
            }
        }
        let item = version(place, run, seen, Change::of(run, None))?;
        self.backup.put(item, Some(Expression::absent())).await
    }

    /// Replaces the current version if the observation differs from it and is newer.
    async fn supersede(
        &self,
        place: &Place<'_>,
        run: &RunId,
        seen: &Observation,
        current: Item,
    ) -> Result<Written> {
        let before = Stored::read(&current, place.partition.kind())?;
        let next = || version(place, run, seen, Change::of(run, Some((&before.run, before.change))));
        let unchanged = Some(before.still_current());
        match before.against(seen) {
            Verdict::Ignored => Ok(Written::Done),
            Verdict::Replaces => self.backup.put(next()?, unchanged).await,
            Verdict::Supersedes => {
                let past = self.ended(place, &seen.key, &before, current, seen.observed_at);
                let parts = vec![self.backup.putting(past, None)?, self.backup.putting(next()?, unchanged)?];
                self.backup.transact(parts).await
            }
        }
    }

    /// [`crate::ports::Backup::close`].
    pub(super) async fn close_all(
        &self,
        pool: &PoolId,
        partition: &Partition,
        keys: &[String],
        at: Timestamp,
    ) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        self.note_latest(pool, at).await?;
        let place = &Place::new(pool, partition);
        let keys: BTreeSet<&String> = keys.iter().collect();
        in_parallel(keys.into_iter().map(|key| self.close_one(place, key, at)).collect()).await?;
        Ok(())
    }

    async fn close_one(&self, place: &Place<'_>, key: &str, at: Timestamp) -> Result<()> {
        let mut patience = self.backup.patience("TransactWriteItems");
        while let Some(current) = self.backup.get(place.current(key)).await? {
            let before = Stored::read(&current, place.partition.kind())?;
            if before.valid_from > at {
                break;
            }
            let gone = self.backup.deleting(place.current(key), Some(before.still_current()))?;
            let past = self.ended(place, key, &before, current, at);
            if self.backup.transact(vec![self.backup.putting(past, None)?, gone]).await? == Written::Done {
                break;
            }
            patience.wait("other writers of the same record").await?;
        }
        Ok(())
    }

    /// The item that keeps a version after its end. One that held for no time is kept, too: no
    /// reader is shown it, but a late observation finds that the record went.
    fn ended(&self, place: &Place<'_>, key: &str, before: &Stored, current: Item, at: Timestamp) -> Item {
        let mut past = current;
        past.extend(place.ended(key, before.valid_from).into_item());
        past.insert("valid_to".to_owned(), text(&at));
        past.insert("expires_at".to_owned(), expiry(at, self.retention_days));
        past
    }

    /// Notes, before it is done, that a version will begin or end at `at`.
    async fn note_latest(&self, pool: &PoolId, at: Timestamp) -> Result<()> {
        if self.noted(pool).is_some_and(|noted| noted >= at) {
            return Ok(());
        }
        let forward = Expression::new("attribute_not_exists(#latest) OR #latest < :latest");
        let update = Expression::new("SET #latest = :latest").with(":latest", text(&at));
        // A condition that fails says that as late a time is there.
        self.backup.update(keys::latest(pool), update, Some(forward)).await?;
        let mut noted = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let time = noted.entry(pool.clone()).or_insert(at);
        *time = at.max(*time);
        Ok(())
    }

    fn noted(&self, pool: &PoolId) -> Option<Timestamp> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).get(pool).copied()
    }
}

/// The item of a version that is current.
pub(super) fn version(place: &Place<'_>, run: &RunId, seen: &Observation, change: Change) -> Result<Item> {
    let mut item = place.current(&seen.key).into_item();
    put_content(&mut item, &seen.content);
    let change = match change {
        Change::New => "new",
        Change::Changed => "changed",
    };
    item.extend(
        [
            ("content_hash", text(&seen.hash)),
            ("valid_from", text(&seen.observed_at)),
            ("run_id", text(run)),
            ("change", text(change)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    fitting(item, place.partition.kind().as_str())
}
