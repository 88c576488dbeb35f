//! Restores as they are done on the worst day: by import jobs, from a backup that may only be
//! read, from another account.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use cognito_sim::{Operation, Population};
use serde_json::{Value, json};

use crate::world::{Ran, World, fast, settings};

const ROLE: &str = "arn:aws:iam::123456789012:role/logs";

/// An import of the last run into the new pool, with more flags.
fn import(world: &World, more: &[&str]) -> Ran {
    let args = [&["import", "--user-pool-id", &world.new_pool, "--yes", "--json"], more].concat();
    world.run(&fast(&args))
}

/// What `map` says of the last import: the old `sub`, the new one and both usernames.
fn map(world: &World, more: &[&str]) -> Vec<Value> {
    let ran = world.run(&[&["map", "--json"], more].concat()).code(0);
    assert_eq!(ran.summary()["users"], ran.objects().len());
    ran.objects()
}

/// Every new user is on the map once, with the old one who is the same by the e-mail address.
fn assert_maps(world: &World, map: &[Value]) {
    let (old, new) = (world.truth(&world.pool), world.truth(&world.new_pool));
    assert_eq!(map.len(), old.users.len(), "who was not restored is on the map, too");
    let mut found = BTreeSet::new();
    for line in map {
        let before = &old.users[line["old_sub"].as_str().unwrap()];
        assert_eq!(line["old_username"], before.username);
        let Some(sub) = line["new_sub"].as_str() else { continue };
        let after = &new.users[sub];
        assert_eq!(line["new_username"], after.username);
        assert_eq!(before.attribute("email"), after.attribute("email"));
        assert!(found.insert(sub), "nobody is two people");
    }
    assert_eq!(found.len(), new.users.len());
}

#[test]
fn import_jobs_create_the_users_and_bill_nobody() {
    let world = World::with(&Population::plain(40, 3, 7));
    world.export().code(0);
    let refused = import(&world, &["--create-with", "import-job"]).code(2);
    assert_eq!(refused.error_kind(), "usage");

    let imported = import(&world, &["--logs-role-arn", ROLE]);
    let summary = imported.summary();
    let plan = &imported.objects()[0];
    assert_eq!((&plan["create_with"], &plan["users_by_job"]), (&json!("import-job"), &json!(40)), "{plan}");
    assert_eq!(summary["users_by_job"], 40, "{summary}");
    assert_eq!((&summary["users_failed"], &summary["differences"]), (&json!(0), &json!(0)));
    let meter = world.cognito.meter();
    for operation in [Operation::AdminCreateUser, Operation::AdminSetUserPassword] {
        assert!(!meter.operations.contains_key(&operation), "{operation:?}");
    }
    assert_eq!((meter.operations[&Operation::StartUserImportJob].accepted, meter.messages_sent), (1, 0));
    assert_maps(&world, &map(&world, &[]));
}

#[test]
fn what_became_of_an_import_is_told_again() {
    let world = World::new(60);
    world.export().code(0);
    assert_eq!(world.run(&["report", "--json"]).code(2).error_kind(), "no_such_import");
    let imported = world.import().code(3).summary();
    let id = imported["import_id"].as_str().unwrap();

    for which in [&[][..], &["--import", &id[..10]], &["--user-pool-id", &world.new_pool]] {
        let told = world.run(&[&["report", "--json"], which].concat()).code(3).summary();
        for (name, value) in imported.as_object().unwrap() {
            if name != "command" {
                assert_eq!(&told[name], value, "{name}");
            }
        }
    }
    for which in [["--import", "nonsense"], ["--user-pool-id", "us-east-1_Nobody"]] {
        let told = world.run(&[&["report", "--json"], &which[..]].concat()).code(2);
        assert_eq!(told.error_kind(), "no_such_import");
    }
    settings().bind(|| insta::assert_snapshot!("report", world.run(&["report"]).code(3).stdout));

    let lines = map(&world, &[]);
    assert_maps(&world, &lines);
    let out = |format: &str| {
        let path = world.file(&format!("map.{format}"));
        world.run(&["map", "--format", format, "--out", path.to_str().unwrap()]).code(0);
        fs::read(path).unwrap()
    };
    let written: Vec<Value> = serde_json::Deserializer::from_slice(&out("jsonl"))
        .into_iter::<Value>()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(written, lines);
    let csv = out("csv");
    let mut rows = csv::Reader::from_reader(csv.as_slice());
    let written: Vec<Value> = rows
        .deserialize()
        .map(|row| json!(row.map(|row: BTreeMap<String, Option<String>>| row).unwrap()))
        .collect();
    assert_eq!(written, lines);
}

