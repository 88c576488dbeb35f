//! What every [`Ledger`] does.

use std::sync::Arc;

use cognito_profiles::model::{Partition, Shard};
use cognito_profiles::ports::{Cursor, DeadLetter, Ledger, Listing, ListingProgress, PageId};

use super::{at, hostile_keys, later_run, run, users};

/// A ledger to test.
pub type Store = Arc<dyn Ledger>;

/// Every property of a ledger, each on a new store.
pub async fn ledger_conformance<S: Ledger + 'static>(new_store: impl AsyncFn() -> Arc<S>) {
    macro_rules! check {
        ($($property:ident),* $(,)?) => { $( $property(new_store().await).await; )* };
    }
    check!(
        an_unknown_run_has_nothing,
        listings_keep_their_order,
        opening_again_leaves_what_is,
        what_is_sent_stays_sent,
        a_cursor_moves_on_and_never_back,
        who_reads_on_is_told_where,
        pages_beyond_the_cursor_count_for_who_took_it_over,
        of_many_who_take_a_listing_one_reads_on,
        a_page_counts_once,
        nothing_is_left_of_what_is_begun_anew,
        pages_may_be_written_before_the_cursor_moves,
        a_page_read_again_adds_what_it_shows,
        what_was_seen_is_in_order_and_once,
        subs_are_seen_as_they_are_written,
        what_is_read_again_was_added_meanwhile,
        users_are_counted_once,
        what_is_gone_is_kept,
        dead_letters_are_replaced_and_taken_back,
        clearing_forgets_one_run,
        ten_thousand_seen,
        many_writers_count_exactly,
    );
}

fn cursor(attempt: u32, pages: u64, token: Option<&str>, ended: bool) -> Cursor {
    Cursor { attempt, pages, token: token.map(str::to_owned), ended, ..Cursor::default() }
}

fn held(cursor: Cursor) -> Cursor {
    Cursor { held: true, ..cursor }
}

async fn take(store: &Store) -> Cursor {
    store.take(&run(), &Listing::Users).await.unwrap().unwrap()
}

async fn advance(store: &Store, to: Cursor) -> bool {
    store.advance(&run(), &Listing::Users, &to).await.unwrap()
}

fn page(listing: &Listing, attempt: u32, number: u64) -> PageId {
    PageId { listing: listing.clone(), attempt, number }
}

fn seen(keys: &[&str]) -> Vec<(Partition, String)> {
    keys.iter().map(|key| (users(), (*key).to_owned())).collect()
}

async fn progress(store: &Store, listing: &Listing) -> ListingProgress {
    store.listing(&run(), listing).await.unwrap().unwrap()
}

/// Nothing, and no error.
pub async fn an_unknown_run_has_nothing(store: Store) {
    assert_eq!(store.listings(&run()).await.unwrap(), []);
    assert_eq!(store.listing(&run(), &Listing::Users).await.unwrap(), None);
    assert_eq!(store.seen(&run(), &users()).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.gone(&run()).await.unwrap(), 0);
    assert_eq!(store.users_seen(&run()).await.unwrap(), 0);
    store.clear(&run()).await.unwrap();
}

/// As opened, not as named; also names that are hard to keep apart.
pub async fn listings_keep_their_order(store: Store) {
    let mut listings = vec![Listing::UsersBySub("f".to_owned()), Listing::Users, Listing::Groups];
    for name in hostile_keys().into_iter().rev().chain([String::new(), "users".to_owned()]) {
        listings.push(Listing::Members(name.clone()));
        listings.push(Listing::UsersBySub(name.clone()));
        listings.push(Listing::MembersAgain(name));
    }
    let (first, second) = listings.split_at(5);
    store.open(&run(), first).await.unwrap();
    store.open(&run(), &[]).await.unwrap();
    store.open(&run(), second).await.unwrap();
    let new = |listing: &Listing| ListingProgress {
        listing: listing.clone(),
        cursor: Cursor::default(),
        written: 0,
        sent: false,
    };
    assert_eq!(store.listings(&run()).await.unwrap(), listings.iter().map(new).collect::<Vec<_>>());
    for listing in &listings {
        assert_eq!(progress(&store, listing).await, new(listing));
    }
    assert_eq!(store.listings(&later_run()).await.unwrap(), []);
    assert_eq!(store.listing(&later_run(), &Listing::Users).await.unwrap(), None);
}

