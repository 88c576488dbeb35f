//! Runs carried from one store into another.

use std::sync::Arc;

use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::copy::copy_run;
use cognito_profiles::digest::Digests;
use cognito_profiles::model::{Group, Membership, Partition, PoolId, Record, User};
use cognito_profiles::ports::{Backup, Observation, Version};
use cognito_profiles::progress::Silent;
use cognito_profiles::read::Snapshot;
use cognito_profiles::run::{Manifest, Run, RunId, RunStatus};
use cognito_profiles::verify::{check, verify};
use cognito_profiles_tests::conformance::{at, pool};
use cognito_profiles_tests::mortal::{Fate, Mortal};

fn user(sub: &str, status: &str) -> Record {
    Record::User(User {
        sub: sub.into(),
        username: format!("name of {sub}"),
        attributes: [("email".to_owned(), format!("{sub}@example.com"))].into(),
        enabled: true,
        status: status.into(),
        created_at: None,
        modified_at: None,
        mfa_options: Vec::new(),
    })
}

fn group(name: &str) -> Record {
    Record::Group(Group {
        name: name.into(),
        description: None,
        precedence: None,
        role_arn: None,
        created_at: None,
        modified_at: None,
    })
}

fn member(group: &str, sub: &str) -> Record {
    Record::Membership(Membership {
        group: group.into(),
        sub: sub.into(),
        username: format!("name of {sub}"),
    })
}

/// A run of these records in a store of its own, that began and ended at these times.
async fn run_of(id: &str, records: &[Record], times: (i64, i64)) -> Snapshot {
    let store = Arc::new(SqliteStore::temporary().unwrap());
    let (started_at, ended_at) = (at(times.0), at(times.1));
    let seen: Vec<Observation> =
        records.iter().map(|record| Observation::new(record, started_at).unwrap()).collect();
    store.observe(&pool(), &RunId::new(id), &seen).await.unwrap();
    let run = Run {
        id: RunId::new(id),
        pool: pool(),
        status: RunStatus::Complete,
        started_at,
        ended_at: Some(ended_at),
        estimated_users: 0,
        listed_whole: false,
        manifest: None,
        reason: None,
        left_out: Vec::new(),
    };
    let snapshot = Snapshot::of(store.clone(), run.clone()).unwrap();
    let mut digests = Digests::new();
    for version in held(&snapshot).await {
        digests.add(&version.partition, &version.key, &version.hash);
    }
    let manifest = Manifest { digests: digests.finish(), ..Manifest::default() };
    let run = Run { manifest: Some(manifest), ..run };
    store.put_run(&run).await.unwrap();
    Snapshot::of(store, run).unwrap()
}

async fn held(snapshot: &Snapshot) -> Vec<Version> {
    let mut all = Vec::new();
    let mut walk = snapshot.everything().await.unwrap();
    while let Some(versions) = walk.next().await.unwrap() {
        all.extend(versions);
    }
    all
}

/// Places, keys and contents of what a snapshot holds.
async fn contents(snapshot: &Snapshot) -> Vec<(Partition, String, String)> {
    held(snapshot)
        .await
        .into_iter()
        .map(|version| (version.partition, version.key, version.content))
        .collect()
}

async fn copied(from: &Snapshot, into: &Arc<SqliteStore>) -> Snapshot {
    let run = copy_run(from, &**into, &Silent).await.unwrap();
    let copy = Snapshot::of(into.clone(), run).unwrap();
    assert_eq!(contents(&copy).await, contents(from).await);
    check(&copy, &Silent).await.unwrap();
    copy
}

fn first() -> Vec<Record> {
    vec![
        user("ab1", "CONFIRMED"),
        user("ab2", "CONFIRMED"),
        user("odd one", "CONFIRMED"),
        group("a"),
        group("b"),
        member("a", "ab1"),
        member("b", "ab1"),
    ]
}

/// Somebody changed, somebody went, somebody came; a group went with its member.
fn second() -> Vec<Record> {
    vec![
        user("ab1", "UNCONFIRMED"),
        user("odd one", "CONFIRMED"),
        user("cd3", "CONFIRMED"),
        group("a"),
        member("a", "ab1"),
        member("a", "cd3"),
    ]
}

