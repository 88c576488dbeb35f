//! A table against answers shaped like DynamoDB's, without a network.

use std::sync::Arc;

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use serde_json::{Value, json};

use super::scan::SEGMENTS;
use super::{Reading, RetiredTable};
use crate::Error;
use crate::adapters::aws::wire::Wire;
use crate::adapters::sqlite::SqliteStore;
use crate::model::{Kind, Partition, Record};
use crate::ports::Backup as _;
use crate::progress::Silent;
use crate::read::Snapshot;
use crate::run::{LeftOut, Run, RunStatus, Totals};
use crate::time::Timestamp;
use crate::verify;

const TABLE: &str = "retired";

/// When the last export began that came to its end, and the one before.
const LATEST: i64 = 1_740_794_400_000;
const BEFORE: i64 = LATEST - 86_400_000;

fn sub(number: u32) -> String {
    format!("{number:08x}-5c4f-4b7b-9c4e-0d6a2f3e1b5a")
}

fn user(number: u32, confirmed: i64) -> Value {
    let sub = sub(number);
    json!({
        "id": { "S": format!("USER-{sub}") }, "type": { "S": "USER-b1c2" },
        "username": { "S": format!("user-{number}") }, "pseudoUsername": { "S": format!("user-{number}") },
        "userAttributes": { "L": [{ "M": { "Name": { "S": "sub" }, "Value": { "S": sub } } }] },
        "userEnabled": { "BOOL": true }, "userStatus": { "S": "CONFIRMED" },
        "lastConfirmedInUserPool": { "N": confirmed.to_string() }, "lastUpdatedRegion": { "S": "eu-west-1" },
    })
}

fn group(name: &str, confirmed: i64) -> Value {
    json!({
        "id": { "S": format!("GROUP-{name}") }, "type": { "S": "GROUP-b1c2" }, "groupName": { "S": name },
        "groupDescription": { "S": "" }, "groupPrecedence": { "N": "-1" },
        "groupLastModifiedDate": { "S": "2020-06-11T16:30:18.766Z" },
        "lastConfirmedInUserPool": { "N": confirmed.to_string() }, "lastUpdatedRegion": { "S": "eu-west-1" },
    })
}

fn member(group: &str, number: u32, confirmed: i64) -> Value {
    json!({
        "id": { "S": format!("GROUP_MEMBER-{group}") },
        "type": { "S": format!("GROUP_MEMBER-{}", sub(number)) },
        "groupUser": { "S": format!("user-{number}") }, "groupPseudoUsername": { "S": format!("user-{number}") },
        "groupName": { "S": group },
        "lastConfirmedInUserPool": { "N": confirmed.to_string() }, "lastUpdatedRegion": { "S": "eu-west-1" },
    })
}

fn latest_export(time: i64) -> Value {
    json!({
        "id": { "S": "latest-export-timestamp" }, "type": { "S": "SYNC_TIMESTAMP-b1c2" },
        "latestExportTimestamp": { "N": time.to_string() },
    })
}

fn page(items: &[Value], next: Option<&str>) -> Value {
    let mut page = json!({ "Items": items, "Count": items.len(), "ScannedCount": items.len() });
    if let Some(next) = next {
        page["LastEvaluatedKey"] = json!({ "id": { "S": next }, "type": { "S": "t" } });
    }
    page
}

/// What is answered before the segments are read: one item, and the last export.
fn begun(latest: Option<i64>) -> Wire {
    let exports: Vec<Value> = latest.into_iter().map(latest_export).collect();
    answering(Wire::default(), [page(&[user(0, LATEST)], Some("more")), page(&exports, None)])
}

fn answering(wire: Wire, answers: impl IntoIterator<Item = Value>) -> Wire {
    answers.into_iter().fold(wire, |wire, answer| wire.then(200, &answer.to_string()))
}

/// Segments that end at once.
fn empty_segments(count: i32) -> impl Iterator<Item = Value> {
    (0..count).map(|_| page(&[], None))
}

/// A table at the other end of the wire, whose client tries so often.
fn table(wire: &Wire, attempts: u32) -> RetiredTable {
    let retries = RetryConfig::standard().with_max_attempts(attempts);
    let settings = wire.config().into_builder().retry_config(retries).build();
    RetiredTable::new(Client::new(&settings), TABLE)
}

