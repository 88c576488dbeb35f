//! Imports, and what became of their users, groups and updates.

use std::collections::{BTreeSet, HashSet};

use async_trait::async_trait;

use super::DynamoStore;
use super::expression::Expression;
use super::item::{Attributes, expiry, fitting, number, put_record, text};
use super::keys::{self, encode};
use super::query::{Query, Range};
use super::table::{Item, Key, Written, in_parallel};
use crate::Result;
use crate::compare::Difference;
use crate::model::{Hash, PoolId};
use crate::ports::{Import, Imports, Job, Mapping, Outcome, Sent, Step};
use crate::run::RunId;

const IMPORT: &str = "import";
const MAPPING: &str = "mapping of a user";
const OUTCOME: &str = "outcome of an import";

const SENT: &str = "name of an import";
const JOB: &str = "job of an import";
const DIFFERENCE: &str = "difference of an import";

#[async_trait]
impl Imports for DynamoStore {
    async fn put_import(&self, import: &Import) -> Result<bool> {
        let mut item = keys::import(&import.id).into_item();
        put_record(&mut item, import, IMPORT)?;
        item.insert("edition".to_owned(), number(import.edition.into()));
        // Earlier versions did not count.
        let replaces_the_last = match import.edition.saturating_sub(1) {
            0 => Expression::new("attribute_not_exists(#edition)"),
            last => Expression::new("#edition = :last").with(":last", number(last.into())),
        };
        match self.backup.put(fitting(item, IMPORT)?, Some(replaces_the_last)).await? {
            Written::Done => Ok(true),
            // Also if the answer to it was lost.
            Written::ConditionFailed => Ok(self.import(&import.id).await?.as_ref() == Some(import)),
        }
    }

    async fn import(&self, id: &str) -> Result<Option<Import>> {
        let item = self.backup.get(keys::import(id)).await?;
        item.as_ref().map(import_of).transpose()
    }

    async fn imports(&self, into: Option<&PoolId>) -> Result<Vec<Import>> {
        let mut found = self.backup.query_all(&Query::of(keys::IMPORTS, Range::All), import_of).await?;
        found.retain(|import| into.is_none_or(|pool| import.into_pool == *pool));
        found.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
        Ok(found)
    }

    /// The way back from the new user is written first: it counts only if the mapping agrees, so
    /// that one alone says nothing wrong.
    async fn put_mappings(&self, import: &str, mappings: &[Mapping]) -> Result<()> {
        let origin = |mapping: &Mapping| {
            let mut item = origin_key(import, mapping.new_sub.as_ref()?).into_item();
            item.insert("sub".to_owned(), text(&mapping.sub));
            Some(item)
        };
        self.backup.batch_put(mappings.iter().filter_map(origin).collect()).await?;
        let forward = |mapping: &Mapping| {
            let mut item = mapping_key(import, &mapping.sub).into_item();
            put_record(&mut item, mapping, MAPPING)?;
            fitting(item, MAPPING)
        };
        let (there, not_there): (Vec<_>, Vec<_>) =
            mappings.iter().partition(|mapping| mapping.new_sub.is_some());
        self.backup.batch_put(there.into_iter().map(forward).collect::<Result<_>>()?).await?;
        let puts = not_there.into_iter().map(|mapping| async move {
            let _ = self.backup.put(forward(mapping)?, Some(is_not_there())).await?;
            Ok(())
        });
        in_parallel(puts.collect()).await?;
        Ok(())
    }

    async fn mappings_of(&self, import: &str, subs: &[String]) -> Result<Vec<Mapping>> {
        let keys = subs.iter().map(|sub| mapping_key(import, sub)).collect();
        self.backup.batch_get(keys, None, true).await?.iter().map(|item| mapping(import, item)).collect()
    }

    async fn mappings_to(&self, import: &str, new_subs: &[String]) -> Result<Vec<Mapping>> {
        let asked: HashSet<&str> = new_subs.iter().map(String::as_str).collect();
        let keys = new_subs.iter().map(|new_sub| origin_key(import, new_sub)).collect();
        let origins = self.backup.batch_get(keys, None, true).await?;
        let sub = |item| Attributes { item, what: MAPPING }.text("sub").map(str::to_owned);
        let subs: BTreeSet<String> = origins.iter().map(sub).collect::<Result<_>>()?;
        let mut found = self.mappings_of(import, &subs.into_iter().collect::<Vec<_>>()).await?;
        found.retain(|mapping| mapping.new_sub.as_deref().is_some_and(|new_sub| asked.contains(new_sub)));
        Ok(found)
    }

    async fn mappings(&self, import: &str, after: Option<&str>, limit: usize) -> Result<Vec<Mapping>> {
        let query = Query::of(keys::mappings(import), range_after(after));
        self.backup.query(&query, limit).await?.iter().map(|item| mapping(import, item)).collect()
    }

    async fn put_outcomes(&self, import: &str, outcomes: &[Outcome]) -> Result<()> {
        let item = |outcome: &Outcome| {
            let mut item = outcome_key(import, outcome.step, &outcome.group, &outcome.key).into_item();
            item.extend(outcome.failure.as_ref().map(|failure| ("failure".to_owned(), text(failure))));
            fitting(item, OUTCOME)
        };
        self.backup.batch_put(outcomes.iter().map(item).collect::<Result<_>>()?).await
    }

