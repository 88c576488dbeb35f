//! One table with string keys `pk` and `sk`, and the requests made of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, KeysAndAttributes, Put, PutRequest, ReturnValue, TransactWriteItem, WriteRequest,
};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::expression::{Expression, names};
use super::failure::{Asked, Failure};
use crate::ports::Clock;
use crate::{Error, Result};

/// An item, by its attributes' names.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The partition key and sort key of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Key {
    pub(super) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    /// The key of an item that was read.
    pub(super) fn of(item: &Item) -> Option<Self> {
        let text = |name| item.get(name).and_then(|value| value.as_s().ok());
        Some(Self { pk: text("pk")?.clone(), sk: text("sk")?.clone() })
    }

    /// An item of its key alone.
    pub(super) fn into_item(self) -> Item {
        HashMap::from([
            ("pk".to_owned(), AttributeValue::S(self.pk)),
            ("sk".to_owned(), AttributeValue::S(self.sk)),
        ])
    }
}

/// So many keys may be read in one call (API Reference: `BatchGetItem`).
const BATCH_READ: usize = 100;

/// So many items may be written in one call (API Reference: `BatchWriteItem`).
const BATCH_WRITE: usize = 25;

/// A page that is filtered has at least so many items before: few may be left of it.
const SMALLEST_FILTERED: usize = 100;

/// Calls that do not depend on each other are made so many at once.
const PARALLEL: usize = 32;

/// So often something is tried again that is in another's way, or that there is no capacity for:
/// about half a minute.
const MOST_WAITS: usize = 30;
const SHORTEST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A table. Throttled calls, time-outs and server faults are retried by the SDK, as its client is
/// set up; what an answer leaves undone is retried here.
#[derive(Clone)]
pub(super) struct Table {
    client: Client,
    name: String,
    clock: Arc<dyn Clock>,
}

/// Which items of a partition, always in the order of their sort keys.
#[derive(Clone, Debug)]
pub(super) enum Range {
    All,
    /// Those with this sort key or a greater one.
    From(String),
    /// Those with a greater sort key.
    After(String),
    /// Those whose sort key begins so.
    Prefix(String),
    /// Those from one sort key to the other, both included.
    Between(String, String),
}

/// What is asked of one partition. Reads are strongly consistent.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pk: String,
    range: Range,
    filter: Option<Expression>,
    attributes: Option<&'static str>,
    backwards: bool,
}

impl Query {
    pub(super) fn of(pk: impl Into<String>, range: Range) -> Self {
        Self { pk: pk.into(), range, filter: None, attributes: None, backwards: false }
    }

    /// Only items for which this holds; it cannot name the keys.
    pub(super) fn filter(self, filter: Expression) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// Only these attributes, written `#pk, #sk`.
    pub(super) fn only(self, attributes: &'static str) -> Self {
        Self { attributes: Some(attributes), ..self }
    }

    /// The greatest sort key first.
    pub(super) fn backwards(self) -> Self {
        Self { backwards: true, ..self }
    }

    fn key_condition(&self) -> Expression {
        let condition = |text: &str| Expression::new(text).with_text(":pk", &self.pk);
        match &self.range {
            Range::All => condition("#pk = :pk"),
            Range::From(sk) => condition("#pk = :pk AND #sk >= :sk").with_text(":sk", sk),
            Range::After(sk) => condition("#pk = :pk AND #sk > :sk").with_text(":sk", sk),
            Range::Prefix(sk) => condition("#pk = :pk AND begins_with(#sk, :sk)").with_text(":sk", sk),
            Range::Between(first, last) => condition("#pk = :pk AND #sk BETWEEN :sk AND :last")
                .with_text(":sk", first)
                .with_text(":last", last),
        }
    }
}

/// How a conditional write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Written {
    Done,
    /// Nothing was written: a condition does not hold.
    ConditionFailed,
}

