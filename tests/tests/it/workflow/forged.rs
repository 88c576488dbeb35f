//! Messages that somebody else put into the queues: what they can do, and what ends it.

use std::time::Duration;

use cognito_profiles::model::User;
use cognito_profiles::ports::{Clock as _, Listing, PageId, PageMessage, PageRecords};
use cognito_profiles::run::RunId;
use cognito_profiles::time::Timestamp;
use cognito_profiles_tests::cloud::Cloud;
use cognito_profiles_tests::sim_queue::Manners;
use cognito_sim::Population;
use serde_json::json;

use super::assert_holds_the_pool;
use crate::pipeline::world;

const DAY: i64 = 24 * 3600 * 1000;

fn cloud() -> Cloud {
    Cloud::new(world(&Population::realistic(50, 3, 11)), Manners::default())
}

/// A page of the run with somebody who is not in the pool, and an address that nobody has.
fn forged(cloud: &Cloud, run: &RunId, observed_at: Timestamp) -> String {
    let (sub, real) = cloud.world.truth(&cloud.world.pool).users.pop_first().unwrap();
    let user = |sub: String, username: &str| User {
        sub,
        username: username.to_owned(),
        attributes: [("email".to_owned(), "mallory@example.com".to_owned())].into(),
        enabled: true,
        status: "CONFIRMED".to_owned(),
        created_at: None,
        modified_at: None,
        mfa_options: Vec::new(),
    };
    let users = vec![user(sub, &real.0), user("f0f0f0f0-0000-4000-8000-000000000000".into(), "mallory")];
    let page = PageId { listing: Listing::Users, attempt: 0, number: 0 };
    let message = PageMessage {
        pool: cloud.pool(),
        run: run.clone(),
        page,
        observed_at,
        records: PageRecords::Users(users),
    };
    serde_json::to_string(&message).unwrap()
}

/// Begins a run, and has a forged page written in it.
async fn begin(cloud: &Cloud, ahead: i64) -> RunId {
    let begun = cloud.coordinate("first", json!({ "Action": "begin" })).await.unwrap();
    let run = RunId::new(begun["RunId"].as_str().unwrap());
    cloud.queues.pages.send(&forged(cloud, &run, cloud.world.clock.now().plus_millis(ahead)));
    run
}

/// The threat model says so: nothing tells a forged page from a real one while its run goes on.
#[tokio::test]
async fn a_forged_page_is_in_its_run_and_ends_with_the_next() {
    for ahead in [0, DAY / 2] {
        let cloud = cloud();
        begin(&cloud, ahead).await;
        let (ending, first) = cloud.export("first").await;
        assert_eq!(ending["Status"], "Complete", "{ending}");
        let saved = cloud.world.saved(&first).await.unwrap();
        assert!(saved.users.values().any(|(username, ..)| username == "mallory"), "it was written");
        let (ending, second) = cloud.export("second").await;
        assert_eq!(ending["Status"], "Complete", "{ending}");
        assert_holds_the_pool(&cloud, &second, "the run after").await;
    }
}

/// Every later time of the pool's would have to come after it.
#[tokio::test]
async fn a_page_from_the_future_is_not_written() {
    let cloud = cloud();
    begin(&cloud, 400 * DAY).await;
    let (ending, run) = cloud.export("first").await;
    assert_eq!(ending["Status"], "Complete", "{ending}");
    assert_holds_the_pool(&cloud, &run, "the run").await;
    assert!(run.ended_at.unwrap() < cloud.world.clock.now().plus_millis(DAY), "time goes on as before");
}

/// The same, where it is tried to its end while the run goes on.
#[tokio::test]
async fn a_page_from_the_future_fails_a_run_that_waits_for_it() {
    let cloud = cloud();
    let ending = tokio::select! {
        ending = cloud.state_machine("first", false) => ending,
        () = cloud.work_with(|body| at(body, later(&cloud))) => unreachable!("workers work for ever"),
    };
    assert_eq!(ending["Status"], "Failed", "{ending}");
    let message = ending["Message"].as_str().unwrap();
    assert!(message.contains("page 0 of the listing of"), "{message}");
    let (ending, run) = cloud.export("second").await;
    assert_eq!(ending["Status"], "Complete", "{ending}");
    assert_holds_the_pool(&cloud, &run, "the run after").await;
}

fn later(cloud: &Cloud) -> Timestamp {
    cloud.world.clock.now().plus_millis(2 * DAY)
}

/// A page as it would be, had it been observed then.
fn at(body: &str, time: Timestamp) -> String {
    let mut page: PageMessage = serde_json::from_str(body).unwrap();
    page.observed_at = time;
    serde_json::to_string(&page).unwrap()
}

#[tokio::test]
async fn who_does_not_know_the_run_changes_nothing() {
    let cloud = cloud();
    cloud.queues.pages.send(&forged(&cloud, &RunId::new("guessed"), cloud.world.clock.now()));
    let (ending, first) = cloud.export("first").await;
    assert_eq!(ending["Status"], "Complete", "{ending}");
    assert_holds_the_pool(&cloud, &first, "the run").await;
    cloud.queues.pages.send(&forged(&cloud, &first.id, cloud.world.clock.now()));
    tokio::select! {
        () = cloud.work() => {}
        () = cloud.world.clock.sleep(Duration::from_mins(10)) => {}
    }
    assert!(cloud.queues.pages.bodies().is_empty());
    assert_holds_the_pool(&cloud, &first, "after its end").await;
}
