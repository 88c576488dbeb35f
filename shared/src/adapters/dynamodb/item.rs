//! Items: how records are written so that people can read the table, and read back to the byte.

use std::collections::HashMap;
use std::io::{Read, Write};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::table::{Item, Key};
use crate::adapters::kept;
use crate::model::Hash;
use crate::time::Timestamp;
use crate::{Error, Result};

/// DynamoDB takes 400 KB; some of it is left, so that what was saved also fits into the history,
/// with a longer key and an end.
const LARGEST_ITEM: usize = 400 * 1024 - 512;

/// The most a content may have before it is compressed: what is read back has to fit into memory,
/// whatever an item says it is.
const LARGEST_CONTENT: usize = 16 * 1024 * 1024;

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

/// Reads [`put_content`] back, and what [`fitting`] made of it.
fn content(item: &Item) -> Option<String> {
    match (item.get("record"), item.get("content"), item.get("compressed")) {
        (Some(map), None, None) => written(map),
        (None, Some(AttributeValue::S(content)), None) => Some(content.clone()),
        (None, None, Some(AttributeValue::B(compressed))) => decompressed(compressed.as_ref()),
        _ => None,
    }
}

/// Gzip without a name or a time, so that the same content gives the same bytes.
fn compressed(content: &str) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content.as_bytes()).ok()?;
    encoder.finish().ok()
}

fn decompressed(compressed: &[u8]) -> Option<String> {
    let mut content = String::new();
    let limit = LARGEST_CONTENT as u64 + 1;
    GzDecoder::new(compressed).take(limit).read_to_string(&mut content).ok()?;
    (content.len() <= LARGEST_CONTENT).then_some(content)
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
    let content = kept::written(record).ok_or_else(|| damaged(what, "record", item))?;
    put_content(item, &content);
    Ok(())
}

/// Compresses the content of an item that is larger than DynamoDB takes. What does not fit even so
/// is refused, in words that say of what kind it is.
pub(super) fn fitting(item: Item, what: &'static str) -> Result<Item> {
    let item = if size_of(&item) > LARGEST_ITEM { smaller(item) } else { item };
    match size_of(&item) {
        bytes if bytes > LARGEST_ITEM => Err(Error::RecordTooLarge { what, bytes, limit: LARGEST_ITEM }),
        _ => Ok(item),
    }
}

fn smaller(mut item: Item) -> Item {
    let content = content(&item).filter(|content| content.len() <= LARGEST_CONTENT);
    if let Some(compressed) = content.and_then(|content| compressed(&content)) {
        item.retain(|name, _| name != "record" && name != "content");
        item.insert("compressed".to_owned(), AttributeValue::B(Blob::new(compressed)));
    }
    item
}

fn size_of(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size(value)).sum()
}

/// As the DynamoDB Developer Guide counts, "Item sizes and formats".
fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
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

    /// As it is written, and in no other way: the table compares times as texts.
    pub(super) fn time(self, name: &str) -> Result<Timestamp> {
        let text = self.text(name)?;
        let time = text.parse().ok().filter(|time: &Timestamp| time.to_string() == text);
        time.ok_or_else(|| self.damaged(name))
    }

    /// A time that may be missing.
    pub(super) fn time_if_any(self, name: &str) -> Result<Option<Timestamp>> {
        self.item.contains_key(name).then(|| self.time(name)).transpose()
    }

    pub(super) fn hash(self, name: &str) -> Result<Hash> {
        let (text, mut bytes) = (self.text(name)?, [0; 32]);
        hex::decode_to_slice(text, &mut bytes).map_err(|_| self.damaged(name))?;
        let hash = Some(Hash::from_bytes(bytes)).filter(|hash| hash.to_string() == text);
        hash.ok_or_else(|| self.damaged(name))
    }

    /// The JSON that [`put_content`] added.
    pub(super) fn content(self) -> Result<String> {
        content(self.item).ok_or_else(|| self.damaged("record"))
    }

    /// The record that [`put_record`] added.
    pub(super) fn record<T: DeserializeOwned>(self) -> Result<T> {
        kept::read(&self.content()?).ok_or_else(|| self.damaged("record"))
    }

    /// The same, if it is what belongs under the item's key.
    pub(super) fn record_at<T: DeserializeOwned>(self, key: impl FnOnce(&T) -> Key) -> Result<T> {
        let record = self.record()?;
        let is_in_place = Key::of(self.item) == Some(key(&record));
        is_in_place.then_some(record).ok_or_else(|| self.damaged("record"))
    }

    /// Whether it may be removed at `now`.
    pub(super) fn has_expired(self, now: Timestamp) -> Result<bool> {
        let Some(expiry) = self.item.get("expires_at") else { return Ok(false) };
        let seconds = expiry.as_n().ok().and_then(|seconds| seconds.parse::<i64>().ok());
        Ok(seconds.ok_or_else(|| self.damaged("expires_at"))? <= now.as_millis().div_euclid(1000))
    }

    /// That an attribute is missing, or not what this code writes.
    pub(super) fn damaged(self, name: &str) -> Error {
        damaged(self.what, name, self.item)
    }
}

