//! What the ledger and the lock ask for, and what they make of awkward answers.

use serde_json::{Value, json};

use super::{NOW, store};
use crate::adapters::aws::wire::Wire;
use crate::model::Partition;
use crate::ports::{Lease, Ledger as _, Listing, Lock as _, PageId};
use crate::run::RunId;

fn run() -> RunId {
    RunId::new("20261123T075412Z-000001")
}

fn by_sub() -> Listing {
    Listing::UsersBySub("a".to_owned())
}

fn sub(number: u64) -> String {
    format!("a{:07x}-2d9c-4f6b-9d57-5a0c1d2e3f40", number * 0x3_0f17)
}

fn sixty_users() -> Vec<(Partition, String)> {
    (0..60).map(|number| (Partition::of_user(&sub(number)), sub(number))).collect()
}

/// The size of the item that this update makes, as the DynamoDB Developer Guide counts ("Item
/// sizes and formats"): names and values; a number has a byte for two digits, and one more.
fn size_of_updated(body: &Value) -> usize {
    let text = |value: &Value| value.as_str().unwrap().len();
    let keys = body["Key"].as_object().unwrap();
    let values = body["ExpressionAttributeValues"].as_object().unwrap();
    let of_keys: usize = keys.iter().map(|(name, value)| name.len() + text(&value["S"])).sum();
    let of_values: usize = values
        .iter()
        .map(|(name, value)| {
            let size: usize = match value.as_object().unwrap().iter().next().unwrap() {
                (kind, digits) if kind == "N" => text(digits).div_ceil(2) + 1,
                (kind, set) if kind == "BS" => {
                    let bytes = |element: &Value| {
                        let base64 = element.as_str().unwrap();
                        base64.len() / 4 * 3 - base64.matches('=').count()
                    };
                    set.as_array().unwrap().iter().map(bytes).sum()
                }
                (kind, _) => panic!("{kind} is not expected"),
            };
            name.len() - 1 + size
        })
        .sum();
    of_keys + of_values
}

#[tokio::test]
async fn a_page_of_sixty_users_is_one_write_of_one_unit() {
    let wire = Wire::default().answers(&json!({})).answers(&json!({})).answers(&json!({}));
    let (store, _) = store(&wire);
    for number in [99_998, 99_999] {
        let page = PageId { listing: by_sub(), attempt: 0, number };
        store.count_page(&run(), &page, &sixty_users()).await.unwrap();
    }
    assert_eq!(wire.operations(), ["GetItem", "UpdateItem", "UpdateItem"]);
    let update = &wire.calls()[2].1;
    assert_eq!(update["UpdateExpression"], "SET #expires_at = :expires_at ADD #subs :subs");
    assert_eq!(update.get("ConditionExpression"), None);
    let size = size_of_updated(update);
    assert!(size <= 1024, "{size}");
}

#[tokio::test]
async fn an_empty_page_adds_no_empty_set() {
    let wire = Wire::default().answers(&json!({})).answers(&json!({}));
    let (store, _) = store(&wire);
    store.count_page(&run(), &PageId { listing: by_sub(), attempt: 0, number: 0 }, &[]).await.unwrap();
    assert_eq!(wire.calls()[1].1["UpdateExpression"], "SET #expires_at = :expires_at");
}

