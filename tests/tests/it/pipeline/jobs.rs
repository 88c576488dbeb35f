//! Users by CSV import jobs, whatever becomes of the jobs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cognito_profiles::import::{Importer, JobLimits, Report};
use cognito_profiles::model::Kind;
use cognito_profiles::ports::{Clock as _, CreateWith, ImportOptions, ImportStatus, Imports, WithoutRow};
use cognito_profiles_tests::mortal::Fate;
use cognito_profiles_tests::world::{World, scratch};
use cognito_sim::{
    BusyError, Config, Fault, FaultRates, Operation, Population, SchemaAttribute, UserRecord, UserStatus,
};

use super::{awkward, world};

const HOUR: u64 = 3_600_000;

fn by_job() -> ImportOptions {
    ImportOptions { create_with: CreateWith::ImportJob, ..ImportOptions::default() }
}

/// People of every kind, some with text messages as second factor and links to providers.
fn everyone(users: usize, seed: u64) -> Population {
    Population { linked_percent: 20, sms_mfa_percent: 20, ..Population::realistic(users, 3, seed) }
}

async fn import(world: &World, target: &str) -> Report {
    world.import_with(target, by_job(), &Fate::immortal()).await.unwrap()
}

fn billed(world: &World, pool: &str) -> BTreeSet<String> {
    world.change(|admin| admin.billed_users(pool)).unwrap()
}

/// Everyone is there as they should be, or listed; nobody twice, and nobody was written to.
async fn assert_restored(world: &World, target: &str, report: &Report) {
    let (old, new) = (world.truth(&world.pool), world.truth(target));
    let mappings = world.store.mappings(&report.import.id, None, usize::MAX).await.unwrap();
    assert_eq!(mappings.len(), old.users.len(), "everyone is accounted for");
    let mut restored = BTreeSet::new();
    for mapping in &mappings {
        let (_, enabled, _, attributes) = &old.users[&mapping.sub];
        let Some(new_sub) = &mapping.new_sub else {
            assert!(mapping.reason.is_some(), "{mapping:?}");
            continue;
        };
        assert!(restored.insert(new_sub.clone()), "two users became one");
        let (_, new_enabled, new_status, new_attributes) = &new.users[new_sub];
        assert_eq!(enabled, new_enabled);
        for (name, value) in attributes.iter().filter(|(name, _)| *name != "identities") {
            assert_eq!(new_attributes.get(name), Some(value), "{name}");
        }
        if mapping.created_with == CreateWith::ImportJob {
            assert_eq!(new_status, "RESET_REQUIRED");
        }
    }
    assert_eq!(new.users.len(), restored.len());
    assert_eq!(report.differences, []);
    let meter = world.cognito.meter();
    assert_eq!((meter.messages_sent, meter.federated_users_broken), (0, 0));
    assert_eq!((old.users.len() - restored.len()) as u64, report.counts.users_failed);
    let of_users = report.failures.iter().filter(|failure| failure.record == Kind::User).count();
    assert!(of_users as u64 >= report.counts.users_failed);
}

#[tokio::test]
async fn a_pool_comes_back_by_import_jobs_and_bills_whom_the_plan_said() {
    for (seed, email_sign_in) in [(60, true), (61, false), (62, true)] {
        let world = awkward(&Population { email_sign_in, ..everyone(150, seed) });
        world.export().await.unwrap();
        let target = world.empty_pool();
        let importer = world.importer(&target, &Fate::immortal());
        let plan = world.prepare(&importer, by_job()).await.unwrap().plan;
        assert!(plan.users_by_job > 80, "{plan:?}");
        let by_api = plan.users_to_create - plan.users_by_job;
        assert_eq!(plan.without_row.iter().map(|problem| problem.count).sum::<u64>(), by_api, "{plan:?}");
        let report = import(&world, &target).await;
        assert_restored(&world, &target, &report).await;
        assert_eq!(report.counts.users_created, plan.users_to_create);
        assert_eq!(report.counts.users_by_job, plan.users_by_job);
        assert_eq!(report.counts.memberships_added, plan.memberships_to_add);
        assert_eq!(billed(&world, &target).len() as u64, plan.active_users);
        assert!(report.counts.users_linked > 0);
        assert_same_factors(&world, &target, &report).await;
    }
}

