//! Of what is read.

use cognito_profiles::model::{Partition, PoolId, Shard};
use cognito_profiles::ports::Observation;

use super::{Store, as_of, close, observe, row, rows, strings, versions};
use crate::conformance::{at, hostile_keys, pool, run, saw, users};

/// Nothing, and no error.
pub async fn an_unknown_pool_holds_nothing(store: Store) {
    assert_eq!(store.heads(&pool(), &users(), None, 10).await.unwrap(), []);
    assert_eq!(store.as_of(&pool(), &users(), at(1), None, 10).await.unwrap(), []);
    assert_eq!(store.get(&pool(), &users(), &strings(&["ab1"]), at(1)).await.unwrap(), []);
    assert_eq!(store.versions(&pool(), &users(), None, 10).await.unwrap(), []);
    assert_eq!(store.group_names(&pool()).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.runs(Some(&pool())).await.unwrap(), []);
    assert_eq!(store.runs(None).await.unwrap(), []);
}

/// Seven users: two of them changed, two gone.
async fn seven(store: &Store) -> Vec<String> {
    let keys: Vec<String> = (1..=7).map(|n| format!("ab{n}")).collect();
    let seen: Vec<Observation> = keys.iter().map(|key| saw(&users(), key, "a", 1)).collect();
    observe(store, &seen).await;
    observe(store, &[saw(&users(), "ab2", "b", 5), saw(&users(), "ab5", "b", 5)]).await;
    close(store, &users(), &["ab3", "ab7"], 9).await;
    keys
}

/// Pages are full but for the last, hold every head once and in order, and go on after any key.
pub async fn heads_page_at_any_boundary(store: Store) {
    seven(&store).await;
    let all = store.heads(&pool(), &users(), None, 100).await.unwrap();
    assert_eq!(
        all.iter().map(|head| head.key.as_str()).collect::<Vec<_>>(),
        ["ab1", "ab2", "ab4", "ab5", "ab6"]
    );
    for limit in 1..=6 {
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = store.heads(&pool(), &users(), after.as_deref(), limit).await.unwrap();
            let full = page.len() == limit;
            assert_eq!(page.len(), limit.min(all.len() - found.len()));
            after = page.last().map(|head| head.key.clone());
            found.extend(page);
            if !full {
                break;
            }
        }
        assert_eq!(found, all, "limit {limit}");
    }
    let after_one_that_is_gone = store.heads(&pool(), &users(), Some("ab3"), 1).await.unwrap();
    assert_eq!(after_one_that_is_gone[0].key, "ab4");
    assert_eq!(store.heads(&pool(), &users(), Some("ab6"), 1).await.unwrap(), []);
}

/// Also where the versions of one page come from different times.
pub async fn as_of_pages_over_current_and_past(store: Store) {
    seven(&store).await;
    for millis in [0, 1, 4, 5, 8, 9, 100] {
        let all = store.as_of(&pool(), &users(), at(millis), None, 100).await.unwrap();
        assert_eq!(all.len(), [0, 7, 5][usize::from(millis >= 1) + usize::from(millis >= 9)]);
        assert!(all.iter().all(|version| version.held_at(at(millis))));
        for limit in 1..=8 {
            let (mut found, mut after) = (Vec::new(), None::<String>);
            loop {
                let page = store.as_of(&pool(), &users(), at(millis), after.as_deref(), limit).await.unwrap();
                assert_eq!(page.len(), limit.min(all.len() - found.len()));
                let full = page.len() == limit;
                after = page.last().map(|version| version.key.clone());
                found.extend(page);
                if !full {
                    break;
                }
            }
            assert_eq!(found, all, "limit {limit} at {millis}");
        }
    }
}

/// `valid_from <= at < valid_to`, to the millisecond.
pub async fn as_of_holds_from_its_beginning_until_before_its_end(store: Store) {
    seven(&store).await;
    let tag = async |millis, key: &str| {
        let all = as_of(&store, &users(), millis).await;
        all.into_iter().find(|found| found.0 == key).map(|found| found.1)
    };
    for (millis, key, expected) in [
        (0, "ab2", None),
        (1, "ab2", Some("a")),
        (4, "ab2", Some("a")),
        (5, "ab2", Some("b")),
        (8, "ab3", Some("a")),
        (9, "ab3", None),
    ] {
        assert_eq!(tag(millis, key).await.as_deref(), expected, "{key} at {millis}");
    }
}

