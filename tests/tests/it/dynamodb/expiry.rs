//! How long what is stored stays, and what a person finds in the table.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use cognito_profiles::adapters::dynamodb::DynamoStore;
use cognito_profiles::ports::{Backup, Clock};
use cognito_profiles::run::{Run, RunId, RunStatus};
use cognito_profiles_tests::conformance::{at, pool, run, saw, users};
use cognito_profiles_tests::dynamodb::{self, RETENTION_DAYS};
use cognito_profiles_tests::{MiniStack, SimClock};
use serde_json::{Value, json};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// A run that began on that day, and ended an hour later unless it still goes on.
fn run_of_day(day: i64, status: RunStatus) -> Run {
    let started_at = at(day * DAY);
    Run {
        id: RunId::new(format!("of-day-{day}")),
        pool: pool(),
        status,
        started_at,
        ended_at: (status != RunStatus::Running).then(|| started_at.plus_millis(60 * 60 * 1000)),
        estimated_users: 0,
        listed_whole: false,
        manifest: None,
        reason: None,
        left_out: Vec::new(),
    }
}

async fn days(store: &DynamoStore) -> Vec<i64> {
    let runs = store.runs(Some(&pool())).await.unwrap();
    runs.iter().map(|run| (run.started_at.as_millis() - at(0).as_millis()) / DAY).collect()
}

/// The earlier runs go by the retention; the last complete one stays until another is.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_only_after_a_later_one_is_complete() {
    let ministack = MiniStack::start();
    let clock = Arc::new(SimClock::new(at(5 * DAY), 1));
    let store = dynamodb::new_store(&dynamodb::client(&ministack.endpoint()), clock.clone()).await;
    for (day, status) in
        [(0, RunStatus::Complete), (1, RunStatus::Failed), (2, RunStatus::Complete), (3, RunStatus::Held)]
    {
        store.put_run(&run_of_day(day, RunStatus::Running)).await.unwrap();
        store.put_run(&run_of_day(day, status)).await.unwrap();
    }
    store.put_run(&run_of_day(4, RunStatus::Running)).await.unwrap();
    assert_eq!(days(&store).await, [0, 1, 2, 3, 4]);

    let retention = Duration::from_hours(24 * u64::from(RETENTION_DAYS));
    let until = at(i64::from(RETENTION_DAYS) * DAY + 60 * 60 * 1000);
    clock.set_wall(until.plus_millis(-1));
    assert_eq!(days(&store).await, [0, 1, 2, 3, 4]);
    clock.set_wall(until);
    assert_eq!(days(&store).await, [1, 2, 3, 4], "to the second");
    clock.advance(retention * 10);
    assert_eq!(days(&store).await, [2, 3, 4]);

    store.put_run(&run_of_day(4, RunStatus::Complete)).await.unwrap();
    assert_eq!(days(&store).await, [4]);
    let all = store.runs(None).await.unwrap();
    assert_eq!(all, [run_of_day(4, RunStatus::Complete)]);
}

fn plain(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!(text),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::M(members) => {
            members.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// What is superseded or gone has its end, and when it may be removed; what is current has neither.
#[tokio::test(flavor = "multi_thread")]
async fn items_are_plain_to_read_and_history_expires() {
    let ministack = MiniStack::start();
    let client = dynamodb::client(&ministack.endpoint());
    let clock: Arc<dyn Clock> = Arc::new(SimClock::new(at(0), 1));
    let tables = dynamodb::new_tables(&client).await;
    let store = DynamoStore::new(tables.clone(), RETENTION_DAYS, clock);
    for seen in [saw(&users(), "ab1", "a", 1), saw(&users(), "ab1", "b", 5)] {
        store.observe(&pool(), &run(), std::slice::from_ref(&seen)).await.unwrap();
    }
    store.close(&pool(), &users(), &["ab1".to_owned()], at(9_000)).await.unwrap();
    store.observe(&pool(), &run(), &[saw(&users(), "ab1", "c", 10_000)]).await.unwrap();

    let found = client.scan().table_name(&tables.backup).send().await.unwrap();
    let found = found.items.unwrap_or_default();
    let mut found: Vec<Value> = found
        .iter()
        .map(|item| item.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
        .collect();
    found.sort_by_key(|item| (item["pk"].to_string(), item["sk"].to_string()));

    let pk = format!("POOL#{}#USERS#ab", pool());
    let version = |pk: &str, sk: &str, tag: &str, from: i64| {
        json!({
            "pk": pk, "sk": sk, "record": { "tag": tag }, "content_hash": saw(&users(), "", tag, 0).hash.to_string(),
            "valid_from": at(from).to_string(), "run_id": run().as_str(), "change": "new",
        })
    };
    let past = |tag: &str, from: i64, to: i64| {
        let mut item = version(&format!("{pk}#HISTORY"), &format!("ab1#{}", at(from)), tag, from);
        item["valid_to"] = json!(at(to).to_string());
        let expiry = at(to).as_millis() / 1000 + i64::from(RETENTION_DAYS) * DAY / 1000;
        item["expires_at"] = json!({ "N": expiry.to_string() });
        item
    };
    let latest =
        json!({ "pk": format!("POOL#{}", pool()), "sk": "LATEST", "latest": at(10_000).to_string() });
    let expected = [latest, version(&pk, "ab1", "c", 10_000), past("a", 1, 5), past("b", 5, 9_000)];
    assert_eq!(found, expected);
    assert_eq!(store.latest(&pool()).await.unwrap(), Some(at(10_000)));
}
