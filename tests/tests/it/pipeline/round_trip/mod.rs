//! Any pool there can be, exported and restored, against what the README says that Cognito can give
//! back ("What Cognito can and cannot give back"); any sequence of exports, against what the pool
//! was at the end of each. What is expected is worked out here, from the pool itself and the table
//! alone.

mod history;
mod judge;
mod pools;

use cognito_profiles::export::ShrinkGuard;
use cognito_profiles_tests::fuzz_cases;
use cognito_profiles_tests::mortal::Fate;
use cognito_sim::{GroupRecord, UserRecord, UserStatus};
use proptest::prelude::*;
use proptest::sample::Index;

use history::{differs, event, found, happen};
use judge::{comes_back, truth};
use pools::{Pool, SignIn, pool};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases: fuzz_cases(cases),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..ProptestConfig::default()
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn any_pool_comes_back_but_for_what_the_table_says(pool in pool(), by_job in any::<bool>(), providers in prop::bool::weighted(0.8)) {
        block_on(async {
            let world = pool.world();
            let run = world.export().await.unwrap();
            let old = truth(&world, &world.pool);
            prop_assert_eq!(world.saved(&run).await.unwrap(), world.truth(&world.pool));
            comes_back(&world, &run, (pool.sign_in, old), (by_job, providers)).await
        })?;
    }
}

proptest! {
    #![proptest_config(config(20))]

    /// As each run saved it, as they differ, and as one of them comes back after all the others.
    #[test]
    fn any_sequence_of_exports_reads_back_and_differs_as_the_pool_did(
        pool in pool(),
        history in prop::collection::vec(prop::collection::vec(event(), 0..5), 0..4),
        which in any::<Index>(),
        by_job in any::<bool>(),
    ) {
        block_on(async {
            let world = pool.world();
            let exporter = world.exporter(&Fate::immortal());
            let guard = ShrinkGuard { allow: true, ..ShrinkGuard::default() };
            let mut runs = Vec::new();
            for (part, events) in std::iter::once(&Vec::new()).chain(&history).enumerate() {
                for (number, event) in events.iter().enumerate() {
                    happen(&world, pool.sign_in, part * 10 + number, event);
                }
                let run = exporter.export(&guard).await.unwrap();
                runs.push((run, truth(&world, &world.pool), world.truth(&world.pool)));
            }
            for (run, _, was) in &runs {
                prop_assert_eq!(&world.saved(run).await.unwrap(), was);
            }
            for pair in runs.windows(2) {
                prop_assert_eq!(found(&world, &pair[0].0, &pair[1].0).await, differs(&pair[0].2, &pair[1].2));
            }
            let (first, last) = (&runs[0], &runs[runs.len() - 1]);
            prop_assert_eq!(found(&world, &first.0, &last.0).await, differs(&first.2, &last.2));
            prop_assert_eq!(found(&world, &last.0, &first.0).await, differs(&last.2, &first.2));
            let (run, was, _) = which.get(&runs);
            comes_back(&world, run, (pool.sign_in, was.clone()), (by_job, true)).await
        })?;
    }
}

/// The one property in which nothing may be refused: so a judge who let all pass would show.
#[test]
fn the_judge_finds_what_is_not_as_it_was() {
    let pool = Pool { sign_in: SignIn::Name, groups: vec![GroupRecord::new("g")], people: vec![] };
    block_on(async {
        let world = pool.world();
        let sub = world
            .change(|admin| admin.create_user(&world.pool, UserRecord::new("ann").in_group("g")))
            .unwrap();
        let run = world.export().await.unwrap();
        let was = truth(&world, &world.pool);
        comes_back(&world, &run, (SignIn::Name, was.clone()), (false, true)).await.unwrap();
        let judged = async |change: fn(&mut UserRecord)| {
            let mut other = was.clone();
            other.users.get_mut(&sub).map(change).unwrap();
            comes_back(&world, &run, (SignIn::Name, other), (false, true)).await
        };
        assert!(judged(|user| user.enabled = false).await.is_err());
        assert!(judged(|user| user.status = UserStatus::Unconfirmed).await.is_err());
        assert!(judged(|user| user.groups.clear()).await.is_err());
        assert!(judged(|user| user.attributes.push(("name".into(), "Ann".into()))).await.is_err());
    });
}
