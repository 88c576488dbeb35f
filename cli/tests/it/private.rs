//! What a person typed into a pool, and what opens something, is told nowhere but where it is asked
//! for. Every value of a pool is marked, the tool does all it can, also while things go wrong, and then
//! all that it said is searched.

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _};
use std::process::{Child, Command};

use cognito_sim::{Fault, GroupRecord, Operation, PoolConfig, Population, ServiceError, UserRecord};
use rusqlite::Connection;
use serde_json::json;

use crate::interrupted::signal;
use crate::settings::keys;
use crate::world::{Ran, World, fast};

const ROLE: &str = "arn:aws:iam::123456789012:role/logs";
const BACKUP: &str = "cognito-profiles.db";

/// What a value of each kind is marked with. No two runs of a test have the same.
struct Marks {
    text: String,
    digits: String,
    secret: String,
}

impl Marks {
    fn new() -> Self {
        let random = RandomState::new().build_hasher().finish();
        Self {
            text: format!("mark{random:016x}"),
            digits: format!("{:09}", random % 1_000_000_000),
            secret: format!("shh{random:016x}{random:016x}"),
        }
    }

    /// The same user, with a mark in every value that a person can choose.
    fn user(&self, number: usize, mut user: UserRecord) -> UserRecord {
        // A name that would clear the screen.
        let clear = if number == 0 { "\u{1b}[2J\u{202e}" } else { "" };
        if user.username != user.sub {
            user.username = format!("{}{clear}{}", self.text, user.username);
        }
        for (name, value) in &mut user.attributes {
            *value = match &**name {
                "phone_number" => format!("+49{}{number:03}", self.digits),
                "identities" => value.replace(r#""userId":""#, &format!(r#""userId":"{}"#, self.text)),
                "locale" | "birthdate" | "updated_at" | "custom:level" | "custom:since"
                | "custom:opted_in" => {
                    continue;
                }
                name if name.ends_with("_verified") => continue,
                "custom:tenant" => format!("{}{value}", self.text),
                _ => format!("{}{value}", self.text).chars().take(2048).collect(),
            };
        }
        user
    }

    /// A pool of such users, and an empty one of the same kind.
    fn world(&self) -> World {
        let people = Population { linked_percent: 25, sms_mfa_percent: 25, ..Population::odd(60, 4, 7) };
        let mut world = World::with(&people);
        let origin = world.truth(&world.pool);
        let pool = world.another(&world.new_pool);
        for (pool, provider) in
            [&pool, &world.new_pool].iter().flat_map(|pool| ["Google", "Facebook"].map(|p| (*pool, p)))
        {
            let details =
                json!({"client_id": "c", "client_secret": self.secret, "authorize_scopes": "openid"});
            world.call(
                "CreateIdentityProvider",
                &json!({"UserPoolId": pool, "ProviderName": provider, "ProviderType": provider, "ProviderDetails": details}),
            );
        }
        let secret = json!({"UserPoolId": pool, "ClientName": "machine", "ClientSecret": self.secret});
        world.call("CreateUserPoolClient", &secret);
        let renamed = |name: &str| name.replace(&world.pool, &pool);
        let groups = origin.groups.into_values().map(|group| GroupRecord {
            name: renamed(&group.name),
            description: Some(format!("{}\u{1b}[2J{}", self.text, group.description.unwrap_or_default())),
            ..group
        });
        let users = origin.users.into_values().enumerate().map(|(number, user)| {
            let groups = user.groups.iter().map(|name| renamed(name)).collect();
            self.user(number, UserRecord { groups, ..user })
        });
        world.change(|admin| {
            admin.add_groups(&pool, groups)?;
            admin.add_users(&pool, users)
        });
        world.pool = pool;
        world
    }
}

impl World {
    /// A new, empty pool of the same kind.
    fn another(&self, pool: &str) -> String {
        self.change(|admin| {
            let config = admin.pool_config(pool)?;
            admin.create_pool(PoolConfig { id: None, ..config })
        })
    }
}

/// All that was said.
struct Session<'a> {
    world: &'a World,
    marks: &'a Marks,
    /// The second is of a pre-signed URL.
    secrets: Vec<String>,
    /// Settings are nobody's; unless a test puts marks there.
    settings_are_marked: bool,
    told: Vec<(String, String)>,
    met: BTreeSet<String>,
}

