//! The `ImportWorkflow` over an unreliable queue.

use std::time::Duration;

use cognito_profiles::ports::{Backup as _, Clock as _, CreateWith, Imports as _, Ledger as _};
use cognito_profiles::run::RunId;
use cognito_profiles::workflow::Inbox as _;
use cognito_profiles_tests::import_cloud::ImportCloud;
use cognito_profiles_tests::mortal::Fate;
use cognito_profiles_tests::restored;
use cognito_profiles_tests::sim_queue::Manners;
use cognito_sim::{FaultRates, Operation, Population};
use serde_json::{Value, json};

use super::hostile;
use crate::pipeline::{awkward, world};

/// People of every kind, some with text messages as second factor and links to providers.
fn everyone(users: usize, groups: usize, seed: u64) -> Population {
    Population { linked_percent: 15, sms_mfa_percent: 15, ..Population::realistic(users, groups, seed) }
}

async fn exported(population: &Population, manners: Manners) -> ImportCloud {
    let world = awkward(population);
    world.export().await.unwrap();
    ImportCloud::new(world, manners)
}

/// The import came to its end, with what its report says, and everyone is there or listed.
async fn assert_restored(cloud: &ImportCloud, target: &str, ending: &Value, context: &str) {
    let world = &cloud.world;
    assert!(matches!(ending["Status"].as_str(), Some("Complete" | "PartiallyFailed")), "{context}: {ending}");
    let import = world.store.imports(None).await.unwrap().pop().unwrap();
    restored::assert_restored(world, &import, target, &world.truth(&world.pool), context).await;
}

#[tokio::test]
async fn duplicates_delays_and_killed_processes_make_the_same_pool() {
    for seed in 100..110 {
        let users = [30, 80, 200][usize::try_from(seed % 3).unwrap()];
        let mut cloud = exported(&everyone(users, 4, seed), hostile()).await;
        cloud.killed = 20;
        cloud.coordinator_time = Duration::from_secs(10);
        let target = cloud.world.empty_pool();
        cloud.world.cognito.configure(|config| {
            config.faults.rates =
                FaultRates { internal_error: 0.03, drop_after: 0.03, ..FaultRates::default() };
        });
        let with = if seed % 2 == 0 { "ImportJob" } else { "AdminApi" };
        let ending = cloud.execute("first", &target, json!({ "CreateUsersWith": with })).await;
        cloud.world.cognito.configure(|config| config.faults.rates = FaultRates::default());
        assert_restored(&cloud, &target, &ending, &format!("seed {seed}, {with}")).await;
        // Again, by another execution: nothing changes.
        let before = cloud.world.truth(&target);
        let again = cloud.execute("second", &target, json!({ "CreateUsersWith": with })).await;
        assert_restored(&cloud, &target, &again, &format!("seed {seed}, {with}, again")).await;
        assert_eq!(cloud.world.truth(&target), before, "seed {seed}, {with}");
    }
}

#[tokio::test]
async fn the_rates_hold_over_all_workers() {
    let cloud = {
        let world = world(&Population { groups_per_user: 4, ..Population::plain(600, 40, 110) });
        world.export().await.unwrap();
        ImportCloud::new(world, Manners::default())
    };
    let target = cloud.world.empty_pool();
    cloud.world.cognito.reset_meter();
    let ending = cloud.execute("first", &target, json!({ "CreateUsersWith": "AdminApi" })).await;
    assert_eq!(ending["Status"], "Complete", "{ending}");
    let meter = cloud.world.cognito.meter();
    for (category, usage) in &meter.categories {
        assert!(usage.throttled == 0, "{category:?}: {usage:?}");
    }
    assert_restored(&cloud, &target, &ending, "rates").await;
}

#[tokio::test]
async fn throttled_calls_slow_down_and_are_not_lost() {
    let cloud = exported(&Population::plain(60, 3, 111), Manners::default()).await;
    let target = cloud.world.empty_pool();
    cloud.world.cognito.configure(|config| {
        config.faults.rates = FaultRates { throttle: 0.3, throttle_burst: 10, ..FaultRates::default() };
    });
    let ending = cloud.execute("first", &target, json!({ "CreateUsersWith": "AdminApi" })).await;
    assert_eq!(ending["Status"], "Complete", "{ending}");
    assert_restored(&cloud, &target, &ending, "throttled").await;
}

#[tokio::test]
async fn of_two_executions_one_restores() {
    let cloud = exported(&Population::plain(60, 3, 112), Manners::default()).await;
    let target = cloud.world.empty_pool();
    let input = || json!({ "CreateUsersWith": "AdminApi" });
    let endings = tokio::select! {
        endings = async {
            tokio::join!(
                cloud.state_machine("first", &target, input()),
                cloud.state_machine("second", &target, input())
            )
        } => endings,
        () = cloud.work() => unreachable!("workers work for ever"),
    };
    let mut endings = [endings.0, endings.1];
    endings.sort_by_key(|ending| ending["Status"] == "already_running");
    assert_eq!(endings[1]["Status"], "already_running", "{endings:?}");
    assert_restored(&cloud, &target, &endings[0], "two at once").await;
}

