//! Of records that go.

use cognito_profiles::model::{Partition, Shard};
use cognito_profiles::ports::Change;

use super::{Store, as_of, close, observe, observe_later, row, versions};
use crate::conformance::{pool, saw, users};

/// It held until before the time it went, and is not current any more.
pub async fn closing_ends_a_version(store: Store) {
    observe(&store, &[saw(&users(), "ab1", "a", 1), saw(&users(), "ab2", "a", 1)]).await;
    close(&store, &users(), &["ab1"], 5).await;
    assert_eq!(versions(&store, &users()).await, [row("ab1", "a", 1, Some(5)), row("ab2", "a", 1, None)]);
    assert_eq!(as_of(&store, &users(), 4).await.len(), 2);
    assert_eq!(as_of(&store, &users(), 5).await, [row("ab2", "a", 1, None)]);
    let heads = store.heads(&pool(), &users(), None, 10).await.unwrap();
    assert_eq!(heads.into_iter().map(|head| head.key).collect::<Vec<_>>(), ["ab2"]);
}

/// Keys that never were, in a pool that is known or not, and no keys at all.
pub async fn closing_leaves_what_is_not_current(store: Store) {
    close(&store, &users(), &["ab1"], 5).await;
    observe(&store, &[saw(&users(), "ab1", "a", 1)]).await;
    close(&store, &users(), &["ab", "ab11", "AB1", ""], 5).await;
    close(&store, &users(), &[], 5).await;
    assert_eq!(versions(&store, &users()).await, [row("ab1", "a", 1, None)]);
}

/// A version that began after the time of closing was not meant.
pub async fn closing_leaves_what_began_later(store: Store) {
    observe(&store, &[saw(&users(), "ab1", "a", 1)]).await;
    observe(&store, &[saw(&users(), "ab1", "b", 6)]).await;
    close(&store, &users(), &["ab1"], 5).await;
    assert_eq!(versions(&store, &users()).await, [row("ab1", "a", 1, Some(6)), row("ab1", "b", 6, None)]);
}

/// Also within one call, and with an earlier or a later time.
pub async fn closing_twice_keeps_the_first_end(store: Store) {
    observe(&store, &[saw(&users(), "ab1", "a", 1)]).await;
    close(&store, &users(), &["ab1", "ab1"], 5).await;
    for millis in [5, 9, 3] {
        close(&store, &users(), &["ab1"], millis).await;
    }
    assert_eq!(versions(&store, &users()).await, [row("ab1", "a", 1, Some(5))]);
}

/// What was seen before a record went, or in that millisecond, but is delivered after.
pub async fn a_late_observation_does_not_bring_back_what_is_gone(store: Store) {
    observe(&store, &[saw(&users(), "ab1", "a", 1)]).await;
    close(&store, &users(), &["ab1"], 5).await;
    for (tag, millis) in [("a", 1), ("b", 0), ("b", 3), ("a", 5), ("b", 5)] {
        observe(&store, &[saw(&users(), "ab1", tag, millis)]).await;
    }
    assert_eq!(versions(&store, &users()).await, [row("ab1", "a", 1, Some(5))]);
}

/// It begins anew, with a time between when it was not; also with the same content.
pub async fn a_record_that_reappears_is_new(store: Store) {
    observe(&store, &[saw(&users(), "ab1", "a", 1)]).await;
    close(&store, &users(), &["ab1"], 5).await;
    observe_later(&store, &[saw(&users(), "ab1", "a", 9)]).await;
    assert_eq!(versions(&store, &users()).await, [row("ab1", "a", 1, Some(5)), row("ab1", "a", 9, None)]);
    assert_eq!(as_of(&store, &users(), 8).await, []);
    let heads = store.heads(&pool(), &users(), None, 10).await.unwrap();
    assert_eq!(heads[0].change, Change::New);
    close(&store, &users(), &["ab1"], 12).await;
    observe_later(&store, &[saw(&users(), "ab1", "b", 11)]).await;
    assert_eq!(as_of(&store, &users(), 11).await, [row("ab1", "a", 9, Some(12))]);
    assert_eq!(as_of(&store, &users(), 12).await, []);
}

/// A version closed in the millisecond it began is not kept; but that the record went is
/// remembered, so that the same observation, delivered again, does not bring it back.
pub async fn what_held_for_no_time_is_gone_for_good(store: Store) {
    observe(&store, &[saw(&users(), "ab1", "a", 5), saw(&users(), "ab2", "a", 1)]).await;
    observe(&store, &[saw(&users(), "ab2", "b", 5)]).await;
    close(&store, &users(), &["ab1", "ab2"], 5).await;
    for _ in 0..2 {
        assert_eq!(versions(&store, &users()).await, [row("ab2", "a", 1, Some(5))]);
        assert_eq!(as_of(&store, &users(), 5).await, []);
        assert_eq!(store.heads(&pool(), &users(), None, 10).await.unwrap(), []);
        observe(&store, &[saw(&users(), "ab1", "a", 5), saw(&users(), "ab2", "b", 5)]).await;
    }
    observe(&store, &[saw(&users(), "ab1", "a", 6)]).await;
    assert_eq!(as_of(&store, &users(), 6).await, [row("ab1", "a", 6, None)]);
}

/// The same key elsewhere stays.
pub async fn closing_is_of_one_partition(store: Store) {
    let others = [
        Partition::Users(Shard::of_user("ac")),
        Partition::Groups,
        Partition::of_member("one", "ab1"),
        Partition::of_member("two", "ab1"),
    ];
    let seen: Vec<_> = others.iter().chain([&users()]).map(|place| saw(place, "ab1", "a", 1)).collect();
    observe(&store, &seen).await;
    close(&store, &users(), &["ab1"], 5).await;
    close(&store, &others[2], &["ab1"], 5).await;
    for (place, left) in [(&users(), 0), (&others[0], 1), (&others[1], 1), (&others[2], 0), (&others[3], 1)] {
        assert_eq!(as_of(&store, place, 5).await.len(), left, "{place:?}");
    }
}