/// A table of these items, read.
struct Read {
    reading: Reading,
    store: Arc<SqliteStore>,
}

impl Read {
    async fn over(wire: &Wire, attempts: u32) -> Result<Self, Error> {
        let store = Arc::new(SqliteStore::temporary().unwrap());
        let reading = table(wire, attempts).read_into(&*store, &Silent).await?;
        Ok(Self { reading, store })
    }

    async fn of(items: &[Value], latest: Option<i64>) -> Result<Self, Error> {
        let wire =
            answering(begun(latest), [page(items, None)].into_iter().chain(empty_segments(SEGMENTS - 1)));
        Self::over(&wire, 1).await
    }

    /// How much the run holds, which must be what it says, to the digest.
    async fn totals(&self) -> Totals {
        let snapshot = Snapshot::of(self.store.clone(), self.reading.run.clone()).unwrap();
        let checked = verify::check(&snapshot, &Silent).await.unwrap();
        assert_eq!(checked, self.reading.run.manifest.as_ref().unwrap().totals);
        checked
    }

    async fn record(&self, partition: &Partition, key: &str) -> Record {
        let Run { pool, ended_at, .. } = &self.reading.run;
        let found = self.store.get(pool, partition, &[key.to_owned()], ended_at.unwrap()).await.unwrap();
        found[0].record().unwrap()
    }

    async fn users(&self) -> Vec<String> {
        let snapshot = Snapshot::of(self.store.clone(), self.reading.run.clone()).unwrap();
        let (mut walk, mut subs) = (snapshot.users(), Vec::new());
        while let Some(versions) = walk.next().await.unwrap() {
            subs.extend(versions.into_iter().map(|version| version.key));
        }
        subs
    }
}

/// Ten users and a group of them, all confirmed by the last export.
fn ten() -> Vec<Value> {
    let users = (0..10).map(|number| user(number, LATEST));
    users.chain([group("admins", LATEST), member("admins", 3, LATEST), latest_export(LATEST)]).collect()
}

#[tokio::test]
async fn a_table_is_one_run_as_of_its_last_export_and_always_the_same() {
    let read = Read::of(&ten(), Some(LATEST)).await.unwrap();
    let run = &read.reading.run;
    assert_eq!(run.pool.as_str(), "dynamodb-v1:retired");
    assert_eq!((run.status, run.started_at.as_millis()), (RunStatus::Complete, LATEST));
    assert_eq!(run.ended_at, Some(run.started_at));
    assert_eq!((read.reading.notes.as_slice(), run.left_out.as_slice()), (&[][..], &[][..]));
    assert_eq!(read.totals().await, Totals { users: 10, groups: 1, memberships: 1 });

    let mut reversed = ten();
    reversed.reverse();
    assert_eq!(Read::of(&reversed, Some(LATEST)).await.unwrap().reading, read.reading);
    let mut other = ten();
    other[4]["userEnabled"] = json!({ "BOOL": false });
    let other = Read::of(&other, Some(LATEST)).await.unwrap().reading.run;
    assert!(other.id != run.id && other.id.as_str()[..16] == run.id.as_str()[..16]);
    let Record::Group(group) = read.record(&Partition::Groups, "admins").await else { panic!("a group") };
    assert_eq!((group.description, group.precedence), (None, None));
}

