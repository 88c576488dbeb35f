use cognito_sim::{Category, Fault, FaultRates, Latency, Operation, Reply, ServiceError, UserRecord};
use serde_json::json;

use crate::harness::{NOW, Sim};

fn script(sim: &Sim, operation: Option<Operation>, skip: u32, times: u32, fault: Fault) {
    sim.cognito.configure(|config| config.faults.script(operation, skip, times, fault));
}

fn exists(sim: &Sim, name: &str) -> bool {
    sim.at(NOW, "AdminGetUser", json!({"Username": name})).is_ok()
}

#[test]
fn a_connection_dropped_before_the_effect_leaves_none_and_after_it_leaves_it() {
    let sim = Sim::named();
    script(&sim, Some(Operation::AdminCreateUser), 0, 1, Fault::DropBefore);
    assert_eq!(sim.at(NOW, "AdminCreateUser", json!({"Username": "a"})), Err(Reply::Dropped));
    assert!(!exists(&sim, "a"));
    script(&sim, Some(Operation::AdminCreateUser), 0, 1, Fault::DropAfter);
    assert_eq!(sim.at(NOW, "AdminCreateUser", json!({"Username": "a"})), Err(Reply::Dropped));
    assert!(exists(&sim, "a"));
}

#[test]
fn scripted_faults_strike_in_order_and_then_stop() {
    let sim = Sim::with_users(1);
    script(&sim, None, 1, 1, Fault::InternalError);
    script(&sim, Some(Operation::ListUsers), 0, 2, Fault::Unavailable);
    let error = Fault::Error(ServiceError::new("LimitExceededException", "no"));
    script(&sim, None, 0, 1, error);
    sim.ok("ListUsers", json!({}));
    let internal = sim.error("ListUsers", json!({}));
    assert_eq!((internal.status, &*internal.code), (500, "InternalErrorException"));
    assert_eq!(sim.at(NOW, "ListUsers", json!({})), Err(Reply::Unavailable));
    assert_eq!(sim.at(NOW, "ListUsers", json!({})), Err(Reply::Unavailable));
    assert_eq!(sim.code("ListGroups", json!({})), "LimitExceededException");
    sim.ok("ListUsers", json!({}));
    assert_eq!(sim.cognito.configure(|config| config.faults.scripted_left()), 0);
}

#[test]
fn an_injected_throttle_is_metered_as_one() {
    let sim = Sim::with_users(1);
    sim.cognito.configure(|config| {
        config.faults.rates = FaultRates { throttle: 0.05, throttle_burst: 4, ..FaultRates::default() };
    });
    let throttled: Vec<bool> = (0..400).map(|_| sim.at(NOW, "ListUsers", json!({})).is_err()).collect();
    let count = throttled.iter().filter(|throttled| **throttled).count();
    assert!(throttled.windows(4).any(|calls| calls.iter().all(|throttled| *throttled)), "bursts");
    assert!((20..200).contains(&count), "{count}");
    let usage = sim.cognito.meter().category(Category::UserList);
    assert_eq!((usage.attempts, usage.throttled), (400, count as u64));
}

#[test]
fn random_faults_follow_the_seed_and_their_rates() {
    let fates = || {
        let sim = Sim::with_users(1);
        sim.cognito.configure(|config| {
            config.faults.rates = FaultRates {
                internal_error: 0.1,
                unavailable: 0.1,
                drop_before: 0.1,
                drop_after: 0.1,
                ..FaultRates::default()
            };
        });
        (0..500).map(|_| sim.at(NOW, "ListUsers", json!({})).err()).collect::<Vec<_>>()
    };
    let first = fates();
    assert_eq!(first, fates());
    for wanted in [Reply::Unavailable, Reply::Dropped] {
        let count = first.iter().filter(|fate| fate.as_ref() == Some(&wanted)).count();
        assert!((20..180).contains(&count), "{wanted:?}: {count}");
    }
}

