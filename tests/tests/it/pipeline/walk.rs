//! Walking over a snapshot: whoever goes on from a place reads the rest, no more and no less.

use std::sync::Arc;

use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::model::{Partition, Shard};
use cognito_profiles::ports::{Backup, Observation};
use cognito_profiles::read::{CHUNK, Position, Snapshot, Walk};
use cognito_profiles::run::{Run, RunStatus};
use cognito_profiles_tests::conformance::{at, hostile_keys, pool, run, saw};

/// What a walk reads of each version.
type Seen = (Partition, String);

/// A backup with groups of hard names and few members, and three that fill a chunk, one of them
/// to the last record.
async fn snapshot() -> Snapshot {
    let store = SqliteStore::temporary().unwrap();
    let names = hostile_keys();
    let mut seen: Vec<Observation> =
        names.iter().map(|name| saw(&Partition::Groups, name, "group", 1)).collect();
    for (number, name) in names.iter().enumerate() {
        seen.extend((0..number % 3).map(|member| {
            let sub = format!("{member}{number}");
            saw(&Partition::of_member(name, &sub), &sub, "member", 1)
        }));
    }
    for (name, members) in [(&names[1], 2 * CHUNK + 500), (&names[2], CHUNK), (&names[7], CHUNK + 1)] {
        let partition = Partition::Members(name.clone(), Shard::members().nth(3).unwrap());
        seen.extend((0..members).map(|member| saw(&partition, &format!("m{member:05}"), "member", 1)));
    }
    store.observe(&pool(), &run(), &seen).await.unwrap();
    let run = Run {
        id: run(),
        pool: pool(),
        status: RunStatus::Complete,
        started_at: at(0),
        ended_at: Some(at(2)),
        estimated_users: 0,
        listed_whole: true,
        manifest: None,
        reason: None,
        left_out: Vec::new(),
    };
    Snapshot::of(Arc::new(store), run).unwrap()
}

async fn step(walk: &mut Walk<'_>) -> Option<Vec<Seen>> {
    let versions = walk.next().await.unwrap()?;
    Some(versions.into_iter().map(|version| (version.partition, version.key)).collect())
}

async fn rest(walk: &mut Walk<'_>) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Some(more) = step(walk).await {
        seen.extend(more);
    }
    assert_eq!(walk.position(), &Position::End);
    seen
}

/// As the place is kept between two processes.
fn written(position: &Position) -> Position {
    serde_json::from_str(&serde_json::to_string(position).unwrap()).unwrap()
}

#[tokio::test]
async fn from_every_place_the_rest_is_read() {
    let snapshot = snapshot().await;
    let all = rest(&mut snapshot.everything().await.unwrap()).await;
    assert!(all.is_sorted() && all.len() > 4 * CHUNK);
    let mut walk = snapshot.everything().await.unwrap();
    let (mut done, mut places) = (0, 0);
    loop {
        let from = snapshot.everything().await.unwrap().from(written(walk.position()));
        assert_eq!(rest(&mut { from }).await, all[done..], "from {:?}", walk.position());
        let Some(versions) = step(&mut walk).await else { break };
        assert_eq!(versions, all[done..done + versions.len()]);
        assert!(versions.iter().all(|(partition, _)| *partition == versions[0].0));
        done += versions.len();
        places += 1;
    }
    assert!(places > 10, "{places}");
}

#[tokio::test]
async fn a_place_in_the_midst_of_a_partition_is_kept() {
    let snapshot = snapshot().await;
    let all = rest(&mut snapshot.everything().await.unwrap()).await;
    for (number, (partition, key)) in all.iter().enumerate().step_by(97) {
        let place = Position::At { partition: partition.clone(), after: Some(key.clone()) };
        let mut walk = snapshot.everything().await.unwrap().from(place);
        assert_eq!(rest(&mut walk).await, all[number + 1..], "after {partition:?} {key:?}");
    }
    // A partition that this walk passes over.
    let place = Position::At { partition: Partition::Groups, after: Some("zz".to_owned()) };
    let mut walk = snapshot.memberships().await.unwrap().from(place);
    let memberships = all.iter().filter(|(partition, _)| matches!(partition, Partition::Members(..)));
    assert_eq!(rest(&mut walk).await, memberships.cloned().collect::<Vec<_>>());
}