/// How far a listing is, and its place among the others.
pub async fn opening_again_leaves_what_is(store: Store) {
    let members = Listing::Members("staff".to_owned());
    store.open(&run(), &[Listing::Users, Listing::Groups, Listing::Users]).await.unwrap();
    store.advance(&run(), &Listing::Users, &cursor(0, 1, Some("t"), false)).await.unwrap();
    store.count_page(&run(), &page(&Listing::Users, 0, 0), &[]).await.unwrap();
    store.open(&run(), &[members.clone(), Listing::Groups, Listing::Users]).await.unwrap();
    let listings = store.listings(&run()).await.unwrap();
    assert_eq!(
        listings.iter().map(|progress| &progress.listing).collect::<Vec<_>>(),
        [&Listing::Users, &Listing::Groups, &members]
    );
    assert_eq!((&listings[0].cursor, listings[0].written), (&cursor(0, 1, Some("t"), false), 1));
}

/// Whatever else happens to the listing; of its run only; and only if it was opened.
pub async fn what_is_sent_stays_sent(store: Store) {
    store.mark_sent(&run(), &[Listing::Users]).await.unwrap();
    assert_eq!(store.listing(&run(), &Listing::Users).await.unwrap(), None);
    for run in [run(), later_run()] {
        store.open(&run, &[Listing::Users, Listing::Groups]).await.unwrap();
    }
    store.mark_sent(&run(), &[Listing::Users, Listing::Members("unknown".to_owned())]).await.unwrap();
    store.mark_sent(&run(), &[]).await.unwrap();
    store.advance(&run(), &Listing::Users, &cursor(0, 1, Some("t"), false)).await.unwrap();
    store.open(&run(), &[Listing::Users]).await.unwrap();
    store.mark_sent(&run(), &[Listing::Users]).await.unwrap();
    let sent: Vec<bool> = store.listings(&run()).await.unwrap().iter().map(|listing| listing.sent).collect();
    assert_eq!(sent, [true, false]);
    assert_eq!(progress(&store, &Listing::Users).await.cursor.pages, 1);
    assert!(!store.listing(&later_run(), &Listing::Users).await.unwrap().unwrap().sent);
}

/// Not to fewer pages, not away from the end, not for another attempt; of its run only.
pub async fn a_cursor_moves_on_and_never_back(store: Store) {
    assert!(!advance(&store, cursor(0, 1, None, false)).await);
    assert_eq!(store.listing(&run(), &Listing::Users).await.unwrap(), None);
    store.open(&run(), &[Listing::Users, Listing::Groups]).await.unwrap();
    store.open(&later_run(), &[Listing::Users]).await.unwrap();

    let moves = [
        (cursor(0, 0, Some("after an empty page"), false), true),
        (held(cursor(0, 2, Some("t2"), false)), true),
        (cursor(0, 2, Some("t2"), false), true),
        (held(cursor(0, 2, Some("t2"), false)), true),
        (cursor(0, 1, Some("t1"), false), false),
        (cursor(0, 1, None, true), false),
        (cursor(1, 3, Some("another's"), false), false),
        (cursor(0, 11, Some("t11"), false), true),
        (cursor(0, 9, Some("t9"), false), false),
        (cursor(0, 11, None, true), true),
        (cursor(0, 11, None, true), true),
        (cursor(0, 11, Some("t11"), false), false),
        (cursor(0, 12, Some("t12"), false), false),
    ];
    let mut expected = Cursor::default();
    for (next, is_on) in moves {
        let is_ours = advance(&store, next.clone()).await;
        assert_eq!(is_ours, next.attempt == 0, "{next:?}");
        if is_on {
            expected = next.clone();
        }
        assert_eq!(progress(&store, &Listing::Users).await.cursor, expected, "after {next:?}");
    }
    assert_eq!(progress(&store, &Listing::Groups).await.cursor, Cursor::default());
    let other = store.listing(&later_run(), &Listing::Users).await.unwrap().unwrap();
    assert_eq!(other.cursor, Cursor::default());
}

