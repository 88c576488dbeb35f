//! Items, of which any attribute may be damaged.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;
use proptest::sample::Index;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::NOW;
use crate::adapters::dynamodb::item::{Attributes, put_record};
use crate::adapters::dynamodb::keys::{self, Place};
use crate::adapters::dynamodb::table::{Item, Key};
use crate::adapters::dynamodb::{observe, read};
use crate::fuzz::{SECRET, config, text};
use crate::model::{Group, Membership, Partition, PoolId, Record, User};
use crate::ports::{Change, CreateWith, Mapping, MappingState, Observation};
use crate::run::{Manifest, Run, RunId, RunStatus, Totals};

fn anything() -> impl Strategy<Value = AttributeValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(AttributeValue::Null),
        any::<bool>().prop_map(AttributeValue::Bool),
        text().prop_map(AttributeValue::S),
        "-?[0-9]{1,30}(\\.[0-9]{1,8})?|NaN|1e400".prop_map(AttributeValue::N),
        prop::collection::vec(any::<u8>(), 0..24).prop_map(|bytes| AttributeValue::B(Blob::new(bytes))),
        prop::collection::vec(text(), 0..3).prop_map(AttributeValue::Ss),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
            prop::collection::hash_map(text(), inner, 0..4).prop_map(AttributeValue::M),
        ]
    })
}

/// What is done to an item, at one of its attributes, or one of those inside it.
#[derive(Clone, Debug)]
struct Damage {
    at: Vec<Index>,
    to: Option<AttributeValue>,
    name: Option<String>,
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let one = (
        prop::collection::vec(any::<Index>(), 1..4),
        prop::option::of(anything()),
        prop::option::weighted(0.2, text()),
    );
    prop::collection::vec(one.prop_map(|(at, to, name)| Damage { at, to, name }), 1..3)
}

fn spoil(item: &mut Item, Damage { at, to, name }: &Damage) {
    let mut names: Vec<String> =
        item.keys().filter(|name| !matches!(&***name, "pk" | "sk")).cloned().collect();
    names.sort();
    let Some((first, rest)) = at.split_first().filter(|_| !names.is_empty()) else { return };
    let chosen = first.get(&names).clone();
    if let (Some(AttributeValue::M(inner)), false) = (item.get_mut(&chosen), rest.is_empty()) {
        return spoil(inner, &Damage { at: rest.to_vec(), to: to.clone(), name: name.clone() });
    }
    let was = item.remove(&chosen);
    match (name, to) {
        (Some(name), _) => item.extend(was.map(|was| (name.clone(), was))),
        (None, Some(to)) => item.extend([(chosen, to.clone())]),
        (None, None) => {}
    }
}

fn spoiled(mut item: Item, damage: &[Damage]) -> Item {
    for damage in damage {
        spoil(&mut item, damage);
    }
    item
}

fn pool() -> PoolId {
    PoolId::new("eu-west-1_Fuzz00001")
}

fn records() -> impl Strategy<Value = Record> {
    let attributes = prop::collection::btree_map("[a-z:]{1,8}", text(), 0..4);
    let user = (text(), text(), attributes).prop_map(|(sub, username, attributes)| {
        Record::User(User {
            sub,
            username,
            attributes,
            enabled: true,
            status: SECRET.to_owned(),
            created_at: Some(NOW),
            modified_at: None,
            mfa_options: Vec::new(),
        })
    });
    let group = (text(), prop::option::of(text()), prop::option::of(any::<i32>())).prop_map(
        |(name, description, precedence)| {
            Record::Group(Group {
                name,
                description,
                precedence,
                role_arn: None,
                created_at: None,
                modified_at: None,
            })
        },
    );
    let member = (text(), text(), text())
        .prop_map(|(group, sub, username)| Record::Membership(Membership { group, sub, username }));
    prop_oneof![user, group, member]
}

/// The item of a record, current or ended.
fn item_of(place: &Place<'_>, seen: &Observation, is_ended: bool) -> Item {
    let mut item = observe::version(place, &RunId::new("r"), seen, Change::New).unwrap();
    if is_ended {
        item.extend(place.ended(&seen.key, NOW).into_item());
        item.insert("valid_to".to_owned(), AttributeValue::S(NOW.next().to_string()));
    }
    item
}

/// Keys may be named; the values of the records here hold what must not be.
fn repeats_nothing(error: &crate::Error, item: &Item) {
    let keys = Key::of(item).map(|Key { pk, sk }| pk + &sk).unwrap_or_default();
    assert_eq!(error.kind(), "corrupted");
    assert!(keys.contains(SECRET) || !error.to_string().contains(SECRET), "{error}");
}

