use cognito_profiles::Error;
use cognito_profiles::export::ShrinkGuard;
use cognito_profiles::ports::Clock as _;
use cognito_profiles::run::{Changes, Run, RunStatus};
use cognito_profiles::verify;
use cognito_profiles_tests::mortal::Fate;
use cognito_profiles_tests::world::World;
use cognito_sim::{Config, Fault, FaultRates, ListingBehaviour, Operation, Population, UserRecord};

use super::{awkward, world};

async fn assert_holds_the_pool(world: &World, run: &Run) {
    assert_eq!(run.status, RunStatus::Complete, "{:?}", run.reason);
    assert_eq!(world.saved(run).await.unwrap(), world.truth(&world.pool));
}

fn changes(run: &Run) -> Changes {
    run.manifest.as_ref().expect("an ended run has a manifest").changes
}

#[tokio::test]
async fn holds_everything_of_an_awkward_pool() {
    for seed in 0..6 {
        // Below and above where listings by `sub` begin.
        for users in [90, 1_000] {
            let world = awkward(&Population::realistic(users, 6, seed));
            let run = world.export().await.unwrap();
            assert_holds_the_pool(&world, &run).await;
            let truth = world.truth(&world.pool);
            let everyone = truth.users.len() + truth.groups.len() + truth.memberships.len();
            assert_eq!(changes(&run), Changes { new: everyone as u64, ..Changes::default() });
        }
    }
}

#[tokio::test]
async fn an_empty_pool_is_a_complete_run() {
    let world = awkward(&Population::plain(0, 0, 1));
    let run = world.export().await.unwrap();
    assert_holds_the_pool(&world, &run).await;
}

#[tokio::test]
async fn counts_what_changed_and_keeps_what_was() {
    let world = awkward(&Population::realistic(800, 5, 7));
    let first = world.export().await.unwrap();
    let before = world.truth(&world.pool);
    let subs: Vec<String> = before.users.keys().cloned().collect();
    let group = before.groups.keys().find(|name| !name.contains("us-east-1_")).unwrap().clone();
    let outside =
        subs[20..].iter().find(|sub| !before.memberships.contains(&(group.clone(), (*sub).clone()))).unwrap();
    world.change(|admin| {
        for sub in &subs[..5] {
            admin.delete_user(&world.pool, sub).unwrap();
        }
        for sub in &subs[5..12] {
            admin.update_user(&world.pool, sub, |user| user.enabled = !user.enabled).unwrap();
        }
        for _ in 0..3 {
            admin.create_user(&world.pool, UserRecord::new("").with("email", "new@example.com")).unwrap();
        }
        admin.join(&world.pool, outside, &group).unwrap();
    });
    let second = world.export().await.unwrap();
    assert_holds_the_pool(&world, &second).await;
    let now = world.truth(&world.pool);
    let memberships_gone = before.memberships.difference(&now.memberships).count() as u64;
    assert_eq!(
        changes(&second),
        Changes {
            new: 3 + 1,
            changed: 7,
            gone: 5 + memberships_gone,
            unchanged: (subs.len() as u64 - 12)
                + before.groups.len() as u64
                + before.memberships.len() as u64
                - memberships_gone,
        }
    );
    assert_eq!(world.saved(&first).await.unwrap(), before, "the first run is as it was");
    let third = world.export().await.unwrap();
    let Changes { new, changed, gone, .. } = changes(&third);
    assert_eq!((new, changed, gone), (0, 0, 0), "nothing changed");
    assert_eq!(third.manifest.unwrap().digests, second.manifest.unwrap().digests);
    let report = verify::verify(&*world.store, &cognito_profiles::progress::Silent).await.unwrap();
    assert!(report.is_intact() && report.runs == 3, "{report:?}");
}

#[tokio::test]
async fn loses_nobody_whose_sub_is_no_uuid() {
    // Whether the estimate is right, old and low, or old and high.
    for estimate_error in [0, -3, -40, 25] {
        let listing = ListingBehaviour { estimate_error, ..ListingBehaviour::default() };
        let config = Config { listing, ..Config::seeded(3) };
        let world = World::new(&Population::plain(900, 2, 3), config);
        world.change(|admin| {
            for sub in ["Admin-1", "zoë", "G\"quoted\\", "-", "0"] {
                admin.create_user(&world.pool, UserRecord::new(sub).with_sub(sub)).unwrap();
            }
        });
        let run = world.export().await.unwrap();
        if estimate_error >= 0 {
            assert_holds_the_pool(&world, &run).await;
        } else {
            // Beginnings beyond printable ASCII are found only if the estimate asks for it.
            let (saved, truth) = (world.saved(&run).await.unwrap(), world.truth(&world.pool));
            let missed: Vec<_> = truth.users.keys().filter(|sub| !saved.users.contains_key(*sub)).collect();
            assert!(missed.is_empty(), "{missed:?}");
        }
        // From now on it is known that there are such users.
        let again = world.export().await.unwrap();
        assert_holds_the_pool(&world, &again).await;
    }
}