/// Each segment to its end, which only a missing key is; nothing is written, nothing read that may
/// be old.
#[tokio::test]
async fn every_segment_is_read_to_its_end() {
    let pages = [
        page(&[], Some("a")),
        page(&[user(1, LATEST)], Some("b")),
        page(&[], Some("c")),
        page(&[user(2, LATEST), user(3, LATEST)], None),
        page(&[user(4, LATEST)], Some("d")),
        page(&[user(5, LATEST)], None),
    ];
    let wire = answering(begun(Some(LATEST)), pages.iter().cloned().chain(empty_segments(SEGMENTS - 2)));
    let read = Read::over(&wire, 1).await.unwrap();
    assert_eq!(read.users().await, (1..=5).map(sub).collect::<Vec<_>>());

    let calls = wire.calls();
    let (probe, query, scans) = (&calls[0], &calls[1], &calls[2..]);
    assert_eq!((probe.0.as_str(), &probe.1["Limit"]), ("Scan", &json!(1)));
    assert_eq!((query.0.as_str(), &query.1["ConsistentRead"]), ("Query", &json!(true)));
    assert_eq!(query.1["ExpressionAttributeValues"][":id"]["S"], "latest-export-timestamp");
    assert_eq!(scans.len(), pages.len() + SEGMENTS as usize - 2);
    let mut begun = Vec::new();
    for (operation, scan) in scans {
        assert_eq!((operation.as_str(), &scan["ConsistentRead"]), ("Scan", &json!(true)));
        assert_eq!((&scan["TotalSegments"], &scan["FilterExpression"]), (&json!(SEGMENTS), &Value::Null));
        match scan["ExclusiveStartKey"]["id"]["S"].as_str() {
            None => begun.push(scan["Segment"].as_i64().unwrap()),
            Some(key) => {
                let before =
                    pages.iter().position(|page| page["LastEvaluatedKey"]["id"]["S"] == key).unwrap();
                assert_eq!(scan["Segment"], scans[before].1["Segment"], "the key is the segment's own");
            }
        }
    }
    begun.sort_unstable();
    assert_eq!(begun, (0..i64::from(SEGMENTS)).collect::<Vec<_>>());
}

const THROTTLED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"the secret value"}"#;

#[tokio::test(start_paused = true)]
async fn a_throttled_scan_is_tried_again_and_then_said() {
    let wire = begun(Some(LATEST)).then(400, THROTTLED).then(500, "{}");
    let wire =
        answering(wire, [page(&[user(1, LATEST)], None)].into_iter().chain(empty_segments(SEGMENTS - 1)));
    assert_eq!(Read::over(&wire, 4).await.unwrap().users().await, [sub(1)]);

    let error = Read::over(&Wire::default().then(400, THROTTLED), 1).await.err().unwrap();
    assert_eq!(error.kind(), "store_unavailable");
    let said = error.to_string();
    assert!(said.starts_with("Scan on DynamoDB kept failing") && !said.contains("secret"), "{said}");
}

#[tokio::test]
async fn a_scan_that_fails_amid_leaves_no_run() {
    let answers = [page(&[user(1, LATEST)], Some("a"))].into_iter().chain(empty_segments(SEGMENTS - 1));
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException"}"#;
    let wire = answering(begun(Some(LATEST)), answers).then(400, denied);
    let store = SqliteStore::temporary().unwrap();
    let error = table(&wire, 1).read_into(&store, &Silent).await.unwrap_err();
    assert!(error.to_string().contains("grant dynamodb:Scan on DynamoDB table retired"), "{error}");
    assert_eq!(store.runs(None).await.unwrap(), []);
}

#[tokio::test]
async fn what_the_last_export_no_longer_saw_is_left_out_and_said() {
    let mut items = ten();
    items.extend((10..30).map(|number| user(number, LATEST)));
    items.extend([user(90, BEFORE), member("admins", 90, BEFORE)]);
    let read = Read::of(&items, Some(LATEST)).await.unwrap();
    assert_eq!(read.reading.run.status, RunStatus::Complete);
    assert_eq!(read.reading.run.manifest.as_ref().unwrap().changes.gone, 2);
    assert_eq!(read.totals().await, Totals { users: 30, groups: 1, memberships: 1 });
    let [note] = &read.reading.notes[..] else { panic!("{:?}", read.reading.notes) };
    assert!(note.ends_with("no longer saw them: 1 user, 1 membership"), "{note}");
}

/// A replica may have the end of an export before what it saw.
#[tokio::test]
async fn too_much_that_is_old_holds_the_run_with_all_of_it() {
    let mut items = ten();
    items.extend([user(90, BEFORE), user(91, BEFORE)]);
    let read = Read::of(&items, Some(LATEST)).await.unwrap();
    let run = &read.reading.run;
    assert_eq!(run.status, RunStatus::Held);
    assert_eq!(read.totals().await.users, 12);
    let reason = run.reason.as_deref().unwrap();
    assert!(reason.contains("2 of 12 users would be gone"), "{reason}");
    let [note] = &read.reading.notes[..] else { panic!("{:?}", read.reading.notes) };
    assert!(note.contains(&format!("pass --as-of {}", run.id)), "{note}");
}

