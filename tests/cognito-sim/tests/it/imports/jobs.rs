use cognito_sim::{
    Category, Config, ImportBehaviour, ListingBehaviour, Operation, PoolConfig, Reply, UserStatus,
};
use serde_json::json;

use super::{LATER, ROLE, World, counts, named};
use crate::harness::{NOW, Sim};

#[test]
fn a_job_has_a_name_and_a_role() {
    let world = named();
    let body = json!({"JobName": "a job", "CloudWatchLogsRoleArn": ROLE});
    let job = world.sim.ok("CreateUserImportJob", body.clone())["UserImportJob"].clone();
    assert!(job["JobId"].as_str().is_some_and(|id| id.starts_with("import-") && id.len() == 17));
    assert_eq!(job["Status"], "Created");
    assert_eq!(job["CreationDate"], json!(1_700_000_000.123));
    assert_eq!((&job["JobName"], &job["CloudWatchLogsRoleArn"]), (&json!("a job"), &json!(ROLE)));
    assert_eq!(job["UserPoolId"], world.sim.pool.as_str());
    assert!(["StartDate", "CompletionDate", "CompletionMessage"].iter().all(|name| job.get(name).is_none()));
    assert_eq!(counts(&job), [0, 0, 0]);
    assert_eq!(world.at(NOW, job["JobId"].as_str().expect("text")), job);
    let url = job["PreSignedUrl"].as_str().expect("text");
    assert!(url.starts_with("http://upload.invalid/") && url.contains("X-Amz-Expires=900"));
    for (member, bad) in [
        ("JobName", json!(null)),
        ("JobName", json!("")),
        ("JobName", json!("a/b")),
        ("JobName", json!("x".repeat(129))),
        ("CloudWatchLogsRoleArn", json!(null)),
        ("CloudWatchLogsRoleArn", json!("a role of twenty and more characters")),
        ("PasswordHashingAlgorithm", json!("MD5")),
    ] {
        let mut body = body.clone();
        body[member] = bad;
        assert_eq!(world.sim.code("CreateUserImportJob", body), "InvalidParameterException", "{member}");
    }
    let mut hashes = body.clone();
    hashes["PasswordHashingAlgorithm"] = json!("BCRYPT");
    assert_eq!(world.sim.code("CreateUserImportJob", hashes), "OperationNotEnabledException");
    for operation in ["DescribeUserImportJob", "StartUserImportJob", "StopUserImportJob"] {
        assert_eq!(world.sim.code(operation, json!({"JobId": "import-x"})), "ResourceNotFoundException");
        assert_eq!(world.sim.code(operation, json!({"JobId": "x"})), "InvalidParameterException");
        assert_eq!(world.sim.code(operation, json!({})), "InvalidParameterException");
    }
}

#[test]
fn a_pool_has_a_thousand_jobs_and_the_last_are_listed_first() {
    let world = named();
    let jobs: Vec<String> = (0..1000).map(|_| world.create().0).collect();
    let body = json!({"JobName": "a job", "CloudWatchLogsRoleArn": ROLE});
    assert_eq!(world.sim.code("CreateUserImportJob", body), "LimitExceededException");
    let made = world.sim.cognito.admin(NOW, |admin| admin.import_jobs(&world.sim.pool)).expect("a pool");
    assert_eq!(made, jobs);
    world.sim.cognito.configure(|config| config.listing = ListingBehaviour::awkward());
    let mut listed: Vec<String> = Vec::new();
    let mut body = json!({"MaxResults": 60});
    loop {
        let page = world.sim.ok("ListUserImportJobs", body.clone());
        for job in page["UserImportJobs"].as_array().expect("a list") {
            listed.push(job["JobId"].as_str().expect("text").to_owned());
        }
        let Some(token) = page.get("PaginationToken") else { break };
        body["PaginationToken"] = token.clone();
    }
    listed.reverse();
    assert_eq!(listed, jobs);
    for bad in [json!({}), json!({"MaxResults": 0}), json!({"MaxResults": 61})] {
        assert_eq!(world.sim.code("ListUserImportJobs", bad), "InvalidParameterException");
    }
}

#[test]
fn a_job_goes_its_way() {
    let world = World::with(
        PoolConfig::named("people"),
        ImportBehaviour { pending: 500, rows_per_second: 10, ..ImportBehaviour::default() },
    );
    let job = world.uploaded(&world.users(20));
    let started = world.sim.ok("StartUserImportJob", json!({"JobId": job}))["UserImportJob"].clone();
    assert_eq!((&started["Status"], &started["StartDate"]), (&json!("Pending"), &json!(1_700_000_000.123)));
    assert_eq!(world.at(NOW + 499, &job)["Status"], "Pending");
    assert_eq!(world.at(NOW + 500, &job)["Status"], "InProgress");
    let half = world.at(NOW + 1500, &job);
    assert_eq!((counts(&half), &half["Status"]), ([10, 0, 0], &json!("InProgress")));
    assert_eq!(world.sim.names("ListUsers", &json!({})).len(), 10);
    assert_eq!(counts(&world.at(NOW + 2499, &job)), [19, 0, 0]);
    let done = world.at(LATER, &job);
    assert_eq!((counts(&done), &done["Status"]), ([20, 0, 0], &json!("Succeeded")));
    assert_eq!(
        done["CompletionDate"],
        json!(1_700_000_002.623),
        "when it was done, not when it was looked at"
    );
    assert_eq!(done["CompletionMessage"], "Import Job Completed Successfully.");
    assert_eq!(world.log(&job)[0], "[SUCCEEDED] Line Number 2 - The import succeeded.");
    assert_eq!(world.log(&job)[19], "[SUCCEEDED] Line Number 21 - The import succeeded.");
    let user = world.user("u9");
    assert_eq!(user.created, NOW + 1500);
    assert_eq!((user.status, user.enabled), (UserStatus::ResetRequired, true));
    let meter = world.sim.cognito.meter();
    assert_eq!((meter.billed_users, meter.messages_sent), (0, 0));
    for operation in ["StartUserImportJob", "StopUserImportJob"] {
        let reply = world.sim.at(LATER, operation, json!({"JobId": job}));
        assert!(matches!(reply, Err(Reply::Error(error)) if error.code == "PreconditionNotMetException"));
    }
}

