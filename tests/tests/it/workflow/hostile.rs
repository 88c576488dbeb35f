use std::time::Duration;

use cognito_profiles::ports::{Backup as _, Clock as _};
use cognito_profiles::run::RunStatus;
use cognito_profiles::workflow::Inbox as _;
use cognito_profiles_tests::cloud::Cloud;
use cognito_profiles_tests::sim_queue::Manners;
use cognito_sim::{FaultRates, Population, UserRecord};
use serde_json::json;

use super::{assert_holds_the_pool, assert_sound, hostile};
use crate::pipeline::{awkward, world};

#[tokio::test]
async fn duplicates_delays_and_killed_workers_end_in_the_same_backup() {
    for seed in 0..12 {
        let users = [40, 90, 700][usize::try_from(seed % 3).unwrap()];
        let mut cloud = Cloud::new(awkward(&Population::realistic(users, 5, seed)), hostile());
        cloud.killed = 25;
        cloud.world.cognito.configure(|config| {
            config.faults.rates =
                FaultRates { internal_error: 0.05, drop_after: 0.02, ..FaultRates::default() };
        });
        let (ending, run) = cloud.export("first").await;
        assert_eq!(ending["Status"], "Complete", "seed {seed}: {ending}");
        assert_holds_the_pool(&cloud, &run, &format!("seed {seed}")).await;
    }
}

/// The same token brings another page when it is asked again. The pages of a reader who died are
/// written first, under the numbers that those of the next have, too: they stand for none of them.
#[tokio::test]
async fn a_page_read_again_is_waited_for() {
    for seed in 0..20 {
        let manners = Manners { delay: Duration::from_mins(3), ..Manners::default() };
        let mut cloud = Cloud::new(awkward(&Population::realistic(400, 3, seed)), manners);
        let short_pages = |cloud: &Cloud, share| {
            cloud.world.cognito.configure(|config| config.listing.short_pages = share);
        };
        cloud.coordinate("first", json!({ "Action": "begin" })).await.unwrap();
        short_pages(&cloud, 1.0);
        cloud.killed = 100;
        while cloud.queues.pages.bodies().is_empty() {
            let deliveries = cloud.queues.lists.receive(2).await.unwrap();
            cloud.list_once(deliveries).await;
            cloud.world.clock.sleep(Duration::from_mins(1)).await;
        }
        cloud.killed = 0;
        short_pages(&cloud, 0.0);
        while !cloud.queues.pages.bodies().is_empty() {
            let deliveries = cloud.queues.pages.receive(10).await.unwrap();
            cloud.write_once(deliveries.clone()).await;
            for delivery in deliveries {
                cloud.queues.pages.delete(&delivery).await.unwrap();
            }
            cloud.world.clock.sleep(Duration::from_mins(1)).await;
        }
        let (ending, run) = cloud.export("first").await;
        assert_eq!(ending["Status"], "Complete", "seed {seed}: {ending}");
        assert_holds_the_pool(&cloud, &run, &format!("seed {seed}")).await;
    }
}

/// A page of a reader who died is on its way into the store, slowly, while the next reads again
/// what no longer shows what was on it. It must not come in once the run has its manifest.
#[tokio::test]
async fn a_page_that_comes_in_late_is_waited_for() {
    let mut cloud = Cloud::new(world(&Population::realistic(30, 0, 5)), Manners::default());
    let newcomer = cloud.world.change(|admin| {
        let user = UserRecord::new("").with("email", "newcomer@example.com");
        admin.create_user(&cloud.world.pool, user).unwrap()
    });
    cloud.coordinate("first", json!({ "Action": "begin" })).await.unwrap();
    cloud.killed = 100;
    while cloud.queues.pages.bodies().iter().all(|body| !body.contains(&newcomer)) {
        let deliveries = cloud.queues.lists.receive(2).await.unwrap();
        cloud.list_once(deliveries).await;
        cloud.world.clock.sleep(Duration::from_mins(1)).await;
    }
    cloud.killed = 0;
    cloud.world.change(|admin| admin.delete_user(&cloud.world.pool, &newcomer).unwrap());
    let deliveries = cloud.queues.pages.receive(10).await.unwrap();
    cloud.world.weather.hold_up("observe", Duration::from_secs(50));
    let (_, (ending, run)) = tokio::join!(cloud.write_once(deliveries), cloud.export("first"));
    assert_eq!(ending["Status"], "Complete", "{ending}");
    let saved = cloud.world.saved(&run).await.unwrap();
    cloud.world.clock.sleep(Duration::from_mins(2)).await;
    assert_eq!(cloud.world.saved(&run).await.unwrap(), saved, "it reads as when it ended");
    assert_sound(&cloud, &run, "a page that was late").await;
}