#[tokio::test]
async fn is_complete_where_prefixes_are_refused_or_miss_someone() {
    let refused = ListingBehaviour { refuse_sub_prefix: true, ..ListingBehaviour::awkward() };
    let missing = ListingBehaviour { prefix_misses: 7, ..ListingBehaviour::awkward() };
    for listing in [refused, missing] {
        let config = Config { listing, ..Config::seeded(5) };
        let world = World::new(&Population::realistic(900, 3, 5), config);
        assert_holds_the_pool(&world, &world.export().await.unwrap()).await;
        assert_holds_the_pool(&world, &world.export().await.unwrap()).await;
    }
}

#[tokio::test]
async fn an_emptied_pool_is_held_and_the_backup_stays_whole() {
    let world = awkward(&Population::realistic(700, 3, 11));
    let first = world.export().await.unwrap();
    let before = world.truth(&world.pool);
    world.change(|admin| {
        for sub in before.users.keys() {
            admin.delete_user(&world.pool, sub).unwrap();
        }
    });
    let held = world.export().await.unwrap();
    assert_eq!(held.status, RunStatus::Held);
    assert!(held.reason.as_ref().unwrap().contains("would be gone, more than 10 %"), "{:?}", held.reason);
    assert_eq!(changes(&held).gone, 0);
    assert_eq!(world.saved(&held).await.unwrap(), before);
    let allowed = world
        .exporter(&Fate::immortal())
        .export(&ShrinkGuard { allow: true, ..ShrinkGuard::default() })
        .await
        .unwrap();
    assert_holds_the_pool(&world, &allowed).await;
    assert_eq!(world.saved(&first).await.unwrap(), before, "gone, but not destroyed");
}

#[tokio::test]
async fn users_that_a_listing_missed_are_not_called_gone() {
    let world = world(&Population::plain(800, 0, 13));
    world.export().await.unwrap();
    // Fewer than the shrink guard would notice, and the estimate is off by as many.
    world.cognito.configure(|config| {
        config.listing.prefix_misses = 9;
        config.listing.estimate_error = -9;
    });
    let run = world.export().await.unwrap();
    assert_holds_the_pool(&world, &run).await;
    assert_eq!(changes(&run).gone, 0);
}

#[tokio::test]
async fn a_first_export_finds_whom_prefixes_miss_though_the_estimate_is_low() {
    let listing = ListingBehaviour { prefix_misses: 9, estimate_error: -40, ..ListingBehaviour::default() };
    let world = World::new(&Population::plain(900, 0, 15), Config { listing, ..Config::seeded(15) });
    assert_holds_the_pool(&world, &world.export().await.unwrap()).await;
}

#[tokio::test]
async fn a_membership_of_a_user_whom_a_listing_missed_is_not_called_gone() {
    let world = world(&Population::plain(800, 3, 16));
    let first = world.export().await.unwrap();
    world.cognito.configure(|config| {
        config.listing.prefix_misses = 9;
        config.listing.estimate_error = -9;
    });
    let second = world.export().await.unwrap();
    assert_eq!(
        world.saved(&second).await.unwrap().memberships,
        world.saved(&first).await.unwrap().memberships
    );
}

#[tokio::test]
async fn a_user_who_cannot_be_looked_up_stops_no_run_and_is_kept() {
    let world = world(&Population::plain(700, 0, 18));
    world.export().await.unwrap();
    let sub = world.truth(&world.pool).users.into_keys().next().unwrap();
    world.change(|admin| admin.delete_user(&world.pool, &sub).unwrap());
    let looks_up = move |config: &mut Config| {
        let refused = cognito_sim::ServiceError::new("InvalidParameterException", "no such filter");
        // The first calls list; the look-up comes after them.
        config.faults.script(Some(Operation::ListUsers), 16, 1, Fault::Error(refused));
    };
    world.cognito.configure(looks_up);
    let run = world.export().await.unwrap();
    assert_eq!(run.status, RunStatus::Complete);
}

#[tokio::test]
async fn a_clock_set_back_while_a_run_was_interrupted_breaks_nothing() {
    for step in [300, 900, 1_100, 1_200, 1_300, 1_400] {
        let world = awkward(&Population::realistic(120, 2, 33));
        world.export().await.unwrap();
        let subs: Vec<String> = world.truth(&world.pool).users.into_keys().collect();
        world.change(|admin| {
            for sub in &subs[..4] {
                admin.delete_user(&world.pool, sub).unwrap();
            }
            admin.update_user(&world.pool, &subs[5], |user| user.enabled = !user.enabled).unwrap();
        });
        let fate = Fate::at_step(step);
        fate.live(world.exporter(&fate).export(&ShrinkGuard::default())).await;
        world.clock.set_wall(world.clock.now().plus_millis(-30 * 60_000));
        let run = world.export().await.unwrap();
        assert_holds_the_pool(&world, &run).await;
        let report = verify::verify(&*world.store, &cognito_profiles::progress::Silent).await.unwrap();
        assert!(report.is_intact(), "killed at {step}: {report:?}");
    }
}

