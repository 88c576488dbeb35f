//! Messages of the three queues, of which any may be damaged, forged, or of another version.

use std::sync::Arc;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Delivery;
use crate::adapters::sqlite::SqliteStore;
use crate::export::Writer;
use crate::fuzz::{SECRET, config, garbled, spoiled};
use crate::model::{Group, Partition, User};
use crate::ports::{
    Backup as _, Ledger as _, ListMessage, Listing, PageId, PageMessage, PageRecords, ReplayMessage,
};
use crate::progress::Silent;
use crate::run::{Run, RunId, RunStatus};
use crate::time::Timestamp;
use crate::verify::verify;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn run() -> Run {
    Run {
        id: RunId::new("20270115T080000Z-1a2b3c"),
        pool: crate::model::PoolId::new("eu-west-1_Fuzz00001"),
        status: RunStatus::Running,
        started_at: NOW,
        ended_at: None,
        estimated_users: 1,
        listed_whole: true,
        manifest: None,
        reason: None,
        left_out: Vec::new(),
    }
}

fn page(listing: Listing, records: PageRecords) -> PageMessage {
    let page = PageId { listing, attempt: 0, number: 0 };
    PageMessage { pool: run().pool, run: run().id, page, observed_at: NOW, records }
}

fn pages() -> Vec<PageMessage> {
    let user = User {
        sub: "a1".to_owned(),
        username: "ann".to_owned(),
        attributes: [("email".to_owned(), SECRET.to_owned())].into(),
        enabled: true,
        status: "CONFIRMED".to_owned(),
        created_at: Some(NOW),
        modified_at: None,
        mfa_options: Vec::new(),
    };
    let group = Group {
        name: "g".to_owned(),
        description: Some(SECRET.to_owned()),
        precedence: Some(1),
        role_arn: None,
        created_at: Some(NOW),
        modified_at: None,
    };
    vec![
        page(Listing::Users, PageRecords::Users(vec![user])),
        page(Listing::Groups, PageRecords::Groups(vec![group])),
        page(
            Listing::Members("g".to_owned()),
            PageRecords::Members(vec![("a1".to_owned(), "ann".to_owned())]),
        ),
    ]
}

/// One message of each kind.
fn messages() -> Vec<Value> {
    let listings = vec![Listing::Users, Listing::Members("g".to_owned())];
    let list = serde_json::to_value(ListMessage { run: run(), listings }).unwrap();
    let replay = json!({"into_pool": "eu-west-1_New000001", "import": "i", "attempt": "a",
        "page": {"listing": {"replay": "users"}, "attempt": 0, "number": 1}, "batch": {"users": ["a1"]}});
    let pages = pages().into_iter().map(|page| serde_json::to_value(page).unwrap());
    pages.chain([list, replay]).collect()
}

/// Reads a body as a message, or refuses it without repeating any of it.
fn decoded<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(body: &str) -> Option<T> {
    let delivery = Delivery { id: String::new(), receipt: String::new(), body: body.to_owned(), receives: 1 };
    match delivery.decode::<T>() {
        Ok(message) => {
            let again: T = serde_json::from_str(&serde_json::to_string(&message).unwrap()).unwrap();
            assert_eq!(again, message);
            Some(message)
        }
        Err(error) => {
            assert_eq!(error.kind(), "run_broken");
            assert!(!error.to_string().contains(SECRET), "{error}");
            None
        }
    }
}

fn decoded_as_any(body: &str) {
    decoded::<ListMessage>(body);
    decoded::<PageMessage>(body);
    decoded::<ReplayMessage>(body);
}

/// What is written of a page is sound, and a page that is counted has been written.
async fn written(page: PageMessage) {
    let store = Arc::new(SqliteStore::temporary().unwrap());
    store.put_run(&Run { id: page.run.clone(), pool: page.pool.clone(), ..run() }).await.unwrap();
    store.open(&page.run, std::slice::from_ref(&page.page.listing)).await.unwrap();
    let records = match &page.records {
        PageRecords::Users(users) => users.len(),
        PageRecords::Groups(groups) => groups.len(),
        PageRecords::Members(members) => members.len(),
    };
    let writer = Writer::new(store.clone(), store.clone(), Arc::new(Silent));
    let (pool, listing) = (page.pool.clone(), page.page.listing.clone());
    let done = writer.write_page(page).await;
    let report = verify(&*store, &Silent).await.unwrap();
    assert!(report.is_intact(), "{report:?}");
    if done.is_err() {
        assert_eq!(report.versions, 0);
    } else if records > 0 {
        let partitions: Vec<Partition> = match &listing {
            Listing::Groups => vec![Partition::Groups],
            Listing::Members(group) | Listing::MembersAgain(group) => Partition::members(group).collect(),
            _ => Partition::users().collect(),
        };
        let mut heads = 0;
        for partition in partitions {
            heads += store.heads(&pool, &partition, None, 1000).await.unwrap().len();
        }
        assert!(heads > 0, "of a page that is counted, something is kept");
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn any_text_is_a_message_or_refused(body in any::<String>(), bytes in garbled(messages().iter().map(Value::to_string).collect())) {
        decoded_as_any(&body);
        decoded_as_any(&bytes);
    }

    #[test]
    fn a_spoiled_message_is_read_as_it_says_or_refused(message in spoiled(messages())) {
        decoded_as_any(&message.to_string());
    }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn a_spoiled_page_writes_nothing_false(message in spoiled(messages())) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        if let Some(page) = decoded::<PageMessage>(&message.to_string()) {
            runtime.block_on(written(page));
        }
    }
}

/// It would be counted, and what it held lost.
#[tokio::test]
async fn a_page_that_holds_what_its_listing_does_not_list_is_refused() {
    for listing in pages() {
        for records in pages() {
            let fits = listing.page == records.page;
            let page = PageMessage { page: listing.page.clone(), ..records };
            let store = Arc::new(SqliteStore::temporary().unwrap());
            let writer = Writer::new(store.clone(), store.clone(), Arc::new(Silent));
            let (run, listing) = (page.run.clone(), page.page.listing.clone());
            store.open(&run, &[listing]).await.unwrap();
            let done = writer.write_page(page).await;
            assert_eq!(done.is_ok(), fits, "{done:?}");
            assert!(done.is_ok() || store.listings(&run).await.unwrap()[0].written == 0);
        }
    }
}