proptest! {
    #![proptest_config(config(600))]

    /// Read as the record it is, or as one that is not sound, or refused.
    #[test]
    fn a_spoiled_version_is_never_another_record(record in records(), is_ended in any::<bool>(), damage in damage()) {
        let (pool, partition) = (pool(), record.partition());
        let place = Place::new(&pool, &partition);
        let seen = Observation::new(&record, NOW).unwrap();
        let whole = item_of(&place, &seen, is_ended);
        let read_back = read::version(&place, &whole).unwrap();
        prop_assert!(read_back.is_intact() && read_back.record().unwrap() == record);
        match read::version(&place, &spoiled(whole.clone(), &damage)) {
            Ok(version) if version.is_intact() => {
                prop_assert_eq!(version.content, seen.content);
                prop_assert_eq!((version.key, version.hash), (seen.key, seen.hash));
            }
            Ok(_) => {}
            Err(error) => repeats_nothing(&error, &whole),
        }
    }

    /// Items of another writer, or none at all.
    #[test]
    fn any_item_is_a_version_or_refused(item in prop::collection::hash_map("pk|sk|record|content|compressed|content_hash|valid_from|valid_to|run_id|change|[a-z]{1,4}", anything(), 0..9)) {
        for partition in [Partition::Settings, Partition::Groups, Partition::of_user("a1"), Partition::of_member("g", "a")] {
            let pool = pool();
            if let Ok(version) = read::version(&Place::new(&pool, &partition), &item) {
                prop_assert_eq!(version.valid_from.to_string(), item["valid_from"].as_s().unwrap().clone());
            }
        }
    }

    #[test]
    fn a_spoiled_record_of_ours_is_refused_or_what_it_was(users in any::<u64>(), reason in prop::option::of(text()), damage in damage()) {
        let manifest = Manifest { totals: Totals { users, ..Totals::default() }, ..Manifest::default() };
        let run = Run {
            id: RunId::new("20270115T080000Z-1a2b3c"),
            pool: pool(),
            status: RunStatus::Held,
            started_at: NOW,
            ended_at: Some(NOW),
            estimated_users: users,
            listed_whole: false,
            manifest: Some(manifest),
            reason,
            left_out: Vec::new(),
        };
        spoiled_record(&run, &keys::run(&run.pool, &run.id), &damage);
        let mapping = Mapping {
            sub: "a1".to_owned(),
            username: SECRET.to_owned(),
            new_sub: Some("b2".to_owned()),
            new_username: None,
            state: MappingState::Restored,
            created_with: CreateWith::ImportJob,
            reason: None,
            line: Some(2),
        };
        spoiled_record(&mapping, &Key::new("m", "a1"), &damage);
    }

    /// Compressed contents that are none, and such as never end.
    #[test]
    fn any_bytes_are_a_content_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80), magic in any::<bool>()) {
        let head: &[u8] = if magic { &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff] } else { &[] };
        let compressed = AttributeValue::B(Blob::new([head, &bytes].concat()));
        let item = Item::from([("compressed".to_owned(), compressed)]);
        if let Err(error) = (Attributes { item: &item, what: "user" }).content() {
            repeats_nothing(&error, &item);
        }
    }
}

fn spoiled_record<T>(record: &T, key: &Key, damage: &[Damage])
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let mut whole = key.clone().into_item();
    put_record(&mut whole, record, "run").unwrap();
    let item = spoiled(whole.clone(), damage);
    // Without its hash, a record is taken for one that an earlier version wrote.
    let has_hash = |item: &Item| match item.get("record") {
        Some(AttributeValue::M(members)) => members.contains_key("content_hash"),
        _ => true,
    };
    match (Attributes { item: &item, what: "run" }).record_at(|_: &T| key.clone()) {
        Ok(read) => assert!(read == *record || !has_hash(&item), "{read:?}"),
        Err(error) => repeats_nothing(&error, &whole),
    }
}

/// The table compares times as texts: in another form, one would sort otherwise than it says.
#[test]
fn a_time_in_another_form_is_damage() {
    let (pool, partition) = (pool(), Partition::Groups);
    let place = Place::new(&pool, &partition);
    let group = Record::Group(Group {
        name: "g".to_owned(),
        description: None,
        precedence: None,
        role_arn: None,
        created_at: None,
        modified_at: None,
    });
    let whole = item_of(&place, &Observation::new(&group, NOW).unwrap(), false);
    assert!(read::version(&place, &whole).is_ok());
    for form in
        ["2027-01-15", "2027-01-15T08:00:00Z", "2027-01-15T09:00:00.000+01:00", "2027-01-15T08:00:00.0000Z"]
    {
        let mut item = whole.clone();
        item.insert("valid_from".to_owned(), AttributeValue::S(form.to_owned()));
        let error = read::version(&place, &item).unwrap_err().to_string();
        assert!(error.contains("the attribute valid_from of a stored group cannot be read (pk"), "{error}");
        assert!(error.contains("\"POOL#eu-west-1_Fuzz00001#GROUPS\", sk \"g\""), "{error}");
    }
}

/// One that is read whole reads as it was written, whatever else is in the item.
#[test]
fn a_record_under_the_key_of_another_is_refused() {
    let mapping = BTreeMap::from([("sub", "a1")]);
    let mut item = Key::new("m", "a2").into_item();
    put_record(&mut item, &mapping, "run").unwrap();
    let read = Attributes { item: &item, what: "run" }.record_at(|_: &serde_json::Value| Key::new("m", "a1"));
    assert_eq!(read.unwrap_err().kind(), "corrupted");
}
