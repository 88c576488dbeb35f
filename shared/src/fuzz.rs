//! What fuzzing needs: any JSON, and JSON with one thing spoiled. Each part is fuzzed beside its
//! code, in a module `fuzz`.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

/// How many cases a property is tried with: as many as it says, or `FUZZ_TIMES` as many.
pub(crate) fn config(usual: u32) -> ProptestConfig {
    let times = std::env::var("FUZZ_TIMES").ok().and_then(|times| times.parse().ok());
    let cases = usual.saturating_mul(times.unwrap_or(1));
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// What no error may repeat.
pub(crate) const SECRET: &str = "a-value-of-somebody";

/// Texts of every sort, some of them to be recognised.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just(SECRET.to_owned()),
        Just(String::new()),
        "[0-9-]{1,24}",
        "20[0-9]{2}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))?",
        "[0-9a-fA-F]{64}",
        "[{}\\[\\]\",:0-9a-z\\\\]{0,16}",
    ]
}

/// Any JSON.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-2..=2_i64).prop_map(Value::from),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// JSON that is one of these, but for a few values that are replaced, gone, or under another name.
pub(crate) fn spoiled(whole: Vec<Value>) -> impl Strategy<Value = Value> {
    let change = (any::<Index>(), prop::option::of(json()), prop::option::weighted(0.1, text()));
    (prop::sample::select(whole), prop::collection::vec(change, 0..4)).prop_map(|(mut value, changes)| {
        for (place, by, name) in changes {
            let place = place.index(count(&value));
            spoil(&mut value, place, by.as_ref(), name.as_deref());
        }
        value
    })
}

/// How many values there are in it, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// Replaces, removes or renames the value of that number, counted from the outside inwards.
fn spoil(value: &mut Value, place: usize, by: Option<&Value>, name: Option<&str>) {
    let Some(mut place) = place.checked_sub(1) else {
        *value = by.cloned().unwrap_or_default();
        return;
    };
    match value {
        Value::Array(items) => {
            for item in items {
                match place.checked_sub(count(item)) {
                    Some(rest) => place = rest,
                    None => return spoil(item, place, by, name),
                }
            }
        }
        Value::Object(members) => {
            for key in members.keys().cloned().collect::<Vec<_>>() {
                match place.checked_sub(count(&members[&key])) {
                    Some(rest) => place = rest,
                    None if place > 0 => return spoil(&mut members[&key], place, by, name),
                    None => {
                        let taken = members.remove(&key).unwrap_or_default();
                        let put =
                            name.map(|name| (name.to_owned(), taken)).or(by.map(|by| (key, by.clone())));
                        return members.extend(put);
                    }
                }
            }
        }
        _ => {}
    }
}

/// Text that is one of these, but for some bytes.
pub(crate) fn garbled(whole: Vec<String>) -> impl Strategy<Value = String> {
    let change = (any::<Index>(), any::<Index>(), any::<u8>());
    (prop::sample::select(whole), prop::collection::vec(change, 0..4)).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (at, length, byte) in changes.into_iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match byte % 3 {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                _ => drop(bytes.drain(at..at + length.index(bytes.len() - at).min(8))),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

mod cursors {
    //! Places that are kept, and go on in another process.

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::import::{Batch, CheckPlace, MatchPlace};
    use crate::model::Partition;
    use crate::ports::{Cursor, DeadLetter, Listing, PageId, Phase};
    use crate::read::Position;
    use crate::run::RunId;
    use crate::time::Timestamp;

    fn position() -> impl Strategy<Value = Position> {
        let partition = prop_oneof![
            Just(Partition::Settings),
            Just(Partition::Groups),
            text().prop_map(|sub| Partition::of_user(&sub)),
            (text(), text()).prop_map(|(group, sub)| Partition::of_member(&group, &sub)),
        ];
        prop_oneof![
            Just(Position::Start),
            Just(Position::End),
            (partition, prop::option::of(text()))
                .prop_map(|(partition, after)| Position::At { partition, after }),
        ]
    }

    fn listing() -> impl Strategy<Value = Listing> {
        prop_oneof![
            Just(Listing::Groups),
            Just(Listing::Users),
            Just(Listing::Replay(Phase::Memberships)),
            text().prop_map(Listing::UsersBySub),
            text().prop_map(Listing::Members),
            text().prop_map(Listing::MembersAgain),
            text().prop_map(|sub| Listing::Missing(crate::model::Shard::of_user(&sub))),
        ]
    }

    /// Reads it, or not; and what is read is written and read the same.
    fn read<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(json: &Value) {
        if let Ok(place) = serde_json::from_value::<T>(json.clone()) {
            let text = serde_json::to_string(&place).unwrap();
            assert_eq!(serde_json::from_str::<T>(&text).unwrap(), place);
        }
    }

    fn places() -> Vec<Value> {
        let at = json!({"at": {"partition": {"members": ["g", "a"]}, "after": "a1"}});
        let letter =
            DeadLetter { listing: Listing::Users, page: None, error: None, at: Timestamp::from_millis(0) };
        let check = json!({"part": "other_members", "position": at, "records": 1, "differences": 2});
        vec![
            at.clone(),
            json!("start"),
            check,
            json!({"side": "new", "position": at, "again": true, "missing": 3}),
            serde_json::to_value(Cursor::default()).unwrap(),
            json!({"members": "g"}),
            json!({"replay": "users"}),
            serde_json::to_value(letter).unwrap(),
            json!({"listing": "groups", "attempt": 1, "number": 2}),
            json!({"memberships": [["g", ["a1"]]]}),
        ]
    }

    proptest! {
        #![proptest_config(config(400))]

        #[test]
        fn what_is_kept_is_read_back(position in position(), listing in listing()) {
            let json = serde_json::to_string(&position).unwrap();
            prop_assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
            let json = serde_json::to_string(&listing).unwrap();
            prop_assert_eq!(serde_json::from_str::<Listing>(&json).unwrap(), listing);
        }

        #[test]
        fn nothing_that_is_read_panics(json in spoiled(places())) {
            read::<Position>(&json);
            read::<CheckPlace>(&json);
            read::<MatchPlace>(&json);
            read::<Cursor>(&json);
            read::<Listing>(&json);
            read::<DeadLetter>(&json);
            read::<PageId>(&json);
            read::<Batch>(&json);
        }

        #[test]
        fn a_time_is_read_as_it_is_written(text in text(), millis in any::<i64>()) {
            let times = [text.parse().ok(), Timestamp::writable(millis), Timestamp::writable(millis >> 16)];
            for time in times.into_iter().flatten() {
                prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
                prop_assert_eq!(serde_json::from_value::<Timestamp>(json!(time)).unwrap(), time);
            }
            let _ = RunId::new(text).started_at();
            // Far beyond what can be written, it still is something to show.
            prop_assert!(!Timestamp::from_millis(millis).to_string().is_empty());
            let _ = RunId::generate(Timestamp::from_millis(millis), millis.cast_unsigned());
        }
    }
}
