//! Tables of the retired solution, read from services that answer as DynamoDB does.

use std::sync::Arc;

use cognito_profiles::adapters::dynamodb_v1;
use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::model::Record;
use cognito_profiles::progress::Silent;
use cognito_profiles::read::Snapshot;
use cognito_profiles::run::RunStatus;
use cognito_profiles_tests::conformance::at;
use cognito_profiles_tests::retired::RetiredTable;
use cognito_profiles_tests::world::World;
use cognito_profiles_tests::{Dynoxide, MiniStack, dynamodb};
use cognito_sim::{Population, Truth, UserStatus};

use crate::pipeline::world;

fn truth(world: &World) -> Truth {
    world.change(|admin| admin.truth(&world.pool)).unwrap()
}

async fn read(table: &RetiredTable) -> Snapshot {
    let store = Arc::new(SqliteStore::temporary().unwrap());
    let table = dynamodb_v1::RetiredTable::new(table.client.clone(), &table.name);
    let reading = table.read_into(&*store, &Silent).await.unwrap();
    assert_eq!((reading.run.status, reading.notes.as_slice()), (RunStatus::Complete, &[][..]));
    Snapshot::of(store, reading.run).unwrap()
}

/// Everyone is there to the last character, but for those whom the retired solution leaves out.
async fn assert_holds(snapshot: &Snapshot, truth: &Truth) {
    let listed = |sub: &str| truth.users[sub].status != UserStatus::ExternalProvider;
    let (mut users, mut groups, mut members) = (0, 0, 0);
    let mut walk = snapshot.everything().await.unwrap();
    while let Some(versions) = walk.next().await.unwrap() {
        for version in versions {
            match version.record().unwrap() {
                Record::User(user) => {
                    users += 1;
                    let real = &truth.users[&user.sub];
                    let attributes: Vec<(&str, &str)> =
                        user.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                    let mut expected: Vec<(&str, &str)> =
                        real.attributes.iter().map(|(name, value)| (&**name, value.as_str())).collect();
                    expected.sort_unstable();
                    assert_eq!(attributes, expected);
                    assert_eq!((&user.username, user.enabled), (&real.username, real.enabled));
                    assert_eq!(user.status, real.status.name());
                }
                Record::Group(group) => {
                    groups += 1;
                    let real = &truth.groups[&group.name];
                    let precedence = real.precedence.map(|precedence| i32::try_from(precedence).unwrap());
                    assert_eq!((&group.description, group.precedence), (&real.description, precedence));
                }
                Record::Membership(member) => {
                    members += 1;
                    assert!(truth.memberships().contains(&(member.group, member.sub)));
                }
                Record::Settings(_) => panic!("none were saved"),
            }
        }
    }
    assert_eq!(users, truth.users.keys().filter(|sub| listed(sub)).count());
    assert_eq!(groups, truth.groups.len());
    assert_eq!(members, truth.memberships().iter().filter(|(_, sub)| listed(sub)).count());
}

/// One export after another, with what was changed between them.
async fn follow(table: &RetiredTable, users: usize) {
    let world = world(&Population::odd(users, 3, 61));
    table.export(&truth(&world), at(0)).await;
    let first = read(table).await;
    assert_eq!((first.run.started_at, first.at), (at(0), at(0)));
    assert_holds(&first, &truth(&world)).await;

    let subs: Vec<String> = truth(&world).users.into_keys().collect();
    world.change(|admin| {
        admin.delete_user(&world.pool, &subs[0]).unwrap();
        admin.update_user(&world.pool, &subs[1], |user| user.enabled = !user.enabled).unwrap();
    });
    table.export(&truth(&world), at(60_000)).await;
    let second = read(table).await;
    assert_eq!(second.at, at(60_000));
    assert_holds(&second, &truth(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_dynoxide_is_read_whole() {
    let dynoxide = Dynoxide::start();
    follow(&RetiredTable::new(&dynamodb::client(&dynoxide.endpoint())).await, 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_ministack_is_read_whole() {
    let ministack = MiniStack::start();
    follow(&RetiredTable::new(&dynamodb::client(&ministack.endpoint())).await, 120).await;
}

/// More than a page of 1 MB in each segment.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_many_pages_is_read_whole() {
    let dynoxide = Dynoxide::start();
    let table = RetiredTable::new(&dynamodb::client(&dynoxide.endpoint())).await;
    let world = world(&Population::plain(3_000, 2, 62));
    let mut truth = truth(&world);
    for user in truth.users.values_mut() {
        let long = |number: u8| (format!("custom:note{number}").into(), "x".repeat(2_000));
        user.attributes.extend((0..3).map(long));
    }
    table.export(&truth, at(0)).await;
    let page = table.client.scan().table_name(&table.name).total_segments(8).segment(0).send().await.unwrap();
    assert!(page.last_evaluated_key.is_some(), "or this would test nothing");
    assert_holds(&read(&table).await, &truth).await;
}
