//! What others write between a read and a write; and that what is as it was is not written.

use serde_json::{Value, json};

use super::{NOW, TABLE, store};
use crate::adapters::aws::wire::Wire;
use crate::model::{Hash, Partition, PoolId, Shard};
use crate::ports::{Backup as _, Observation};
use crate::run::RunId;

const PK: &str = "POOL#eu-west-1_Test#USERS#ab";

fn pool() -> PoolId {
    PoolId::new("eu-west-1_Test")
}

fn run() -> RunId {
    RunId::new("r2")
}

fn saw(tag: &str, millis: i64) -> Observation {
    let content = format!(r#"{{"tag":"{tag}"}}"#);
    Observation {
        partition: Partition::Users(Shard::of_user("ab")),
        key: "ab1".to_owned(),
        hash: Hash::of(content.as_bytes()),
        content,
        observed_at: NOW.plus_millis(millis),
    }
}

/// The item that keeps this as the current version.
fn item(seen: &Observation) -> Value {
    let content: Value = serde_json::from_str(&seen.content).unwrap();
    json!({
        "pk": { "S": PK }, "sk": { "S": "ab1" },
        "record": { "M": { "tag": { "S": content["tag"] } } },
        "content_hash": { "S": seen.hash.to_string() },
        "valid_from": { "S": seen.observed_at.to_string() },
        "run_id": { "S": "r1" }, "change": { "S": "new" },
    })
}

fn heads(items: &[Value]) -> Value {
    json!({ "Responses": { TABLE: items }, "UnprocessedKeys": {} })
}

fn read(item: &Value) -> Value {
    json!({ "Item": item })
}

#[tokio::test]
async fn what_is_as_it_was_costs_one_cheap_read() {
    let wire = Wire::default().answers(&heads(&[item(&saw("a", 1))]));
    let (store, _) = store(&wire);
    store.observe(&pool(), &run(), &[saw("a", 5), saw("a", 9)]).await.unwrap();
    let [(operation, body)] = wire.calls().try_into().unwrap();
    assert_eq!(operation, "BatchGetItem");
    let asked = &body["RequestItems"][TABLE];
    assert_eq!(asked["ConsistentRead"], false);
    assert_eq!(asked["Keys"], json!([{ "pk": { "S": PK }, "sk": { "S": "ab1" } }]));
    assert_eq!(asked["ProjectionExpression"], "#pk, #sk, #valid_from, #content_hash, #run_id, #change");
}

#[tokio::test]
async fn a_change_moves_what_was_into_the_history_at_once() {
    let before = saw("a", 1);
    let wire = Wire::default()
        .answers(&heads(&[item(&before)]))
        .answers(&json!({}))
        .answers(&read(&item(&before)))
        .answers(&json!({}));
    let (store, _) = store(&wire);
    store.observe(&pool(), &run(), &[saw("b", 5)]).await.unwrap();
    assert_eq!(wire.operations(), ["BatchGetItem", "UpdateItem", "GetItem", "TransactWriteItems"]);
    assert_eq!(wire.calls()[2].1["ConsistentRead"], true);
    let parts = &wire.calls()[3].1["TransactItems"];
    let mut past = item(&before);
    past["pk"] = json!({ "S": format!("{PK}#HISTORY") });
    past["sk"] = json!({ "S": format!("ab1#{}", before.observed_at) });
    past["valid_to"] = json!({ "S": NOW.plus_millis(5).to_string() });
    past["expires_at"] = json!({ "N": (NOW.as_millis() / 1000 + 30 * 86_400).to_string() });
    assert_eq!(parts[0]["Put"]["Item"], past);
    let mut current = item(&saw("b", 5));
    current["run_id"] = json!({ "S": "r2" });
    current["change"] = json!({ "S": "changed" });
    assert_eq!(parts[1]["Put"]["Item"], current);
    assert_eq!(parts[1]["Put"]["ExpressionAttributeValues"][":content_hash"]["S"], before.hash.to_string());
}

#[tokio::test]
async fn who_loses_to_a_later_version_writes_no_more() {
    let before = saw("a", 1);
    let wire = Wire::default()
        .answers(&heads(&[item(&before)]))
        .answers(&json!({}))
        .answers(&read(&item(&before)))
        .cancels(&["None", "ConditionalCheckFailed"])
        .answers(&read(&item(&saw("c", 9))));
    let (store, _) = store(&wire);
    store.observe(&pool(), &run(), &[saw("b", 5)]).await.unwrap();
    assert_eq!(wire.operations()[3..], ["TransactWriteItems", "GetItem"]);
}

#[tokio::test]
async fn who_loses_to_an_earlier_version_supersedes_that() {
    let other = saw("a", 1);
    let wire = Wire::default()
        .answers(&heads(&[]))
        .answers(&json!({}))
        .answers(&json!({ "Items": [] }))
        .refuses("ConditionalCheckFailedException")
        .answers(&read(&item(&other)))
        .answers(&json!({}));
    let (store, _) = store(&wire);
    store.observe(&pool(), &run(), &[saw("b", 5)]).await.unwrap();
    assert_eq!(wire.operations()[1..], ["UpdateItem", "Query", "PutItem", "GetItem", "TransactWriteItems"]);
    assert_eq!(wire.calls()[3].1["ConditionExpression"], "attribute_not_exists(#pk)");
    let past = &wire.calls()[5].1["TransactItems"][0]["Put"]["Item"];
    assert_eq!(past["content_hash"]["S"], other.hash.to_string());
}

#[tokio::test]
async fn who_loses_for_ever_ends_in_an_error() {
    let before = saw("a", 1);
    let mut wire = Wire::default().answers(&heads(&[item(&before)])).answers(&json!({}));
    for _ in 0..31 {
        wire = wire.answers(&read(&item(&before))).cancels(&["None", "ConditionalCheckFailed"]);
    }
    let (store, _) = store(&wire);
    let error = store.observe(&pool(), &run(), &[saw("b", 5)]).await.unwrap_err();
    assert_eq!(error.kind(), "store_unavailable");
}

#[tokio::test]
async fn a_version_that_changes_while_it_is_closed_is_judged_again() {
    let partition = Partition::Users(Shard::of_user("ab"));
    let wire = Wire::default()
        .answers(&json!({}))
        .answers(&read(&item(&saw("a", 1))))
        .cancels(&["None", "ConditionalCheckFailed"])
        .answers(&read(&item(&saw("b", 9))));
    let (store, _) = store(&wire);
    store.close(&pool(), &partition, &["ab1".to_owned()], NOW.plus_millis(5)).await.unwrap();
    assert_eq!(wire.operations(), ["UpdateItem", "GetItem", "TransactWriteItems", "GetItem"]);
    let gone = &wire.calls()[2].1["TransactItems"][1]["Delete"];
    assert_eq!(gone["ConditionExpression"], "#valid_from = :valid_from AND #content_hash = :content_hash");
}

#[tokio::test]
async fn the_latest_time_is_noted_before_and_once() {
    let (first, second) = (saw("a", 5), saw("b", 5));
    let stored = item(&saw("0", 1));
    let mut wire = Wire::default();
    for number in 0..2 {
        wire = wire.answers(&heads(std::slice::from_ref(&stored)));
        wire = if number == 0 { wire.refuses("ConditionalCheckFailedException") } else { wire };
        wire = wire.answers(&read(&stored)).answers(&json!({}));
    }
    let (store, _) = store(&wire);
    store.observe(&pool(), &run(), &[first]).await.unwrap();
    store.observe(&pool(), &run(), &[second]).await.unwrap();
    let expected = [
        "BatchGetItem",
        "UpdateItem",
        "GetItem",
        "TransactWriteItems",
        "BatchGetItem",
        "GetItem",
        "TransactWriteItems",
    ];
    assert_eq!(wire.operations(), expected);
    let noted = &wire.calls()[1].1;
    assert_eq!(noted["ConditionExpression"], "attribute_not_exists(#latest) OR #latest < :latest");
    assert_eq!(noted["Key"], json!({ "pk": { "S": "POOL#eu-west-1_Test" }, "sk": { "S": "LATEST" } }));
}

#[tokio::test]
async fn a_version_that_moves_between_two_reads_is_found_once() {
    let version = saw("a", 1);
    let mut past = item(&version);
    past["sk"] = json!({ "S": format!("ab1#{}", version.observed_at) });
    past["valid_to"] = json!({ "S": NOW.plus_millis(5).to_string() });
    let wire =
        Wire::default().answers(&json!({ "Items": [item(&version)] })).answers(&json!({ "Items": [past] }));
    let (store, _) = store(&wire);
    let found = store.as_of(&pool(), &version.partition, NOW.plus_millis(2), None, 10).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].content, version.content);
    assert_eq!(wire.calls()[0].1["ExpressionAttributeValues"][":pk"]["S"], PK, "current versions first");
}

#[tokio::test]
async fn an_item_without_its_hash_is_damage() {
    let mut damaged = item(&saw("a", 1));
    damaged["content_hash"] = json!({ "S": "0g" });
    let wire = Wire::default().answers(&heads(&[damaged]));
    let error = store(&wire).0.observe(&pool(), &run(), &[saw("a", 5)]).await.unwrap_err();
    assert_eq!(error.kind(), "corrupted");
    assert!(
        error.to_string().contains("the attribute content_hash of a stored user cannot be read"),
        "{error}"
    );
}
