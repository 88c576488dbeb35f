//! What every [`Lock`] does.

use std::sync::Arc;

use cognito_profiles::ports::{Lease, Lock};
use cognito_profiles::run::RunId;

use super::{at, later_run, pool, run};

/// A lock to test.
pub type Store = Arc<dyn Lock>;

/// Every property of a lock, each on a new store.
pub async fn lock_conformance<S: Lock + 'static>(new_store: impl AsyncFn() -> Arc<S>) {
    macro_rules! check {
        ($($property:ident),* $(,)?) => { $( $property(new_store().await).await; )* };
    }
    check!(
        who_comes_first_has_it,
        pools_have_a_lock_each,
        a_lease_that_is_over_is_free,
        its_holder_keeps_the_first_run,
        renewing_moves_the_end_and_never_back,
        only_its_holder_renews_it,
        what_is_over_is_renewed_until_it_is_taken,
        only_its_holder_gives_it_back,
        given_back_it_is_free_at_that_time,
        giving_back_again_changes_nothing,
        of_many_at_once_one_has_it,
        of_many_at_once_one_takes_over,
    );
}

fn lease(holder: &str, run: RunId, until: i64) -> Lease {
    Lease { holder: holder.to_owned(), run, until: at(until), released: false }
}

fn first(until: i64) -> Lease {
    lease("first", run(), until)
}

fn second(until: i64) -> Lease {
    lease("second", later_run(), until)
}

async fn acquire(store: &Store, lease: &Lease, now: i64) -> Lease {
    store.acquire(pool().as_str(), lease, at(now)).await.unwrap()
}

async fn current(store: &Store) -> Option<Lease> {
    store.current(pool().as_str()).await.unwrap()
}

/// And whoever comes later is told who.
pub async fn who_comes_first_has_it(store: Store) {
    assert_eq!(current(&store).await, None);
    assert_eq!(acquire(&store, &first(10), 0).await, first(10));
    for now in [0, 9] {
        assert_eq!(acquire(&store, &second(20), now).await, first(10));
    }
    assert_eq!(current(&store).await, Some(first(10)));
}

/// Whatever becomes of one is nothing to another.
pub async fn pools_have_a_lock_each(store: Store) {
    let other = "eu-west-1_Conform02";
    acquire(&store, &first(10), 0).await;
    assert_eq!(store.current(other).await.unwrap(), None);
    assert!(!store.renew(other, "first", at(20)).await.unwrap());
    store.release(other, "first", at(5)).await.unwrap();
    assert_eq!(store.current(other).await.unwrap(), None);
    assert_eq!(store.acquire(other, &second(30), at(0)).await.unwrap(), second(30));
    assert_eq!(current(&store).await, Some(first(10)));
}

/// From its very end on.
pub async fn a_lease_that_is_over_is_free(store: Store) {
    acquire(&store, &first(10), 0).await;
    assert_eq!(acquire(&store, &second(20), 10).await, second(20));
    assert_eq!(current(&store).await, Some(second(20)));
    assert_eq!(acquire(&store, &first(30), 15).await, second(20));
}

/// For a call that is made again means the same; its end moves on, and never back. Also once the
/// lease is over, as long as nobody else took it.
pub async fn its_holder_keeps_the_first_run(store: Store) {
    acquire(&store, &first(10), 0).await;
    let again = |until| lease("first", later_run(), until);
    assert_eq!(acquire(&store, &again(20), 5).await, first(20));
    assert_eq!(acquire(&store, &again(20), 5).await, first(20));
    assert_eq!(acquire(&store, &again(15), 6).await, first(20));
    assert_eq!(current(&store).await, Some(first(20)));
    assert_eq!(acquire(&store, &again(40), 30).await, first(40));
    assert_eq!(acquire(&store, &second(50), 39).await, first(40));
}

/// An earlier end is no failure: the lease holds beyond it.
pub async fn renewing_moves_the_end_and_never_back(store: Store) {
    acquire(&store, &first(10), 0).await;
    for (until, then) in [(20, 20), (20, 20), (15, 20), (21, 21)] {
        assert!(store.renew(pool().as_str(), "first", at(until)).await.unwrap());
        assert_eq!(current(&store).await, Some(first(then)));
    }
    assert_eq!(acquire(&store, &second(30), 20).await, first(21));
}

