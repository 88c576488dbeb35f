//! A backup in a DynamoDB table: written by the library as the `ExportWorkflow` does, read and
//! restored from by the tool.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use cognito_profiles::adapters::SystemClock;
use cognito_profiles::adapters::dynamodb::{DynamoStore, Tables};
use cognito_profiles::export::{Exporter, ShrinkGuard};
use cognito_profiles::pacing::{Category, Paced, Pacer, Rates};
use cognito_profiles::ports::{ImportStatus, Imports as _};
use cognito_profiles::progress::Silent;
use cognito_profiles::run::Run;
use cognito_profiles_tests::{Dynoxide, SimDirectory, dynamodb};
use serde_json::json;

use crate::journey::{assert_is_dumped, assert_restored};
use crate::world::{Ran, World, fast, settings};

/// A pool, and a table for its backup.
struct Stack {
    world: World,
    service: Dynoxide,
    tables: Tables,
}

impl Stack {
    fn new(users: usize) -> Self {
        let world = World::new(users);
        let service = Dynoxide::start();
        let tables = world.wait_for(dynamodb::new_tables(&dynamodb::client(&service.endpoint())));
        Self { world, service, tables }
    }

    fn store(&self) -> Arc<DynamoStore> {
        let clock = Arc::new(SystemClock::new());
        Arc::new(DynamoStore::new(self.tables.clone(), dynamodb::RETENTION_DAYS, clock))
    }

    fn export(&self) -> Run {
        let clock = Arc::new(SystemClock::new());
        let directory = SimDirectory::new(self.world.cognito.clone(), &self.world.pool, clock.clone());
        let rates = Rates::new(1.0, BTreeMap::from([(Category::UserList, 2000.0)]));
        let pacer = Arc::new(Pacer::new(clock.clone(), rates));
        let directory = Arc::new(Paced::new(Arc::new(directory), clock.clone(), pacer));
        let store = self.store();
        let exporter = Exporter::in_process(directory, store.clone(), store, clock, Arc::new(Silent));
        self.world.wait_for(exporter.export(&ShrinkGuard::default())).unwrap()
    }

    fn url(&self) -> String {
        format!("dynamodb:{}", self.tables.backup)
    }

    fn command(&self, url: &str, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.env("COGNITO_PROFILES_BACKUP", url);
        command.env("AWS_ENDPOINT_URL_DYNAMODB", self.service.endpoint());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        run(self.command(&self.url(), args))
    }
}

fn run(command: Command) -> Ran {
    assert_cmd::Command::from_std(command).output().unwrap().into()
}

