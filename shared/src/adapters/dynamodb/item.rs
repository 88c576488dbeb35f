//! Items: how records are written so that people can read the table, and read back to the byte.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::table::Item;
use crate::model::Hash;
use crate::time::Timestamp;
use crate::{Error, Result};

/// DynamoDB takes 400 KB; some of it is left, so that what was saved also fits into the history,
/// with a longer key and an end.
const LARGEST_ITEM: usize = 400 * 1024 - 512;

/// DynamoDB nests maps and lists to 32 levels.
const DEEPEST: usize = 30;

/// A text attribute.
pub(super) fn text(value: &(impl ToString + ?Sized)) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// A number.
pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// When DynamoDB may remove an item: `days` after `from`, as its time to live has it.
pub(super) fn expiry(from: Timestamp, days: u32) -> AttributeValue {
    AttributeValue::N(expiry_seconds(from, days).to_string())
}

fn expiry_seconds(from: Timestamp, days: u32) -> i64 {
    from.as_millis().div_euclid(1000).saturating_add(i64::from(days) * 24 * 60 * 60)
}

/// Adds JSON to an item: as a native map if it reads back to the same bytes, else as its text.
pub(super) fn put_content(item: &mut Item, content: &str) {
    let map =
        serde_json::from_str(content).ok().filter(Value::is_object).and_then(|json| to_native(&json, 0));
    let (name, value) = match map {
        Some(map) if written(&map).as_deref() == Some(content) => ("record", map),
        _ => ("content", text(content)),
    };
    item.insert(name.to_owned(), value);
}

/// Reads [`put_content`] back.
fn content(item: &Item) -> Option<String> {
    match (item.get("record"), item.get("content")) {
        (Some(map), None) => written(map),
        (None, Some(AttributeValue::S(content))) => Some(content.clone()),
        _ => None,
    }
}

/// The JSON text that a native value reads back to.
fn written(value: &AttributeValue) -> Option<String> {
    from_native(value).map(|json| json.to_string())
}

fn to_native(json: &Value, depth: usize) -> Option<AttributeValue> {
    if depth > DEEPEST {
        return None;
    }
    Some(match json {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(value) => AttributeValue::Bool(*value),
        // DynamoDB writes the number 1.0 as 1.
        Value::Number(number) if number.is_f64() => return None,
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(value) => AttributeValue::S(value.clone()),
        Value::Array(values) => {
            AttributeValue::L(values.iter().map(|value| to_native(value, depth + 1)).collect::<Option<_>>()?)
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                // An attribute has a name.
                (!name.is_empty()).then_some(())?;
                Some((name.clone(), to_native(value, depth + 1)?))
            };
            AttributeValue::M(members.iter().map(member).collect::<Option<HashMap<_, _>>>()?)
        }
    })
}

fn from_native(value: &AttributeValue) -> Option<Value> {
    Some(match value {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(value) => Value::Bool(*value),
        AttributeValue::N(number) => match number.parse::<u64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(number.parse::<i64>().ok()?),
        },
        AttributeValue::S(value) => Value::String(value.clone()),
        AttributeValue::L(values) => Value::Array(values.iter().map(from_native).collect::<Option<_>>()?),
        AttributeValue::M(members) => {
            let member = |(name, value): (&String, _)| Some((name.clone(), from_native(value)?));
            Value::Object(members.iter().map(member).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Adds a record of this code's own to an item.
pub(super) fn put_record(item: &mut Item, record: &impl Serialize, what: &str) -> Result<()> {
    // By way of a `Value`, whose members are sorted.
    let json = serde_json::to_value(record).map_err(|_| damaged(what, "record"))?;
    put_content(item, &json.to_string());
    Ok(())
}

/// Refuses an item that DynamoDB would refuse, in words that say of what kind it is.
pub(super) fn fitting(item: Item, what: &'static str) -> Result<Item> {
    let bytes = item.iter().map(|(name, value)| name.len() + size(value)).sum();
    if bytes > LARGEST_ITEM {
        return Err(Error::RecordTooLarge { what, bytes, limit: LARGEST_ITEM });
    }
    Ok(item)
}

/// As the DynamoDB Developer Guide counts, "Item sizes and formats".
fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len() / 2 + 2,
        AttributeValue::L(values) => values.iter().map(|value| 1 + size(value)).sum::<usize>() + 3,
        AttributeValue::M(members) => {
            members.iter().map(|(name, value)| 1 + name.len() + size(value)).sum::<usize>() + 3
        }
        _ => 1,
    }
}

/// The attributes of an item that was read.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a> {
    pub(super) item: &'a Item,
    /// What the item is, for errors.
    pub(super) what: &'static str,
}

impl<'a> Attributes<'a> {
    pub(super) fn text(self, name: &str) -> Result<&'a str> {
        self.item
            .get(name)
            .and_then(|value| value.as_s().ok())
            .map(String::as_str)
            .ok_or_else(|| self.damaged(name))
    }

    /// A text that may be missing.
    pub(super) fn text_if_any(self, name: &str) -> Result<Option<&'a str>> {
        self.item.contains_key(name).then(|| self.text(name)).transpose()
    }

    /// A number that may be missing.
    pub(super) fn number_if_any(self, name: &str) -> Result<Option<u32>> {
        let read = |value: &AttributeValue| value.as_n().ok()?.parse().ok();
        self.item.get(name).map(|value| read(value).ok_or_else(|| self.damaged(name))).transpose()
    }

    pub(super) fn time(self, name: &str) -> Result<Timestamp> {
        self.text(name)?.parse().map_err(|_| self.damaged(name))
    }

    /// A time that may be missing.
    pub(super) fn time_if_any(self, name: &str) -> Result<Option<Timestamp>> {
        self.item.contains_key(name).then(|| self.time(name)).transpose()
    }

    pub(super) fn hash(self, name: &str) -> Result<Hash> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(self.text(name)?, &mut bytes).map_err(|_| self.damaged(name))?;
        Ok(Hash::from_bytes(bytes))
    }

    /// The JSON that [`put_content`] added.
    pub(super) fn content(self) -> Result<String> {
        content(self.item).ok_or_else(|| self.damaged("record"))
    }

    /// The record that [`put_record`] added.
    pub(super) fn record<T: DeserializeOwned>(self) -> Result<T> {
        serde_json::from_str(&self.content()?).map_err(|_| self.damaged("record"))
    }

    /// Whether it may be removed at `now`.
    pub(super) fn has_expired(self, now: Timestamp) -> Result<bool> {
        let Some(expiry) = self.item.get("expires_at") else { return Ok(false) };
        let seconds = expiry.as_n().ok().and_then(|seconds| seconds.parse::<i64>().ok());
        Ok(seconds.ok_or_else(|| self.damaged("expires_at"))? <= now.as_millis().div_euclid(1000))
    }

    /// That an attribute is missing, or not what this code writes.
    pub(super) fn damaged(self, name: &str) -> Error {
        damaged(self.what, name)
    }
}