impl<'a> Session<'a> {
    fn of(world: &'a World, marks: &'a Marks) -> Self {
        let secrets = vec![marks.secret.clone(), "X-Amz-Signature=".to_owned()];
        Self { world, marks, secrets, settings_are_marked: false, told: Vec::new(), met: BTreeSet::new() }
    }

    fn after_an_export(world: &'a World, marks: &'a Marks) -> Self {
        let mut session = Self::of(world, marks);
        session.run_json(&fast(&["export", "--user-pool-id", &world.pool])).code(0);
        session
    }

    /// Keeps what was said, to be searched.
    fn note(&mut self, args: &[&str], ran: Ran) -> Ran {
        let command = args.join(" ");
        let asked_for = match args {
            ["show", "settings", ..] | ["settings", ..] => self.settings_are_marked,
            ["show" | "dump" | "map", ..] => true,
            _ => false,
        };
        let is_verbatim = args.starts_with(&["dump", "--format", "csv"]);
        for (place, text, may_hold) in [("stderr", &ran.stderr, false), ("stdout", &ran.stdout, asked_for)] {
            let drives = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
            let line = text.lines().find(|line| line.contains(drives));
            assert!(is_verbatim || line.is_none(), "{command}: {place} drives the terminal: {line:?}");
            if !may_hold {
                self.told.push((format!("{place} of {command}"), text.clone()));
            }
        }
        self.no_secret(&command, &ran);
        for line in ran.stderr.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        {
            self.met.extend(line["kind"].as_str().map(str::to_owned));
        }
        ran
    }

    /// Secrets are told to nobody, whatever is asked for.
    fn no_secret(&self, command: &str, ran: &Ran) {
        for text in [&ran.stdout, &ran.stderr] {
            for secret in &self.secrets {
                assert!(!text.contains(secret), "{command} tells a secret: {text}");
            }
        }
    }

    /// Runs the tool as a person and as a script does; returns what the script gets.
    fn run(&mut self, args: &[&str]) -> Ran {
        let plain = self.world.run(args);
        self.note(args, plain);
        self.run_json(args)
    }

    fn run_json(&mut self, args: &[&str]) -> Ran {
        let args = [args, &["--json"]].concat();
        let ran = self.world.run(&args);
        self.note(&args, ran)
    }

    /// Stops it at a call, by a signal.
    fn stop_at(&mut self, args: &[&str], operation: Operation, number: u32, then: impl FnOnce(&Child)) {
        let ran = self.world.stop_at(args, operation, number, then).code(130);
        self.note(args, ran);
    }

    /// Has each of these operations go wrong in every way that is tried again.
    fn trouble(&self, operations: &[Operation]) {
        self.world.cognito.configure(|config| {
            for operation in operations {
                for fault in [Fault::InternalError, Fault::Unavailable, Fault::DropBefore, Fault::Throttle] {
                    config.faults.script(Some(*operation), 0, 1, fault);
                }
            }
        });
    }

    /// Has the next call of an operation refused with this code, and a message that quotes somebody.
    fn refuse(&self, operation: Operation, code: &'static str) {
        let message = format!("{} at 'email' is +49{}, {0}\u{1b}[2J", self.marks.text, self.marks.digits);
        let code = code.replace("ann@example.com", &self.marks.text);
        let fault = Fault::Error(ServiceError::new(code, message));
        self.world.cognito.configure(|config| config.faults.script(Some(operation), 0, 1, fault));
    }

    fn forget_trouble(&self) {
        self.world.cognito.configure(|config| config.faults = cognito_sim::Faults::default());
    }

    /// Nothing of it is anywhere; and all of it was looked at, for `met` names what went wrong.
    fn end(self, met: &[&str]) {
        assert!(self.told.len() > 20);
        let lacking: Vec<_> = met.iter().filter(|kind| !self.met.contains(**kind)).collect();
        assert!(lacking.is_empty(), "not met: {lacking:?}, but {:?}", self.met);
        for (what, text) in &self.told {
            for mark in [&self.marks.text, &self.marks.digits] {
                assert!(!text.contains(mark.as_str()), "{what} tells a value:\n{text}");
            }
        }
    }
}

/// With what calls are refused.
const CODES: [&str; 5] = [
    "InvalidParameterException",
    "NotAuthorizedException",
    "AliasExistsException",
    "UserNotFoundException",
    "UnsupportedUserStateException",
];

/// What a service that is not Cognito might answer.
const NO_CODE: &str = "no code, but ann@example.com\u{1b}[2J";