/// However often it is counted; of its listing and run only.
pub async fn a_page_counts_once(store: Store) {
    let like = Listing::UsersBySub("a".to_owned());
    store.open(&run(), &[Listing::Users, like.clone()]).await.unwrap();
    store.open(&later_run(), &[Listing::Users]).await.unwrap();
    for number in [0, 0, 2, 0, 2] {
        store.count_page(&run(), &page(&Listing::Users, 0, number), &seen(&["ab1"])).await.unwrap();
    }
    store.count_page(&run(), &page(&like, 0, 0), &[]).await.unwrap();
    assert_eq!(progress(&store, &Listing::Users).await.written, 0, "none of them is the cursor's yet");
    store.advance(&run(), &Listing::Users, &cursor(0, 3, Some("t"), false)).await.unwrap();
    store.advance(&run(), &like, &cursor(0, 1, None, true)).await.unwrap();
    assert_eq!(progress(&store, &Listing::Users).await.written, 2);
    assert_eq!(progress(&store, &like).await.written, 1);
    let written: Vec<u64> =
        store.listings(&run()).await.unwrap().iter().map(|progress| progress.written).collect();
    assert_eq!(written, [2, 1]);
    assert_eq!(store.listing(&later_run(), &Listing::Users).await.unwrap().unwrap().written, 0);
}

/// From where the last one let go; and nobody else moves the cursor then.
pub async fn who_reads_on_is_told_where(store: Store) {
    assert_eq!(store.take(&run(), &Listing::Users).await.unwrap(), None);
    assert_eq!(store.restart(&run(), &Listing::Users).await.unwrap(), None);
    store.open(&run(), &[Listing::Users]).await.unwrap();
    store.open(&later_run(), &[Listing::Users]).await.unwrap();
    assert_eq!(take(&store).await, held(Cursor::default()));
    assert!(advance(&store, cursor(0, 3, Some("t3"), false)).await);
    assert_eq!(take(&store).await, held(cursor(0, 3, Some("t3"), false)), "it was let go of");
    assert!(advance(&store, held(cursor(0, 4, Some("t4"), false))).await);

    assert_eq!(take(&store).await, held(cursor(1, 4, Some("t4"), false)), "it was not");
    assert!(!advance(&store, held(cursor(0, 14, Some("t14"), false))).await);
    assert!(!advance(&store, cursor(0, 14, None, true)).await);
    assert_eq!(progress(&store, &Listing::Users).await.cursor, held(cursor(1, 4, Some("t4"), false)));
    assert!(advance(&store, cursor(1, 5, None, true)).await);
    assert_eq!(take(&store).await, cursor(1, 5, None, true), "what has ended is left as it is");
    let other = store.listing(&later_run(), &Listing::Users).await.unwrap().unwrap();
    assert_eq!(other.cursor, Cursor::default());
}

/// The same token, asked again, can bring another page: one does not stand for the other.
pub async fn pages_beyond_the_cursor_count_for_who_took_it_over(store: Store) {
    store.open(&run(), &[Listing::Users]).await.unwrap();
    let count = async |attempt, number| {
        store.count_page(&run(), &page(&Listing::Users, attempt, number), &[]).await.unwrap();
    };
    let counts =
        async |attempt, number| store.counts(&run(), &page(&Listing::Users, attempt, number)).await.unwrap();
    let written = async || progress(&store, &Listing::Users).await.written;
    take(&store).await;
    for number in 0..4 {
        count(0, number).await;
    }
    assert!(advance(&store, held(cursor(0, 2, Some("t2"), false))).await);
    assert!(counts(0, 1).await && counts(0, 3).await && !counts(1, 3).await);

    assert_eq!(take(&store).await.attempt, 1);
    assert!(counts(0, 1).await && !counts(0, 2).await && !counts(1, 1).await && counts(1, 2).await);
    assert!(advance(&store, cursor(1, 4, Some("t4"), false)).await);
    assert_eq!(written().await, 2, "pages 2 and 3 were read once more");
    count(0, 2).await;
    count(1, 3).await;
    assert_eq!(written().await, 3);

    // Twice, before either has sent a page that counts.
    assert_eq!(take(&store).await.attempt, 1);
    assert_eq!(take(&store).await.attempt, 2);
    count(2, 4).await;
    assert_eq!(take(&store).await.attempt, 3);
    assert!(advance(&store, cursor(3, 6, None, true)).await);
    count(3, 5).await;
    count(1, 4).await;
    count(1, 5).await;
    assert_eq!(written().await, 4);
    count(1, 2).await;
    assert!(!progress(&store, &Listing::Users).await.is_done());
    count(3, 4).await;
    assert_eq!(written().await, 6);
    assert!(progress(&store, &Listing::Users).await.is_done());
    assert!(store.listings(&run()).await.unwrap()[0].is_done());
    assert!(counts(0, 0).await && counts(1, 3).await && counts(3, 5).await);
    assert!(!counts(2, 4).await && !counts(1, 4).await);
    assert!(!store.counts(&run(), &page(&Listing::Groups, 0, 0)).await.unwrap());
    assert!(!store.counts(&later_run(), &page(&Listing::Users, 0, 0)).await.unwrap());
}

