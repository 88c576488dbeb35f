//! What reads versions. A record that changes moves from the current versions to those that
//! ended; so the current ones are always read first: one that moves meanwhile is met twice, never
//! not at all.

use std::collections::{BTreeMap, BTreeSet};

use super::DynamoStore;
use super::expression::Expression;
use super::item::{Attributes, text};
use super::keys::{self, Place};
use super::observe::{HEAD, Stored};
use super::query::Query;
use super::table::{Item, in_parallel};
use crate::Result;
use crate::model::{Hash, Partition, PoolId};
use crate::ports::{Head, Version};
use crate::run::RunId;
use crate::time::Timestamp;

impl DynamoStore {
    /// [`crate::ports::Backup::heads`].
    pub(super) async fn heads_after(
        &self,
        place: &Place<'_>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Head>> {
        let query = Query::of(place.pk(), place.current_after(after)).only(HEAD);
        let items = self.backup.query(&query, limit).await?;
        items.iter().map(|item| head(place, item)).collect()
    }

    /// [`crate::ports::Backup::as_of`].
    pub(super) async fn held(
        &self,
        place: &Place<'_>,
        at: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Version>> {
        let filter = |condition: &str| Expression::new(condition).with(":at", text(&at));
        let current = Query::of(place.pk(), place.current_after(after)).filter(filter("#valid_from <= :at"));
        let ended = Query::of(place.history_pk(), place.ended_after(after))
            .filter(filter("#valid_from <= :at AND :at < #valid_to"));
        self.merged(place, &current, &ended, None, limit).await
    }

    /// [`crate::ports::Backup::versions`].
    pub(super) async fn versions_after(
        &self,
        place: &Place<'_>,
        after: Option<(&str, Timestamp)>,
        limit: usize,
    ) -> Result<Vec<Version>> {
        let current = Query::of(place.pk(), place.current_from(after.map(|(key, _)| key)));
        let ended = Query::of(place.history_pk(), place.ended_after_version(after))
            .filter(Expression::new("#valid_from < #valid_to"));
        self.merged(place, &current, &ended, after, limit).await
    }

    /// The first `limit` of what two queries find after `after`, each version once.
    async fn merged(
        &self,
        place: &Place<'_>,
        current: &Query,
        ended: &Query,
        after: Option<(&str, Timestamp)>,
        limit: usize,
    ) -> Result<Vec<Version>> {
        let mut found = BTreeMap::new();
        // One more: the current version of the key `after` names may be the one after which to go on.
        for (query, limit) in [(current, limit.saturating_add(1)), (ended, limit)] {
            for item in self.backup.query(query, limit).await? {
                let version = version(place, &item)?;
                found.insert((version.key.clone(), version.valid_from), version);
            }
        }
        let is_after = |version: &Version| {
            after.is_none_or(|(key, time)| (version.key.as_str(), version.valid_from) > (key, time))
        };
        Ok(found.into_values().filter(is_after).take(limit).collect())
    }

    /// [`crate::ports::Backup::get`].
    pub(super) async fn get_held(
        &self,
        place: &Place<'_>,
        keys: &[String],
        at: Timestamp,
    ) -> Result<Vec<Version>> {
        let mut keys: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
        let wanted = keys.iter().map(|key| place.current(key)).collect();
        let mut found = Vec::new();
        for item in self.backup.batch_get(wanted, None, true).await? {
            let version = version(place, &item)?;
            if version.valid_from <= at {
                keys.remove(version.key.as_str());
                found.push(version);
            }
        }
        let ended =
            in_parallel(keys.into_iter().map(|key| self.ended_held(place, key, at)).collect()).await?;
        found.extend(ended.into_iter().flatten());
        Ok(found)
    }

    /// Versions of a record do not overlap: only the last to begin by then can have held.
    async fn ended_held(&self, place: &Place<'_>, key: &str, at: Timestamp) -> Result<Option<Version>> {
        let query = Query::of(place.history_pk(), place.past_until(key, at)).backwards();
        let last = self.backup.query(&query, 1).await?;
        let last = last.first().map(|item| version(place, item)).transpose()?;
        Ok(last.filter(|version| version.held_at(at)))
    }

    /// [`crate::ports::Backup::group_names`].
    pub(super) async fn names_of_groups(&self, pool: &PoolId) -> Result<Vec<String>> {
        let place = Place::new(pool, &Partition::Groups);
        let current = Query::of(place.pk(), place.current_after(None)).only("#sk");
        let ended = Query::of(place.history_pk(), place.ended_after(None))
            .filter(Expression::new("#valid_from < #valid_to"))
            .only("#sk, #valid_from, #valid_to");
        let mut names = BTreeSet::new();
        for query in [current, ended] {
            names.extend(self.backup.query_all(&query, |item| key(&place, item)).await?);
        }
        Ok(names.into_iter().collect())
    }

    /// [`crate::ports::Backup::latest`].
    pub(super) async fn latest_of(&self, pool: &PoolId) -> Result<Option<Timestamp>> {
        let item = self.backup.get(keys::latest(pool)).await?;
        item.map(|item| Attributes { item: &item, what: "pool" }.time("latest")).transpose()
    }
}

/// The record's key, from the sort key of an item of either kind.
fn key(place: &Place<'_>, item: &Item) -> Result<String> {
    let attributes = Attributes { item, what: place.partition.kind().as_str() };
    let sk = attributes.text("sk")?;
    let key = match attributes.text_if_any("valid_to")? {
        None => Some(sk),
        Some(_) => sk.strip_suffix(attributes.text("valid_from")?).and_then(|sk| sk.strip_suffix('#')),
    };
    key.and_then(|key| place.key_of(key)).ok_or_else(|| attributes.damaged("sk"))
}

fn head(place: &Place<'_>, item: &Item) -> Result<Head> {
    let Stored { hash, valid_from, run, change } = Stored::read(item, place.partition.kind())?;
    Ok(Head { key: key(place, item)?, hash, run, change, valid_from })
}

pub(super) fn version(place: &Place<'_>, item: &Item) -> Result<Version> {
    let attributes = Attributes { item, what: place.partition.kind().as_str() };
    Ok(Version {
        partition: place.partition.clone(),
        key: key(place, item)?,
        // What cannot be read is not what was written: whoever checks the version can say which.
        content: attributes.content().unwrap_or_default(),
        hash: attributes.hash("content_hash").unwrap_or(Hash::NONE),
        valid_from: attributes.time("valid_from")?,
        valid_to: attributes.time_if_any("valid_to")?,
        run: RunId::new(attributes.text("run_id")?),
    })
}