#[tokio::test]
async fn an_export_that_goes_on_makes_nobody_old() {
    let now = LATEST + 3_600_000;
    let mut items: Vec<Value> = (0..6).map(|number| user(number, now)).collect();
    items.extend((6..10).map(|number| user(number, LATEST)));
    items.push(latest_export(LATEST));
    let read = Read::of(&items, Some(LATEST)).await.unwrap();
    let run = &read.reading.run;
    assert_eq!((run.status, run.ended_at), (RunStatus::Complete, Some(Timestamp::from_millis(now))));
    assert_eq!((run.started_at.as_millis(), read.totals().await.users), (LATEST, 10));
    let [note] = &read.reading.notes[..] else { panic!("{:?}", read.reading.notes) };
    assert!(note.contains("6 items are as it saw them, 4 as the export of"), "{note}");
}

/// The time of the last export is asked for first: by the end it may be another's.
#[tokio::test]
async fn an_export_that_ends_meanwhile_makes_nobody_old() {
    let ended = LATEST + 3_600_000;
    let mut items: Vec<Value> = (0..5).map(|number| user(number, LATEST)).collect();
    items.extend((5..10).map(|number| user(number, ended)));
    items.push(latest_export(ended));
    let read = Read::of(&items, Some(LATEST)).await.unwrap();
    assert_eq!((read.reading.run.status, read.totals().await.users), (RunStatus::Complete, 10));
}

#[tokio::test]
async fn where_no_export_ever_ended_the_run_has_failed() {
    let items: Vec<Value> = (0..4).map(|number| user(number, LATEST + i64::from(number))).collect();
    let read = Read::of(&items, None).await.unwrap();
    let run = &read.reading.run;
    assert_eq!((run.status, run.started_at.as_millis()), (RunStatus::Failed, LATEST));
    assert_eq!((run.ended_at, read.totals().await.users), (Some(Timestamp::from_millis(LATEST + 3)), 4));
    assert!(read.reading.notes[0].contains("no export of the retired solution"), "{:?}", read.reading.notes);
}