fn damaged(what: &str, name: &str) -> Error {
    Error::Corrupted(format!("the attribute {name} of a stored {what} cannot be read"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(content: &str) -> Item {
        let mut item = Item::new();
        put_content(&mut item, content);
        assert_eq!(Attributes { item: &item, what: "user" }.content().unwrap(), content);
        item
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        let nested = leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{1,8}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        });
        prop::collection::btree_map(".{1,8}", nested, 0..6)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn canonical_json_is_a_map_and_reads_back(json in json()) {
            prop_assert!(kept(&json.to_string()).contains_key("record"));
        }

        #[test]
        fn any_text_reads_back(text in ".*") {
            kept(&text);
        }
    }

    #[test]
    fn what_would_read_back_otherwise_is_kept_as_text() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
        let others = [
            r#"{"a": 1}"#,
            r#"{"b":1,"a":1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":-0}"#,
            r#"{"":1}"#,
            "[1]",
            "x",
            "",
            &deep,
        ];
        for content in others {
            assert!(kept(content).contains_key("content"), "{content}");
        }
    }

    #[test]
    fn says_what_is_damaged_without_its_value() {
        let item = Item::from([
            ("content_hash".to_owned(), text("secret")),
            ("valid_from".to_owned(), text("secret")),
        ]);
        let user = Attributes { item: &item, what: "user" };
        let errors = [
            user.hash("content_hash").unwrap_err(),
            user.time("valid_from").unwrap_err(),
            user.text("run_id").unwrap_err(),
            user.content().unwrap_err(),
        ];
        for (error, name) in errors.iter().zip(["content_hash", "valid_from", "run_id", "record"]) {
            assert_eq!(error.kind(), "corrupted");
            let said = error.to_string();
            assert!(
                said.contains(&format!("the attribute {name} of a stored user")) && !said.contains("secret"),
                "{said}"
            );
        }
    }

    #[test]
    fn what_is_too_large_is_refused_by_kind_and_size() {
        let mut item = Item::new();
        item.insert("a".repeat(10), text(&"x".repeat(LARGEST_ITEM - 10)));
        let mut item = fitting(item, "user").unwrap();
        item.insert("b".to_owned(), AttributeValue::Bool(true));
        let error = fitting(item, "user").unwrap_err();
        assert_eq!(error.kind(), "record_too_large");
        assert!(error.to_string().starts_with(&format!("a user of {} bytes", LARGEST_ITEM + 2)), "{error}");
    }

    #[test]
    fn expiry_is_in_whole_seconds() {
        let at = Timestamp::from_millis(1_700_000_000_999);
        assert_eq!(expiry(at, 2), AttributeValue::N("1700172800".to_owned()));
        let item = Item::from([("expires_at".to_owned(), expiry(at, 2))]);
        let run = Attributes { item: &item, what: "run" };
        assert!(!run.has_expired(Timestamp::from_millis(1_700_172_799_999)).unwrap());
        assert!(run.has_expired(Timestamp::from_millis(1_700_172_800_000)).unwrap());
    }
}
