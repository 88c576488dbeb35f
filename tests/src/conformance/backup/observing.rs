//! Of observations.

use std::collections::BTreeMap;
use std::sync::Arc;

use cognito_profiles::model::{Hash, Partition, Shard};
use cognito_profiles::ports::{Change, Observation};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Store, as_of, close, observe, observe_later, row, versions};
use crate::conformance::{at, later_run, pool, run, saw, users};

/// What is seen first is new to its run, and holds from then.
pub async fn a_first_observation_is_new_and_current(store: Store) {
    let seen = saw(&users(), "ab1", "a", 5);
    observe(&store, std::slice::from_ref(&seen)).await;
    let heads = store.heads(&pool(), &users(), None, 10).await.unwrap();
    let [head] = heads.as_slice() else { panic!("{heads:?}") };
    assert_eq!((head.key.as_str(), head.hash, &head.run), ("ab1", seen.hash, &run()));
    assert_eq!((head.change, head.valid_from), (Change::New, at(5)));
    assert_eq!(as_of(&store, &users(), 4).await, []);
    assert_eq!(as_of(&store, &users(), 5).await, [row("ab1", "a", 5, None)]);
    let found = store.as_of(&pool(), &users(), at(5), None, 10).await.unwrap();
    assert_eq!((&found[0].run, &found[0].partition), (&run(), &users()));
}

/// What is as it was is not written again: neither its time nor its run changes.
pub async fn an_equal_observation_changes_nothing(store: Store) {
    observe(&store, &[saw(&users(), "ab1", "a", 5)]).await;
    let before = store.heads(&pool(), &users(), None, 10).await.unwrap();
    observe_later(&store, &[saw(&users(), "ab1", "a", 9)]).await;
    observe_later(&store, &[saw(&users(), "ab1", "a", 1)]).await;
    assert_eq!(store.heads(&pool(), &users(), None, 10).await.unwrap(), before);
    assert_eq!(versions(&store, &users()).await, [row("ab1", "a", 5, None)]);
}

/// A changed record's earlier version stays, until the change.
pub async fn a_change_keeps_what_was_before(store: Store) {
    for (tag, millis) in [("a", 1), ("b", 5), ("a", 9)] {
        observe(&store, &[saw(&users(), "ab1", tag, millis)]).await;
    }
    let all = [row("ab1", "a", 1, Some(5)), row("ab1", "b", 5, Some(9)), row("ab1", "a", 9, None)];
    assert_eq!(versions(&store, &users()).await, all);
    for (millis, version) in [(1, 0), (4, 0), (5, 1), (8, 1), (9, 2), (1000, 2)] {
        assert_eq!(as_of(&store, &users(), millis).await, all[version..=version], "at {millis}");
    }
}

/// What was seen earlier than what is stored says nothing about now.
pub async fn an_older_observation_is_ignored(store: Store) {
    observe(&store, &[saw(&users(), "ab1", "b", 5)]).await;
    observe(&store, &[saw(&users(), "ab1", "a", 4)]).await;
    assert_eq!(versions(&store, &users()).await, [row("ab1", "b", 5, None)]);
}

/// The same observation again, in the same call or another, from this run or another.
pub async fn duplicates_change_nothing(store: Store) {
    let (first, second) = (saw(&users(), "ab1", "a", 1), saw(&users(), "ab1", "b", 5));
    let calls = [
        vec![first.clone(), first.clone(), second.clone()],
        vec![second.clone(), first.clone()],
        vec![first],
        vec![second.clone(), second],
    ];
    for call in &calls {
        observe(&store, call).await;
    }
    observe_later(&store, &calls[1]).await;
    assert_eq!(versions(&store, &users()).await, [row("ab1", "a", 1, Some(5)), row("ab1", "b", 5, None)]);
    assert_eq!(store.heads(&pool(), &users(), None, 10).await.unwrap()[0].run, run());
}

