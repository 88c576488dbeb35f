//! Of runs.

use cognito_profiles::model::{Hash, PoolId};
use cognito_profiles::run::{Changes, Manifest, Run, RunId, RunStatus, Totals};

use super::Store;
use crate::conformance::{at, pool};

fn a_run(id: &str, pool: &PoolId, started: i64) -> Run {
    Run {
        id: RunId::new(id),
        pool: pool.clone(),
        status: RunStatus::Running,
        started_at: at(started),
        ended_at: None,
        estimated_users: 3,
        listed_whole: false,
        manifest: None,
        reason: None,
        left_out: Vec::new(),
    }
}

/// A run's record is what was last written; the oldest run comes first, however it is called.
pub async fn runs_are_replaced_and_ordered(store: Store) {
    let (mut first, second, third) = (a_run("z", &pool(), 1), a_run("a", &pool(), 2), a_run("m", &pool(), 3));
    for run in [&third, &first, &second] {
        store.put_run(run).await.unwrap();
    }
    first.status = RunStatus::Complete;
    first.ended_at = Some(at(9));
    first.reason = Some("because \u{1f600} \"so\"".to_owned());
    first.manifest = Some(Manifest {
        totals: Totals { users: 1, groups: 2, memberships: u64::MAX },
        changes: Changes { new: 1, changed: 2, gone: 3, unchanged: 4 },
        digests: [("user/ab".to_owned(), Hash::of(b"ab"))].into(),
    });
    for _ in 0..2 {
        store.put_run(&first).await.unwrap();
        assert_eq!(store.runs(Some(&pool())).await.unwrap(), [first.clone(), second.clone(), third.clone()]);
        assert_eq!(store.run(&pool(), &first.id).await.unwrap().as_ref(), Some(&first));
    }
}

/// Also runs that began together, of pools whose ids begin alike.
pub async fn runs_of_pools_are_apart(store: Store) {
    let pools = ["eu-west-1_A", "eu-west-1_AA", "eu-west-1_a"].map(PoolId::new);
    for pool in &pools {
        store.put_run(&a_run("same", pool, 1)).await.unwrap();
        store.put_run(&a_run("other", pool, 2)).await.unwrap();
    }
    for pool in &pools {
        assert_eq!(store.runs(Some(pool)).await.unwrap(), [a_run("same", pool, 1), a_run("other", pool, 2)]);
    }
    assert_eq!(store.runs(Some(&PoolId::new("eu-west-1_"))).await.unwrap(), []);
    let found = store.run(&pools[1], &RunId::new("same")).await.unwrap();
    assert_eq!(found, Some(a_run("same", &pools[1], 1)));
    assert_eq!(store.run(&pools[1], &RunId::new("sam")).await.unwrap(), None);
    assert_eq!(store.run(&PoolId::new("eu-west-1_"), &RunId::new("same")).await.unwrap(), None);
    let all = store.runs(None).await.unwrap();
    assert_eq!(all.len(), 6);
    assert!(all.is_sorted_by_key(|run| run.started_at));
}