impl Table {
    pub(super) fn new(client: Client, name: String, clock: Arc<dyn Clock>) -> Self {
        Self { client, name, clock }
    }

    const fn asked(&self, operation: &'static str) -> Asked<'_> {
        Asked { operation, table: self.name.as_str() }
    }

    /// Waits between tries of `operation`, each longer than the one before.
    pub(super) fn patience(&self, operation: &'static str) -> Patience<'_> {
        let waits = ExponentialBuilder::new()
            .with_min_delay(SHORTEST_WAIT)
            .with_max_delay(LONGEST_WAIT)
            .with_jitter()
            .with_jitter_seed(self.clock.random())
            .with_max_times(MOST_WAITS)
            .build();
        Patience { clock: self.clock.as_ref(), operation, waits }
    }

    /// The item, strongly consistent.
    pub(super) async fn get(&self, key: Key) -> Result<Option<Item>> {
        let asked = self.asked("GetItem");
        self.client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .consistent_read(true)
            .send()
            .await
            .map(|answer| answer.item)
            .map_err(|error| asked.failure(&error).into_error(asked))
    }

    /// The items, from as many pages as it takes; at most `limit`. Fewer means that there are no
    /// more.
    pub(super) async fn query(&self, query: &Query, limit: usize) -> Result<Vec<Item>> {
        let (mut found, mut start) = (Vec::new(), None);
        while found.len() < limit {
            let (items, next) = self.page(query, start, limit - found.len()).await?;
            found.extend(items);
            start = next;
            // An empty page may have a next one: only a missing key ends it.
            if start.is_none() {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn page(
        &self,
        query: &Query,
        start: Option<Item>,
        limit: usize,
    ) -> Result<(Vec<Item>, Option<Item>)> {
        let asked = self.asked("Query");
        let mut condition = query.key_condition();
        let filter = query.filter.clone().unwrap_or_default();
        condition.values.extend(filter.values);
        // `Limit` counts what the filter drops, too.
        let limit = if query.filter.is_some() { limit.max(SMALLEST_FILTERED) } else { limit };
        let attributes = query.attributes.unwrap_or_default();
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .set_expression_attribute_names(Some(names([&*condition.text, &*filter.text, attributes])))
            .key_condition_expression(condition.text)
            .set_expression_attribute_values(Some(condition.values))
            .set_filter_expression(query.filter.as_ref().map(|filter| filter.text.clone()))
            .set_projection_expression(query.attributes.map(str::to_owned))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .scan_index_forward(!query.backwards)
            .set_exclusive_start_key(start)
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| asked.failure(&error).into_error(asked))?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key.filter(|key| !key.is_empty())))
    }

    /// The items of these keys, in any order; missing ones are left out. `attributes` as for
    /// [`Query::only`]. Half the price if not `consistent`: what was written a moment ago may
    /// then be missing.
    pub(super) async fn batch_get(
        &self,
        keys: BTreeSet<Key>,
        attributes: Option<&'static str>,
        consistent: bool,
    ) -> Result<Vec<Item>> {
        let asked = self.asked("BatchGetItem");
        let mut keys: Vec<Item> = keys.into_iter().map(Key::into_item).collect();
        let mut found = Vec::new();
        let mut patience = self.patience(asked.operation);
        while !keys.is_empty() {
            let mut left = keys.split_off(keys.len().min(BATCH_READ));
            let asked_for = keys.len();
            let request = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .set_projection_expression(attributes.map(str::to_owned))
                .set_expression_attribute_names(attributes.map(|attributes| names([attributes])))
                .consistent_read(consistent)
                .build()
                .map_err(|error| Error::Store { action: "read", cause: error.to_string() })?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.name, request)
                .send()
                .await
                .map_err(|error| asked.failure(&error).into_error(asked))?;
            found.extend(answer.responses.unwrap_or_default().into_values().flatten());
            let unprocessed = answer.unprocessed_keys.unwrap_or_default();
            let mut unprocessed: Vec<Item> = unprocessed.into_values().flat_map(|keys| keys.keys).collect();
            patience = self.after_batch(patience, asked, asked_for, unprocessed.len()).await?;
            left.append(&mut unprocessed);
            keys = left;
        }
        Ok(found)
    }

    /// Writes the items, replacing those of the same keys; of two with one key the later.
    pub(super) async fn batch_put(&self, items: Vec<Item>) -> Result<()> {
        let asked = self.asked("BatchWriteItem");
        // One call refuses two items with one key.
        let items: BTreeMap<Option<Key>, Item> =
            items.into_iter().map(|item| (Key::of(&item), item)).collect();
        let put = |item| PutRequest::builder().set_item(Some(item)).build();
        let mut requests = Vec::with_capacity(items.len());
        for item in items.into_values() {
            let put =
                put(item).map_err(|error| Error::Store { action: "written", cause: error.to_string() })?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        let mut patience = self.patience(asked.operation);
        while !requests.is_empty() {
            let mut left = requests.split_off(requests.len().min(BATCH_WRITE));
            let asked_for = requests.len();
            let answer = self
                .client
                .batch_write_item()
                .request_items(&self.name, requests)
                .send()
                .await
                .map_err(|error| asked.failure(&error).into_error(asked))?;
            let unprocessed = answer.unprocessed_items.unwrap_or_default();
            let mut unprocessed: Vec<WriteRequest> = unprocessed.into_values().flatten().collect();
            patience = self.after_batch(patience, asked, asked_for, unprocessed.len()).await?;
            left.append(&mut unprocessed);
            requests = left;
        }
        Ok(())
    }

    /// Waits if a batch was not done whole. One of which something was done starts the patience
    /// anew.
    async fn after_batch<'a>(
        &'a self,
        mut patience: Patience<'a>,
        asked: Asked<'_>,
        asked_for: usize,
        undone: usize,
    ) -> Result<Patience<'a>> {
        if undone < asked_for {
            patience = self.patience(asked.operation);
        }
        if undone > 0 {
            patience.wait("unprocessed keys or items").await?;
        }
        Ok(patience)
    }