/// The state machine hears nothing of its first begin, and begins again while that goes on.
#[tokio::test]
async fn begun_twice_at_once_by_one_execution_it_is_one_import() {
    let cloud = exported(&Population::plain(30, 2, 119), Manners::default()).await;
    cloud.world.cognito.configure(|config| config.faults.latency = cognito_sim::Latency::fixed(500));
    let target = cloud.world.empty_pool();
    let begin = || cloud.coordinate("first", &target, json!({ "Action": "begin", "Input": {} }));
    let (one, two) = tokio::join!(begin(), begin());
    let (Ok(answer), Err(late)) = (if one.is_ok() { (one, two) } else { (two, one) }) else {
        panic!("both wrote the record");
    };
    // The state machine, if this is what it hears, asks again.
    assert_eq!(late.kind(), "conflict");
    assert_eq!(begin().await.unwrap(), answer);
    assert_eq!(cloud.world.store.imports(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_plan_writes_nothing_and_says_what_would_be_done() {
    let cloud = exported(&everyone(60, 3, 113), Manners::default()).await;
    let target = cloud.world.empty_pool();
    let plan = json!({ "Action": "plan", "Input": {} });
    let plan = cloud.coordinate("first", &target, plan).await.unwrap();
    assert_eq!(plan["users"], 60);
    assert_eq!(plan["create_with"], "import-job");
    assert!(plan["users_by_job"].as_u64().unwrap() > 30, "{plan}");
    assert_eq!(cloud.world.store.imports(None).await.unwrap(), []);
    assert!(cloud.world.truth(&target).users.is_empty());
    let ending = cloud.execute("first", &target, json!({})).await;
    let import = cloud.world.store.imports(None).await.unwrap().pop().unwrap();
    let created = cloud.world.store.mappings(&import.id, None, usize::MAX).await.unwrap();
    let created = created.iter().filter(|mapping| mapping.new_sub.is_some()).count();
    assert_eq!(plan["users_to_create"], created, "{ending}");
}

#[tokio::test]
async fn a_failed_import_goes_on_where_it_stopped() {
    let cloud = exported(&Population::plain(80, 3, 114), Manners::default()).await;
    let target = cloud.world.empty_pool();
    cloud.world.cognito.configure(|config| {
        config.faults.denied.insert(Operation::AdminAddUserToGroup);
    });
    let ending = cloud.execute("first", &target, json!({})).await;
    assert_eq!(ending["Status"], "Failed", "{ending}");
    let message = ending["Message"].as_str().unwrap();
    assert!(message.contains("memberships to add could not be replayed (access_denied)"), "{message}");
    let import = cloud.world.store.imports(None).await.unwrap().pop().unwrap();
    cloud.world.cognito.configure(|config| config.faults.denied.clear());
    let jobs = cloud.world.store.jobs(&import.id).await.unwrap();
    let ending = cloud.execute("second", &target, json!({})).await;
    assert_eq!(ending["Status"], "Complete", "{ending}");
    assert_restored(&cloud, &target, &ending, "the second").await;
    assert_eq!(cloud.world.store.jobs(&import.id).await.unwrap(), jobs, "nobody was imported again");
}

#[tokio::test]
async fn a_message_that_is_no_message_stops_nobody() {
    let cloud = exported(&Population::plain(30, 2, 115), Manners::default()).await;
    let target = cloud.world.empty_pool();
    cloud.queue.send("no JSON");
    cloud.queue.send("{}");
    let ending = cloud.execute("first", &target, json!({})).await;
    assert_restored(&cloud, &target, &ending, "poison").await;
    assert_eq!(ending["Status"], "Complete");
}

#[tokio::test]
async fn messages_of_an_earlier_attempt_change_nothing() {
    let cloud = exported(&Population::plain(40, 2, 116), Manners::default()).await;
    let target = cloud.world.empty_pool();
    let input = json!({ "CreateUsersWith": "AdminApi" });
    let begun =
        cloud.coordinate("first", &target, json!({ "Action": "begin", "Input": input })).await.unwrap();
    let ask = |action: &str| json!({ "Action": action, "ImportId": begun["ImportId"], "Attempt": begun["Attempt"] });
    cloud.coordinate("first", &target, ask("create-users")).await.unwrap();
    let stale = cloud.queue.bodies();
    assert!(!stale.is_empty());
    let fail = json!({ "Action": "fail", "Error": "x", "ImportId": begun["ImportId"] });
    let ending = cloud.coordinate("first", &target, fail).await.unwrap();
    assert_eq!(ending["Status"], "Failed");
    let deliveries = cloud.queue.receive(10).await.unwrap();
    assert_eq!(cloud.replay_once(deliveries).await.unwrap().len(), 0);
    assert!(cloud.world.truth(&target).users.is_empty(), "an attempt that has ended writes nothing");
    // Whoever lost the lock may not go on, whatever it is asked.
    for action in ["create-users", "match", "progress", "verify", "finish"] {
        let error = cloud.coordinate("first", &target, ask(action)).await.unwrap_err();
        assert_eq!(error.kind(), "lock_lost", "{action}");
    }
    let ending = cloud.execute("second", &target, input).await;
    assert_restored(&cloud, &target, &ending, "the second").await;
    assert_eq!(cloud.world.store.listings(&RunId::new("x")).await.unwrap(), []);
}

/// Nobody replays: each look says so, and after two hours the import fails by name.
#[tokio::test]
async fn an_import_in_which_nothing_moves_for_two_hours_fails() {
    let cloud = exported(&Population::plain(20, 1, 122), Manners::default()).await;
    let target = cloud.world.empty_pool();
    let input = json!({ "CreateUsersWith": "AdminApi" });
    let begun =
        cloud.coordinate("first", &target, json!({ "Action": "begin", "Input": input })).await.unwrap();
    let mut ask =
        json!({ "Action": "create-users", "ImportId": begun["ImportId"], "Attempt": begun["Attempt"] });
    for minutes in (0..=120).step_by(20) {
        let answer = cloud.coordinate("first", &target, ask.clone()).await.unwrap();
        assert_eq!(answer["Done"], false, "{minutes} minutes");
        ask["Last"] = answer["Last"].clone();
        cloud.world.clock.sleep(Duration::from_mins(20)).await;
    }
    assert_eq!(cloud.coordinate("first", &target, ask).await.unwrap_err().kind(), "run_broken");
}

/// An action that the state machine hears nothing more of goes on for up to 15 minutes.
#[tokio::test]
async fn an_action_that_ends_late_does_not_write_over_the_end() {
    let cloud = exported(&Population::plain(20, 1, 121), Manners::default()).await;
    let target = cloud.world.empty_pool();
    let begun = cloud.coordinate("first", &target, json!({ "Action": "begin", "Input": {} })).await.unwrap();
    let late = cloud
        .world
        .importer(&target, &Fate::immortal())
        .resume(begun["ImportId"].as_str().unwrap())
        .await
        .unwrap();
    let fail = json!({ "Action": "fail", "Error": "x", "ImportId": begun["ImportId"] });
    cloud.coordinate("first", &target, fail).await.unwrap();
    let ended = cloud.world.store.imports(None).await.unwrap();
    let error = cloud.world.importer(&target, &Fate::immortal()).end(late.import, |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), "conflict");
    assert_eq!(cloud.world.store.imports(None).await.unwrap(), ended);
    let ending = cloud.execute("second", &target, json!({})).await;
    assert_restored(&cloud, &target, &ending, "the second").await;
}

#[tokio::test]
async fn nothing_is_finished_before_everything_is_done() {
    let cloud = exported(&Population::plain(20, 1, 117), Manners::default()).await;
    let target = cloud.world.empty_pool();
    let begun = cloud.coordinate("first", &target, json!({ "Action": "begin", "Input": {} })).await.unwrap();
    let ids = |action: &str| json!({ "Action": action, "ImportId": begun["ImportId"], "Attempt": begun["Attempt"] });
    assert_eq!(cloud.coordinate("first", &target, ids("finish")).await.unwrap_err().kind(), "run_broken");
    // No listing of the new pool is there to be matched.
    assert_eq!(cloud.coordinate("first", &target, ids("match")).await.unwrap_err().kind(), "no_complete_run");
    let without = json!({ "Action": "finish" });
    assert_eq!(cloud.coordinate("first", &target, without).await.unwrap_err().kind(), "usage");
}

#[tokio::test]
async fn what_is_restored_is_one_run_also_while_another_is_written() {
    let cloud = exported(&Population::plain(50, 2, 118), Manners::default()).await;
    let target = cloud.world.empty_pool();
    let before = cloud.world.truth(&cloud.world.pool);
    let world = &cloud.world;
    // While the import goes on, the old pool changes, and is exported again and again.
    let subs: Vec<String> = before.users.keys().cloned().collect();
    let busy = async {
        for sub in &subs {
            world
                .change(|admin| {
                    admin.update_user(&world.pool, sub, |user| {
                        user.attributes.retain(|(name, _)| name != "name");
                        user.attributes.push(("name".into(), "changed".to_owned()));
                    })
                })
                .unwrap();
            world.clock.sleep(Duration::from_secs(3)).await;
            world
                .exporter(&Fate::immortal())
                .export(&cognito_profiles::export::ShrinkGuard::default())
                .await
                .unwrap();
        }
        std::future::pending::<()>().await;
    };
    let ending = tokio::select! {
        ending = cloud.execute("first", &target, json!({})) => ending,
        () = busy => unreachable!("it goes on for ever"),
    };
    assert_eq!(ending["Status"], "Complete", "{ending}");
    assert!(world.store.runs(None).await.unwrap().len() > 3);
    let import = world.store.imports(None).await.unwrap().pop().unwrap();
    let new = world.truth(&target);
    for mapping in world.store.mappings(&import.id, None, usize::MAX).await.unwrap() {
        assert_eq!(mapping.created_with, CreateWith::ImportJob);
        let old = &before.users[&mapping.sub].3;
        assert_eq!(new.users[&mapping.new_sub.unwrap()].3.get("name"), old.get("name"));
    }
}