#[test]
fn a_look_now_and_then_changes_nothing() {
    let users = |looks: &[u64]| {
        let world = named();
        let job = world.start(&world.users(3000));
        for look in looks {
            world.at(NOW + look, &job);
        }
        world.sim.cognito.admin(LATER, |admin| admin.truth(&world.sim.pool)).expect("a pool").users
    };
    assert_eq!(users(&[]), users(&[1, 1001, 1500, 3999]));
}

#[test]
fn a_stopped_job_keeps_what_it_imported() {
    let imports =
        ImportBehaviour { pending: 0, rows_per_second: 10, stopping: 300, ..ImportBehaviour::default() };
    let world = World::with(PoolConfig::default(), imports);
    let job = world.start(&world.users(100));
    let stopping = world.sim.at(NOW + 1000, "StopUserImportJob", json!({"JobId": job})).expect("it runs");
    assert_eq!(stopping["UserImportJob"]["Status"], "Stopping");
    assert_eq!(counts(&world.at(NOW + 1299, &job)), [12, 0, 0], "it goes on until it has stopped");
    let stopped = world.at(LATER, &job);
    assert_eq!((counts(&stopped), &stopped["Status"]), ([13, 0, 0], &json!("Stopped")));
    assert_eq!(stopped["CompletionDate"], json!(1_700_000_001.423));
    assert_eq!(stopped["CompletionMessage"], "The Import Job was stopped by the developer.");
    assert_eq!(world.count(LATER), 13);

    let pending = World::new(PoolConfig::default());
    let job = pending.start(&pending.users(1));
    pending.sim.ok("StopUserImportJob", json!({"JobId": job}));
    let stopped = pending.at(LATER, &job);
    assert_eq!((counts(&stopped), &stopped["Status"]), ([0, 0, 0], &json!("Stopped")));
    let unstarted = pending.uploaded(&pending.users(1));
    let reply = pending.sim.at(LATER, "StopUserImportJob", json!({"JobId": unstarted}));
    assert!(matches!(reply, Err(Reply::Error(error)) if error.code == "PreconditionNotMetException"));
}

#[test]
fn a_job_that_is_not_started_expires() {
    let world = named();
    let job = world.uploaded(&world.users(1));
    let day = 24 * 3_600_000;
    assert_eq!(world.at(NOW + day - 1, &job)["Status"], "Created");
    let expired = world.at(NOW + day, &job);
    assert_eq!((&expired["Status"], expired.get("StartDate")), (&json!("Expired"), None));
    assert_eq!(expired["CompletionMessage"], "The user import job has expired.");
    let reply = world.sim.at(NOW + day, "StartUserImportJob", json!({"JobId": job}));
    assert!(matches!(reply, Err(Reply::Error(error)) if error.code == "PreconditionNotMetException"));
}

#[test]
fn a_deleted_pool_takes_its_jobs_along() {
    let world = named();
    let job = world.start(&world.users(5));
    world.sim.ok("DeleteUserPool", json!({}));
    let code = world.sim.code("DescribeUserImportJob", json!({"JobId": job}));
    assert_eq!(code, "ResourceNotFoundException");
    let other = World::over(Sim {
        pool: world.sim.cognito.admin(NOW, |a| a.create_pool(PoolConfig::default())).expect("new"),
        cognito: world.sim.cognito,
    });
    other.start(&other.users(1));
    assert_eq!(other.count(LATER), 1, "nothing is in the way");
}

#[test]
fn import_jobs_count_against_the_rates() {
    let sim = Sim::with(Config::default(), PoolConfig::default());
    for (operation, category) in [
        (Operation::GetCSVHeader, Category::UserPoolResourceRead),
        (Operation::DescribeUserImportJob, Category::UserPoolResourceRead),
        (Operation::ListUserImportJobs, Category::UserPoolResourceRead),
        (Operation::CreateUserImportJob, Category::UserPoolResourceUpdate),
        (Operation::StartUserImportJob, Category::UserPoolResourceUpdate),
        (Operation::StopUserImportJob, Category::UserPoolResourceUpdate),
    ] {
        assert_eq!(operation.category(), category);
    }
    for _ in 0..5 {
        assert!(sim.at(NOW, "GetCSVHeader", json!({})).is_ok());
    }
    assert_eq!(sim.code("GetCSVHeader", json!({})), "TooManyRequestsException");
}