/// Also between two versions of one record.
pub async fn versions_page_at_any_boundary(store: Store) {
    seven(&store).await;
    let all = store.versions(&pool(), &users(), None, 100).await.unwrap();
    assert_eq!(all.len(), 9);
    assert!(all.is_sorted_by_key(|version| (version.key.clone(), version.valid_from)));
    for limit in 1..=10 {
        let mut found: Vec<cognito_profiles::ports::Version> = Vec::new();
        loop {
            let after = found.last().map(|last| (last.key.as_str(), last.valid_from));
            let page = store.versions(&pool(), &users(), after, limit).await.unwrap();
            assert_eq!(page.len(), limit.min(all.len() - found.len()));
            let full = page.len() == limit;
            found.extend(page);
            if !full {
                break;
            }
        }
        assert_eq!(found, all, "limit {limit}");
    }
    let page = store.versions(&pool(), &users(), Some(("ab2", at(3))), 1).await.unwrap();
    assert_eq!(rows(page), [row("ab2", "b", 5, None)]);
}

/// Whatever order the keys come in, and however often each.
pub async fn get_finds_what_held_then(store: Store) {
    seven(&store).await;
    let get = async |keys: &[&str], millis| {
        let found = store.get(&pool(), &users(), &strings(keys), at(millis)).await.unwrap();
        let mut found = rows(found);
        found.sort();
        found
    };
    assert_eq!(get(&[], 9).await, []);
    assert_eq!(get(&["ab0", "AB1", "ab", ""], 9).await, []);
    assert_eq!(get(&["ab3", "ab2", "ab1", "ab2"], 0).await, []);
    assert_eq!(
        get(&["ab3", "ab2", "ab1", "ab2"], 4).await,
        [row("ab1", "a", 1, None), row("ab2", "a", 1, Some(5)), row("ab3", "a", 1, Some(9))]
    );
    assert_eq!(get(&["ab2", "ab3", "ab1"], 9).await, [row("ab1", "a", 1, None), row("ab2", "b", 5, None)]);
    // More than one request's worth for any store.
    let many: Vec<String> = (0..250).map(|n| format!("ab{n}")).collect();
    assert_eq!(store.get(&pool(), &users(), &many, at(8)).await.unwrap().len(), 7);
}

/// Every key comes back as it was given, in the order of its bytes, wherever it is a key.
pub async fn keys_are_in_byte_order(store: Store) {
    let keys = hostile_keys();
    for partition in [Partition::Groups, users(), Partition::of_member("#", "ab1")] {
        let seen: Vec<Observation> = keys.iter().rev().map(|key| saw(&partition, key, key, 1)).collect();
        observe(&store, &seen).await;
        let all = versions(&store, &partition).await;
        assert_eq!(all.iter().map(|found| &found.0).collect::<Vec<_>>(), keys.iter().collect::<Vec<_>>());
        assert!(all.iter().all(|found| found.0 == found.1), "each has its own content");
        for (number, key) in keys.iter().enumerate() {
            let next = store.heads(&pool(), &partition, Some(key), 1).await.unwrap();
            assert_eq!(next.first().map(|head| &head.key), keys.get(number + 1), "after {key:?}");
        }
        assert_eq!(store.get(&pool(), &partition, &keys, at(1)).await.unwrap().len(), keys.len());
        store.close(&pool(), &partition, &keys, at(2)).await.unwrap();
        assert_eq!(store.heads(&pool(), &partition, None, 1000).await.unwrap(), []);
        assert_eq!(as_of(&store, &partition, 1).await.len(), keys.len());
    }
    assert_eq!(store.group_names(&pool()).await.unwrap(), keys);
}

/// Not one that stands for the beginning.
pub async fn the_empty_key_is_a_key(store: Store) {
    observe(&store, &[saw(&users(), "", "a", 1), saw(&users(), "ab1", "a", 1)]).await;
    assert_eq!(store.heads(&pool(), &users(), None, 10).await.unwrap().len(), 2);
    assert_eq!(store.heads(&pool(), &users(), Some(""), 10).await.unwrap().len(), 1);
    assert_eq!(store.as_of(&pool(), &users(), at(1), None, 10).await.unwrap().len(), 2);
    assert_eq!(store.as_of(&pool(), &users(), at(1), Some(""), 10).await.unwrap().len(), 1);
    assert_eq!(store.versions(&pool(), &users(), None, 10).await.unwrap().len(), 2);
    assert_eq!(store.versions(&pool(), &users(), Some(("", at(1))), 10).await.unwrap().len(), 1);
}