#[tokio::test]
async fn throttling_and_faults_slow_it_down_but_never_stop_it() {
    let world = awkward(&Population::realistic(300, 4, 17));
    world.cognito.configure(|config| {
        config.faults.rates = FaultRates {
            internal_error: 0.05,
            unavailable: 0.05,
            drop_before: 0.05,
            drop_after: 0.05,
            throttle: 0.1,
            throttle_burst: 4,
        };
    });
    let run = world.export().await.unwrap();
    world.cognito.configure(|config| config.faults.rates = FaultRates::default());
    assert_holds_the_pool(&world, &run).await;
}

#[tokio::test]
async fn a_long_silence_ends_in_an_error_that_says_so_and_the_run_goes_on_later() {
    let world = world(&Population::plain(1_300, 0, 19));
    world.cognito.configure(|config| {
        config.faults.script(Some(Operation::ListUsers), 5, 2_000, Fault::Unavailable);
    });
    let error = world.export().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { operation: "ListUsers", .. }), "{error}");
    world.cognito.configure(|config| config.faults = cognito_sim::Faults::default());
    let run = world.export().await.unwrap();
    assert_holds_the_pool(&world, &run).await;
    let runs = cognito_profiles::ports::Backup::runs(&*world.store, None).await.unwrap();
    assert_eq!(runs.len(), 1, "the same run was continued");
}

#[tokio::test]
async fn a_token_that_expired_while_it_was_interrupted_begins_the_listing_anew() {
    let world = awkward(&Population::realistic(500, 2, 23));
    let fate = Fate::at_step(60);
    assert!(fate.live(world.exporter(&fate).export(&ShrinkGuard::default())).await.is_none());
    world.clock.advance(std::time::Duration::from_hours(2));
    let run = world.export().await.unwrap();
    assert_holds_the_pool(&world, &run).await;
}

#[tokio::test]
async fn an_interruption_of_days_is_not_continued() {
    let world = awkward(&Population::realistic(200, 2, 29));
    let fate = Fate::at_step(60);
    assert!(fate.live(world.exporter(&fate).export(&ShrinkGuard::default())).await.is_none());
    world.clock.advance(std::time::Duration::from_hours(72));
    let run = world.export().await.unwrap();
    assert_holds_the_pool(&world, &run).await;
    let runs = cognito_profiles::ports::Backup::runs(&*world.store, None).await.unwrap();
    assert_eq!(
        runs.iter().map(|run| run.status).collect::<Vec<_>>(),
        [RunStatus::Failed, RunStatus::Complete]
    );
}

#[tokio::test]
async fn a_clock_set_back_between_runs_loses_no_change() {
    let world = awkward(&Population::realistic(150, 2, 31));
    let first = world.export().await.unwrap();
    let before = world.truth(&world.pool);
    world.clock.set_wall(world.clock.now().plus_millis(-24 * 3_600_000));
    let sub = before.users.keys().next().unwrap().clone();
    world.change(|admin| admin.update_user(&world.pool, &sub, |user| user.enabled = !user.enabled).unwrap());
    let second = world.export().await.unwrap();
    assert_eq!(changes(&second).changed, 1);
    assert_holds_the_pool(&world, &second).await;
    assert_eq!(world.saved(&first).await.unwrap(), before);
}

#[tokio::test]
async fn a_pool_that_changes_meanwhile_keeps_everyone_who_was_there_throughout() {
    for seed in 0..4 {
        let world = awkward(&Population::realistic(700, 3, 100 + seed));
        let before = world.truth(&world.pool);
        let pool = world.pool.clone();
        let mut doomed = before.users.keys().step_by(9).cloned().collect::<Vec<_>>().into_iter();
        let mut calls = 0;
        world.cognito.on_call(move |call, admin| {
            if call.operation != Operation::ListUsers {
                return;
            }
            calls += 1;
            if calls % 2 == 0 {
                admin.create_user(&pool, UserRecord::new("")).unwrap();
            } else if let Some(sub) = doomed.next() {
                admin.delete_user(&pool, &sub).unwrap();
            }
        });
        let run = world.export().await.unwrap();
        world.cognito.clear_on_call();
        let saved = world.saved(&run).await.unwrap();
        let after = world.truth(&world.pool);
        for (sub, user) in &before.users {
            if after.users.contains_key(sub) {
                assert_eq!(saved.users.get(sub), Some(user));
            }
        }
        for membership in before.memberships.intersection(&after.memberships) {
            assert!(saved.memberships.contains(membership), "{membership:?}");
        }
        assert_holds_the_pool(&world, &world.export().await.unwrap()).await;
    }
}

#[tokio::test]
async fn an_export_bills_nobody_and_sends_nothing() {
    let world = awkward(&Population::realistic(700, 3, 37));
    world.export().await.unwrap();
    let meter = world.cognito.meter();
    assert_eq!((meter.billed_users, meter.messages_sent), (0, 0));
}
