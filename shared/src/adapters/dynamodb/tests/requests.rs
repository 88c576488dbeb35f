//! Answers that leave something undone.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{TABLE, store};
use crate::adapters::aws::wire::Wire;
use crate::adapters::dynamodb::expression::Expression;
use crate::adapters::dynamodb::query::{Query, Range};
use crate::adapters::dynamodb::table::{Item, Key, Written};

fn key(sk: &str) -> Value {
    json!({ "pk": { "S": "p" }, "sk": { "S": sk } })
}

fn keys(sks: &[&str]) -> BTreeSet<Key> {
    sks.iter().map(|sk| Key::new("p", *sk)).collect()
}

fn items(sks: &[&str]) -> Vec<Item> {
    sks.iter().map(|sk| Key::new("p", *sk).into_item()).collect()
}

/// An answer of `BatchGetItem`.
fn got(found: &[&str], unprocessed: &[&str]) -> Value {
    let of = |sks: &[&str]| sks.iter().map(|sk| key(sk)).collect::<Vec<_>>();
    let unprocessed = match unprocessed {
        [] => json!({}),
        sks => json!({ TABLE: { "Keys": of(sks) } }),
    };
    json!({ "Responses": { TABLE: of(found) }, "UnprocessedKeys": unprocessed })
}

/// An answer of `BatchWriteItem`.
fn put(unprocessed: &[&str]) -> Value {
    let requests: Vec<_> =
        unprocessed.iter().map(|sk| json!({ "PutRequest": { "Item": key(sk) } })).collect();
    let unprocessed = if requests.is_empty() { json!({}) } else { json!({ TABLE: requests }) };
    json!({ "UnprocessedItems": unprocessed })
}