#[test]
fn a_denied_operation_names_the_missing_permission() {
    let sim = Sim::with_users(1);
    sim.cognito.configure(|config| config.faults.denied.insert(Operation::AdminDeleteUser));
    let error = sim.error("AdminDeleteUser", json!({"Username": "u0"}));
    assert_eq!(error.code, "AccessDeniedException");
    assert!(error.message.contains("is not authorized to perform: cognito-idp:AdminDeleteUser"));
    assert!(exists(&sim, "u0"));
}

#[test]
fn latency_is_told_not_spent() {
    let sim = Sim::named();
    sim.cognito.configure(|config| config.faults.latency = Latency { min: 5, max: 9 });
    script(&sim, None, 3, 1, Fault::Delay(1000));
    let body = json!({"UserPoolId": sim.pool}).to_string();
    let latencies: Vec<u64> =
        (0..50).map(|_| sim.cognito.call("ListUsers", body.as_bytes(), NOW).latency).collect();
    assert!((1005..=1009).contains(&latencies[3]));
    assert!(latencies.iter().enumerate().all(|(i, ms)| i == 3 || (5..=9).contains(ms)));
    assert!(latencies.contains(&5) && latencies.contains(&9));
}

#[test]
fn a_hook_sees_each_call_and_may_change_the_pool() {
    let sim = Sim::named();
    let pool = sim.pool.clone();
    sim.cognito.on_call(move |info, admin| {
        assert_eq!(info.pool.as_deref(), Some(pool.as_str()));
        admin.create_user(&pool, UserRecord::new(format!("h{}", info.number))).expect("free");
    });
    assert_eq!(sim.names("ListUsers", &json!({})), ["h0"]);
    assert_eq!(sim.names("ListUsers", &json!({})), ["h0", "h1"]);
    sim.cognito.clear_on_call();
    assert_eq!(sim.names("ListUsers", &json!({})), ["h0", "h1"]);
}

#[test]
fn an_upload_may_be_lost_or_only_its_answer() {
    let sim = Sim::named();
    let role = "arn:aws:iam::123456789012:role/import";
    let job = sim.ok("CreateUserImportJob", json!({"JobName": "a", "CloudWatchLogsRoleArn": role}));
    let job = &job["UserImportJob"];
    let url = job["PreSignedUrl"].as_str().expect("text");
    let start = || sim.at(NOW, "StartUserImportJob", json!({"JobId": job["JobId"]}));
    sim.cognito.configure(|config| {
        config.faults.latency = Latency::fixed(7);
        config.faults.script_upload(0, 1, Fault::DropBefore);
        config.faults.script_upload(0, 1, Fault::Throttle);
        config.faults.script_upload(0, 1, Fault::Delay(100));
        config.faults.script_upload(0, 1, Fault::DropAfter);
    });
    let upload = |file: &[u8]| sim.cognito.try_upload(url, Some("aws:kms"), file, NOW);
    assert_eq!((upload(b"x").status, upload(b"x").status), (None, Some(503)));
    assert!(start().is_err(), "nothing arrived");
    let slow = upload(b"x");
    assert_eq!((slow.status, slow.latency), (Some(200), 107));
    assert_eq!(upload(b"y").status, None);
    assert!(start().is_ok());
    // Calls do not use up what waits for uploads, and the other way round.
    sim.cognito.configure(|config| config.faults.script_upload(0, 1, Fault::DropBefore));
    script(&sim, Some(Operation::ListUsers), 0, 1, Fault::DropBefore);
    sim.ok("ListGroups", json!({}));
    assert_eq!(sim.cognito.configure(|config| config.faults.scripted_left()), 2);
    assert_eq!(sim.cognito.upload(url, Some("aws:kms"), b"x", NOW), 0);
    assert_eq!(sim.cognito.configure(|config| config.faults.scripted_left()), 1);
}