    async fn outcomes_of(
        &self,
        import: &str,
        step: Step,
        group: &str,
        keys: &[String],
    ) -> Result<Vec<Outcome>> {
        let keys = keys.iter().map(|key| outcome_key(import, step, group, key)).collect();
        let items = self.backup.batch_get(keys, None, true).await?;
        items.iter().map(|item| outcome(step, group, item)).collect()
    }

    async fn outcomes(
        &self,
        import: &str,
        step: Step,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Outcome>> {
        let query = Query::of(keys::outcomes(import, step, group), range_after(after));
        let items = self.backup.query(&query, limit).await?;
        items.iter().map(|item| outcome(step, group, item)).collect()
    }

    /// They expire with the retention: nobody asks for them once the import has ended.
    async fn put_sent(&self, import: &str, sent: &[Sent]) -> Result<()> {
        let expires = expiry(self.clock.now(), self.retention_days);
        let item = |Sent { name, sub, row }: &Sent| {
            let mut item = keys::sent(import, name).into_item();
            item.insert("sub".to_owned(), text(sub));
            item.insert("expires_at".to_owned(), expires.clone());
            if let Some((job, line)) = row {
                item.insert("job".to_owned(), number(u64::from(*job)));
                item.insert("line".to_owned(), number(u64::from(*line)));
            }
            fitting(item, SENT)
        };
        self.backup.batch_put(sent.iter().map(item).collect::<Result<_>>()?).await
    }

    async fn sent_as(&self, import: &str, names: &[Hash]) -> Result<Vec<Sent>> {
        let keys = names.iter().map(|name| keys::sent(import, name)).collect();
        self.backup.batch_get(keys, None, true).await?.iter().map(sent).collect()
    }

    async fn put_job(&self, import: &str, job: &Job) -> Result<()> {
        let mut item = keys::job(import, job.number).into_item();
        put_record(&mut item, job, JOB)?;
        let _ = self.backup.put(fitting(item, JOB)?, None).await?;
        Ok(())
    }

    async fn jobs(&self, import: &str) -> Result<Vec<Job>> {
        let read =
            |item: &Item| Attributes { item, what: JOB }.record_at(|job: &Job| keys::job(import, job.number));
        self.backup.query_all(&Query::of(keys::jobs(import), Range::All), read).await
    }

    async fn put_differences(
        &self,
        import: &str,
        listing: &RunId,
        first: u64,
        differences: &[Difference],
    ) -> Result<()> {
        let item = |(number, difference): (u64, &Difference)| {
            let mut item = keys::difference(import, listing, number).into_item();
            put_record(&mut item, difference, DIFFERENCE)?;
            fitting(item, DIFFERENCE)
        };
        self.backup.batch_put((first..).zip(differences).map(item).collect::<Result<_>>()?).await
    }

    async fn differences(
        &self,
        import: &str,
        listing: &RunId,
        first: u64,
        limit: usize,
    ) -> Result<Vec<Difference>> {
        let Key { pk, sk } = keys::difference(import, listing, first);
        let items = self.backup.query(&Query::of(pk, Range::From(sk)), limit).await?;
        items.iter().map(|item| Attributes { item, what: DIFFERENCE }.record()).collect()
    }
}

fn sent(item: &Item) -> Result<Sent> {
    let attributes = Attributes { item, what: SENT };
    let sub = attributes.text("sub")?.to_owned();
    let row = attributes.number_if_any("job")?.zip(attributes.number_if_any("line")?);
    Ok(Sent { name: attributes.hash("sk")?, sub, row })
}

fn range_after(key: Option<&str>) -> Range {
    key.map_or(Range::All, |key| Range::After(encode(key)))
}

fn origin_key(import: &str, new_sub: &str) -> Key {
    Key::new(keys::origins(import), encode(new_sub))
}

fn mapping_key(import: &str, sub: &str) -> Key {
    Key::new(keys::mappings(import), encode(sub))
}

/// No batch can have a condition.
fn is_not_there() -> Expression {
    Expression::new("attribute_not_exists(#record.#new_sub) OR attribute_type(#record.#new_sub, :null)")
        .with_text(":null", "NULL")
}

fn import_of(item: &Item) -> Result<Import> {
    let attributes = Attributes { item, what: IMPORT };
    let import = attributes.record_at(|import: &Import| keys::import(&import.id))?;
    if attributes.number_if_any("edition")?.unwrap_or_default() == import.edition {
        Ok(import)
    } else {
        Err(attributes.damaged("edition"))
    }
}

fn mapping(import: &str, item: &Item) -> Result<Mapping> {
    Attributes { item, what: MAPPING }.record_at(|mapping: &Mapping| mapping_key(import, &mapping.sub))
}

fn outcome_key(import: &str, step: Step, group: &str, key: &str) -> Key {
    Key::new(keys::outcomes(import, step, group), encode(key))
}

fn outcome(step: Step, group: &str, item: &Item) -> Result<Outcome> {
    let attributes = Attributes { item, what: OUTCOME };
    let key = keys::decode(attributes.text("sk")?).ok_or_else(|| attributes.damaged("sk"))?;
    let failure = attributes.text_if_any("failure")?.map(str::to_owned);
    Ok(Outcome { step, group: group.to_owned(), key, failure })
}