/// Names the item, for whoever looks for it in the table: its keys are ids, `sub`s and names of
/// groups.
fn damaged(what: &str, name: &str, item: &Item) -> Error {
    let which = Key::of(item).map(|Key { pk, sk }| format!(" (pk {pk:?}, sk {sk:?})")).unwrap_or_default();
    Error::Corrupted(format!("the attribute {name} of a stored {what} cannot be read{which}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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

    /// Printable characters of four bytes, of all there are, from a fixed seed.
    fn awkward(characters: usize) -> String {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            u32::try_from(state % 0x10_0000).ok().and_then(|code| char::from_u32(0x1_0000 + code))
        };
        std::iter::repeat_with(next).flatten().take(characters).collect()
    }

    /// As many attributes of 2,048 characters.
    fn hostile_user(attributes: usize) -> String {
        let value = awkward(attributes * 2048);
        let mut characters = value.chars();
        let attributes: BTreeMap<String, String> = (0..attributes)
            .map(|number| (format!("custom:a{number}"), characters.by_ref().take(2048).collect()))
            .collect();
        serde_json::json!({ "attributes": attributes, "sub": "s" }).to_string()
    }

    fn fitted(content: &str) -> Result<Item> {
        let mut item = kept(content);
        item.insert("pk".to_owned(), text(&"p".repeat(100)));
        fitting(item, "user")
    }

    #[test]
    fn what_is_too_large_is_compressed_and_reads_back() {
        // 50 custom attributes, and the 13 standard ones that hold any text: all a user can have.
        for attributes in [50, 63] {
            let content = hostile_user(attributes);
            assert!(content.len() > LARGEST_ITEM);
            let item = fitted(&content).unwrap();
            assert!(!item.contains_key("record") && !item.contains_key("content"));
            assert_eq!(Attributes { item: &item, what: "user" }.content().unwrap(), content);
            assert_eq!(fitted(&content).unwrap(), item, "the same bytes each time");
            // Of these characters, which no compression knows better, three quarters remain.
            let size = size_of(&item);
            assert!(size * 100 / content.len() <= 75 && size <= LARGEST_ITEM, "{attributes}: {size}");
        }
        let small = fitted(&hostile_user(20)).unwrap();
        assert!(small.contains_key("record"), "what fits stays plain to read");
    }

    #[test]
    fn text_that_is_no_canonical_json_is_compressed_too() {
        let content = format!("[{}]", "1,".repeat(LARGEST_ITEM));
        let item = fitted(&content).unwrap();
        assert_eq!(Attributes { item: &item, what: "user" }.content().unwrap(), content);
    }

    #[test]
    fn what_does_not_fit_even_compressed_is_refused() {
        let error = fitted(&hostile_user(75)).unwrap_err();
        assert_eq!(error.kind(), "record_too_large");
        let endless = format!("{{\"a\":\"{}\"}}", "x".repeat(LARGEST_CONTENT));
        assert_eq!(fitted(&endless).unwrap_err().kind(), "record_too_large", "it could not be read back");
    }

    #[test]
    fn what_does_not_decompress_is_damaged() {
        let content = hostile_user(50);
        let whole = compressed(&content).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        let bomb = compressed(&"x".repeat(LARGEST_CONTENT + 1)).unwrap();
        for bytes in [&whole[..whole.len() - 9], &flipped, b"", &bomb] {
            let item = Item::from([("compressed".to_owned(), AttributeValue::B(Blob::new(bytes)))]);
            let error = Attributes { item: &item, what: "user" }.content().unwrap_err();
            assert_eq!(error.kind(), "corrupted");
        }
        let mut two = Item::from([("compressed".to_owned(), AttributeValue::B(Blob::new(whole)))]);
        put_content(&mut two, "{}");
        assert!(Attributes { item: &two, what: "user" }.content().is_err(), "which of the two?");
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
