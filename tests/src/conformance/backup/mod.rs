//! What every [`Backup`] does.

mod closing;
mod observing;
mod reading;
mod runs;

use std::sync::Arc;

use cognito_profiles::model::Partition;
use cognito_profiles::ports::{Backup, Observation};

use super::{later_run, pool, run};

pub use closing::*;
pub use observing::*;
pub use reading::*;
pub use runs::*;

/// A store to test.
pub type Store = Arc<dyn Backup>;

/// Every property of a backup, each on a new store.
pub async fn backup_conformance<S: Backup + 'static>(new_store: impl AsyncFn() -> Arc<S>) {
    small_backup_conformance(&new_store).await;
    ten_thousand_records_of_one_partition(new_store().await).await;
}

/// Every property of a backup that few records show, each on a new store.
pub async fn small_backup_conformance<S: Backup + 'static>(new_store: impl AsyncFn() -> Arc<S>) {
    macro_rules! check {
        ($($property:ident),* $(,)?) => { $( $property(new_store().await).await; )* };
    }
    check!(
        a_first_observation_is_new_and_current,
        an_equal_observation_changes_nothing,
        a_change_keeps_what_was_before,
        an_older_observation_is_ignored,
        duplicates_change_nothing,
        the_greater_hash_wins_a_millisecond,
        a_tie_keeps_the_version_before_it,
        a_run_that_sees_a_record_twice_leaves_it_new,
        a_later_run_makes_it_changed,
        one_call_may_be_of_many_partitions,
        content_is_kept_to_the_byte,
        the_largest_user_is_kept_to_the_byte,
        observations_at_the_same_time_end_in_the_latest,
    );
    check!(
        closing_ends_a_version,
        closing_leaves_what_is_not_current,
        closing_leaves_what_began_later,
        closing_twice_keeps_the_first_end,
        a_late_observation_does_not_bring_back_what_is_gone,
        a_record_that_reappears_is_new,
        what_held_for_no_time_is_gone_for_good,
        closing_is_of_one_partition,
    );
    check!(
        an_unknown_pool_holds_nothing,
        heads_page_at_any_boundary,
        as_of_pages_over_current_and_past,
        as_of_holds_from_its_beginning_until_before_its_end,
        versions_page_at_any_boundary,
        get_finds_what_held_then,
        keys_are_in_byte_order,
        the_empty_key_is_a_key,
        partitions_are_apart,
        pools_are_apart,
        group_names_are_all_that_ever_were,
    );
    check!(runs_are_replaced_and_ordered, runs_of_pools_are_apart,);
}

/// Key, content, beginning and end (both after the fixed day) of a version.
type Row = (String, String, i64, Option<i64>);

async fn observe(store: &Store, observations: &[Observation]) {
    store.observe(&pool(), &run(), observations).await.unwrap();
}

async fn observe_later(store: &Store, observations: &[Observation]) {
    store.observe(&pool(), &later_run(), observations).await.unwrap();
}

async fn close(store: &Store, partition: &Partition, keys: &[&str], millis: i64) {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    store.close(&pool(), partition, &keys, super::at(millis)).await.unwrap();
}

/// Everything the partition ever held.
async fn versions(store: &Store, partition: &Partition) -> Vec<Row> {
    rows(store.versions(&pool(), partition, None, 100_000).await.unwrap())
}

/// What the partition held then.
async fn as_of(store: &Store, partition: &Partition, millis: i64) -> Vec<Row> {
    rows(store.as_of(&pool(), partition, super::at(millis), None, 100_000).await.unwrap())
}

fn rows(versions: Vec<cognito_profiles::ports::Version>) -> Vec<Row> {
    let since = |time: cognito_profiles::time::Timestamp| time.as_millis() - super::at(0).as_millis();
    let row = |version: cognito_profiles::ports::Version| {
        assert!(version.is_intact());
        let content: serde_json::Value = serde_json::from_str(&version.content).unwrap();
        let tag = content["tag"].as_str().unwrap_or_default().to_owned();
        (version.key, tag, since(version.valid_from), version.valid_to.map(since))
    };
    versions.into_iter().map(row).collect()
}

fn row(key: &str, tag: &str, from: i64, to: Option<i64>) -> Row {
    (key.to_owned(), tag.to_owned(), from, to)
}

fn strings(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}
