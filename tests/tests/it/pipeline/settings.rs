//! The settings as an export saves them: whole, at the rates, and whatever the calls meet.

use cognito_profiles::ports::{Backup as _, Clock as _};
use cognito_profiles::read::Snapshot;
use cognito_profiles::run::{Run, RunStatus};
use cognito_profiles::settings::{Part, Settings};
use cognito_profiles_tests::mortal::Fate;
use cognito_profiles_tests::world::World;
use cognito_sim::{Category, Fault, Latency, Operation, Population, Quotas, ServiceError};
use serde_json::{Value, json};

use super::{awkward, world};

/// A call by somebody else, whom no rate stops.
fn call(world: &World, operation: &str, mut body: Value) -> Value {
    if body.get("UserPoolId").is_none() {
        body["UserPoolId"] = json!(world.pool);
    }
    let quotas = world.cognito.configure(|config| std::mem::replace(&mut config.quotas, Quotas::off()));
    let answer = world.cognito.call(operation, body.to_string().as_bytes(), world.now()).json();
    world.cognito.configure(|config| config.quotas = quotas);
    answer.unwrap_or_else(|reply| panic!("{operation}: {reply:?}"))
}

fn clients(world: &World, count: usize) {
    for number in 0..count {
        let callbacks: Vec<String> =
            (0..3).map(|n| format!("https://app-{number}.example.com/{n}")).collect();
        let body = json!({"ClientName": format!("app {number}"), "GenerateSecret": number % 2 == 0, "CallbackURLs": callbacks,
            "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]});
        call(world, "CreateUserPoolClient", body);
    }
    call(world, "CreateUserPoolDomain", json!({"Domain": "shop"}));
}

async fn settings(world: &World, run: &Run) -> Settings {
    Snapshot::of(world.store.clone(), run.clone()).unwrap().settings().await.unwrap()
}

fn len(settings: &Settings, part: Part) -> Option<usize> {
    settings.part(part).and_then(Value::as_array).map(Vec::len)
}

#[tokio::test]
async fn every_client_is_saved_whatever_the_pages() {
    let world = awkward(&Population::plain(3, 1, 5));
    clients(&world, 70);
    for number in 0..12 {
        call(&world, "CreateResourceServer", json!({"Identifier": format!("s{number}"), "Name": "s"}));
    }
    let first = world.export().await.unwrap();
    let saved = settings(&world, &first).await;
    assert_eq!(
        (len(&saved, Part::UserPoolClients), len(&saved, Part::ResourceServers)),
        (Some(70), Some(12))
    );
    assert_eq!(len(&saved, Part::Domains), Some(1));
    assert!(saved.not_saved().is_empty());
    let again = world.export().await.unwrap();
    assert_eq!(settings(&world, &again).await, saved, "in whatever order they were answered");
    let versions = world.store.versions(&first.pool, &cognito_profiles::model::Partition::Settings, None, 9);
    assert_eq!(versions.await.unwrap().len(), 1);
}

/// As many as a pool may have. Each operation has 5 calls a second, so it takes minutes; every rate
/// holds meanwhile.
#[tokio::test]
async fn a_thousand_clients_are_saved_at_the_rates() {
    let world = world(&Population::plain(3, 1, 6));
    clients(&world, 1000);
    world.cognito.configure(|config| config.faults.latency = Latency { min: 20, max: 300 });
    world.cognito.reset_meter();
    let began = world.clock.elapsed();
    let run = world.export().await.unwrap();
    let took = world.clock.elapsed().saturating_sub(began).as_secs();
    let saved = settings(&world, &run).await;
    assert_eq!(len(&saved, Part::UserPoolClients), Some(1000));
    let meter = world.cognito.meter();
    for category in [Category::UserPoolClientRead, Category::UserPoolResourceRead, Category::UserPoolRead] {
        let usage = meter.category(category);
        assert_eq!(usage.throttled, 0, "{category:?}");
        assert!(usage.peak_attempts <= u64::from(category.default_rps()), "{category:?}: {usage:?}");
    }
    for (operation, usage) in &meter.per_pool {
        assert!(usage.peak_attempts <= 5, "{operation}: {usage:?}");
    }
    // Clients, their pages and their risks are read side by side: well within a function's 900 s.
    assert!((200..320).contains(&took), "{took} s");
    assert!(!serde_json::to_string(&saved).unwrap().contains("ClientSecret\":\""));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_then_fails_the_export() {
    let world = world(&Population::plain(3, 1, 7));
    clients(&world, 4);
    world.cognito.configure(|config| {
        let list = Some(Operation::ListUserPoolClients);
        config.faults.script(list, 0, 2, Fault::InternalError);
        config.faults.script(list, 0, 30, Fault::Throttle);
        config.faults.script(Some(Operation::DescribeUserPoolClient), 1, 3, Fault::DropAfter);
        config.faults.script(Some(Operation::GetLogDeliveryConfiguration), 0, 3, Fault::Unavailable);
    });
    let run = world.export().await.unwrap();
    assert_eq!(len(&settings(&world, &run).await, Part::UserPoolClients), Some(4));
    assert_eq!(world.cognito.configure(|config| config.faults.scripted_left()), 0);

    world.cognito.configure(|config| {
        config.faults.script(Some(Operation::ListResourceServers), 0, 10, Fault::InternalError);
    });
    let error = world.export().await.unwrap_err();
    assert_eq!(error.kind(), "unavailable");
    assert!(error.to_string().starts_with("ListResourceServers failed 10 times"), "{error}");
    let interrupted = world.store.runs(None).await.unwrap().pop().unwrap();
    assert_eq!(interrupted.status, RunStatus::Running);
    let continued = world.export().await.unwrap();
    assert_eq!((continued.id, continued.status), (interrupted.id, RunStatus::Complete));
}

#[tokio::test]
async fn a_client_that_goes_meanwhile_is_no_error() {
    let world = world(&Population::plain(3, 1, 8));
    clients(&world, 4);
    let gone = ServiceError::new("ResourceNotFoundException", "User pool client x does not exist.");
    world.cognito.configure(|config| {
        config.faults.script(Some(Operation::DescribeUserPoolClient), 1, 1, Fault::Error(gone));
    });
    let saved = settings(&world, &world.export().await.unwrap()).await;
    assert_eq!(len(&saved, Part::UserPoolClients), Some(3));
    assert!(saved.not_saved().is_empty());
}

#[tokio::test]
async fn an_operation_the_endpoint_does_not_know_is_named_and_the_rest_is_saved() {
    let world = world(&Population::plain(3, 1, 9));
    clients(&world, 2);
    let unknown = || Fault::Error(ServiceError::new("UnknownOperationException", ""));
    world.cognito.configure(|config| {
        config.faults.script(Some(Operation::GetLogDeliveryConfiguration), 0, 1, unknown());
        config.faults.script(Some(Operation::ListIdentityProviders), 0, 1, unknown());
        config.faults.script(Some(Operation::GetUserPoolMfaConfig), 0, 1, unknown());
    });
    let first = world.export().await.unwrap();
    let saved = settings(&world, &first).await;
    let parts: Vec<_> = saved.not_saved().into_iter().map(|part| (part.part, part.operation)).collect();
    let expected = [
        ("IdentityProviders", "ListIdentityProviders"),
        ("LogDeliveryConfiguration", "GetLogDeliveryConfiguration"),
        ("MfaConfig", "GetUserPoolMfaConfig"),
    ];
    assert_eq!(parts, expected.map(|(part, operation)| (part.to_owned(), operation.to_owned())));
    assert_eq!(len(&saved, Part::UserPoolClients), Some(2));

    let second = world.export().await.unwrap();
    assert!(settings(&world, &second).await.not_saved().is_empty(), "the next run has it");
    assert_eq!(settings(&world, &first).await, saved, "and the first still says what it lacks");
}

#[tokio::test]
async fn a_restore_asks_for_no_more_than_the_pool() {
    let world = world(&Population::plain(5, 1, 10));
    clients(&world, 3);
    world.export().await.unwrap();
    let target = world.empty_pool();
    world.cognito.reset_meter();
    let report = world.import(&target, &Fate::immortal()).await.unwrap();
    assert!(report.differences.is_empty(), "{:?}", report.differences);
    for operation in [
        Operation::ListUserPoolClients,
        Operation::DescribeIdentityProvider,
        Operation::ListResourceServers,
        Operation::DescribeRiskConfiguration,
        Operation::GetLogDeliveryConfiguration,
    ] {
        assert_eq!(world.cognito.meter().calls(operation), 0, "{operation:?}");
    }
}
