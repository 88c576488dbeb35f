//! The requests made of a table of the retired solution: none of them writes.

use aws_sdk_dynamodb::types::AttributeValue;
use futures::{Stream, stream};

use super::RetiredTable;
use super::items::{Item, LATEST_EXPORT};
use crate::adapters::dynamodb::failure::Asked;
use crate::{Error, Result};

/// So many parts of a table are read at once, each page by page of at most 1 MB.
pub(super) const SEGMENTS: i32 = 8;

/// A page: what is on it, and the key after which the next begins.
type Page = (Vec<Item>, Option<Item>);

impl RetiredTable {
    /// Refuses a table whose items do not have the keys of the retired solution. All items of a
    /// table have the same, so one is looked at.
    pub(super) async fn must_be_retired(&self) -> Result<()> {
        let mut start = None;
        loop {
            let (items, next) = self.page(self.scan().limit(1).set_exclusive_start_key(start)).await?;
            if let Some(item) = items.first() {
                return self.judge_keys(item);
            }
            if next.is_none() {
                return Err(self.not_retired("is empty: name another with --backup"));
            }
            start = next;
        }
    }

    fn judge_keys(&self, item: &Item) -> Result<()> {
        let has =
            |names: [&str; 2]| names.iter().all(|name| item.get(*name).is_some_and(AttributeValue::is_s));
        if has(["id", "type"]) {
            return Ok(());
        }
        let table = &self.name;
        if has(["pk", "sk"]) {
            let matter = format!(
                "is not one of the retired solution but of this one: name it --backup dynamodb:{table}"
            );
            return Err(self.not_retired(matter));
        }
        Err(self.not_retired(STRANGER))
    }

    pub(super) fn not_retired(&self, matter: impl Into<String>) -> Error {
        Error::NotRetired { table: self.name.clone(), matter: matter.into() }
    }

    /// The items that say which export came to its end last: one for each deployment that ever
    /// wrote to the table.
    pub(super) async fn latest_exports(&self) -> Result<Vec<Item>> {
        let asked = Asked { operation: "Query", table: &self.name };
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("#id = :id")
            .expression_attribute_names("#id", "id")
            .expression_attribute_values(":id", AttributeValue::S(LATEST_EXPORT.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| asked.failure(&error).into_error(asked))?;
        Ok(answer.items.unwrap_or_default())
    }

    /// The pages of one segment of the table.
    pub(super) fn pages(&self, segment: i32) -> impl Stream<Item = Result<Vec<Item>>> + Send + '_ {
        stream::try_unfold(Some(None), move |next: Option<Option<Item>>| async move {
            let Some(start) = next else { return Ok(None) };
            let scan = self.scan().total_segments(SEGMENTS).segment(segment);
            let (items, next) = self.page(scan.set_exclusive_start_key(start)).await?;
            // An empty page may have a next one: only a missing key ends the segment.
            Ok(Some((items, next.map(Some))))
        })
    }

    fn scan(&self) -> aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder {
        self.client.scan().table_name(&self.name).consistent_read(true)
    }

    async fn page(
        &self,
        scan: aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder,
    ) -> Result<Page> {
        let asked = Asked { operation: "Scan", table: &self.name };
        let answer = scan.send().await.map_err(|error| asked.failure(&error).into_error(asked))?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key.filter(|key| !key.is_empty())))
    }
}

/// What a table is that has other keys, or none of the keys that the retired solution writes.
pub(super) const STRANGER: &str = "is not one of the retired Cognito User Profiles Export Reference Architecture: \
     name another with --backup";
