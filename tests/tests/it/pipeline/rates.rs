//! The rates, as the simulated Cognito counts them.

use std::time::Duration;

use cognito_profiles::ports::Clock as _;
use cognito_profiles_tests::mortal::Fate;
use cognito_sim::{Category, FaultRates, Latency, Population};

use super::world;

// That the quota is also filled is measured over real time, by `make bench`: here time passes
// as soon as anyone waits, whoever is still at work.
#[tokio::test]
async fn a_large_export_is_never_throttled() {
    let world = world(&Population::plain(20_000, 0, 61));
    world.cognito.configure(|config| config.faults.latency = Latency::fixed(100));
    world.export().await.unwrap();
    let list = world.cognito.meter().category(Category::UserList);
    assert_eq!(list.throttled, 0);
    assert!(list.peak_attempts <= 30, "{} in a second", list.peak_attempts);
    // Full pages, and the last one of each of 16 listings: nothing is asked for twice.
    assert!(list.attempts <= 20_000 / 60 + 1 + 16, "{} calls", list.attempts);
}

#[tokio::test]
async fn no_rate_is_exceeded_in_any_second_whatever_the_latency_and_the_faults() {
    for seed in 0..3 {
        let world = world(&Population::realistic(400, 4, 70 + seed));
        world.cognito.configure(|config| {
            config.faults.latency = Latency { min: 5, max: 900 };
            config.faults.rates =
                FaultRates { internal_error: 0.1, drop_after: 0.05, ..FaultRates::default() };
        });
        world.export().await.unwrap();
        let target = world.empty_pool();
        world.import(&target, &Fate::immortal()).await.unwrap();
        let meter = world.cognito.meter();
        for (category, usage) in &meter.categories {
            assert_eq!(usage.throttled, 0, "{category:?}: {usage:?}");
        }
        for (operation, usage) in &meter.per_pool {
            assert!(usage.peak_attempts <= 5, "{operation}: {usage:?}");
        }
    }
}

#[tokio::test]
async fn slows_down_for_a_live_application_and_recovers() {
    let world = world(&Population::plain(4_000, 0, 67));
    world.cognito.configure(|config| config.quotas = config.quotas.clone().with(Category::UserList, 5));
    let run = world.export().await.unwrap();
    assert_eq!(run.manifest.unwrap().totals.users, 4_000);
    let list = world.cognito.meter().category(Category::UserList);
    assert!(
        list.throttled * 2 < list.attempts,
        "{} of {} calls were throttled",
        list.throttled,
        list.attempts
    );
    assert!(world.clock.elapsed() < Duration::from_mins(10));
}