/// At the same time: each has an attempt of its own, and only the last one's moves the cursor.
pub async fn of_many_who_take_a_listing_one_reads_on(store: Store) {
    store.open(&run(), &[Listing::Users]).await.unwrap();
    let takers: Vec<_> = (0..8)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                if n % 4 == 3 {
                    return store.restart(&run(), &Listing::Users).await.unwrap().unwrap();
                }
                take(&store).await
            })
        })
        .collect();
    let mut attempts = Vec::new();
    for taker in takers {
        attempts.push(taker.await.unwrap().attempt);
    }
    attempts.sort_unstable();
    assert!(attempts.is_sorted_by(|one, next| one < next), "{attempts:?}");
    let current = progress(&store, &Listing::Users).await.cursor;
    assert_eq!((Some(&current.attempt), current.restarts), (attempts.last(), 2));
    for attempt in attempts {
        let is_ours = advance(&store, held(cursor(attempt, 1, Some("t"), false))).await;
        assert_eq!(is_ours, attempt == current.attempt);
    }
}

/// A page of an attempt given up does not stand for one of the next.
pub async fn nothing_is_left_of_what_is_begun_anew(store: Store) {
    store.open(&run(), &[Listing::Users]).await.unwrap();
    take(&store).await;
    for number in 0..30 {
        store.count_page(&run(), &page(&Listing::Users, 0, number), &seen(&["ab1"])).await.unwrap();
    }
    assert!(advance(&store, held(cursor(0, 30, Some("t"), false))).await);
    assert_eq!(progress(&store, &Listing::Users).await.written, 30);
    let anew = store.restart(&run(), &Listing::Users).await.unwrap().unwrap();
    assert_eq!(anew, Cursor { restarts: 1, ..held(cursor(1, 0, None, false)) });
    assert!(!store.counts(&run(), &page(&Listing::Users, 0, 1)).await.unwrap());
    assert!(advance(&store, Cursor { pages: 2, token: Some("t".to_owned()), ..anew }).await);
    assert_eq!(progress(&store, &Listing::Users).await.written, 0);
    store.count_page(&run(), &page(&Listing::Users, 0, 1), &[]).await.unwrap();
    store.count_page(&run(), &page(&Listing::Users, 1, 0), &seen(&["ab2"])).await.unwrap();
    assert_eq!(progress(&store, &Listing::Users).await.written, 1);
    assert_eq!(store.seen(&run(), &users()).await.unwrap(), ["ab1", "ab2"], "seen is seen");
}

/// A listing is done only when it has ended and all its pages are written, in whatever order.
pub async fn pages_may_be_written_before_the_cursor_moves(store: Store) {
    store.open(&run(), &[Listing::Users]).await.unwrap();
    store.count_page(&run(), &page(&Listing::Users, 0, 1), &[]).await.unwrap();
    assert!(!progress(&store, &Listing::Users).await.is_done());
    store.advance(&run(), &Listing::Users, &cursor(0, 2, None, true)).await.unwrap();
    assert!(!progress(&store, &Listing::Users).await.is_done());
    store.count_page(&run(), &page(&Listing::Users, 0, 1), &[]).await.unwrap();
    assert!(!progress(&store, &Listing::Users).await.is_done());
    store.count_page(&run(), &page(&Listing::Users, 0, 2), &[]).await.unwrap();
    assert!(!progress(&store, &Listing::Users).await.is_done(), "a page too many stands for none");
    store.count_page(&run(), &page(&Listing::Users, 0, 0), &[]).await.unwrap();
    assert!(progress(&store, &Listing::Users).await.is_done());
}