#[tokio::test]
async fn changes_between_runs_are_found_whatever_the_queues_do() {
    for seed in 0..6 {
        let mut cloud = Cloud::new(awkward(&Population::realistic(120, 4, seed)), hostile());
        cloud.killed = 20;
        let (_, first) = cloud.export("first").await;
        let before = cloud.world.truth(&cloud.world.pool);
        let subs: Vec<String> = before.users.keys().cloned().collect();
        cloud.world.change(|admin| {
            let pool = &cloud.world.pool;
            subs[..4].iter().for_each(|sub| admin.delete_user(pool, sub).unwrap());
            subs[4..9].iter().for_each(|sub| {
                admin.update_user(pool, sub, |user| user.enabled = !user.enabled).unwrap();
            });
        });
        let (ending, second) = cloud.export("second").await;
        assert_eq!(ending["Status"], "Complete", "seed {seed}: {ending}");
        assert_holds_the_pool(&cloud, &second, &format!("seed {seed}")).await;
        assert_eq!(cloud.world.saved(&first).await.unwrap(), before, "seed {seed}: nobody is destroyed");
        let changes = second.manifest.unwrap().changes;
        assert_eq!((changes.new, changes.changed), (0, 5), "seed {seed}: {changes:?}");
    }
}

#[tokio::test]
async fn messages_of_a_dead_run_change_nothing() {
    let cloud = Cloud::new(awkward(&Population::realistic(90, 4, 3)), Manners::default());
    let (_, first) = cloud.export("first").await;
    let saved = cloud.world.saved(&first).await.unwrap();
    let sub = saved.users.keys().next().unwrap().clone();
    let toggle = || {
        cloud.world.change(|admin| {
            admin.update_user(&cloud.world.pool, &sub, |user| user.enabled = !user.enabled).unwrap();
        });
    };
    toggle();
    cloud.world.clock.sleep(Duration::from_mins(1)).await;
    // A run whose workflow is stopped while its pages are on their way, all of them late.
    cloud.coordinate("stopped", json!({ "Action": "begin" })).await.unwrap();
    for _ in 0..40 {
        let deliveries = cloud.queues.lists.receive(8).await.unwrap();
        if deliveries.is_empty() {
            break;
        }
        cloud.list_once(deliveries.clone()).await;
        for delivery in deliveries {
            cloud.queues.lists.delete(&delivery).await.unwrap();
        }
    }
    let late = cloud.queues.pages.bodies();
    assert!(!late.is_empty());
    toggle();
    // Blocked for as long as the lease, and no longer.
    let refused = cloud.coordinate("next", json!({ "Action": "begin" })).await.unwrap_err();
    assert_eq!(refused.kind(), "already_running");
    cloud.world.clock.sleep(Duration::from_mins(30)).await;
    let (ending, next) = cloud.export("next").await;
    assert_eq!(ending["Status"], "Complete", "{ending}");
    for body in &late {
        cloud.queues.pages.send(body);
    }
    tokio::select! {
        () = cloud.work() => {}
        () = cloud.world.clock.sleep(Duration::from_hours(1)) => {}
    }
    assert!(cloud.queues.pages.bodies().is_empty(), "{:?}", cloud.queues.pages.bodies());
    assert_holds_the_pool(&cloud, &next, "late messages").await;
    assert_sound(&cloud, &first, "the run before").await;
    assert_eq!(cloud.world.saved(&first).await.unwrap(), saved);
    let runs = cloud.world.store.runs(None).await.unwrap();
    let statuses: Vec<RunStatus> = runs.iter().map(|run| run.status).collect();
    assert_eq!(statuses, [RunStatus::Complete, RunStatus::Failed, RunStatus::Complete]);
    assert!(runs[1].reason.as_ref().unwrap().contains("its workflow was stopped"));
}

#[tokio::test]
async fn users_too_large_for_one_message_are_asked_for_in_fewer() {
    let manners = Manners { most_bytes: 6_000, ..Manners::default() };
    let cloud = Cloud::new(world(&Population::realistic(200, 2, 9)), manners);
    let (ending, run) = cloud.export("first").await;
    assert_eq!(ending["Status"], "Complete", "{ending}");
    assert_holds_the_pool(&cloud, &run, "small messages").await;

    // Some a listing misses, and they are looked up: those do not fit one message either.
    cloud.world.cognito.configure(|config| {
        config.listing.prefix_misses = 80;
        config.listing.estimate_error = -80;
    });
    let (ending, run) = cloud.export("second").await;
    assert_eq!(ending["Status"], "Complete", "{ending}");
    assert_holds_the_pool(&cloud, &run, "small messages of those looked up").await;
}
