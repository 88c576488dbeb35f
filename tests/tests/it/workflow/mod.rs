//! The real coordinator and workers over unreliable queues, a simulated pool and clock.

mod endings;
mod forged;
mod hostile;
mod imports;
mod rates;

use std::time::Duration;

use cognito_profiles::ports::Ledger as _;
use cognito_profiles::run::{Run, RunStatus};
use cognito_profiles::verify;
use cognito_profiles_tests::cloud::Cloud;
use cognito_profiles_tests::sim_queue::Manners;

/// Queues that do all they may.
fn hostile() -> Manners {
    Manners { twice: 20, delay: Duration::from_secs(20), ..Manners::default() }
}

/// The run holds what the pool holds, and its digests agree with the store.
async fn assert_holds_the_pool(cloud: &Cloud, run: &Run, context: &str) {
    let world = &cloud.world;
    assert_eq!(run.status, RunStatus::Complete, "{context}: {:?}", run.reason);
    assert_eq!(world.saved(run).await.unwrap(), world.truth(&world.pool), "{context}");
    assert_sound(cloud, run, context).await;
}

/// What the run's manifest says is what the store has, and its ledger is cleared.
async fn assert_sound(cloud: &Cloud, run: &Run, context: &str) {
    let snapshot = cognito_profiles::read::Snapshot::of(cloud.world.store.clone(), run.clone()).unwrap();
    verify::check(&snapshot, &cognito_profiles::progress::Silent)
        .await
        .unwrap_or_else(|e| panic!("{context}: {e}"));
    assert_eq!(cloud.world.store.listings(&run.id).await.unwrap(), [], "{context}");
}
