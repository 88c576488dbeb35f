//! One table with string keys `pk` and `sk`, and the requests made of single items.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, ReturnValue, TransactWriteItem};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::expression::{Expression, names};
use super::failure::Asked;
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

/// Calls that do not depend on each other are made so many at once.
const PARALLEL: usize = 32;

/// A table. Throttled calls, time-outs and server faults are retried by the SDK, as its client is
/// set up; what an answer leaves undone is retried here.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) clock: Arc<dyn Clock>,
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

    pub(super) const fn asked(&self, operation: &'static str) -> Asked<'_> {
        Asked { operation, table: self.name.as_str() }
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