#[test]
fn of_exports_and_of_what_is_read() {
    let marks = Marks::new();
    let world = marks.world();
    let mut session = Session::of(&world, &marks);
    let slow = ["--rate", "UserPoolResourceRead=2000", "--rate", "UserPoolClientRead=2000"];
    let export = [fast(&["export", "--user-pool-id", &world.pool]), slow.to_vec()].concat();
    let (identity, recipient) = keys(&world);
    session.secrets.extend(fs::read_to_string(&identity).unwrap().lines().last().map(str::to_owned));
    let listings = [Operation::ListUsers, Operation::ListGroups, Operation::ListUsersInGroup];
    let first_calls = [Operation::DescribeUserPool, Operation::GetUserPoolMfaConfig];

    session.run(&["runs"]);
    for (number, operation) in [listings.as_slice(), &first_calls].concat().into_iter().enumerate() {
        for code in [CODES[number], NO_CODE] {
            session.refuse(operation, code);
            session.run_json(&export);
            session.forget_trouble();
        }
    }
    session.trouble(&[listings.as_slice(), &first_calls].concat());
    let first = session.run(&[&export[..], &["--secrets-recipient", &recipient]].concat()).code(0).summary();
    session.forget_trouble();
    session.stop_at(&export, Operation::ListUsers, 0, signal("INT"));
    session.stop_at(&[&export[..], &["--json"]].concat(), Operation::ListUsersInGroup, 0, signal("TERM"));

    let subs: Vec<String> = world.truth(&world.pool).users.into_keys().collect();
    world.change(|admin| {
        admin.update_user(&world.pool, &subs[0], |user| {
            user.attributes.push(("zoneinfo".into(), marks.text.clone()));
        })?;
        admin.delete_user(&world.pool, &subs[1])
    });
    let second = session.run(&export).code(0).summary();
    world.change(|admin| subs[10..40].iter().try_for_each(|sub| admin.delete_user(&world.pool, sub)));
    session.run(&export).code(4);
    let (a, b) = (first["run_id"].as_str().unwrap(), second["run_id"].as_str().unwrap());

    for args in [
        &["runs"][..],
        &["diff", a, b],
        &["diff", a, "nonsense"],
        &["verify"],
        &["verify", "--user-pool-id", &world.pool],
        &["verify", "--user-pool-id", "us-east-1_Nobody"],
        &["report"],
        &["show", "users"],
        &["show", "groups"],
        &["show", "memberships"],
        &["show", "settings"],
        &["show", "users", "--where", "enabled=false", "--as-of", a],
        &["show", "users", "--where", "nonsense"],
        &["show", "users", "--as-of", "2001-01-01"],
        &["dump", "--format", "jsonl"],
        &["dump", "--format", "json"],
        &["dump", "--format", "csv"],
        &["dump", "--format", "csv", "--out", "users.csv"],
        &["dump", "--format", "csv", "--out", BACKUP],
        &["settings", "--format", "json", "--as-of", a],
        &["settings", "--format", "cloudformation", "--as-of", a, "--out", "t.json"],
        &["settings", "--format", "json", "--as-of", a, "--identity", &identity, "--out", "s.json"],
        &[
            "settings",
            "--format",
            "json",
            "--as-of",
            a,
            "--identity",
            &identity,
            "--with-secrets",
            "--out",
            "s.json",
        ],
        &["settings", "--format", "json", "--identity", "users.csv", "--out", "s.json"],
        &["export", "--user-pool-id", "us-east-1_Nobody"],
        &["encrypt", "--recipient", &recipient],
        &["decrypt", "cognito-profiles.db.age", "--identity", &identity, "--backup", "sqlite:back.db"],
        &["runs", "--backup", "sqlite:cognito-profiles.db.age"],
        &["runs", "--backup", "sqlite:users.csv"],
    ] {
        session.run(args);
    }
    world.cognito.configure(|config| config.faults.denied.insert(Operation::ListUsers));
    session.run(&export).code(2);
    let met = ["access_denied", "cognito", "encrypted", "held", "no_backup", "no_run_by", "no_such_import"];
    session
        .end(&[&met[..], &["no_such_pool", "no_such_run", "not_a_backup", "usage", "interrupted"]].concat());
}