#[tokio::test]
async fn unprocessed_keys_are_asked_for_again() {
    let wire = Wire::default()
        .answers(&got(&["a"], &["b", "c"]))
        .answers(&got(&[], &["c", "b"]))
        .answers(&got(&["c", "b"], &[]));
    let (store, clock) = store(&wire);
    let found = store.backup.batch_get(keys(&["a", "b", "c"]), None, true).await.unwrap();
    let found: Vec<_> = found.iter().map(|item| Key::of(item).unwrap().sk).collect();
    assert_eq!(found, ["a", "c", "b"]);
    assert_eq!(wire.calls()[1].1["RequestItems"][TABLE]["Keys"], json!([key("b"), key("c")]));
    assert_eq!(wire.calls()[2].1["RequestItems"][TABLE]["ConsistentRead"], true);
    assert_eq!(clock.sleeps.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn unprocessed_items_are_written_again() {
    let wire = Wire::default().answers(&put(&["b"])).answers(&put(&[]));
    let (store, clock) = store(&wire);
    store.backup.batch_put(items(&["a", "b", "a"])).await.unwrap();
    let sent = |call: usize| wire.calls()[call].1["RequestItems"][TABLE].clone();
    let request = |sk| json!({ "PutRequest": { "Item": key(sk) } });
    assert_eq!(sent(0), json!([request("a"), request("b")]), "no key twice");
    assert_eq!(sent(1), json!([request("b")]));
    assert_eq!(clock.sleeps.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn batches_are_no_larger_than_allowed() {
    let many: Vec<String> = (0..130).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut wire = Wire::default().answers(&got(&[], &[])).answers(&got(&[], &[]));
    for _ in 0..6 {
        wire = wire.answers(&put(&[]));
    }
    let (store, _) = store(&wire);
    assert_eq!(store.backup.batch_get(keys(&many), None, true).await.unwrap(), []);
    store.backup.batch_put(items(&many)).await.unwrap();
    let sizes: Vec<_> = wire
        .calls()
        .iter()
        .map(|(_, body)| {
            let request = &body["RequestItems"][TABLE];
            request["Keys"].as_array().or(request.as_array()).unwrap().len()
        })
        .collect();
    assert_eq!(sizes, [100, 30, 25, 25, 25, 25, 25, 5]);
}

#[tokio::test]
async fn an_endless_refusal_ends_in_an_error() {
    let mut wire = Wire::default();
    for _ in 0..31 {
        wire = wire.answers(&got(&[], &["a"]));
    }
    for _ in 0..31 {
        wire = wire.answers(&put(&["a"]));
    }
    let (store, _) = store(&wire);
    let read = store.backup.batch_get(keys(&["a"]), None, true).await.unwrap_err();
    let written = store.backup.batch_put(items(&["a"])).await.unwrap_err();
    for (error, operation) in [(read, "BatchGetItem"), (written, "BatchWriteItem")] {
        assert_eq!(error.kind(), "store_unavailable");
        assert!(error.to_string().starts_with(operation), "{error}");
    }
    assert_eq!(wire.calls().len(), 62);
}

#[tokio::test]
async fn an_empty_page_does_not_end_a_query() {
    let page = |found: &[&str], next: Option<&str>| {
        let mut page = json!({ "Items": found.iter().map(|sk| key(sk)).collect::<Vec<_>>() });
        if let Some(next) = next {
            page["LastEvaluatedKey"] = key(next);
        }
        page
    };
    let wire = Wire::default()
        .answers(&page(&[], Some("a")))
        .answers(&page(&["b"], Some("b")))
        .answers(&page(&[], Some("c")))
        .answers(&page(&[], None));
    let (store, _) = store(&wire);
    let filter = Expression::new("attribute_exists(#valid_to)");
    let query = Query::of("p", Range::After("0".to_owned())).filter(filter).only("#sk");
    assert_eq!(store.backup.query(&query, 3).await.unwrap(), items(&["b"]));
    let calls = wire.calls();
    assert_eq!(calls[0].1.get("ExclusiveStartKey"), None);
    assert_eq!(calls[3].1["ExclusiveStartKey"], key("c"));
    assert!(calls.iter().all(|(_, body)| body["ConsistentRead"] == true && body["Limit"] == 100));
}

#[tokio::test]
async fn a_page_too_long_is_cut_and_asks_for_no_more() {
    let page = json!({ "Items": [key("a"), key("b")], "LastEvaluatedKey": key("b") });
    let wire = Wire::default().answers(&page);
    let (store, _) = store(&wire);
    assert_eq!(store.backup.query(&Query::of("p", Range::All), 1).await.unwrap(), items(&["a"]));
    assert_eq!(wire.calls()[0].1["Limit"], 1);
}

#[tokio::test]
async fn a_cancelled_transaction_is_judged_by_every_reason() {
    let wire = Wire::default()
        .cancels(&["TransactionConflict", "None"])
        .cancels(&["None", "ThrottlingError"])
        .answers(&json!({}))
        .cancels(&["None", "ConditionalCheckFailed"])
        .cancels(&["TransactionConflict", "ConditionalCheckFailed"])
        .cancels(&["TransactionConflict", "ValidationError"])
        .cancels(&["None", "None"]);
    let (store, clock) = store(&wire);
    let transact = async || {
        let part = store.backup.putting(Key::new("p", "a").into_item(), Some(Expression::absent())).unwrap();
        store.backup.transact(vec![part]).await
    };
    assert_eq!(transact().await.unwrap(), Written::Done);
    assert_eq!(clock.sleeps.load(Ordering::Relaxed), 2, "what passes is waited for");
    assert_eq!(transact().await.unwrap(), Written::ConditionFailed);
    assert_eq!(transact().await.unwrap(), Written::ConditionFailed);
    let error = transact().await.unwrap_err();
    assert_eq!(error.kind(), "store");
    assert!(error.to_string().ends_with("refused with ValidationError"), "{error}");
    assert_eq!(transact().await.unwrap_err().kind(), "store");
}

#[tokio::test]
async fn an_endless_conflict_ends_in_an_error() {
    let mut wire = Wire::default();
    for _ in 0..31 {
        wire = wire.refuses("TransactionConflictException");
    }
    let (store, _) = store(&wire);
    let error = store.backup.put(Key::new("p", "a").into_item(), None).await.unwrap_err();
    assert_eq!(error.kind(), "store_unavailable");
    assert!(error.to_string().contains("last with TransactionConflictException"), "{error}");
}