/// After a crash a page may be read once more, and hold others: all of them were seen.
pub async fn a_page_read_again_adds_what_it_shows(store: Store) {
    store.open(&run(), &[Listing::Users]).await.unwrap();
    let page = page(&Listing::Users, 0, 0);
    store.count_page(&run(), &page, &seen(&["ab1", "ab2"])).await.unwrap();
    store.count_page(&run(), &page, &seen(&["ab2", "ab3"])).await.unwrap();
    store.advance(&run(), &Listing::Users, &cursor(0, 1, None, true)).await.unwrap();
    assert_eq!(progress(&store, &Listing::Users).await.written, 1);
    assert_eq!(store.seen(&run(), &users()).await.unwrap(), ["ab1", "ab2", "ab3"]);
    assert_eq!(store.users_seen(&run()).await.unwrap(), 3);
}

/// By run and partition, in byte order, from pages and from look-ups.
pub async fn what_was_seen_is_in_order_and_once(store: Store) {
    let partitions = [
        Partition::Settings,
        Partition::Groups,
        users(),
        Partition::Members(String::new(), Shard::of_member("a")),
        Partition::Members("a".to_owned(), Shard::of_member("a")),
        Partition::Members("A".to_owned(), Shard::of_member("a")),
    ];
    let keys = hostile_keys();
    for (number, partition) in partitions.iter().enumerate() {
        let some = keys.iter().rev().skip(number).chain(&keys[..3]);
        let some: Vec<_> = some.map(|key| (partition.clone(), key.clone())).collect();
        let (page_of, looked_up) = some.split_at(20);
        store.count_page(&run(), &page(&Listing::Users, 0, number as u64), page_of).await.unwrap();
        store.count_seen(&run(), looked_up).await.unwrap();
        store.count_seen(&run(), &some[..25]).await.unwrap();
    }
    store.count_seen(&run(), &[]).await.unwrap();
    for (number, partition) in partitions.iter().enumerate() {
        assert_eq!(
            store.seen(&run(), partition).await.unwrap(),
            keys[..keys.len() - number],
            "{partition:?}"
        );
        assert_eq!(store.seen(&later_run(), partition).await.unwrap(), Vec::<String>::new());
    }
}

/// A `sub` is nearly always a UUID, which a store may keep in another form: where one is written
/// otherwise, names a group, or is in another shard than its own, it stays so.
pub async fn subs_are_seen_as_they_are_written(store: Store) {
    let usual = "ab1c0a7e-2d9c-4f6b-9d57-5a0c1d2e3f40";
    let keys: Vec<String> = [
        usual,
        "ab1c0a7e-2d9c-4f6b-9d57-5a0c1d2e3f4",
        "ab1c0a7e-2d9c-4f6b-9d57-5a0c1d2e3f400",
        "ab1c0a7e-2d9c-4f6b-9d57-5a0c1d2e3f4g",
        "ab1c0a7e-2d9c-4f6b-9d57-5A0C1D2E3F40",
        "ab1c0a7e-2d9c-4f6b-9d57-5a0c1d2e3f41",
        "ab1c0a7e2-d9c-4f6b-9d57-5a0c1d2e3f40",
        "ab1c0a7e2d9c4f6b9d575a0c1d2e3f40",
        "ab000000-0000-0000-0000-000000000000",
        "abffffff-ffff-ffff-ffff-ffffffffffff",
        "+b1c0a7e-2d9c-4f6b-9d57-5a0c1d2e3f40",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ]
    .map(str::to_owned)
    .into();
    let mut expected = keys.clone();
    expected.sort();
    let elsewhere = [
        (Partition::of_user("AB"), usual.to_owned()),
        (Partition::Groups, usual.to_owned()),
        (Partition::of_member(usual, usual), usual.to_owned()),
        (Partition::of_user("ff"), "ffffffff-ffff-ffff-ffff-ffffffffffff".to_owned()),
        (Partition::of_user("00"), "00000000-0000-0000-0000-000000000000".to_owned()),
    ];
    let like = Listing::UsersBySub("a".to_owned());
    let all: Vec<_> = keys.iter().map(|key| (users(), key.clone())).chain(elsewhere.clone()).collect();
    store.count_page(&run(), &page(&Listing::Users, 0, 0), &all[..8]).await.unwrap();
    store.count_page(&run(), &page(&like, 0, 0), &all[4..]).await.unwrap();
    store.count_page(&run(), &page(&Listing::Members(usual.to_owned()), 0, 0), &all[12..]).await.unwrap();
    store.count_seen(&run(), &all[2..14]).await.unwrap();
    assert_eq!(store.seen(&run(), &users()).await.unwrap(), expected);
    for (partition, key) in elsewhere {
        assert_eq!(store.seen(&run(), &partition).await.unwrap(), [key], "{partition:?}");
    }
    for other in ["ac", "a", "0", "f"].map(Partition::of_user) {
        let odd = if other.is_of_odd_subs() { vec![usual.to_owned()] } else { Vec::new() };
        assert_eq!(store.seen(&run(), &other).await.unwrap(), odd, "{other:?}");
    }
    assert_eq!(store.users_seen(&run()).await.unwrap(), keys.len() as u64 + 3);
}

