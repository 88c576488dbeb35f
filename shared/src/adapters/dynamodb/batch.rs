//! Many items in one call, of which an answer may leave some undone.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, WriteRequest};

use super::expression::names;
use super::failure::Asked;
use super::patience::Patience;
use super::table::{Item, Key, Table};
use crate::{Error, Result};

/// So many keys may be read in one call (API Reference: `BatchGetItem`).
const BATCH_READ: usize = 100;

/// So many items may be written in one call (API Reference: `BatchWriteItem`).
const BATCH_WRITE: usize = 25;

impl Table {
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
}