/// Two contents, that of the lesser hash first.
fn by_hash() -> [&'static str; 2] {
    let hash = |tag| saw(&users(), "", tag, 0).hash;
    if hash("a") < hash("b") { ["a", "b"] } else { ["b", "a"] }
}

/// Of two observations of one millisecond the same one wins, whichever comes first; the other
/// held for no time and leaves nothing.
pub async fn the_greater_hash_wins_a_millisecond(store: Store) {
    let [lesser, greater] = by_hash();
    for (key, order) in [("ab1", [lesser, greater]), ("ab2", [greater, lesser])] {
        for tag in order {
            observe(&store, &[saw(&users(), key, tag, 5)]).await;
        }
    }
    for (key, order) in [("ab3", [lesser, greater]), ("ab4", [greater, lesser])] {
        observe(&store, &order.map(|tag| saw(&users(), key, tag, 5))).await;
    }
    let expected = ["ab1", "ab2", "ab3", "ab4"].map(|key| row(key, greater, 5, None));
    assert_eq!(versions(&store, &users()).await, expected);
    assert_eq!(as_of(&store, &users(), 5).await, expected);
}

/// A tie does not touch the version before it, and the next change is as ever.
pub async fn a_tie_keeps_the_version_before_it(store: Store) {
    let [lesser, greater] = by_hash();
    for (tag, millis) in [("before", 1), (lesser, 5), (greater, 5), (lesser, 5), ("after", 6)] {
        observe(&store, &[saw(&users(), "ab1", tag, millis)]).await;
    }
    assert_eq!(
        versions(&store, &users()).await,
        [row("ab1", "before", 1, Some(5)), row("ab1", greater, 5, Some(6)), row("ab1", "after", 6, None)]
    );
}

async fn change(store: &Store, key: &str) -> Change {
    let heads = store.heads(&pool(), &users(), None, 10).await.unwrap();
    heads.iter().find(|head| head.key == key).unwrap().change
}

/// If one run sees a record change under its eyes, the record is still new to it.
pub async fn a_run_that_sees_a_record_twice_leaves_it_new(store: Store) {
    for (tag, millis) in [("a", 1), ("b", 2), ("c", 3)] {
        observe(&store, &[saw(&users(), "ab1", tag, millis)]).await;
        assert_eq!(change(&store, "ab1").await, Change::New);
    }
}

/// A record that differs from what an earlier run saw is changed, also when seen twice.
pub async fn a_later_run_makes_it_changed(store: Store) {
    observe(&store, &[saw(&users(), "ab1", "a", 1), saw(&users(), "ab2", "a", 1)]).await;
    for (tag, millis) in [("b", 5), ("c", 6)] {
        observe_later(&store, &[saw(&users(), "ab1", tag, millis)]).await;
        assert_eq!(change(&store, "ab1").await, Change::Changed);
    }
    assert_eq!(change(&store, "ab2").await, Change::New);
    let heads = store.heads(&pool(), &users(), None, 10).await.unwrap();
    assert_eq!([&heads[0].run, &heads[1].run], [&later_run(), &run()]);
    let all = store.versions(&pool(), &users(), None, 10).await.unwrap();
    let runs: Vec<_> = all.into_iter().map(|version| version.run).collect();
    assert_eq!(runs, [run(), later_run(), later_run(), run()]);
}

/// Observations of one call need have nothing in common.
pub async fn one_call_may_be_of_many_partitions(store: Store) {
    let partitions = [
        Partition::Settings,
        Partition::Groups,
        users(),
        Partition::Users(Shard::of_user("")),
        Partition::of_member("staff", "ab1"),
    ];
    let seen: Vec<_> = partitions.iter().map(|partition| saw(partition, "ab1", "a", 1)).collect();
    observe(&store, &seen).await;
    observe(&store, &[]).await;
    for partition in &partitions {
        assert_eq!(versions(&store, partition).await, [row("ab1", "a", 1, None)], "{partition:?}");
    }
}