/// What was read before hides nothing that came after.
pub async fn what_is_read_again_was_added_meanwhile(store: Store) {
    let staff = |sub: &str| (Partition::of_member("staff", sub), sub.to_owned());
    let members = Listing::Members("staff".to_owned());
    for number in 0..3 {
        let sub = format!("ab{number}");
        store.count_page(&run(), &page(&Listing::Users, 0, number), &seen(&[&sub])).await.unwrap();
        store.count_page(&run(), &page(&members, 0, number), &[staff(&sub)]).await.unwrap();
        store
            .count_seen(&run(), &[(users(), format!("abx{number}")), staff(&format!("abx{number}"))])
            .await
            .unwrap();
        let so_far = 2 * (number + 1);
        assert_eq!(store.users_seen(&run()).await.unwrap(), so_far);
        assert_eq!(store.seen(&run(), &users()).await.unwrap().len() as u64, so_far);
        assert_eq!(store.seen(&run(), &staff("ab").0).await.unwrap().len() as u64, so_far);
    }
}

/// On whatever pages and by whatever look-ups; groups and memberships are not users.
pub async fn users_are_counted_once(store: Store) {
    let mut all = seen(&["ab1", "ab2", "ab1"]);
    all.push((Partition::of_user("cd1"), "cd1".to_owned()));
    all.push((Partition::Groups, "ab9".to_owned()));
    all.push((Partition::of_member("staff", "ab1"), "ab1".to_owned()));
    store.count_page(&run(), &page(&Listing::Users, 0, 0), &all).await.unwrap();
    store.count_page(&run(), &page(&Listing::Users, 0, 1), &all).await.unwrap();
    store.count_seen(&run(), &all).await.unwrap();
    assert_eq!(store.users_seen(&run()).await.unwrap(), 3);
    store.count_seen(&run(), &seen(&["ab2", "ab3"])).await.unwrap();
    store.count_seen(&later_run(), &seen(&["ab1"])).await.unwrap();
    assert_eq!(store.users_seen(&run()).await.unwrap(), 4);
    assert_eq!(store.users_seen(&later_run()).await.unwrap(), 1);
}

/// By run and partition, in order, each once.
pub async fn what_is_gone_is_kept(store: Store) {
    let keys = hostile_keys();
    let staff = Partition::of_member("staff", "ab1");
    store.put_gone(&run(), &users(), &[]).await.unwrap();
    assert_eq!(store.gone(&run()).await.unwrap(), 0);
    for _ in 0..2 {
        store.put_gone(&run(), &users(), &keys).await.unwrap();
    }
    store.put_gone(&run(), &staff, &["b".to_owned(), "a".to_owned(), "b".to_owned()]).await.unwrap();
    assert_eq!(store.gone(&run()).await.unwrap(), keys.len() as u64 + 2);
    assert_eq!(store.gone(&later_run()).await.unwrap(), 0);
    assert_eq!(store.seen(&run(), &users()).await.unwrap(), Vec::<String>::new());
}