fn stored(pages: u64, counted: (u32, u64)) -> Value {
    json!({
        "pk": { "S": "…#LISTINGS" }, "sk": { "S": "Sa" },
        "listing": { "S": r#"{"users_by_sub":"a"}"# }, "position": { "N": "0" },
        "attempt": { "N": "1" }, "pages": { "N": pages.to_string() }, "token": { "S": "secret" },
        "ended": { "BOOL": false }, "sent": { "BOOL": true }, "held": { "BOOL": true },
        "restarts": { "N": "1" }, "attempts": { "S": "[[1,0]]" },
        "counted_restarts": { "N": counted.0.to_string() }, "counted": { "N": counted.1.to_string() },
    })
}

/// A query's page with these pages of the listing's attempt 1.
fn found(numbers: std::ops::Range<u64>, next: bool) -> Value {
    let sk = |number: u64| format!("Sa#11{}{number}", number.to_string().len());
    let items: Vec<_> = numbers.map(|number| json!({ "sk": { "S": sk(number) } })).collect();
    let mut page = json!({ "Items": items });
    if next {
        page["LastEvaluatedKey"] = json!({ "pk": { "S": "p" }, "sk": { "S": "s" } });
    }
    page
}

async fn written(wire: &Wire) -> u64 {
    store(wire).0.listing(&run(), &by_sub()).await.unwrap().unwrap().written
}

#[tokio::test]
async fn pages_are_counted_from_where_none_was_missing() {
    let wire = Wire::default()
        .answers(&json!({}))
        .answers(&json!({ "Item": stored(32, (1, 8)) }))
        .answers(&found(8..8, true))
        .answers(&found(8..29, true))
        .answers(&found(30..32, false))
        .answers(&json!({}));
    assert_eq!(written(&wire).await, 31, "one of 32 is missing");
    let calls = wire.calls();
    let range = &calls[2].1["ExpressionAttributeValues"];
    assert_eq!([&range[":sk"]["S"], &range[":last"]["S"]], ["Sa#1118", "Sa#11231"]);
    assert_eq!(calls[2].1["ConsistentRead"], true);
    assert_eq!(calls[5].1["ExpressionAttributeValues"][":counted"]["N"], "29", "up to the gap");
}

#[tokio::test]
async fn a_few_pages_are_read_again_rather_than_noted_unless_they_are_the_last() {
    for (ended, calls) in [(false, 3), (true, 4)] {
        let mut listing = stored(12, (1, 8));
        listing["ended"]["BOOL"] = json!(ended);
        let wire = Wire::default()
            .answers(&json!({}))
            .answers(&json!({ "Item": listing }))
            .answers(&found(8..12, false))
            .answers(&json!({}));
        assert_eq!(written(&wire).await, 12);
        assert_eq!(wire.calls().len(), calls);
    }
}

#[tokio::test]
async fn whoever_counted_further_is_left_alone() {
    let wire = Wire::default()
        .answers(&json!({}))
        .answers(&json!({ "Item": stored(20, (0, 29)) }))
        .answers(&found(0..20, false))
        .refuses("ConditionalCheckFailedException");
    assert_eq!(written(&wire).await, 20, "what was counted before it was begun anew does not count");
}

#[tokio::test]
async fn what_is_known_or_not_begun_is_not_looked_for() {
    for (pages, counted) in [(7, (1, 7)), (0, (0, 3))] {
        let wire = Wire::default().answers(&json!({})).answers(&json!({ "Item": stored(pages, counted) }));
        assert_eq!(written(&wire).await, pages);
    }
}

#[tokio::test]
async fn a_home_is_read_once_for_all_its_shards() {
    let [first, second] = ["ab000000", "ac000000"].map(|lead| format!("{lead}-2d9c-4f6b-9d57-5a0c1d2e3f40"));
    let direct = json!({
        "Items": [{ "pk": { "S": "p" }, "sk": { "S": "s" }, "texts": { "SS": [
            format!("ab#{first}"), format!("ac#{second}"), "ab#ab1", "abc#ab1", "#ab1"
        ] } }],
    });
    let wire = Wire::default()
        .answers(&json!({}))
        .answers(&found(0..0, true))
        .answers(&direct)
        .answers(&found(0..0, true))
        .answers(&found(0..0, false));
    let (store, _) = store(&wire);
    assert_eq!(store.seen(&run(), &Partition::of_user("ab1")).await.unwrap(), [first, "ab1".to_owned()]);
    assert_eq!(store.seen(&run(), &Partition::of_user("ac1")).await.unwrap(), [second]);
    assert_eq!(wire.operations(), ["GetItem", "Query", "Query", "Query", "Query"]);
    assert!(wire.calls().iter().all(|(_, body)| body["ConsistentRead"] == true));
}

#[tokio::test]
async fn what_cannot_be_read_is_named_without_its_value() {
    let mut listing = stored(1, (0, 0));
    listing["pages"] = json!({ "S": "secret" });
    let items = [
        (listing, "attribute pages of a stored listing"),
        (json!({ "listing": { "S": "secret" } }), "attribute attempt of a stored listing"),
    ];
    for (item, says) in items {
        let wire = Wire::default().answers(&json!({})).answers(&json!({ "Item": item }));
        let error = store(&wire).0.listing(&run(), &by_sub()).await.unwrap_err();
        assert_eq!(error.kind(), "corrupted");
        assert!(error.to_string().contains(says) && !error.to_string().contains("secret"), "{error}");
    }
    let page = json!({ "Items": [{ "sk": { "S": "s" }, "subs": { "BS": ["c2VjcmV0"] } }] });
    let wire = Wire::default().answers(&json!({})).answers(&page);
    let error = store(&wire).0.seen(&run(), &Partition::Groups).await.unwrap_err();
    assert!(error.to_string().contains("attribute subs of a stored page"), "{error}");
}

#[tokio::test]
async fn a_lock_that_was_given_up_meanwhile_is_taken() {
    let other = json!({ "Item": {
        "holder": { "S": "other" }, "run_id": { "S": "r" }, "lease_until": { "N": "5" }, "released": { "BOOL": true },
    } });
    let wire = Wire::default().refuses("ConditionalCheckFailedException").answers(&other).answers(&json!({}));
    let lease = Lease { holder: "mine".to_owned(), run: run(), until: NOW.next(), released: false };
    let held = store(&wire).0.acquire("eu-west-1_Test", &lease, NOW).await.unwrap();
    assert_eq!(held, lease);
    assert_eq!(wire.operations(), ["UpdateItem", "GetItem", "UpdateItem"]);
    assert_eq!(wire.calls()[1].1["ConsistentRead"], true);
}
