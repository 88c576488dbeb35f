use cognito_sim::{BusyError, ImportBehaviour, PoolConfig};
use serde_json::{Value, json};

use super::{KMS, LATER, ROLE, World, counts, named};
use crate::harness::NOW;

#[test]
fn one_job_of_the_account_is_active() {
    let world = named();
    let other = world.sim.cognito.admin(NOW, |a| a.create_pool(PoolConfig::default())).expect("new");
    let first = world.start(&world.users(1));
    let second = world.uploaded(&world.users(1));
    let start = |body: Value| world.sim.code("StartUserImportJob", body);
    assert_eq!(start(json!({"JobId": second})), "PreconditionNotMetException");
    let body = json!({"UserPoolId": other, "JobName": "a", "CloudWatchLogsRoleArn": ROLE});
    let third = world.sim.ok("CreateUserImportJob", body)["UserImportJob"].clone();
    let url = third["PreSignedUrl"].as_str().expect("text");
    assert_eq!(world.upload(url, &world.users(1)), 200);
    let third = json!({"UserPoolId": other, "JobId": third["JobId"]});
    world.sim.cognito.configure(|config| config.imports.busy = BusyError::LimitExceeded);
    assert_eq!(start(third.clone()), "LimitExceededException", "in any pool");
    world.sim.ok("StopUserImportJob", json!({"JobId": first}));
    assert_eq!(world.at(NOW, &first)["Status"], "Stopping");
    assert_eq!(start(third.clone()), "LimitExceededException", "until it has stopped");
    let later = NOW + ImportBehaviour::default().stopping;
    assert!(world.sim.at(later, "StartUserImportJob", third).is_ok());
}

#[test]
fn jobs_of_others_are_in_the_way_too() {
    let imports = ImportBehaviour {
        foreign_jobs: vec![NOW..NOW + 10, NOW + 20..NOW + 30],
        ..ImportBehaviour::default()
    };
    let world = World::with(PoolConfig::default(), imports);
    let job = world.uploaded(&world.users(1));
    let start = |now: u64| world.sim.at(now, "StartUserImportJob", json!({"JobId": job})).is_ok();
    assert!(!start(NOW + 9) && !start(NOW + 25) && start(NOW + 30));
}

#[test]
fn too_many_bad_rows_end_a_job() {
    let limits = |bad_share: f64, bad_least: u64| {
        let world = World::with(
            PoolConfig::default(),
            ImportBehaviour { bad_share, bad_least, ..ImportBehaviour::default() },
        );
        let bad = |i: usize| [("email_verified", if i.is_multiple_of(2) { "false" } else { "true" })];
        let rows: Vec<String> = (0..10).map(|i| world.row(&format!("u{i}"), &bad(i))).collect();
        let job = world.start(&world.file(&rows));
        world.at(LATER, &job)
    };
    let fine = limits(0.5, 1);
    assert_eq!(
        (counts(&fine), &fine["Status"]),
        ([5, 0, 5], &json!("Succeeded")),
        "half is not more than half"
    );
    let ended = limits(0.2, 1);
    assert_eq!((counts(&ended), &ended["Status"]), ([2, 0, 3], &json!("Failed")));
    let message = "Too many users have failed or been skipped during the import.";
    assert_eq!(ended["CompletionMessage"], message);
    assert_eq!(counts(&limits(0.2, 4)), [3, 0, 4]);
    assert_eq!(limits(0.2, 6)["Status"], "Succeeded", "fewer than that are never too many");

    // Who exists counts as well.
    let world = named();
    let again = world.users(3);
    let first = world.start(&again);
    assert_eq!(world.at(LATER, &first)["Status"], "Succeeded");
    let (second, url) = world.create();
    assert_eq!(world.sim.cognito.upload(&url, KMS, again.as_bytes(), LATER), 200);
    world.sim.ok("StartUserImportJob", json!({"JobId": second}));
    let skipped = world.at(world.wait(), &second);
    assert_eq!((counts(&skipped), &skipped["Status"]), ([0, 2, 0], &json!("Failed")));
}

#[test]
fn listings_notice_imported_users_late() {
    let world = named();
    world.sim.cognito.configure(|config| config.listing.list_lag = 5000);
    let job = world.start(&world.users(2));
    let listed = |now: u64| world.sim.at(now, "ListUsers", json!({})).expect("a page")["Users"].clone();
    assert_eq!(world.at(NOW + 1002, &job)["Status"], "Succeeded");
    assert_eq!(listed(NOW + 6000), json!([]));
    assert_eq!(listed(NOW + 6001).as_array().map(Vec::len), Some(1));
    assert_eq!(listed(NOW + 6002).as_array().map(Vec::len), Some(2));
}

#[test]
fn a_job_may_die() {
    let imports = ImportBehaviour { deaths: [7, 0].into(), bad_share: 1.0, ..ImportBehaviour::default() };
    let world = World::with(PoolConfig::default(), imports);
    for (status, imported, users) in [("Failed", 7, 7), ("Failed", 0, 7), ("Succeeded", 3, 10)] {
        let job = world.start(&world.users(10));
        let ended = world.at(world.wait(), &job);
        assert_eq!((&ended["Status"], counts(&ended)[0]), (&json!(status), imported));
        assert_eq!(world.count(LATER), users);
    }
}

#[test]
fn success_may_be_a_lie() {
    let world =
        World::with(PoolConfig::default(), ImportBehaviour { lost_rows: 0.1, ..ImportBehaviour::default() });
    let job = world.start(&world.users(1000));
    let done = world.at(LATER, &job);
    assert_eq!((counts(&done), &done["Status"]), ([1000, 0, 0], &json!("Succeeded")));
    assert!(world.log(&job).iter().all(|line| line.starts_with("[SUCCEEDED]")));
    assert!((850..950).contains(&world.count(LATER)), "{}", world.count(LATER));
}

#[test]
fn counts_may_lag_behind() {
    let imports =
        ImportBehaviour { pending: 0, rows_per_second: 10, count_lag: 500, ..ImportBehaviour::default() };
    let world = World::with(PoolConfig::default(), imports);
    let job = world.start(&world.users(20));
    assert_eq!(counts(&world.at(NOW + 1000, &job)), [5, 0, 0]);
    let done = world.at(NOW + 2000, &job);
    assert_eq!((counts(&done), &done["Status"]), ([15, 0, 0], &json!("Succeeded")));
    assert_eq!(counts(&world.at(NOW + 2500, &job)), [20, 0, 0]);
}
