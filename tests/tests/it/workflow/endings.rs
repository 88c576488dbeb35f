use std::time::Duration;

use cognito_profiles::ports::{Backup as _, Clock as _, Lock as _};
use cognito_profiles::run::RunStatus;
use cognito_profiles_tests::cloud::Cloud;
use cognito_profiles_tests::sim_queue::Manners;
use cognito_sim::{Operation, Population};
use serde_json::json;

use super::{assert_holds_the_pool, assert_sound};
use crate::pipeline::world;

fn cloud(users: usize, seed: u64) -> Cloud {
    Cloud::new(world(&Population::realistic(users, 4, seed)), Manners::default())
}

#[tokio::test]
async fn of_two_starts_at_once_one_runs() {
    let cloud = cloud(80, 1);
    let (one, two) = tokio::select! {
        endings = async { tokio::join!(cloud.state_machine("one", false), cloud.state_machine("two", false)) } => endings,
        () = cloud.work() => unreachable!(),
    };
    let mut statuses = [one["Status"].as_str().unwrap(), two["Status"].as_str().unwrap()];
    statuses.sort_unstable();
    assert_eq!(statuses, ["Complete", "already_running"]);
    let runs = cloud.world.store.runs(None).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_holds_the_pool(&cloud, &runs[0], "one of two").await;
}

#[tokio::test]
async fn an_emptied_pool_is_held_and_the_backup_stays_whole() {
    let cloud = cloud(60, 2);
    let (_, first) = cloud.export("first").await;
    let before = cloud.world.truth(&cloud.world.pool);
    cloud.world.change(|admin| {
        before.users.keys().for_each(|sub| admin.delete_user(&cloud.world.pool, sub).unwrap());
    });
    let (ending, held) = cloud.export("second").await;
    assert_eq!((ending["Status"].as_str(), held.status), (Some("Held"), RunStatus::Held));
    let message = ending["Message"].as_str().unwrap();
    assert!(message.contains("The export was HELD") && message.contains("AllowShrink"), "{message}");
    assert_eq!(cloud.world.saved(&first).await.unwrap(), before);
    assert_sound(&cloud, &first, "the run before").await;
    assert_eq!(cloud.world.saved(&held).await.unwrap(), before, "nothing was closed");
    let ending = cloud.execute("third", true).await;
    assert_eq!(ending["Status"], "Complete", "{ending}");
    let last = cloud.world.store.runs(None).await.unwrap().pop().unwrap();
    assert_holds_the_pool(&cloud, &last, "allowed").await;
    assert_eq!(cloud.world.saved(&first).await.unwrap(), before, "nobody is destroyed");
}

#[tokio::test]
async fn what_of_the_settings_could_not_be_saved_is_told_and_ends_nothing() {
    let cloud = cloud(50, 12);
    let denied = [Operation::ListUserPoolClients, Operation::GetLogDeliveryConfiguration];
    cloud.world.cognito.configure(|config| config.faults.denied.extend(denied));
    let (ending, run) = cloud.export("first").await;
    assert_eq!(ending["Status"], "Complete");
    assert_holds_the_pool(&cloud, &run, "but for some settings").await;
    let message = ending["Message"].as_str().unwrap();
    for operation in denied {
        assert!(message.contains(&format!("grant cognito-idp:{}", operation.name())), "{message}");
    }
    assert!(message.ends_with("deploy them again.\n"), "{message}");
    cloud.world.cognito.configure(|config| config.faults.denied.clear());
    let (ending, _) = cloud.export("second").await;
    assert!(!ending["Message"].as_str().unwrap().contains("Note:"), "{ending}");
}

#[tokio::test]
async fn a_poison_message_fails_its_run_by_name() {
    let cloud = cloud(50, 3);
    // What no version of the writer can read, in the place of a real page.
    let ending = tokio::select! {
        ending = cloud.state_machine("first", false) => ending,
        () = cloud.work_with(|body| body.replace("observed_at", "observed_when")) => unreachable!(),
    };
    assert_eq!(ending["Status"], "Failed", "{ending}");
    assert!(!cloud.queues.pages.dead().is_empty());
    let message = ending["Message"].as_str().unwrap();
    assert!(message.contains("dead-letter queue"), "{message}");
    let run = cloud.world.store.runs(None).await.unwrap().pop().unwrap();
    assert_eq!(run.status, RunStatus::Failed);
    let lease = cloud.lock.current(cloud.pool().as_str()).await.unwrap().unwrap();
    assert!(lease.released);
    let (ending, run) = cloud.export("second").await;
    assert_eq!(ending["Status"], "Complete", "{ending}");
    assert_holds_the_pool(&cloud, &run, "after poison").await;
}

#[tokio::test]
async fn a_page_whose_writing_always_fails_is_named() {
    let mut cloud = cloud(50, 4);
    cloud.refuses_pages = true;
    let ending = cloud.execute("first", false).await;
    assert_eq!(ending["Status"], "Failed", "{ending}");
    let message = ending["Message"].as_str().unwrap();
    assert!(message.contains("page 0 of the listing of"), "{message}");
    assert!(message.contains("could not be written (store)"), "{message}");
    cloud.refuses_pages = false;
    let (ending, run) = cloud.export("second").await;
    assert_eq!(ending["Status"], "Complete", "{ending}");
    assert_holds_the_pool(&cloud, &run, "after the store came back").await;
}