/// By kind, group and shard, whatever a group is called.
pub async fn partitions_are_apart(store: Store) {
    let mut partitions = vec![Partition::Settings, Partition::Groups];
    partitions.extend(["00", "0a", "ff", ""].map(Partition::of_user));
    for group in ["", "a", "A", "a#0", "a ", "\u{e9}", "e\u{301}", "%", "_", "HISTORY", "USERS#00"] {
        partitions
            .extend(["0", "a", ""].map(|sub| Partition::Members(group.to_owned(), Shard::of_member(sub))));
    }
    for (number, partition) in partitions.iter().enumerate() {
        let number = number.to_string();
        observe(&store, &[saw(partition, "ab1", &number, 1), saw(partition, &number, &number, 1)]).await;
    }
    for (number, partition) in partitions.iter().enumerate() {
        let number = number.to_string();
        let found = versions(&store, partition).await;
        assert_eq!(found, [row(&number, &number, 1, None), row("ab1", &number, 1, None)], "{partition:?}");
    }
}

/// The same keys and runs in pools whose ids begin alike.
pub async fn pools_are_apart(store: Store) {
    let pools = ["eu-west-1_A", "eu-west-1_a", "eu-west-1_AA", "eu-west-1"].map(PoolId::new);
    for pool in &pools {
        let seen = [saw(&users(), "ab1", pool.as_str(), 1), saw(&Partition::Groups, pool.as_str(), "a", 1)];
        store.observe(pool, &run(), &seen).await.unwrap();
    }
    store.close(&pools[1], &users(), &strings(&["ab1"]), at(5)).await.unwrap();
    for (number, pool) in pools.iter().enumerate() {
        let found = rows(store.versions(pool, &users(), None, 10).await.unwrap());
        assert_eq!(found, [row("ab1", pool.as_str(), 1, (number == 1).then_some(5))]);
        assert_eq!(store.group_names(pool).await.unwrap(), [pool.as_str()]);
    }
}

/// Current ones, changed ones and those gone, each once.
pub async fn group_names_are_all_that_ever_were(store: Store) {
    let groups = Partition::Groups;
    let seen = ["staff", "Staff", "admins", "\u{e9}"].map(|name| saw(&groups, name, "a", 1));
    observe(&store, &seen).await;
    observe(&store, &[saw(&groups, "staff", "b", 5), saw(&users(), "ab1", "a", 5)]).await;
    close(&store, &groups, &["admins", "staff"], 9).await;
    observe(&store, &[saw(&groups, "staff", "b", 12)]).await;
    assert_eq!(store.group_names(&pool()).await.unwrap(), ["Staff", "admins", "staff", "\u{e9}"]);
}

/// More than any one request holds.
pub async fn ten_thousand_records_of_one_partition(store: Store) {
    let keys: Vec<String> = (0..10_000).map(|n| format!("ab{n:06}")).collect();
    for some in keys.chunks(500).rev() {
        let seen: Vec<Observation> = some.iter().map(|key| saw(&users(), key, key, 1)).collect();
        observe(&store, &seen).await;
    }
    let (odd, even): (Vec<_>, Vec<_>) =
        keys.iter().cloned().partition(|key| key.ends_with(['1', '3', '5', '7', '9']));
    store.close(&pool(), &users(), &odd, at(5)).await.unwrap();
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.heads(&pool(), &users(), after.as_deref(), 1000).await.unwrap();
        let full = page.len() == 1000;
        found.extend(page.into_iter().map(|head| head.key));
        after = found.last().cloned();
        if !full {
            break;
        }
    }
    assert_eq!(found, even);
    let then = as_of(&store, &users(), 4).await;
    assert_eq!(then.into_iter().map(|found| found.0).collect::<Vec<_>>(), keys);
    assert_eq!(store.get(&pool(), &users(), &keys, at(5)).await.unwrap().len(), even.len());
}