#[test]
fn a_backup_that_may_only_be_read_is_restored_from() {
    let world = World::new(30);
    world.export().code(0);
    let backup = world.file("cognito-profiles.db");
    let before = fs::read(&backup).unwrap();
    let state = ["--import-state", "sqlite:state.db"];
    let imported = import(&world, &state).code(3).summary();
    assert_eq!(imported["differences"], 0, "{imported}");
    assert!(fs::read(&backup).unwrap() == before, "not a byte of the backup changed");

    assert_eq!(world.run(&["report", "--json"]).code(2).error_kind(), "no_such_import");
    let told = world.run(&[&["report", "--json"], &state[..]].concat()).code(3).summary();
    assert_eq!(told["import_id"], imported["import_id"]);
    assert_maps(&world, &map(&world, &state));
    let verified = [&["verify", "--json", "--user-pool-id", &world.new_pool], &state[..]].concat();
    let verified = world.run(&verified).code(0).summary();
    assert_eq!(verified["import_id"], imported["import_id"]);

    // What it goes on from is that file, too.
    let again = import(&world, &state).code(3).summary();
    assert_eq!(
        (&again["import_id"], &again["users_created"]),
        (&imported["import_id"], &imported["users_created"])
    );
    assert!(fs::read(&backup).unwrap() == before);
}

/// Reads a request, refuses it, and returns its authorization.
fn refuse(stream: &mut TcpStream) -> String {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "no request");
        request.extend_from_slice(&buffer[..read]);
    }
    let body = r#"{"__type":"AccessDeniedException"}"#;
    let head = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length:";
    stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    let request = String::from_utf8_lossy(&request).into_owned();
    let line = request.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
    line.expect("a signed request").to_owned()
}

/// A service that refuses everything: its address, and who asked.
fn refusing() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (asked, who) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = asked.send(refuse(&mut stream.unwrap()));
        }
    });
    (endpoint, who)
}

#[test]
fn the_backup_is_read_with_the_credentials_of_its_profile() {
    let world = World::new(0);
    let (endpoint, who) = refusing();
    fs::write(
        world.file("config"),
        "[profile old]\nregion = eu-west-1\naws_access_key_id = OLDKEY\naws_secret_access_key = s\n\
         [profile new]\nregion = eu-central-1\naws_access_key_id = NEWKEY\naws_secret_access_key = s\n",
    )
    .unwrap();
    let signed_by = |args: &[&str], environment: &[(&str, &str)]| {
        let mut command: Command = world.command(args);
        command
            .env("AWS_CONFIG_FILE", world.file("config"))
            .env("COGNITO_PROFILES_BACKUP", "dynamodb:old-backup");
        command.env("AWS_ENDPOINT_URL_DYNAMODB", &endpoint).envs(environment.iter().copied());
        let ran: Ran = command.output().unwrap().into();
        assert_eq!(ran.code(2).error_kind(), "access_denied");
        who.try_iter().last().expect("nobody asked")
    };
    let runs = ["runs", "--json"];
    let as_old = ["runs", "--json", "--source-profile", "old"];
    let by_environment = signed_by(&runs, &[]);
    assert!(by_environment.contains("Credential=test/"), "{by_environment}");
    assert!(by_environment.contains("/us-east-1/dynamodb/"), "{by_environment}");
    // Keys in the environment are the new account's: they must not open the old one's backup.
    for environment in [&[][..], &[("AWS_PROFILE", "new")]] {
        let by_profile = signed_by(&as_old, environment);
        assert!(by_profile.contains("Credential=OLDKEY/"), "{by_profile}");
        assert!(by_profile.contains("/eu-west-1/dynamodb/"), "{by_profile}");
    }
}