    /// Writes the item if the condition holds.
    pub(super) async fn put(&self, item: Item, condition: Option<Expression>) -> Result<Written> {
        let asked = self.asked("PutItem");
        let mut patience = self.patience(asked.operation);
        let condition = condition.unwrap_or_default();
        loop {
            let answer = self
                .client
                .put_item()
                .table_name(&self.name)
                .set_item(Some(item.clone()))
                .set_condition_expression(text(&condition))
                .set_expression_attribute_names(named(&condition))
                .set_expression_attribute_values(valued(&condition))
                .send()
                .await;
            let Err(error) = answer else { return Ok(Written::Done) };
            if let Some(written) = patience.after(asked.failure(&error)).await? {
                return Ok(written);
            }
        }
    }

    /// Updates the item, or makes it, if the condition holds; the item as it is then, or `None`
    /// if the condition does not hold.
    pub(super) async fn update(
        &self,
        key: Key,
        update: Expression,
        condition: Option<Expression>,
    ) -> Result<Option<Item>> {
        let asked = self.asked("UpdateItem");
        let mut patience = self.patience(asked.operation);
        let condition = condition.unwrap_or_default();
        let mut values = update.values;
        values.extend(condition.values.clone());
        loop {
            let answer = self
                .client
                .update_item()
                .table_name(&self.name)
                .set_key(Some(key.clone().into_item()))
                .update_expression(&update.text)
                .set_condition_expression(text(&condition))
                .set_expression_attribute_names(Some(names([&*update.text, &*condition.text])))
                .set_expression_attribute_values(Some(values.clone()).filter(|values| !values.is_empty()))
                .return_values(ReturnValue::AllNew)
                .send()
                .await;
            let error = match answer {
                Ok(answer) => return Ok(Some(answer.attributes.unwrap_or_default())),
                Err(error) => error,
            };
            if patience.after(asked.failure(&error)).await?.is_some() {
                return Ok(None);
            }
        }
    }

