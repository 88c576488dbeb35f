use std::sync::Arc;

use aws_sdk_dynamodb::types::{CreateReplicationGroupMemberAction, ReplicationGroupUpdate};
use cognito_profiles::adapters::SystemClock;
use cognito_profiles::adapters::dynamodb::{DynamoStore, Tables};
use cognito_profiles::export::ShrinkGuard;
use cognito_profiles::ports::{Backup as _, ImportOptions};
use cognito_profiles_tests::MiniStack;
use cognito_profiles_tests::dynamodb::{self, RETENTION_DAYS};
use cognito_profiles_tests::mortal::Fate;
use cognito_profiles_tests::world::scratch;
use cognito_sim::Population;

use crate::pipeline::import::assert_restored;
use crate::pipeline::world;

const STANDBY: &str = "eu-central-1";

/// The Region of the stack is lost; what a restore reads is in the other alone.
#[tokio::test]
async fn a_pool_comes_back_from_the_replica() {
    let ministack = MiniStack::start();
    let primary = dynamodb::new_tables(&dynamodb::client(&ministack.endpoint())).await;
    replicate(&primary).await;
    let world = world(&Population::realistic(40, 3, 21));
    let fate = Fate::immortal();
    let exporter = world.exporter_into(&store(&primary), &fate);
    exporter.export(&ShrinkGuard::default()).await.unwrap();
    let sub = world.truth(&world.pool).users.into_keys().next().unwrap();
    world.change(|admin| admin.update_user(&world.pool, &sub, |user| user.enabled = !user.enabled).unwrap());
    let last = exporter.export(&ShrinkGuard::default()).await.unwrap();
    primary.client.delete_table().table_name(&primary.backup).send().await.unwrap();
    assert_eq!(store(&primary).runs(None).await.unwrap_err().kind(), "no_such_table");

    let client = dynamodb::client_in(STANDBY, &ministack.endpoint());
    let replica = store(&Tables { client, ..primary });
    let target = world.empty_pool();
    let importer = world.importer_from(&replica, &target, &fate);
    let prepared = world.prepare(&importer, ImportOptions::default()).await.unwrap();
    let report = importer.import(prepared, &scratch()).await.unwrap();
    assert_eq!((report.import.run.clone(), report.differences.len()), (last.id, 0));
    assert_restored(&world, &*replica, &target, &report.import.id).await;
}

fn store(tables: &Tables) -> Arc<DynamoStore> {
    Arc::new(DynamoStore::new(tables.clone(), RETENTION_DAYS, Arc::new(SystemClock::new())))
}

async fn replicate(tables: &Tables) {
    let replica = CreateReplicationGroupMemberAction::builder().region_name(STANDBY).build().unwrap();
    let update = ReplicationGroupUpdate::builder().create(replica).build();
    let request = tables.client.update_table().table_name(&tables.backup).replica_updates(update);
    request.send().await.unwrap();
}
