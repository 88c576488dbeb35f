//! Killed at any step, and run again: the same end.

use cognito_profiles::export::ShrinkGuard;
use cognito_profiles::ports::ImportStatus;
use cognito_profiles::run::{Changes, RunStatus};
use cognito_profiles_tests::mortal::Fate;
use cognito_sim::Population;

use super::awkward;

/// Each of the first steps, some of the many in the middle, and each of the last. How tasks take
/// turns moves their number a little, so that near the end one may outlive its fate.
fn steps_to_die_at(all: u64) -> impl Iterator<Item = u64> {
    let (first, last) = (40.min(all), all.saturating_sub(15));
    (1..first).chain((first..last).step_by(331)).chain(last..all)
}

#[tokio::test]
async fn an_export_killed_at_any_step_ends_in_the_same_backup() {
    let population = Population::realistic(70, 2, 41);
    let fate = Fate::immortal();
    let whole = awkward(&population);
    let expected = whole.exporter(&fate).export(&ShrinkGuard::default()).await.unwrap();
    for step in steps_to_die_at(fate.steps()) {
        let world = awkward(&population);
        let fate = Fate::at_step(step);
        fate.live(world.exporter(&fate).export(&ShrinkGuard::default())).await;
        let run = world.export().await.unwrap();
        assert_eq!(run.status, RunStatus::Complete);
        assert_eq!(world.saved(&run).await.unwrap(), world.truth(&world.pool), "killed at step {step}");
        let (counted, whole) = (run.manifest.unwrap(), expected.manifest.clone().unwrap());
        assert_eq!(counted.totals, whole.totals, "killed at step {step}");
    }
}

#[tokio::test]
async fn an_export_of_changes_killed_at_any_step_counts_each_once() {
    let population = Population::realistic(80, 2, 43);
    let changed = async || {
        let world = awkward(&population);
        world.export().await.unwrap();
        let subs: Vec<String> = world.truth(&world.pool).users.into_keys().collect();
        world.change(|admin| {
            for sub in &subs[..3] {
                admin.delete_user(&world.pool, sub).unwrap();
            }
            for sub in &subs[3..7] {
                admin.update_user(&world.pool, sub, |user| user.enabled = !user.enabled).unwrap();
            }
        });
        world
    };
    let whole = changed().await;
    let fate = Fate::immortal();
    let expected = whole.exporter(&fate).export(&ShrinkGuard::default()).await.unwrap().manifest.unwrap();
    let Changes { new, changed: differ, gone, .. } = expected.changes;
    assert!(new == 0 && differ == 4 && gone >= 3, "{:?}", expected.changes);
    for step in steps_to_die_at(fate.steps()) {
        let world = changed().await;
        let fate = Fate::at_step(step);
        fate.live(world.exporter(&fate).export(&ShrinkGuard::default())).await;
        let run = world.export().await.unwrap();
        assert_eq!(world.saved(&run).await.unwrap(), world.truth(&world.pool), "killed at step {step}");
        let counted = run.manifest.unwrap().changes;
        let runs = cognito_profiles::ports::Backup::runs(&*world.store, None).await.unwrap();
        // If it died after the run was complete, the next run finds nothing.
        let nothing = Changes { unchanged: counted.unchanged, ..Changes::default() };
        assert_eq!(
            counted,
            if runs.len() == 2 { expected.changes } else { nothing },
            "killed at step {step}"
        );
    }
}

#[tokio::test]
async fn an_import_killed_at_any_step_makes_the_same_pool() {
    let population = Population::realistic(40, 2, 47);
    let whole = awkward(&population);
    whole.export().await.unwrap();
    let fate = Fate::immortal();
    let expected = whole.import(&whole.empty_pool(), &fate).await.unwrap();
    assert!(expected.differences.is_empty(), "{:?}", expected.differences);
    for step in steps_to_die_at(fate.steps()) {
        let world = awkward(&population);
        world.export().await.unwrap();
        let target = world.empty_pool();
        let fate = Fate::at_step(step);
        fate.live(world.import(&target, &fate)).await;
        let report = world.import(&target, &Fate::immortal()).await.unwrap();
        assert!(report.differences.is_empty(), "killed at step {step}: {:?}", report.differences);
        assert_eq!(report.failures, expected.failures, "killed at step {step}");
        assert_eq!(
            (
                report.counts.users_created,
                report.counts.memberships_added,
                report.counts.users_disabled,
                report.counts.groups_created
            ),
            (
                expected.counts.users_created,
                expected.counts.memberships_added,
                expected.counts.users_disabled,
                expected.counts.groups_created
            ),
            "killed at step {step}"
        );
        assert_eq!(world.truth(&target).users.len() as u64, report.counts.users_created, "nobody twice");
        assert_ne!(report.import.status, ImportStatus::Running);
    }
}