/// Two deployments into one table: the type differs, the later export counts.
#[tokio::test]
async fn of_two_items_of_one_user_the_later_counts() {
    let later = LATEST + 1_000;
    let mut other = user(1, later);
    other["type"] = json!({ "S": "USER-0000" });
    other["userStatus"] = json!({ "S": "UNCONFIRMED" });
    for mut items in [vec![user(1, LATEST), other.clone()], vec![other, user(1, LATEST)]] {
        items.push(user(2, LATEST));
        let read = Read::of(&items, Some(LATEST)).await.unwrap();
        assert_eq!(read.totals().await.users, 2);
        let found = read.record(&Partition::of_user(&sub(1)), &sub(1)).await;
        let Record::User(user) = found else { panic!("a user") };
        assert_eq!(user.status, "UNCONFIRMED");
        assert!(
            read.reading.notes.iter().any(|note| note.starts_with("1 items are of records that another"))
        );
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_listed_and_the_rest_is_there() {
    let mut items = ten();
    for number in [40, 41] {
        let mut broken = user(number, LATEST);
        broken["username"] = json!({ "NULL": true });
        items.push(broken);
    }
    let mut unnamed = user(42, LATEST);
    unnamed["id"] = json!({ "S": "USER-ann@example.com" });
    let config = json!({ "id": { "S": "ann@example.com" }, "type": { "S": "config" } });
    items.extend([unnamed, config.clone(), config]);
    let read = Read::of(&items, Some(LATEST)).await.unwrap();
    assert_eq!((read.reading.run.status, read.totals().await.users), (RunStatus::Complete, 10));
    let left_out = &read.reading.run.left_out;
    let said: Vec<(Option<Kind>, &str)> =
        left_out.iter().map(|LeftOut { record, key, .. }| (*record, key.as_str())).collect();
    let (forty, forty_one) = (sub(40), sub(41));
    assert_eq!(
        said,
        [
            (None, "#1"),
            (None, "#2"),
            (Some(Kind::User), "#3"),
            (Some(Kind::User), forty.as_str()),
            (Some(Kind::User), forty_one.as_str()),
        ]
    );
    assert!(!format!("{left_out:?}").contains("example.com"));
}

/// Who is in which group is not lost with what the group's own item says.
#[tokio::test]
async fn a_group_that_only_its_members_tell_of_is_there_by_name_and_listed() {
    let mut items = ten();
    let mut broken = group("staff", LATEST);
    broken["groupName"] = json!({ "S": "another" });
    items.extend([member("lost", 1, LATEST), broken, member("staff", 1, LATEST), member("staff", 2, LATEST)]);
    let read = Read::of(&items, Some(LATEST)).await.unwrap();
    assert_eq!(read.totals().await, Totals { users: 10, groups: 3, memberships: 4 });
    assert_eq!(read.reading.notes, [""; 0]);
    let keys: Vec<&str> = read.reading.run.left_out.iter().map(|item| item.key.as_str()).collect();
    assert_eq!(keys, ["lost", "staff", "staff"]);
    let found = read.record(&Partition::Groups, "staff").await;
    assert!(matches!(found, Record::Group(group) if group.description.is_none()));

    // One that nobody saw any more goes with its members.
    let mut items = ten();
    items.push(member("lost", 1, BEFORE));
    let read = Read::of(&items, Some(LATEST)).await.unwrap();
    assert_eq!(read.totals().await, Totals { users: 10, groups: 1, memberships: 1 });
    assert_eq!(read.reading.run.left_out, []);
}

#[tokio::test]
async fn too_much_that_cannot_be_read_is_refused_with_the_reasons() {
    let broken = |number| {
        let mut broken = user(number, LATEST);
        broken["userStatus"] = json!({ "N": "1" });
        broken
    };
    let all = (0..1_001).map(broken).chain([user(2_000, LATEST)]);
    for items in [all.collect::<Vec<_>>(), vec![broken(1)]] {
        let error = Read::of(&items, Some(LATEST)).await.err().unwrap();
        assert_eq!(error.kind(), "corrupted");
        assert!(error.to_string().contains(" x user: its userStatus is missing"), "{error}");
    }
}

#[tokio::test]
async fn other_tables_are_refused_with_what_to_do() {
    let refused = async |probe: Value| {
        let error = Read::over(&answering(Wire::default(), [probe]), 1).await.err().unwrap();
        assert_eq!(error.kind(), "not_a_backup");
        error.to_string()
    };
    let ours = json!({ "pk": { "S": "POOL#x" }, "sk": { "S": "SETTINGS" } });
    assert!(refused(page(&[ours], None)).await.contains("name it --backup dynamodb:retired"));
    let other = json!({ "id": { "S": "x" }, "sort": { "N": "1" } });
    assert!(refused(page(&[other], None)).await.contains("name another"));
    assert!(refused(page(&[], None)).await.contains("is empty"));

    let stranger = json!({ "id": { "S": "x" }, "type": { "S": "y" } });
    let error = Read::of(&vec![stranger; 1_500], None).await.err().unwrap();
    assert_eq!(error.kind(), "not_a_backup");
}

#[tokio::test]
async fn a_first_page_without_items_does_not_end_the_look_at_the_keys() {
    let wire = answering(
        Wire::default(),
        [page(&[], Some("a")), page(&[user(1, LATEST)], Some("b")), page(&[latest_export(LATEST)], None)]
            .into_iter()
            .chain([page(&[user(1, LATEST)], None)])
            .chain(empty_segments(SEGMENTS - 1)),
    );
    assert_eq!(Read::over(&wire, 1).await.unwrap().users().await, [sub(1)]);
    assert_eq!(wire.calls()[1].1["ExclusiveStartKey"]["id"]["S"], "a");
}

#[tokio::test]
async fn an_emptied_pool_is_an_empty_run() {
    let read = Read::of(&[latest_export(LATEST)], Some(LATEST)).await.unwrap();
    assert_eq!((read.reading.run.status, read.totals().await), (RunStatus::Complete, Totals::default()));
}