/// Not who never had it, and not who lost it.
pub async fn only_its_holder_renews_it(store: Store) {
    assert!(!store.renew(pool().as_str(), "first", at(10)).await.unwrap());
    assert_eq!(current(&store).await, None);
    acquire(&store, &first(10), 0).await;
    assert!(!store.renew(pool().as_str(), "second", at(20)).await.unwrap());
    assert_eq!(current(&store).await, Some(first(10)));
    acquire(&store, &second(20), 10).await;
    assert!(!store.renew(pool().as_str(), "first", at(30)).await.unwrap());
    assert_eq!(current(&store).await, Some(second(20)));
}

/// It knows no time of its own: only whoever takes it ends it.
pub async fn what_is_over_is_renewed_until_it_is_taken(store: Store) {
    acquire(&store, &first(10), 0).await;
    assert!(store.renew(pool().as_str(), "first", at(20)).await.unwrap());
    assert_eq!(acquire(&store, &second(40), 15).await, first(20));
    assert_eq!(acquire(&store, &second(40), 25).await, second(40));
    assert!(!store.renew(pool().as_str(), "first", at(50)).await.unwrap());
}

/// Whoever else tries changes nothing.
pub async fn only_its_holder_gives_it_back(store: Store) {
    store.release(pool().as_str(), "first", at(5)).await.unwrap();
    assert_eq!(current(&store).await, None);
    acquire(&store, &first(10), 0).await;
    store.release(pool().as_str(), "second", at(5)).await.unwrap();
    assert_eq!(current(&store).await, Some(first(10)));
    acquire(&store, &second(20), 10).await;
    store.release(pool().as_str(), "first", at(11)).await.unwrap();
    assert_eq!(current(&store).await, Some(second(20)));
}

/// Until then nobody gets it, who gave it back included; and nobody renews it.
pub async fn given_back_it_is_free_at_that_time(store: Store) {
    for (until, end) in [(100, 10), (20, 120)] {
        acquire(&store, &first(until), 10).await;
        store.release(pool().as_str(), "first", at(end)).await.unwrap();
        let released = Lease { released: true, ..first(end) };
        assert_eq!(current(&store).await, Some(released.clone()));
        assert_eq!(acquire(&store, &second(500), end - 1).await, released);
        assert_eq!(acquire(&store, &first(500), end - 1).await, released);
        assert!(!store.renew(pool().as_str(), "first", at(500)).await.unwrap());
        assert_eq!(current(&store).await, Some(released));
    }
    let anew = lease("first", later_run(), 200);
    assert_eq!(acquire(&store, &anew, 120).await, anew);
    assert!(store.renew(pool().as_str(), "first", at(210)).await.unwrap());
}

/// Its end stays where it was set first.
pub async fn giving_back_again_changes_nothing(store: Store) {
    acquire(&store, &first(100), 0).await;
    for until in [10, 20, 5] {
        store.release(pool().as_str(), "first", at(until)).await.unwrap();
    }
    assert_eq!(current(&store).await, Some(Lease { released: true, ..first(10) }));
    assert_eq!(acquire(&store, &second(30), 10).await, second(30));
}

/// How many try at once.
const MANY: i64 = 20;

/// Everyone tries at once, and is told the same.
async fn only_one_of_many(store: &Store, now: i64) {
    let contenders: Vec<_> = (0..MANY)
        .map(|n| {
            let store = Arc::clone(store);
            let mine = lease(&format!("{n} at {now}"), run(), now + 100 + n);
            tokio::spawn(async move { store.acquire(pool().as_str(), &mine, at(now)).await.unwrap() })
        })
        .collect();
    let mut told = Vec::new();
    for contender in contenders {
        told.push(contender.await.unwrap());
    }
    let holder = current(store).await.unwrap();
    assert!(holder.holder.ends_with(&format!(" at {now}")), "it was free");
    assert!(told.iter().all(|lease| *lease == holder), "{told:?}");
}

/// Where nobody ever had it.
pub async fn of_many_at_once_one_has_it(store: Store) {
    only_one_of_many(&store, 0).await;
}

/// From one whose lease is over, and from one who gave it back.
pub async fn of_many_at_once_one_takes_over(store: Store) {
    acquire(&store, &first(1000), 0).await;
    only_one_of_many(&store, 1000).await;
    let holder = current(&store).await.unwrap().holder;
    store.release(pool().as_str(), &holder, at(1050)).await.unwrap();
    only_one_of_many(&store, 1050).await;
}