#[test]
fn from_a_table_to_a_new_pool() {
    let stack = Stack::new(60);
    let world = &stack.world;
    let first = stack.export();
    let sub = world.truth(&world.pool).users.into_keys().next().unwrap();
    world.change(|admin| admin.delete_user(&world.pool, &sub));
    let second = stack.export();

    let runs = stack.run(&["runs", "--json"]).code(0).objects();
    let ids: Vec<&str> = runs.iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [first.id.as_str(), second.id.as_str()]);
    assert_eq!(stack.run(&["show", "users", "--json"]).code(0).summary()["shown"], 59);
    let before = ["show", "users", "--json", "--as-of", first.id.as_str()];
    assert_eq!(stack.run(&before).code(0).summary()["shown"], 60);
    let diff = stack.run(&["diff", first.id.as_str(), "latest", "--json"]).code(0);
    assert!(diff.objects().iter().any(|line| line["key"] == sub && line["change"] == "gone"));
    assert_is_dumped(world, &stack.run(&["dump", "--format", "jsonl"]).code(0));
    let template = stack.run(&["settings", "--format", "cloudformation"]).code(0).stdout;
    assert!(template.contains("AWS::Cognito::UserPool"), "{template}");

    let verified = stack.run(&["verify", "--json", "--user-pool-id", &world.pool]).code(0).summary();
    assert_eq!((&verified["seal"], &verified["runs"]), (&json!("none"), &json!(2)));
    assert_eq!(verified["differences"], 0);

    stack.run(&["import", "--user-pool-id", &world.new_pool, "--plan"]).code(0);
    assert!(world.truth(&world.new_pool).groups.is_empty(), "a plan writes nothing");
    assert_eq!(world.wait_for(stack.store().imports(None)).unwrap(), []);
    let imported = stack.run(&fast(&["import", "--user-pool-id", &world.new_pool, "--yes", "--json"]));
    let imported = imported.code(3).summary();
    assert_restored(world, &imported);

    // The record of the import and the map of users are in the table.
    let imports = world.wait_for(stack.store().imports(None)).unwrap();
    assert_eq!(
        (imports[0].status, imports[0].id.as_str()),
        (ImportStatus::Partial, imported["import_id"].as_str().unwrap())
    );
    let mappings = world.wait_for(stack.store().mappings(&imports[0].id, None, usize::MAX)).unwrap();
    let mapped = mappings.iter().filter(|mapping| mapping.new_sub.is_some()).count();
    assert_eq!((mappings.len(), imported["mapped"].as_u64()), (59, Some(mapped as u64)));
    let restored = stack.run(&["verify", "--json", "--user-pool-id", &world.new_pool]).code(0).summary();
    assert_eq!((&restored["import_id"], &restored["differences"]), (&imported["import_id"], &json!(0)));
}

#[test]
fn damage_in_a_table_is_found() {
    let stack = Stack::new(5);
    stack.export();
    let world = &stack.world;
    let sub = world.truth(&world.pool).users.into_keys().next().unwrap();
    let pk = format!("POOL#{}#USERS#{}", world.pool, &sub[..2]);
    let key = |text: &str| AttributeValue::S(text.to_owned());
    let damage = stack.tables.client.update_item().table_name(&stack.tables.backup);
    let damage = damage.key("pk", key(&pk)).key("sk", key(&sub));
    let damage =
        damage.update_expression("SET #record.#enabled = :no").condition_expression("attribute_exists(pk)");
    let damage = damage
        .expression_attribute_names("#record", "record")
        .expression_attribute_names("#enabled", "username");
    world.wait_for(damage.expression_attribute_values(":no", key("other")).send()).unwrap();

    let verified = stack.run(&["verify", "--json"]).code(4);
    assert_eq!((verified.error_kind().as_str(), &verified.objects()[0]["key"]), ("corrupted", &json!(sub)));
    let imported =
        stack.run(&fast(&["import", "--user-pool-id", &world.new_pool, "--yes", "--json"])).code(4);
    assert_eq!(imported.error_kind(), "corrupted");
    assert!(world.truth(&world.new_pool).users.is_empty());
}

#[test]
fn a_table_that_is_no_backup() {
    let stack = Stack::new(0);
    for args in [&["runs", "--json"][..], &["verify", "--json"], &["show", "users", "--json"]] {
        assert_eq!(stack.run(args).code(2).error_kind(), "no_complete_run");
    }
    let mut said = String::new();
    let mut add = |ran: Ran| said.push_str(&ran.code(2).stderr);
    add(run(stack.command("dynamodb:no-such-table", &["runs"])));
    add(run(stack
        .command("dynamodb:no-such-table", &["import", "--user-pool-id", &stack.world.new_pool, "--plan"])));
    let mut nowhere = stack.command(&stack.url(), &["runs"]);
    nowhere.env_remove("AWS_REGION");
    add(run(nowhere));
    let mut nobody = stack.command(&stack.url(), &["runs"]);
    nobody.env_remove("AWS_ACCESS_KEY_ID").env("AWS_EC2_METADATA_DISABLED", "true");
    add(run(nobody));
    settings().bind(|| insta::assert_snapshot!("no-such-table", said));
}