#[tokio::test]
async fn a_step_repeated_after_its_answer_was_lost_answers_the_same() {
    let cloud = cloud(50, 5);
    let begun = cloud.coordinate("first", json!({ "Action": "begin" })).await.unwrap();
    let again = cloud.coordinate("first", json!({ "Action": "begin" })).await.unwrap();
    assert_eq!(begun, again);
    let run = begun["RunId"].clone();
    let ask = async |mut request: serde_json::Value| {
        request["RunId"] = run.clone();
        cloud.coordinate("first", request).await.unwrap()
    };
    let verdict = ask(json!({ "Action": "reconcile" })).await;
    assert_eq!(verdict["Verdict"], "ListMore", "nothing is listed yet, whoever asks");
    let early = json!({ "Action": "finish", "RunId": run, "Held": null });
    assert_eq!(cloud.coordinate("first", early).await.unwrap_err().kind(), "run_broken");
    tokio::select! {
        () = cloud.work() => {}
        () = cloud.world.clock.sleep(Duration::from_mins(5)) => {}
    }
    let progress = json!({ "Action": "progress", "Last": null });
    assert_eq!(ask(progress.clone()).await["Done"], true);
    for _ in 0..2 {
        assert_eq!(ask(json!({ "Action": "reconcile" })).await["Verdict"], "Reconciled");
    }
    let finish = json!({ "Action": "finish", "Held": null });
    let ending = ask(finish.clone()).await;
    assert_eq!(ending["Status"], "Complete");
    assert_eq!(ask(finish).await, ending);
    // The workflow heard of no ending, and takes the failing path: the run stays complete.
    let fail = json!({ "Action": "fail", "Error": "States.Timeout", "Cause": "" });
    assert_eq!(ask(fail).await, ending);
    // Nothing more is done for a run that has ended.
    let mut late = progress;
    late["RunId"] = run.clone();
    assert_eq!(cloud.coordinate("first", late).await.unwrap_err().kind(), "lock_lost");
}

/// The state machine hears nothing of a reconcile, makes another, and finishes the run: the first
/// finds nothing of what was seen any more. It must not take everything for gone.
#[tokio::test]
async fn a_reconcile_that_outlives_its_run_closes_nothing() {
    let cloud = cloud(50, 13);
    let (_, first) = cloud.export("first").await;
    let before = cloud.world.saved(&first).await.unwrap();
    let gone = before.users.keys().next().unwrap();
    cloud.world.change(|admin| admin.delete_user(&cloud.world.pool, gone).unwrap());
    cloud.world.clock.sleep(Duration::from_mins(2)).await;
    let begun = cloud.coordinate("second", json!({ "Action": "begin" })).await.unwrap();
    let ask = async |mut request: serde_json::Value| {
        request["RunId"] = begun["RunId"].clone();
        cloud.coordinate("second", request).await
    };
    let reconcile = || ask(json!({ "Action": "reconcile" }));
    for verdict in ["ListMore", "ListMore"] {
        assert_eq!(reconcile().await.unwrap()["Verdict"], verdict);
        tokio::select! {
            () = cloud.work() => {}
            () = cloud.world.clock.sleep(Duration::from_mins(5)) => {}
        }
    }
    cloud.world.weather.hold_up("put_gone", Duration::from_mins(3));
    let rest = async {
        cloud.world.clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(reconcile().await.unwrap()["Verdict"], "Reconciled");
        ask(json!({ "Action": "finish" })).await.unwrap()
    };
    let (forgotten, ending) = tokio::join!(reconcile(), rest);
    assert_eq!(ending["Status"], "Complete", "{ending}");
    assert_eq!(forgotten.unwrap_err().kind(), "lock_lost");
    cloud.world.clock.sleep(Duration::from_mins(2)).await;
    let (_, third) = cloud.export("third").await;
    let changes = third.manifest.as_ref().unwrap().changes;
    assert_eq!((changes.new, changes.changed, changes.gone), (0, 0, 0), "{changes:?}");
    assert_holds_the_pool(&cloud, &third, "the third").await;
}

#[tokio::test]
async fn a_run_that_cannot_begin_says_why_and_gives_the_lock_back() {
    let cloud = cloud(10, 6);
    cloud.world.change(|admin| admin.delete_pool(&cloud.world.pool).unwrap());
    let ending = cloud.execute("first", false).await;
    assert_eq!(ending["Status"], "Failed");
    let message = ending["Message"].as_str().unwrap();
    assert!(message.contains("FAILED before it began: no user pool"), "{message}");
    assert!(cloud.lock.current(cloud.pool().as_str()).await.unwrap().unwrap().released);
}

#[tokio::test]
async fn a_workflow_that_lost_its_lock_does_nothing_more() {
    let cloud = cloud(20, 7);
    let begun = cloud.coordinate("slow", json!({ "Action": "begin" })).await.unwrap();
    cloud.world.clock.sleep(Duration::from_mins(31)).await;
    let (ending, run) = cloud.export("next").await;
    assert_eq!(ending["Status"], "Complete", "{ending}");
    for action in ["progress", "reconcile", "finish"] {
        let request = json!({ "Action": action, "RunId": begun["RunId"] });
        let error = cloud.coordinate("slow", request).await;
        match action {
            // It was failed by the next one, and says so.
            "finish" => assert_eq!(error.unwrap()["Status"], "Failed"),
            _ => assert_eq!(error.unwrap_err().kind(), "lock_lost"),
        }
    }
    assert_holds_the_pool(&cloud, &run, "the next").await;
}

#[tokio::test]
async fn nothing_moves_for_half_an_hour_and_the_run_fails() {
    let cloud = cloud(20, 8);
    // Nobody works.
    let ending = cloud.state_machine("first", false).await;
    assert_eq!(ending["Status"], "Failed");
    let message = ending["Message"].as_str().unwrap();
    assert!(message.contains("nothing was listed or written for 30 minutes"), "{message}");
}