#[test]
fn of_imports() {
    let marks = Marks::new();
    let world = marks.world();
    let mut session = Session::after_an_export(&world, &marks);
    let into = |pool: &str, more: &[&str]| {
        let args = [&["import", "--user-pool-id", pool], more].concat();
        let args: Vec<String> = fast(&args).into_iter().map(str::to_owned).collect();
        args
    };
    let refused = [
        Operation::CreateGroup,
        Operation::AdminCreateUser,
        Operation::AdminSetUserPassword,
        Operation::AdminSetUserMFAPreference,
        Operation::AdminLinkProviderForUser,
        Operation::AdminDisableUser,
        Operation::AdminAddUserToGroup,
    ];
    let run = |session: &mut Session<'_>, args: Vec<String>| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        session.run(&args)
    };

    let other = world.change(|admin| admin.create_pool(PoolConfig::named("other")));
    run(&mut session, into(&world.new_pool, &["--plan"])).code(0);
    run(&mut session, into(&world.new_pool, &[])).code(2);
    run(&mut session, into(&world.pool, &["--yes"])).code(4);
    run(&mut session, into(&other, &["--yes"])).code(4);
    let args = into(&world.new_pool, &["--yes"]);
    let plain: Vec<&str> = args.iter().map(String::as_str).collect();
    session.stop_at(&plain, Operation::AdminCreateUser, 5, signal("INT"));
    session.run(&["report"]);
    for operation in refused {
        for code in CODES.into_iter().chain([NO_CODE]) {
            session.refuse(operation, code);
        }
    }
    session.trouble(&refused);
    session.run_json(&plain);
    session.forget_trouble();
    run(&mut session, args).code(3);
    run(&mut session, into(&world.new_pool, &["--yes", "--drop-attribute", "name"])).code(4);

    // Somebody changes the new pool.
    let subs: Vec<String> = world.truth(&world.new_pool).users.into_keys().collect();
    world.change(|admin| {
        let rename = |user: &mut UserRecord| user.attributes.push(("zoneinfo".into(), marks.text.clone()));
        admin.update_user(&world.new_pool, &subs[0], rename)?;
        admin.delete_user(&world.new_pool, &subs[1])?;
        admin.create_group(&world.new_pool, GroupRecord::new("another"))
    });
    for args in [
        &["report"][..],
        &["map"],
        &["map", "--format", "csv", "--out", "map.csv"],
        &["verify", "--user-pool-id", &world.new_pool],
    ] {
        session.run(args);
    }
    session.end(&["incompatible", "other_import", "target_not_empty", "usage"]);
}

#[test]
fn of_import_jobs() {
    let marks = Marks::new();
    let world = marks.world();
    let mut session = Session::after_an_export(&world, &marks);
    // Jobs lose rows, and what they say of themselves is wrong.
    world.cognito.configure(|config| {
        config.imports.lost_rows = 0.3;
        config.imports.pending = 0;
    });
    let import = |pool: &str, more: &[&str]| -> Vec<String> {
        let args = [&["import", "--user-pool-id", pool, "--yes", "--logs-role-arn", ROLE], more].concat();
        fast(&args).into_iter().map(str::to_owned).collect()
    };
    for (operation, code) in [
        (Operation::GetCSVHeader, CODES[0]),
        (Operation::CreateUserImportJob, NO_CODE),
        (Operation::StartUserImportJob, CODES[1]),
        (Operation::DescribeUserImportJob, CODES[2]),
    ] {
        session.refuse(operation, code);
        let args = import(&world.another(&world.new_pool), &["--without-row", "list"]);
        session.run_json(&args.iter().map(String::as_str).collect::<Vec<_>>());
        session.forget_trouble();
    }
    session.trouble(&[Operation::CreateUserImportJob, Operation::StartUserImportJob]);
    world.cognito.configure(|config| config.faults.script_upload(0, 2, Fault::DropAfter));
    let args = import(&world.new_pool, &["--without-row", "list"]);
    session.run_json(&args.iter().map(String::as_str).collect::<Vec<_>>()).code(3);
    for args in [&["report"][..], &["map"], &["verify", "--user-pool-id", &world.new_pool]] {
        session.run(args);
    }
    session.end(&["cognito"]);
}

