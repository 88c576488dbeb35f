//! What is asked of one partition of a table, and read page by page.

use super::expression::{Expression, names};
use super::table::{Item, Table};
use crate::Result;

/// A page that is filtered has at least so many items before: few may be left of it.
const SMALLEST_FILTERED: usize = 100;

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

impl Table {
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

    /// What `read` makes of each item there is. No more items are in memory than one page has.
    pub(super) async fn query_all<T>(
        &self,
        query: &Query,
        read: impl Fn(&Item) -> Result<T>,
    ) -> Result<Vec<T>> {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let (items, next) = self.page(query, start, usize::MAX).await?;
            found.extend(items.iter().map(&read).collect::<Result<Vec<_>>>()?);
            if next.is_none() {
                return Ok(found);
            }
            start = next;
        }
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
}