/// Neither the spacing nor the order of members nor any character of the JSON is touched.
pub async fn content_is_kept_to_the_byte(store: Store) {
    let contents = [
        r#"{"z":1,"a": [ 1,2 ],"tag":"\u0000\ud83d\ude00 \" \\ \n"}"#.to_owned(),
        "{\"tag\":\"\u{1f600}e\u{301}\u{e9}\u{202e}'; DROP TABLE current; --\"}".to_owned(),
        format!(r#"{{"tag":"{}"}}"#, "x".repeat(100_000)),
    ];
    for (number, content) in contents.iter().enumerate() {
        let seen = Observation {
            partition: users(),
            key: format!("ab{number}"),
            content: content.clone(),
            hash: Hash::of(content.as_bytes()),
            observed_at: at(1),
        };
        observe(&store, &[seen]).await;
    }
    let found = store.as_of(&pool(), &users(), at(1), None, 10).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|version| version.content).collect();
    assert_eq!(found, contents);
}

/// A user of 50 attributes of 2,048 characters of four bytes each: more than the 400 KB an item of
/// DynamoDB may have. Read the same in every way there is.
pub async fn the_largest_user_is_kept_to_the_byte(store: Store) {
    let contents = [1, 2].map(largest_user);
    for (content, millis) in contents.iter().zip([1, 5]) {
        let seen = Observation {
            partition: users(),
            key: "ab1".to_owned(),
            content: content.clone(),
            hash: Hash::of(content.as_bytes()),
            observed_at: at(millis),
        };
        observe(&store, &[seen.clone(), seen]).await;
    }
    let all = store.versions(&pool(), &users(), None, 10).await.unwrap();
    assert_eq!(all.iter().map(|version| &version.content).collect::<Vec<_>>(), [&contents[0], &contents[1]]);
    for (millis, content) in [(1, &contents[0]), (5, &contents[1])] {
        let then = store.as_of(&pool(), &users(), at(millis), None, 10).await.unwrap();
        let got = store.get(&pool(), &users(), &["ab1".to_owned()], at(millis)).await.unwrap();
        for found in [then, got] {
            assert_eq!(found.len(), 1);
            assert!(found[0].is_intact() && found[0].content == *content);
        }
    }
    let heads = store.heads(&pool(), &users(), None, 10).await.unwrap();
    assert_eq!(heads[0].hash, Hash::of(contents[1].as_bytes()));
    close(&store, &users(), &["ab1"], 9).await;
    let gone = store.get(&pool(), &users(), &["ab1".to_owned()], at(8)).await.unwrap();
    assert!(gone[0].content == contents[1]);
}

fn largest_user(seed: u64) -> String {
    let mut random = StdRng::seed_from_u64(seed);
    let mut value =
        || -> String { (0..2048).map(|_| random.random_range('\u{10000}'..='\u{10ffff}')).collect() };
    let attributes: BTreeMap<String, String> =
        (0..50).map(|number| (format!("custom:a{number}"), value())).collect();
    serde_json::json!({ "attributes": attributes, "tag": seed.to_string() }).to_string()
}

/// Whatever the order in which writers get their turn.
pub async fn observations_at_the_same_time_end_in_the_latest(store: Store) {
    let writers: Vec<_> = (0..40)
        .map(|n| {
            let store = Arc::clone(&store);
            // A fixed shuffle: 7 and 40 have no common factor.
            let millis = (n * 7) % 40;
            tokio::spawn(async move {
                observe(&store, &[saw(&users(), "ab1", &millis.to_string(), millis)]).await;
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(as_of(&store, &users(), 39).await, [row("ab1", "39", 39, None)]);
    let all = versions(&store, &users()).await;
    for pair in all.windows(2) {
        assert_eq!(pair[0].3, Some(pair[1].2), "versions follow each other without gap or overlap");
    }
}