/// Records that no longer have their shape: a parser's own words would quote what it found there.
#[test]
fn of_a_damaged_backup() {
    let marks = Marks::new();
    let world = marks.world();
    let mut session = Session { settings_are_marked: true, ..Session::of(&world, &marks) };
    let export = fast(&["export", "--user-pool-id", &world.pool]);
    let first = session.run_json(&export).code(0).summary();
    let first = first["run_id"].as_str().unwrap();
    world.change(|admin| {
        let sub = admin.truth(&world.pool)?.users.into_keys().next().unwrap();
        admin.update_user(&world.pool, &sub, |user| user.enabled = !user.enabled)
    });
    session.run_json(&export).code(0);
    let whole = fs::read(world.file(BACKUP)).unwrap();
    let import = fast(&["import", "--user-pool-id", &world.new_pool, "--yes"]);
    for broken in [
        // Where a truth value or a list is expected, text.
        json!({"enabled": marks.text, "name": marks.text, "group": [marks.text], "UserPool": marks.text})
            .to_string(),
        json!(marks.text).to_string(),
        format!(r#"{{"{}":"#, marks.text),
        String::new(),
    ] {
        fs::write(world.file(BACKUP), &whole).unwrap();
        fs::remove_file(world.file("cognito-profiles.db.sha256")).unwrap_or_default();
        let db = Connection::open(world.file(BACKUP)).unwrap();
        db.execute("UPDATE contents SET json = ?1", [&broken]).unwrap();
        drop(db);
        for args in [
            &["runs"][..],
            &["verify"],
            &["verify", "--user-pool-id", &world.pool],
            &["show", "users"],
            &["show", "groups"],
            &["show", "memberships"],
            &["show", "settings"],
            &["dump", "--format", "jsonl"],
            &["dump", "--format", "csv"],
            &["settings", "--format", "json"],
            &["diff", first, "latest"],
            &import,
        ] {
            session.run(args);
        }
    }
    // A byte here and there, also of the file's own structure.
    for at in (100..whole.len()).step_by(whole.len() / 24) {
        let mut damaged = whole.clone();
        damaged[at..at + 8].iter_mut().for_each(|byte| *byte ^= 0x55);
        fs::write(world.file(BACKUP), damaged).unwrap();
        fs::remove_file(world.file("cognito-profiles.db.sha256")).unwrap_or_default();
        for args in [&["verify"][..], &["diff", first, "latest"], &["settings", "--format", "json"]] {
            session.run(args);
        }
    }
    fs::write(world.file(BACKUP), &whole).unwrap();
    fs::write(world.file("cognito-profiles.db.sha256"), format!("{}\n", marks.text)).unwrap();
    for args in [&["verify"][..], &export, &import] {
        session.run(args).code(4);
    }
    session.end(&["corrupted"]);
}

/// Keys and passphrases, in their place and in a wrong one.
#[test]
fn of_what_opens_something() {
    let marks = Marks::new();
    let world = marks.world();
    let mut session = Session::after_an_export(&world, &marks);
    let secret = format!("{0}\n{0}", marks.secret);
    fs::write(world.file("secret.txt"), &marks.secret).unwrap();
    fs::write(world.file("secrets.txt"), &secret).unwrap();
    for args in [
        &["encrypt", "--recipient", &marks.secret][..],
        &["encrypt", "--passphrase-file", "secrets.txt"],
        &["encrypt", "--passphrase-file", "secret.txt"],
        &["decrypt", "cognito-profiles.db.age", "--identity", "secret.txt", "--backup", "sqlite:back.db"],
        &[
            "decrypt",
            "cognito-profiles.db.age",
            "--passphrase-file",
            "secrets.txt",
            "--backup",
            "sqlite:back.db",
        ],
        &[
            "decrypt",
            "cognito-profiles.db.age",
            "--passphrase-file",
            "secret.txt",
            "--backup",
            "sqlite:back.db",
        ],
        &["settings", "--format", "json", "--identity", "secret.txt"],
        &["settings", "--format", "json", "--identity", "secrets.txt", "--with-secrets", "--out", "o"],
    ] {
        session.run(args);
    }
    let ran = world.run(&["export", "--user-pool-id", &world.pool, "--secrets-recipient", &marks.secret]);
    session.note(&["export", "with a key in the wrong place"], ran);
    let mut command: Command = world.command(&["verify", "--user-pool-id", &world.pool, "--json"]);
    command.env("AWS_ACCESS_KEY_ID", &marks.text).env("AWS_SECRET_ACCESS_KEY", &marks.secret);
    command.env("AWS_SESSION_TOKEN", &marks.secret);
    let ran = assert_cmd::Command::from_std(command).output().unwrap().into();
    session.note(&["verify", "with other credentials"], ran);
    for args in [&["runs"][..], &["verify"], &["report"]] {
        session.run(args);
    }
    session.end(&["usage"]);
}
