//! Imports, and what became of their users, groups and updates.

use super::DynamoStore;
use super::item::{Attributes, fitting, put_record, text};
use super::keys::{self, encode};
use super::query::{Query, Range};
use super::table::{Item, Key};
use crate::Result;
use crate::model::{Kind, PoolId};
use crate::ports::{Import, Mapping, Outcome};

const IMPORT: &str = "import";
const MAPPING: &str = "mapping of a user";
const OUTCOME: &str = "outcome of an import";

impl DynamoStore {
    /// [`crate::ports::Backup::put_import`].
    pub(super) async fn write_import(&self, import: &Import) -> Result<()> {
        let mut item = keys::import(&import.id).into_item();
        put_record(&mut item, import, IMPORT)?;
        let _ = self.backup.put(fitting(item, IMPORT)?, None).await?;
        Ok(())
    }

    /// [`crate::ports::Backup::imports`].
    pub(super) async fn imports_into(&self, into: Option<&PoolId>) -> Result<Vec<Import>> {
        let items = self.backup.query(&Query::of(keys::IMPORTS, Range::All), usize::MAX).await?;
        let read = |item: &Item| Attributes { item, what: IMPORT }.record::<Import>();
        let mut found = items.iter().map(read).collect::<Result<Vec<_>>>()?;
        found.retain(|import| into.is_none_or(|pool| import.into_pool == *pool));
        found.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
        Ok(found)
    }

    /// [`crate::ports::Backup::put_mappings`]. The way back from the new user is written first: it
    /// counts only if the mapping agrees, so that one alone says nothing wrong.
    pub(super) async fn write_mappings(&self, import: &str, mappings: &[Mapping]) -> Result<()> {
        let origin = |mapping: &Mapping| {
            let new_sub = mapping.new_sub.as_ref()?;
            let mut item = Key::new(keys::origins(import), encode(new_sub)).into_item();
            item.insert("sub".to_owned(), text(&mapping.sub));
            Some(item)
        };
        self.backup.batch_put(mappings.iter().filter_map(origin).collect()).await?;
        let forward = |mapping: &Mapping| {
            let mut item = mapping_key(import, &mapping.sub).into_item();
            put_record(&mut item, mapping, MAPPING)?;
            fitting(item, MAPPING)
        };
        self.backup.batch_put(mappings.iter().map(forward).collect::<Result<_>>()?).await
    }

    /// [`crate::ports::Backup::mappings_of`].
    pub(super) async fn find_mappings(&self, import: &str, subs: &[String]) -> Result<Vec<Mapping>> {
        let keys = subs.iter().map(|sub| mapping_key(import, sub)).collect();
        self.backup.batch_get(keys, None, true).await?.iter().map(mapping).collect()
    }

    /// [`crate::ports::Backup::mapping_to`].
    pub(super) async fn find_mapping_to(&self, import: &str, new_sub: &str) -> Result<Option<Mapping>> {
        let origin = Key::new(keys::origins(import), encode(new_sub));
        let Some(origin) = self.backup.get(origin).await? else { return Ok(None) };
        let sub = Attributes { item: &origin, what: MAPPING }.text("sub")?;
        let item = self.backup.get(mapping_key(import, sub)).await?;
        let found = item.as_ref().map(mapping).transpose()?;
        Ok(found.filter(|mapping| mapping.new_sub.as_deref() == Some(new_sub)))
    }

    /// [`crate::ports::Backup::mappings`].
    pub(super) async fn mappings_after(
        &self,
        import: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Mapping>> {
        let query = Query::of(keys::mappings(import), range_after(after));
        self.backup.query(&query, limit).await?.iter().map(mapping).collect()
    }

    /// [`crate::ports::Backup::put_outcomes`].
    pub(super) async fn write_outcomes(&self, import: &str, outcomes: &[Outcome]) -> Result<()> {
        let item = |outcome: &Outcome| {
            let mut item = outcome_key(import, outcome.kind, &outcome.group, &outcome.key).into_item();
            item.extend(outcome.failure.as_ref().map(|failure| ("failure".to_owned(), text(failure))));
            fitting(item, OUTCOME)
        };
        self.backup.batch_put(outcomes.iter().map(item).collect::<Result<_>>()?).await
    }

    /// [`crate::ports::Backup::outcomes_of`].
    pub(super) async fn find_outcomes(
        &self,
        import: &str,
        kind: Kind,
        group: &str,
        keys: &[String],
    ) -> Result<Vec<Outcome>> {
        let keys = keys.iter().map(|key| outcome_key(import, kind, group, key)).collect();
        let items = self.backup.batch_get(keys, None, true).await?;
        items.iter().map(|item| outcome(kind, group, item)).collect()
    }

    /// [`crate::ports::Backup::outcomes`].
    pub(super) async fn outcomes_after(
        &self,
        import: &str,
        kind: Kind,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Outcome>> {
        let query = Query::of(keys::outcomes(import, kind, group), range_after(after));
        let items = self.backup.query(&query, limit).await?;
        items.iter().map(|item| outcome(kind, group, item)).collect()
    }
}

fn range_after(key: Option<&str>) -> Range {
    key.map_or(Range::All, |key| Range::After(encode(key)))
}

fn mapping_key(import: &str, sub: &str) -> Key {
    Key::new(keys::mappings(import), encode(sub))
}

fn mapping(item: &Item) -> Result<Mapping> {
    Attributes { item, what: MAPPING }.record()
}

fn outcome_key(import: &str, kind: Kind, group: &str, key: &str) -> Key {
    Key::new(keys::outcomes(import, kind, group), encode(key))
}

fn outcome(kind: Kind, group: &str, item: &Item) -> Result<Outcome> {
    let attributes = Attributes { item, what: OUTCOME };
    let key = keys::decode(attributes.text("sk")?).ok_or_else(|| attributes.damaged("sk"))?;
    let failure = attributes.text_if_any("failure")?.map(str::to_owned);
    Ok(Outcome { kind, group: group.to_owned(), key, failure })
}