/// Codes by SMS are on for whoever had them, and for nobody else.
async fn assert_same_factors(world: &World, target: &str, report: &Report) {
    let (old, new) = (&world.pool, target);
    let truth = |pool: &str| world.change(|admin| admin.truth(pool)).unwrap();
    let (old, new) = (truth(old), truth(new));
    let mut with_sms = 0;
    for mapping in world.store.mappings(&report.import.id, None, usize::MAX).await.unwrap() {
        if let Some(new_sub) = &mapping.new_sub {
            let (old, new) = (&old.users[&mapping.sub].mfa, &new.users[new_sub].mfa);
            assert_eq!(old.sms, new.sms);
            with_sms += usize::from(new.sms);
        }
    }
    assert!(with_sms > 0);
}

/// A name may have a comma, and then no file has the columns that the pool asks for.
#[tokio::test]
async fn an_attribute_that_no_file_can_name_is_refused_before_a_job_is_made() {
    let world = world(&Population::plain(5, 0, 76));
    world.export().await.unwrap();
    let target = world.empty_pool_with(|config| config.schema[5] = SchemaAttribute::string("a,b", 0, 9));
    let importer = world.importer(&target, &Fate::immortal());
    let plan = world.prepare(&importer, by_job()).await.unwrap().plan;
    assert_eq!(plan.incompatible.len(), 1, "{:?}", plan.incompatible);
    assert!(plan.incompatible[0].contains("cannot name its attribute custom:a,b"), "{:?}", plan.incompatible);
    let report = world.import(&target, &Fate::immortal()).await.unwrap();
    assert_eq!(report.import.status, ImportStatus::Complete);
}

#[tokio::test]
async fn an_import_by_jobs_killed_at_any_step_makes_the_same_pool() {
    let population = everyone(30, 63);
    let whole = awkward(&population);
    whole.export().await.unwrap();
    let fate = Fate::immortal();
    let expected = whole.import_with(&whole.empty_pool(), by_job(), &fate).await.unwrap();
    let all = fate.steps();
    for step in (1..120.min(all)).step_by(2).chain((120..all).step_by(293)).chain(all.saturating_sub(10)..all)
    {
        let world = awkward(&population);
        world.export().await.unwrap();
        let target = world.empty_pool();
        let fate = Fate::at_step(step);
        fate.live(world.import_with(&target, by_job(), &fate)).await;
        let report = import(&world, &target).await;
        assert_restored(&world, &target, &report).await;
        assert_eq!(report.failures, expected.failures, "killed at step {step}");
        assert_eq!(report.counts, expected.counts, "killed at step {step}");
    }
}

#[tokio::test]
async fn faults_and_lost_answers_create_nobody_twice() {
    for seed in 64..68 {
        let world = awkward(&everyone(80, seed));
        world.export().await.unwrap();
        let target = world.empty_pool();
        world.cognito.configure(|config| {
            config.faults.rates = FaultRates {
                internal_error: 0.05,
                drop_before: 0.05,
                drop_after: 0.1,
                throttle: 0.1,
                throttle_burst: 3,
                ..FaultRates::default()
            };
            config.listing.list_lag = 3_000;
            config.imports.count_lag = 60_000;
        });
        let report = import(&world, &target).await;
        world.cognito.configure(|config| config.faults.rates = FaultRates::default());
        assert_restored(&world, &target, &report).await;
    }
}