#[tokio::test]
async fn what_a_run_holds_is_held_there_and_what_was_before_stays_what_it_was() {
    let into = Arc::new(SqliteStore::temporary().unwrap());
    let (one, two) = (run_of("one", &first(), (0, 50)).await, run_of("two", &second(), (100, 150)).await);
    let first_copy = copied(&one, &into).await;
    assert_eq!(first_copy.run, one.run, "nothing was there before, so it is the same to the millisecond");
    let second_copy = copied(&two, &into).await;
    assert_eq!(second_copy.run, two.run);
    assert_eq!(contents(&first_copy).await, contents(&one).await);
    let latest = Snapshot::find(into.clone(), None, None).await.unwrap();
    assert_eq!(latest.run, two.run);
    assert!(verify(&*into, &Silent).await.unwrap().is_intact());
}

/// The clocks of two backups need not agree: what comes last is later.
#[tokio::test]
async fn a_run_of_the_same_or_an_earlier_time_comes_later_there() {
    for times in [(0, 50), (50, 50), (-100, -50)] {
        let into = Arc::new(SqliteStore::temporary().unwrap());
        let (one, two) = (run_of("one", &first(), (0, 50)).await, run_of("two", &second(), times).await);
        let first_copy = copied(&one, &into).await;
        let second_copy = copied(&two, &into).await;
        assert!(second_copy.run.started_at > first_copy.at, "{times:?}");
        assert_eq!(contents(&first_copy).await, contents(&one).await, "{times:?}");
        assert_eq!(Snapshot::find(into.clone(), None, None).await.unwrap().run, second_copy.run);
    }
}

#[tokio::test]
async fn the_same_again_changes_nothing_but_what_comes_back_is_a_run_of_its_own() {
    let into = Arc::new(SqliteStore::temporary().unwrap());
    let one = run_of("one", &first(), (0, 50)).await;
    let first_copy = copied(&one, &into).await;
    assert_eq!(copied(&one, &into).await.run, first_copy.run);
    assert_eq!(into.runs(None).await.unwrap().len(), 1);
    copied(&run_of("two", &second(), (100, 150)).await, &into).await;
    let again = copied(&one, &into).await;
    assert_eq!(again.run.id, RunId::new("one-2"));
    assert_eq!(Snapshot::find(into.clone(), None, None).await.unwrap().run, again.run);
    assert_eq!(into.runs(None).await.unwrap().len(), 3);
}

#[tokio::test]
async fn other_pools_are_left_alone() {
    let into = Arc::new(SqliteStore::temporary().unwrap());
    let other = PoolId::new("eu-west-1_Other0001");
    let seen = Observation::new(&user("ab2", "CONFIRMED"), at(0)).unwrap();
    into.observe(&other, &RunId::new("other"), std::slice::from_ref(&seen)).await.unwrap();
    copied(&run_of("two", &second(), (100, 150)).await, &into).await;
    let of_other = into.as_of(&other, &seen.partition, at(1_000), None, 10).await.unwrap();
    assert_eq!(of_other.len(), 1);
}

/// Killed anywhere, and begun anew: the same as if it had not been.
#[tokio::test]
async fn a_copy_that_was_killed_is_made_up_for() {
    let (one, two) = (run_of("one", &first(), (0, 50)).await, run_of("two", &second(), (100, 150)).await);
    let all = copy_until(&one, &two, u64::MAX).await;
    let steps = (1..all).step_by(61).chain(all.saturating_sub(20)..all);
    for step in steps {
        copy_until(&one, &two, step).await;
    }
}

/// Copies the first run, then the second until death at that step, then once more. Returns how
/// many steps were taken.
async fn copy_until(one: &Snapshot, two: &Snapshot, step: u64) -> u64 {
    let into = Arc::new(SqliteStore::temporary().unwrap());
    let first_copy = copied(one, &into).await;
    let fate = Fate::at_step(step);
    let mortal = Mortal::new(into.clone() as Arc<dyn Backup>, &fate);
    let lived = fate.live(copy_run(two, &*mortal, &Silent)).await.is_some();
    assert_eq!(lived, step == u64::MAX);
    assert_eq!(contents(&first_copy).await, contents(one).await, "killed at step {step}");
    copied(two, &into).await;
    assert_eq!(contents(&first_copy).await, contents(one).await, "killed at step {step}");
    assert!(verify(&*into, &Silent).await.unwrap().is_intact());
    fate.steps()
}
