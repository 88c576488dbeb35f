//! Records of this code's own (runs, imports, …) as both stores keep them: JSON with a hash of
//! itself, so that damage to one shows.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::model::Hash;

const HASH: &str = "content_hash";

/// The record's JSON, its members sorted by name, the hash of all others among them.
pub(super) fn written(record: &impl Serialize) -> Option<String> {
    let mut json = serde_json::to_value(record).ok()?;
    let hash = Hash::of(json.to_string().as_bytes());
    json.as_object_mut()?.insert(HASH.to_owned(), json!(hash));
    Some(json.to_string())
}

/// Reads [`written`] back; none if it is not what was written. One that was written before there
/// were hashes has none.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    let json: Value = serde_json::from_str(text).ok()?;
    match json.get(HASH) {
        Some(hash) if *hash != json!(Hash::of(without(text, hash).as_bytes())) => None,
        _ => serde_json::from_str(text).ok(),
    }
}

/// The text less the hash: not written anew, for a number may then have other digits. No text
/// inside can be mistaken for it: its quotation marks would be escaped.
fn without(text: &str, hash: &Value) -> String {
    let member = format!("\"{HASH}\":{hash}");
    let with_comma = [format!("{member},"), format!(",{member}"), member];
    let parts = with_comma.iter().find_map(|member| text.split_once(member));
    parts.map(|(before, after)| before.to_owned() + after).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reads_back_and_any_other_character_shows(
            record in prop::collection::btree_map("[a-z]{1,3}", prop::option::of(".{0,4}"), 1..5),
            at in any::<prop::sample::Index>(),
            other in any::<char>(),
        ) {
            let text = written(&record).unwrap();
            prop_assert_eq!(read::<BTreeMap<String, Option<String>>>(&text).map(|mut read| {
                read.remove(HASH);
                read
            }), Some(record));
            let mut characters: Vec<char> = text.chars().collect();
            let which = at.index(characters.len());
            prop_assume!(characters[which] != other);
            characters[which] = other;
            let damaged: String = characters.into_iter().collect();
            // But for the name of the hash: without it, the record is taken for an old one.
            let has_hash = damaged.contains(&format!("\"{HASH}\":"));
            prop_assert!(!has_hash || read::<Value>(&damaged).is_none(), "{damaged}");
        }
    }

    #[test]
    fn a_number_keeps_its_digits_and_an_old_record_is_read() {
        for record in [json!({"b": 0.1, "z": 1_689_980_857.949}), json!({"a": 1e300, "d": -0.0}), json!({})] {
            assert!(read::<Value>(&written(&record).unwrap()).is_some(), "{record}");
            assert!(read::<Value>(&record.to_string()).is_some(), "{record}");
        }
        assert_eq!(read::<Value>("[1]"), Some(json!([1])));
        assert_eq!(written(&1), None);
    }
}