    /// Removes the item, if there is one.
    pub(super) async fn delete(&self, key: Key) -> Result<()> {
        let asked = self.asked("DeleteItem");
        let mut patience = self.patience(asked.operation);
        loop {
            let key = Some(key.clone().into_item());
            let answer = self.client.delete_item().table_name(&self.name).set_key(key).send().await;
            let Err(error) = answer else { return Ok(()) };
            if patience.after(asked.failure(&error)).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// A part of a transaction: writes an item.
    pub(super) fn putting(&self, item: Item, condition: Option<Expression>) -> Result<TransactWriteItem> {
        let condition = condition.unwrap_or_default();
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .set_condition_expression(text(&condition))
            .set_expression_attribute_names(named(&condition))
            .set_expression_attribute_values(valued(&condition))
            .build();
        let put = put.map_err(|error| Error::Store { action: "written", cause: error.to_string() })?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// A part of a transaction: removes an item.
    pub(super) fn deleting(&self, key: Key, condition: Option<Expression>) -> Result<TransactWriteItem> {
        let condition = condition.unwrap_or_default();
        let delete = Delete::builder()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .set_condition_expression(text(&condition))
            .set_expression_attribute_names(named(&condition))
            .set_expression_attribute_values(valued(&condition))
            .build();
        let delete = delete.map_err(|error| Error::Store { action: "written", cause: error.to_string() })?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// All of it or nothing; at most 100 parts, each of another item.
    pub(super) async fn transact(&self, parts: Vec<TransactWriteItem>) -> Result<Written> {
        let asked = self.asked("TransactWriteItems");
        let mut patience = self.patience(asked.operation);
        loop {
            let answer =
                self.client.transact_write_items().set_transact_items(Some(parts.clone())).send().await;
            let Err(error) = answer else { return Ok(Written::Done) };
            if let Some(written) = patience.after(asked.cancelled(&error)).await? {
                return Ok(written);
            }
        }
    }
}

fn text(condition: &Expression) -> Option<String> {
    Some(condition.text.clone()).filter(|text| !text.is_empty())
}

fn named(condition: &Expression) -> Option<HashMap<String, String>> {
    Some(names([&*condition.text])).filter(|names| !names.is_empty())
}

fn valued(condition: &Expression) -> Option<HashMap<String, AttributeValue>> {
    Some(condition.values.clone()).filter(|values| !values.is_empty())
}

/// What all calls answer, in any order; so many are made at once as one store can use.
pub(super) async fn in_parallel<T>(calls: Vec<impl Future<Output = Result<T>>>) -> Result<Vec<T>> {
    stream::iter(calls).buffer_unordered(PARALLEL).try_collect().await
}

/// How long something is still tried.
pub(super) struct Patience<'a> {
    clock: &'a dyn Clock,
    operation: &'static str,
    waits: ExponentialBackoff,
}

impl Patience<'_> {
    /// Waits before the next try, or gives up because of `cause`.
    pub(super) async fn wait(&mut self, cause: &str) -> Result<()> {
        let Some(wait) = self.waits.next() else {
            return Err(Error::StoreUnavailable { operation: self.operation, cause: cause.to_owned() });
        };
        self.clock.sleep(wait).await;
        Ok(())
    }

    /// How a write ended that failed; `None` after a wait if it can be tried again.
    async fn after(&mut self, failure: Failure) -> Result<Option<Written>> {
        match failure {
            Failure::ConditionFailed => Ok(Some(Written::ConditionFailed)),
            Failure::Busy(cause) => self.wait(&cause).await.map(|()| None),
            Failure::Said(error) => Err(error),
        }
    }
}