/// Each message has one note: the latest.
pub async fn dead_letters_are_replaced_and_taken_back(store: Store) {
    assert_eq!(store.dead_letters(&run()).await.unwrap(), []);
    let letter = |listing: &Listing, number: Option<u64>, error: Option<&str>| DeadLetter {
        listing: listing.clone(),
        page: number.map(|number| page(listing, 0, number)),
        error: error.map(str::to_owned),
        at: at(5),
    };
    let members = Listing::Members("#\u{1f600}".to_owned());
    let letters = [
        letter(&Listing::Users, None, None),
        letter(&Listing::Users, Some(0), None),
        letter(&Listing::Users, Some(1), Some("store")),
        letter(&members, Some(1), None),
    ];
    for letter in &letters {
        store.put_dead_letter(&run(), letter).await.unwrap();
    }
    let failed = letter(&members, Some(1), Some("store"));
    store.put_dead_letter(&run(), &failed).await.unwrap();
    store.remove_dead_letter(&run(), &letters[1]).await.unwrap();
    store.remove_dead_letter(&run(), &letters[1]).await.unwrap();
    store.remove_dead_letter(&later_run(), &letters[0]).await.unwrap();
    let mut found = store.dead_letters(&run()).await.unwrap();
    found.sort_by_key(|letter| (letter.listing.clone(), letter.page.as_ref().map(|page| page.number)));
    assert_eq!(found, [letters[0].clone(), letters[2].clone(), failed]);
    assert_eq!(store.dead_letters(&later_run()).await.unwrap(), []);
    store.clear(&run()).await.unwrap();
    assert_eq!(store.dead_letters(&run()).await.unwrap(), []);
}

/// All of that run and nothing of another; and the run can be begun anew.
pub async fn clearing_forgets_one_run(store: Store) {
    for run in [run(), later_run()] {
        store.open(&run, &[Listing::Users]).await.unwrap();
        store.advance(&run, &Listing::Users, &cursor(0, 1, None, true)).await.unwrap();
        store.count_page(&run, &page(&Listing::Users, 0, 0), &seen(&["ab1"])).await.unwrap();
        store.put_gone(&run, &users(), &["ab2".to_owned()]).await.unwrap();
    }
    store.clear(&run()).await.unwrap();
    store.clear(&run()).await.unwrap();
    an_unknown_run_has_nothing(Arc::clone(&store)).await;
    assert!(store.listings(&later_run()).await.unwrap()[0].is_done());
    assert_eq!(store.seen(&later_run(), &users()).await.unwrap(), ["ab1"]);
    assert_eq!(store.gone(&later_run()).await.unwrap(), 1);
    assert_eq!(store.users_seen(&later_run()).await.unwrap(), 1);
    store.open(&run(), &[Listing::Users]).await.unwrap();
    assert_eq!(progress(&store, &Listing::Users).await.written, 0);
    store.count_page(&run(), &page(&Listing::Users, 0, 0), &seen(&["ab1"])).await.unwrap();
    assert_eq!(store.users_seen(&run()).await.unwrap(), 1);
}

/// More than any one request holds.
pub async fn ten_thousand_seen(store: Store) {
    let keys: Vec<String> = (0..10_000).map(|n| format!("ab{n:06}")).collect();
    store.open(&run(), &[Listing::Users]).await.unwrap();
    for (number, some) in keys.chunks(60).enumerate().collect::<Vec<_>>().into_iter().rev() {
        let some: Vec<_> = some.iter().map(|key| (users(), key.clone())).collect();
        store.count_page(&run(), &page(&Listing::Users, 0, number as u64), &some).await.unwrap();
    }
    assert_eq!(store.seen(&run(), &users()).await.unwrap(), keys);
    assert_eq!(store.users_seen(&run()).await.unwrap(), 10_000);
    store.advance(&run(), &Listing::Users, &cursor(0, 167, None, true)).await.unwrap();
    assert_eq!(progress(&store, &Listing::Users).await.written, 167);
    store.put_gone(&run(), &users(), &keys).await.unwrap();
    assert_eq!(store.gone(&run()).await.unwrap(), keys.len() as u64);
}

/// Each of twenty pages, written by four writers at once, with users they share.
pub async fn many_writers_count_exactly(store: Store) {
    store.open(&run(), &[Listing::Users]).await.unwrap();
    let writers: Vec<_> = (0..80_u64)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let number = n % 20;
                let on_it: Vec<_> =
                    (0..10).map(|k| (users(), format!("ab{}", (number * 5 + k) % 100))).collect();
                store.count_page(&run(), &page(&Listing::Users, 0, number), &on_it).await.unwrap();
                store
                    .advance(&run(), &Listing::Users, &cursor(0, number + 1, None, number == 19))
                    .await
                    .unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let progress = progress(&store, &Listing::Users).await;
    assert_eq!((progress.written, progress.cursor.pages), (20, 20));
    assert!(progress.is_done());
    assert_eq!(store.users_seen(&run()).await.unwrap(), 100);
    assert_eq!(store.seen(&run(), &users()).await.unwrap().len(), 100);
}