#[tokio::test]
async fn another_job_of_the_account_goes_first() {
    for busy in [BusyError::PreconditionNotMet, BusyError::LimitExceeded] {
        let world = world(&Population::plain(30, 1, 68));
        world.export().await.unwrap();
        let target = world.empty_pool();
        let until = world.now() + 3 * HOUR;
        world.cognito.configure(|config| {
            config.imports.busy = busy;
            config.imports.foreign_jobs.push(0..until);
        });
        let report = import(&world, &target).await;
        assert_eq!(report.import.status, ImportStatus::Complete);
        assert!(world.now() >= until);
        assert_eq!(world.change(|admin| admin.import_jobs(&target)).unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_job_that_expires_while_it_waits_is_made_again() {
    let world = world(&Population::plain(30, 1, 69));
    world.export().await.unwrap();
    let target = world.empty_pool();
    let until = world.now() + 30 * HOUR;
    world.cognito.configure(|config| config.imports.foreign_jobs.push(0..until));
    let report = import(&world, &target).await;
    assert_eq!(report.import.status, ImportStatus::Complete);
    assert_eq!(world.change(|admin| admin.import_jobs(&target)).unwrap().len(), 2);
}

#[tokio::test]
async fn who_waits_for_ever_is_told_so() {
    let world = world(&Population::plain(30, 1, 70));
    world.export().await.unwrap();
    let target = world.empty_pool();
    world.cognito.configure(|config| config.imports.foreign_jobs.push(0..u64::MAX));
    // Each job waits until it expires.
    world.cognito.configure(|config| config.imports.expiry = 1_000 * HOUR);
    let error = world.import_with(&target, by_job(), &Fate::immortal()).await.unwrap_err();
    assert_eq!(error.kind(), "job_stuck", "{error}");
    world.cognito.configure(|config| config.imports.foreign_jobs.clear());
    let report = import(&world, &target).await;
    assert_eq!(report.import.status, ImportStatus::Complete);
}

#[tokio::test]
async fn a_file_that_is_seen_late_or_lost_is_waited_for_or_sent_again() {
    for lag in [20_000, 300_000] {
        let world = world(&Population::plain(30, 1, 71));
        world.export().await.unwrap();
        let target = world.empty_pool();
        world.cognito.configure(|config| {
            config.imports.upload_lag = lag;
            config.faults.script_upload(0, 1, Fault::Unavailable);
            config.faults.script(Some(Operation::StartUserImportJob), 0, 1, Fault::DropAfter);
        });
        // A file that takes longer than we wait for it is sent with another job, and again.
        let fate = Fate::immortal();
        let report = tokio::select! {
            report = world.import_with(&target, by_job(), &fate) => report.unwrap(),
            () = become_quick(&world) => unreachable!("waits for ever"),
        };
        let jobs = world.change(|admin| admin.import_jobs(&target)).unwrap().len();
        assert_eq!(jobs > 1, lag > 120_000, "{jobs} jobs");
        assert_eq!(report.import.status, ImportStatus::Complete);
        assert_restored(&world, &target, &report).await;
    }
}

/// After ten minutes, files are seen at once.
async fn become_quick(world: &World) {
    world.clock.sleep(Duration::from_mins(10)).await;
    world.cognito.configure(|config| config.imports.upload_lag = 0);
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn whom_a_job_loses_is_listed_with_its_line_and_restored_the_next_time() {
    let lies = |config: &mut Config| config.imports.lost_rows = 0.3;
    let dies = |config: &mut Config| config.imports.deaths.push_back(20);
    for (seed, breaks) in [(72, &lies as &dyn Fn(&mut Config)), (73, &dies)] {
        let world = world(&Population::plain(60, 2, seed));
        world.export().await.unwrap();
        let target = world.empty_pool();
        world.cognito.configure(breaks);
        let first = import(&world, &target).await;
        assert_eq!(first.import.status, ImportStatus::Partial);
        assert_restored(&world, &target, &first).await;
        let lost: Vec<_> = first.failures.iter().filter(|failure| failure.record == Kind::User).collect();
        assert!(lost.len() > 5, "{lost:?}");
        assert!(
            lost.iter().all(|failure| failure.reason.contains("was not imported by import-")),
            "{lost:?}"
        );
        let rows: BTreeSet<u32> = lost.iter().map(|failure| failure.line.unwrap()).collect();
        assert!(rows.len() == lost.len() && *rows.first().unwrap() > 1, "{rows:?}");
        let memberships = first.failures.iter().filter(|failure| failure.record == Kind::Membership);
        assert!(memberships.count() > 0);

        world.cognito.configure(|config| config.imports.lost_rows = 0.0);
        let second = import(&world, &target).await;
        assert_eq!(second.import.status, ImportStatus::Complete, "{:?}", second.failures);
        assert_restored(&world, &target, &second).await;
        assert_eq!(second.import.id, first.import.id);
        assert_eq!(
            billed(&world, &target).len(),
            world.truth(&target).memberships.iter().map(|(_, sub)| sub).collect::<BTreeSet<_>>().len(),
            "only memberships bill"
        );
    }
}

/// A pool larger than a job: one job after another, none larger than it may be.
#[tokio::test]
async fn a_pool_too_large_for_one_job_is_many() {
    let limits = [
        JobLimits { rows: 13, ..JobLimits::default() },
        JobLimits { bytes: 4_000, ..JobLimits::default() },
        JobLimits { rows: 1, ..JobLimits::default() },
    ];
    for job_limits in limits {
        let world = world(&Population { email_sign_in: false, ..Population::plain(60, 2, 76) });
        world.export().await.unwrap();
        let target = world.empty_pool();
        let report = import_in_parts(&world, &target, job_limits, &Fate::immortal()).await.unwrap();
        assert_eq!(report.import.status, ImportStatus::Complete, "{:?}", report.failures);
        assert_eq!(report.counts.users_by_job, 60);
        assert_restored(&world, &target, &report).await;
        let rows = rows_of_jobs(&world, &report).await;
        assert!(rows.iter().sum::<u64>() == 60 && rows.len() > 3, "{rows:?}");
        assert!(rows.iter().all(|rows| *rows <= job_limits.rows), "{rows:?}");
        assert_eq!(world.change(|admin| admin.import_jobs(&target)).unwrap().len(), rows.len());
    }
}

#[tokio::test]
async fn many_jobs_killed_at_any_step_make_the_same_pool() {
    let population = everyone(30, 77);
    let job_limits = JobLimits { rows: 7, ..JobLimits::default() };
    let whole = awkward(&population);
    whole.export().await.unwrap();
    let fate = Fate::immortal();
    let expected = import_in_parts(&whole, &whole.empty_pool(), job_limits, &fate).await.unwrap();
    assert!(rows_of_jobs(&whole, &expected).await.len() > 2);
    for step in (1..fate.steps()).step_by(173) {
        let world = awkward(&population);
        world.export().await.unwrap();
        let target = world.empty_pool();
        let fate = Fate::at_step(step);
        fate.live(import_in_parts(&world, &target, job_limits, &fate)).await;
        let report = import_in_parts(&world, &target, job_limits, &Fate::immortal()).await.unwrap();
        assert_restored(&world, &target, &report).await;
        assert_eq!(report.failures, expected.failures, "killed at step {step}");
        assert_eq!(report.counts, expected.counts, "killed at step {step}");
    }
}

async fn import_in_parts(
    world: &World,
    target: &str,
    job_limits: JobLimits,
    fate: &Arc<Fate>,
) -> cognito_profiles::Result<Report> {
    let importer = Importer { job_limits, ..world.importer(target, fate) };
    let prepared = world.prepare(&importer, by_job()).await?;
    importer.import(prepared, &scratch()).await
}

async fn rows_of_jobs(world: &World, report: &Report) -> Vec<u64> {
    let jobs = world.store.jobs(&report.import.id).await.unwrap();
    jobs.iter().map(|job| job.rows).filter(|rows| *rows > 0).collect()
}

#[tokio::test]
async fn who_was_not_imported_when_a_job_was_stopped_is_listed_and_restored_the_next_time() {
    let world = world(&Population::plain(60, 0, 78));
    world.export().await.unwrap();
    let target = world.empty_pool();
    world.cognito.configure(|config| {
        config.imports.pending = 0;
        config.imports.rows_per_second = 1;
    });
    let fate = Fate::immortal();
    let first = tokio::select! {
        report = world.import_with(&target, by_job(), &fate) => report.unwrap(),
        () = stop_the_job(&world, &target) => unreachable!("waits for ever"),
    };
    let jobs = world.store.jobs(&first.import.id).await.unwrap();
    assert_eq!(jobs[0].status.as_deref(), Some("Stopped"));
    assert!((1..60).contains(&first.counts.users_created), "{:?}", first.counts);
    assert!(first.failures.iter().all(|failure| failure.reason.contains("which ended Stopped")));
    assert_restored(&world, &target, &first).await;
    let second = import(&world, &target).await;
    assert_eq!(second.import.status, ImportStatus::Complete, "{:?}", second.failures);
    assert_restored(&world, &target, &second).await;
}

/// As somebody does in the console, once a part of the rows is done.
async fn stop_the_job(world: &World, pool: &str) {
    loop {
        world.clock.sleep(Duration::from_secs(1)).await;
        let jobs = world.change(|admin| admin.import_jobs(pool)).unwrap();
        let Some(job) = jobs.first() else { continue };
        let users = world.truth(pool).users.len();
        if users >= 10 {
            let body = format!(r#"{{"UserPoolId":"{pool}","JobId":"{job}"}}"#);
            world.cognito.call("StopUserImportJob", body.as_bytes(), world.now());
            return std::future::pending().await;
        }
    }
}

#[tokio::test]
async fn who_refused_a_row_can_be_created_one_by_one_the_next_time() {
    let world = world(&Population::plain(40, 0, 74));
    world.export().await.unwrap();
    let target = world.empty_pool();
    world.cognito.configure(|config| config.imports.lost_rows = 1.0);
    let first = import(&world, &target).await;
    assert_eq!(first.counts.users_created, 0);
    let second = world.import(&target, &Fate::immortal()).await.unwrap();
    assert_eq!((second.counts.users_created, second.counts.users_by_job), (40, 0));
    assert_eq!(second.import.status, ImportStatus::Complete, "{:?}", second.failures);
}

#[tokio::test]
async fn of_two_with_one_name_one_is_restored_and_the_other_listed() {
    let world = world(&Population { email_sign_in: false, ..Population::plain(10, 0, 75) });
    for (name, address) in [("ann", "ann@example.com"), ("bob", "ANN@example.com")] {
        let user = UserRecord::new(name).with("email", address).with("email_verified", "true");
        world.change(|admin| admin.create_user(&world.pool, user).unwrap());
    }
    world.export().await.unwrap();
    let target = world.empty_pool_with(|pool| {
        pool.alias_attributes.clear();
        pool.username_attributes = vec!["email".to_owned()];
        pool.case_sensitive = false;
    });
    let report = import(&world, &target).await;
    assert_eq!((report.counts.users_created, report.counts.users_failed), (11, 1));
    assert!(report.failures[0].reason.contains("the same name"), "{:?}", report.failures);
    assert_eq!(report.differences, []);
}

#[tokio::test]
async fn who_has_no_row_is_created_or_listed_as_was_chosen() {
    let world = world(&Population::plain(20, 0, 76));
    let unverified = UserRecord::new("").with("email", "unverified@example.com").with("name", "Un\nverified");
    world.change(|admin| admin.create_user(&world.pool, unverified).unwrap());
    world.export().await.unwrap();
    for (without_row, created) in [(WithoutRow::AdminApi, 21), (WithoutRow::List, 20)] {
        let target = world.empty_pool();
        let options = ImportOptions { without_row, ..by_job() };
        let importer = world.importer(&target, &Fate::immortal());
        let plan = world.prepare(&importer, options.clone()).await.unwrap().plan;
        assert_eq!((plan.users_to_create, plan.users_by_job), (created, 20));
        assert_eq!(plan.active_users, created - 20);
        let report = world.import_with(&target, options, &Fate::immortal()).await.unwrap();
        assert_eq!(report.counts.users_created, created);
        assert_eq!(billed(&world, &target).len() as u64, plan.active_users);
        if created == 20 {
            let reason = &report.failures[0].reason;
            assert!(reason.contains("no row of an import job can carry the user"), "{reason}");
            assert!(plan.problems.iter().any(|problem| problem.what.contains(reason)), "{plan:?}");
        }
    }
}

#[tokio::test]
async fn a_pool_that_verifies_nothing_is_refused_before_anything_is_written() {
    let world = world(&Population::plain(5, 0, 77));
    world.export().await.unwrap();
    let target = world.empty_pool_with(|pool| pool.auto_verified_attributes.clear());
    let error = world.import_with(&target, by_job(), &Fate::immortal()).await.unwrap_err();
    assert_eq!(error.kind(), "incompatible", "{error}");
    assert!(error.to_string().contains("verifies neither"), "{error}");
    assert!(world.truth(&target).users.is_empty());
}

#[tokio::test]
async fn who_chose_a_password_meanwhile_is_still_recognised() {
    let world = world(&Population::plain(20, 1, 78));
    world.export().await.unwrap();
    let target = world.empty_pool();
    let pool = target.clone();
    // Between the job and the listing, everyone has reset their password.
    world.cognito.on_call(move |call, admin| {
        if call.operation == Operation::ListUsers && call.pool.as_deref() == Some(&*pool) {
            let subs: Vec<String> = admin.truth(&pool).unwrap().users.into_keys().collect();
            for sub in subs {
                admin.update_user(&pool, &sub, |user| user.status = UserStatus::Confirmed).unwrap();
            }
        }
    });
    let report = import(&world, &target).await;
    world.cognito.clear_on_call();
    assert_eq!(
        report.import.status,
        ImportStatus::Complete,
        "{:?} {:?}",
        report.failures,
        report.differences
    );
}
