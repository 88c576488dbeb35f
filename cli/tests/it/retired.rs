//! From a table of the retired solution to a new pool.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use aws_sdk_dynamodb::types::AttributeValue;
use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::time::Timestamp;
use cognito_profiles_tests::retired::{Item, RetiredTable, With as _, text_item, user_item};
use cognito_profiles_tests::{Dynoxide, dynamodb};
use cognito_sim::{Operation, PoolConfig, Truth, UserRecord, UserStatus};
use serde_json::{Value, json};

use crate::interrupted::signal;
use crate::journey::{assert_is_dumped, assert_restored};
use crate::world::{Ran, World, fast, settings};

/// When the export of that number began.
fn export(number: i64) -> Timestamp {
    Timestamp::from_millis(1_740_794_400_000 + number * 86_400_000)
}

/// A pool, and the table that the retired solution kept of it.
struct Stack {
    world: World,
    service: Dynoxide,
    table: RetiredTable,
}

impl Stack {
    /// The retired solution leaves out who comes from an identity provider: there are none.
    fn new(users: usize) -> Self {
        let world = World::new(users);
        let federated = world.truth(&world.pool).users.into_values();
        let federated = federated.filter(|user| user.status == UserStatus::ExternalProvider);
        let subs: Vec<String> = federated.map(|user| user.sub).collect();
        world.change(|admin| subs.iter().try_for_each(|sub| admin.delete_user(&world.pool, sub)));
        let service = Dynoxide::start();
        let table = world.wait_for(RetiredTable::new(&dynamodb::client(&service.endpoint())));
        Self { world, service, table }
    }

    fn truth(&self) -> Truth {
        self.world.truth(&self.world.pool)
    }

    fn export(&self, number: i64) {
        self.world.wait_for(self.table.export(&self.truth(), export(number)));
    }

    fn put(&self, item: Item) {
        self.world.wait_for(self.table.put(item));
    }

    fn url(&self) -> String {
        format!("dynamodb-v1:{}", self.table.name)
    }

    /// Where an import is kept.
    fn file(&self) -> String {
        format!("{}.v1.db", self.table.name)
    }

    fn command(&self, url: &str, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.env("COGNITO_PROFILES_BACKUP", url);
        command.env("AWS_ENDPOINT_URL_DYNAMODB", self.service.endpoint());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_on(&self.url(), args)
    }

    fn run_on(&self, url: &str, args: &[&str]) -> Ran {
        assert_cmd::Command::from_std(self.command(url, args)).output().unwrap().into()
    }

    fn import(&self, pool: &str) -> Ran {
        self.run(&fast(&["import", "--user-pool-id", pool, "--yes", "--json"]))
    }

    fn sub(&self, number: usize) -> String {
        self.truth().users.into_keys().nth(number).unwrap()
    }

    /// Another pool of the same kind as the new one.
    fn another_pool(&self) -> String {
        let world = &self.world;
        world.change(|admin| {
            let config = admin.pool_config(&world.new_pool)?;
            admin.create_pool(PoolConfig { id: None, ..config })
        })
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.world.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn from_a_table_to_a_new_pool() {
    let stack = Stack::new(60);
    let world = &stack.world;
    stack.export(1);
    let before = world.wait_for(stack.table.items()).len();

    let runs = stack.run(&["runs", "--json"]).code(0).objects();
    let (run, ended) = (runs[0]["run_id"].as_str().unwrap(), runs[0]["ended_at"].as_str().unwrap());
    assert_eq!((runs.len(), &runs[0]["pool"]), (1, &json!(stack.url())));
    assert_eq!((ended, &runs[0]["status"]), (export(1).to_string().as_str(), &json!("complete")));
    assert_is_dumped_without_roles(world, &stack.run(&["dump", "--format", "jsonl", "--as-of", run]).code(0));
    let sub = stack.sub(3);
    let one = ["show", "users", "--json", "--from-pool", &stack.url(), "--where", &format!("sub={sub}")];
    assert_eq!(stack.run(&one).code(0).summary()["shown"], 1);
    let same = stack.run(&["diff", run, "latest", "--json"]).code(0).summary();
    assert_eq!((&same["new"], &same["gone"], &same["changed"]), (&json!(0), &json!(0), &json!(0)));
    let verified = stack.run(&["verify", "--json"]).code(0).summary();
    assert_eq!((&verified["seal"], &verified["runs"]), (&json!("none"), &json!(1)));
    assert_eq!(stack.run(&["show", "settings", "--json"]).code(2).error_kind(), "no_settings");
    assert_eq!(stack.run(&["report", "--json"]).code(2).error_kind(), "no_such_import");

    let plan = stack.run(&["import", "--user-pool-id", &world.new_pool, "--plan", "--json"]).code(0);
    let notes = plan.objects()[0]["notes"].to_string();
    assert!(notes.contains("nothing is known of the old pool's settings"), "{notes}");
    assert_eq!((&plan.objects()[0]["run_id"], stack.files()), (&json!(run), vec![]), "a plan keeps nothing");
    assert!(world.truth(&world.new_pool).groups.is_empty());

    let imported = stack.import(&world.new_pool).code(3).summary();
    assert_restored(world, &imported);
    assert_eq!(imported["import_state"], format!("sqlite:{}", stack.file()));
    assert_eq!(stack.files(), ["", ".lock", ".sha256"].map(|ending| stack.file() + ending));
    let again = stack.import(&world.new_pool).code(3).summary();
    assert_eq!(again["import_id"], imported["import_id"]);
    assert_restored(world, &again);

    let reported = stack.run(&["report", "--json"]).code(3).summary();
    assert_eq!(reported["failures"], again["failures"]);
    let map = stack.run(&["map", "--format", "jsonl"]).code(0);
    assert_eq!(map.stdout.lines().count(), stack.truth().users.len());
    let restored =
        stack.run(&fast(&["verify", "--json", "--user-pool-id", &world.new_pool])).code(0).summary();
    assert_eq!((&restored["import_id"], &restored["differences"]), (&imported["import_id"], &json!(0)));
    assert_eq!(restored["seal"], "intact", "of the file");
    assert_eq!(world.wait_for(stack.table.items()).len(), before, "the table is only read");
}

/// The retired solution does not keep the roles of groups.
fn assert_is_dumped_without_roles(world: &World, ran: &Ran) {
    let groups: Vec<String> = world.truth(&world.pool).groups.into_keys().collect();
    world.change(|admin| {
        groups
            .iter()
            .try_for_each(|name| admin.update_group(&world.pool, name, |group| group.role_arn = None))
    });
    assert_is_dumped(world, ran);
}

#[test]
fn an_import_goes_on_from_what_it_began_with() {
    let stack = Stack::new(60);
    let world = &stack.world;
    stack.export(1);
    let args = fast(&["import", "--user-pool-id", &world.new_pool, "--yes", "--json"]);
    let mut command = stack.command(&stack.url(), &args);
    let killed = world.stop_command_at(&mut command, Operation::AdminCreateUser, 20, signal("KILL"));
    assert_eq!(killed.code, None);
    let then = stack.truth();

    // The old solution goes on, and the table with it.
    let (gone, came) = (stack.sub(1), UserRecord::new("").with("email", "came@example.com"));
    world.change(|admin| {
        admin.delete_user(&world.pool, &gone)?;
        admin.create_user(&world.pool, came)
    });
    stack.export(2);
    let plan = stack.run(&["import", "--user-pool-id", &world.new_pool, "--plan"]).code(0);
    assert!(plan.stdout.contains(&export(1).to_string()), "{}", plan.stdout);
    assert!(plan.stderr.contains("goes on from what was read of the table when it began"), "{}", plan.stderr);
    let imported = stack.import(&world.new_pool).code(3).summary();
    let emails = |truth: &Truth| {
        let users = truth.users.values().filter_map(|user| user.attribute("email"));
        users.filter(|email| !email.is_empty()).map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(emails(&world.truth(&world.new_pool)), emails(&then));
    assert_eq!(imported["differences"], 0);

    // One into another pool takes the table as it is now, and is kept beside the first.
    let other = stack.another_pool();
    let second = stack.import(&other).code(3).summary();
    assert_ne!(second["import_id"], imported["import_id"]);
    assert_eq!(emails(&world.truth(&other)), emails(&stack.truth()));
    let file = format!("sqlite:{}", stack.file());
    assert_eq!(stack.run_on(&file, &["runs", "--json"]).code(0).summary()["runs"], 2);
    let of_first = ["report", "--json", "--user-pool-id", &world.new_pool];
    assert_eq!(stack.run(&of_first).code(3).summary()["import_id"], imported["import_id"]);
    assert_eq!(stack.run_on(&file, &["verify", "--json"]).code(0).summary()["seal"], "intact");
}

#[test]
fn a_file_may_be_named_and_two_imports_do_not_share_it() {
    let stack = Stack::new(10);
    let world = &stack.world;
    stack.export(1);
    let args =
        ["import", "--user-pool-id", &world.new_pool, "--yes", "--json", "--import-state", "sqlite:mine.db"];
    let other = SqliteStore::create_or_open(&world.file("mine.db")).unwrap();
    assert_eq!(stack.run(&fast(&args)).code(4).error_kind(), "in_use");
    world.wait_for(other.close()).unwrap();
    assert!(world.truth(&world.new_pool).users.is_empty());
    let imported = stack.run(&fast(&args)).summary();
    assert_restored(world, &imported);
    assert_eq!(stack.files(), ["mine.db", "mine.db.lock", "mine.db.sha256"]);
    let map = stack.run(&["map", "--json", "--import-state", "sqlite:mine.db"]).code(0);
    assert_eq!(map.summary()["import_id"], imported["import_id"]);
    let out = ["dump", "--format", "csv", "--out", &stack.file()];
    assert!(stack.run(&out).code(2).stderr.contains("names the backup itself"));
}

/// Spoils what the table has of one user and one group, and adds what nobody knows.
fn spoil(stack: &Stack) -> (String, String) {
    let truth = stack.truth();
    let user = truth.users.values().find(|user| !user.groups.is_empty()).unwrap().clone();
    let group = truth.groups.keys().find(|name| !name.starts_with("us-east-1_")).unwrap().clone();
    stack.put(user_item(&user, export(1)).with("userStatus", AttributeValue::Null(true)));
    let id = format!("GROUP-{group}");
    stack.put(
        text_item([("id", id.as_str()), ("type", "GROUP-b1c2"), ("groupName", "another")])
            .with("lastConfirmedInUserPool", AttributeValue::N(export(1).as_millis().to_string())),
    );
    stack.put(text_item([("id", "ann@example.com"), ("type", "note")]));
    (user.sub, group)
}

#[test]
fn what_cannot_be_read_is_listed_and_the_rest_is_restored() {
    let stack = Stack::new(30);
    let world = &stack.world;
    stack.export(1);
    let (sub, group) = spoil(&stack);
    // A group with members is restored, but of the one there is the name only.
    let keys = json!(["#1", group, group, sub]);
    let listed = |ran: Ran| -> Value {
        let left_out = ran.code(3).summary()["left_out"].clone();
        left_out.as_array().unwrap().iter().map(|line| line["key"].clone()).collect()
    };
    for args in [
        &["runs", "--json"][..],
        &["show", "users", "--json"],
        &["diff", "latest", "latest", "--json"],
        &["dump", "--format", "jsonl", "--json"],
        &["verify", "--json"],
        &["import", "--user-pool-id", &world.new_pool, "--plan", "--json"],
    ] {
        assert_eq!(listed(stack.run(args)), keys, "{args:?}");
    }
    let imported = stack.import(&world.new_pool).code(3).summary();
    assert_eq!(imported["left_out"].as_array().unwrap().len(), 4);
    assert!(world.truth(&world.new_pool).groups[&group].description.is_none());
    let can_be = |user: &&UserRecord| {
        user.sub != sub && user.attribute("email").is_some_and(|email| !email.is_empty())
    };
    let truth = stack.truth();
    assert_eq!(world.truth(&world.new_pool).users.len(), truth.users.values().filter(can_be).count());
    for args in [&["report", "--json"][..], &["map", "--json"]] {
        assert_eq!(listed(stack.run(args)), keys, "{args:?}");
    }
    let shown = stack.run(&["runs"]).code(3);
    assert!(!shown.stderr.contains("example.com"), "{}", shown.stderr);
    let mut settings = settings();
    settings.add_filter(&sub, "[SUB]");
    settings.bind(|| insta::assert_snapshot!("retired-left-out", shown.stderr));
}

#[test]
fn a_table_that_was_not_written_whole_is_restored_only_if_it_is_named() {
    let stack = Stack::new(20);
    let world = &stack.world;
    stack.export(1);
    // The next export is over, as far as this replica has heard; what it saw is on its way.
    let half: BTreeMap<String, UserRecord> = stack.truth().users.into_iter().take(10).collect();
    let half = Truth { users: half, groups: stack.truth().groups };
    world.wait_for(stack.table.write_all(&half, export(2)));
    stack.put(
        text_item([("id", "latest-export-timestamp"), ("type", "SYNC_TIMESTAMP-b1c2")])
            .with("latestExportTimestamp", AttributeValue::N(export(2).as_millis().to_string())),
    );
    let plan = ["import", "--user-pool-id", &world.new_pool, "--plan"];
    let refused = stack.run(&plan).code(2);
    settings().bind(|| insta::assert_snapshot!("retired-held", refused.stderr));
    let runs = stack.run(&["runs", "--json"]).code(0).objects();
    assert_eq!(runs[0]["status"], "held");
    let named = ["--as-of", runs[0]["run_id"].as_str().unwrap()];
    let plan = stack.run(&plan.iter().chain(&named).copied().collect::<Vec<_>>()).code(0);
    assert!(plan.stdout.contains("users in the run            "), "{}", plan.stdout);
    let import = ["import", "--user-pool-id", &world.new_pool, "--yes", "--json"];
    let imported = stack.run(&fast(&import.iter().chain(&named).copied().collect::<Vec<_>>()));
    assert_restored(world, &imported.summary());
}

#[test]
fn interrupted_while_the_table_is_read_leaves_nothing() {
    let world = World::new(5);
    // Takes requests, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = world.command(&["import", "--user-pool-id", &world.new_pool, "--yes", "--json"]);
    command.env("COGNITO_PROFILES_BACKUP", "dynamodb-v1:a-table");
    command.env("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", silent.local_addr().unwrap()));
    let child = command.stdin(Stdio::null()).spawn().unwrap();
    let _reached = silent.accept().unwrap();
    signal("INT")(&child);
    let ran = Ran::from(child.wait_with_output().unwrap()).code(130);
    assert_eq!(ran.error_kind(), "interrupted");
    assert_eq!(fs::read_dir(world.folder.path()).unwrap().count(), 0);
}

#[test]
fn other_tables_and_other_uses_are_told_apart() {
    let stack = Stack::new(0);
    let mut said = Vec::new();
    let mut add = |url: &str, args: &[&str], code: i32| {
        let ran = stack.run_on(url, args).code(code);
        said.push(format!("$ cognito-profiles {} --backup {url}\n{}", args.join(" "), ran.stderr));
    };
    let tables = stack.world.wait_for(dynamodb::new_tables(&stack.table.client));
    let ours = stack.table.client.put_item().table_name(&tables.backup);
    let ours = ours.set_item(Some(text_item([("pk", "POOL#us-east-1_x"), ("sk", "SETTINGS")])));
    stack.world.wait_for(ours.send()).unwrap();
    add(&stack.url(), &["runs"], 2);
    stack.export(1);
    add(&format!("dynamodb-v1:{}", tables.backup), &["runs"], 2);
    add(&format!("dynamodb:{}", stack.table.name), &["runs"], 1);
    add("dynamodb-v1:no-such-table", &["runs"], 2);
    add("dynamodb-v1:", &["runs"], 2);
    add(&stack.url(), &["export", "--user-pool-id", "us-east-1_x"], 2);
    add(&stack.url(), &["report"], 2);
    settings().bind(|| insta::assert_snapshot!("retired-errors", said.join("\n")));
}
