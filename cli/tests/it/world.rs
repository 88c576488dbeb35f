//! A simulated account, a folder, and the tool run in it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cognito_sim::{
    Admin, Clock, Cognito, Config, Operation, Population, Quotas, Server, ServiceError, Truth, serve,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Rates that do not keep a test waiting; the simulated quotas are off.
const FAST: [&str; 8] = [
    "--rate",
    "UserList=2000",
    "--rate",
    "UserCreation=2000",
    "--rate",
    "UserUpdate=2000",
    "--rate",
    "UserAccountRecovery=2000",
];

pub struct World {
    pub cognito: Arc<Cognito>,
    pub folder: TempDir,
    pub pool: String,
    pub new_pool: String,
    server: Server,
    // Last: the server runs on it.
    runtime: Runtime,
}

/// How a run of the tool ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    /// A pool with so many people, mostly odd, and an empty one of the same kind.
    pub fn new(users: usize) -> Self {
        Self::with(&Population::odd(users, 3, 7))
    }

    pub fn with(people: &Population) -> Self {
        let mut config = Config::seeded(7);
        config.quotas = Quotas::off();
        let cognito = Arc::new(Cognito::new(config));
        let (pool, new_pool) = cognito
            .admin(Clock::System.now(), |admin| {
                let pool = admin.create_pool(people.pool_config("people"))?;
                people.fill(admin, &pool)?;
                Ok::<_, ServiceError>((pool, admin.create_pool(people.pool_config("new"))?))
            })
            .unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let server = runtime.block_on(async {
            let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
            serve(cognito.clone(), listener).unwrap()
        });
        Self { cognito, folder: TempDir::new().unwrap(), pool, new_pool, server, runtime }
    }

    /// The tool, with nothing of the environment but what it needs here.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cognito-profiles"));
        command.args(args).current_dir(self.folder.path()).env_clear();
        command.env("HOME", self.folder.path()).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        command.env("AWS_ENDPOINT_URL", self.server.endpoint());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        assert_cmd::Command::from_std(self.command(args)).output().unwrap().into()
    }

    pub fn export(&self) -> Ran {
        self.run(&fast(&["export", "--user-pool-id", &self.pool, "--json"]))
    }

    pub fn import(&self) -> Ran {
        self.run(&fast(&["import", "--user-pool-id", &self.new_pool, "--yes", "--json"]))
    }

    /// Waits for `work`.
    pub fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub fn change<T>(&self, work: impl FnOnce(&mut Admin<'_>) -> Result<T, ServiceError>) -> T {
        self.cognito.admin(Clock::System.now(), work).unwrap()
    }

    pub fn truth(&self, pool: &str) -> Truth {
        self.change(|admin| admin.truth(pool))
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the tool, and has the service hold back its answer to the call of that number
    /// (from 0) of `operation`. Then does `then` to the process, and waits for its end.
    pub fn stop_at(
        &self,
        args: &[&str],
        operation: Operation,
        number: u32,
        then: impl FnOnce(&Child),
    ) -> Ran {
        self.stop_command_at(&mut self.command(args), operation, number, then)
    }

    /// The same for any command.
    pub fn stop_command_at(
        &self,
        command: &mut Command,
        operation: Operation,
        number: u32,
        then: impl FnOnce(&Child),
    ) -> Ran {
        let (reached, when_reached) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let mut left = number;
        self.cognito.on_call(move |call, _| {
            if call.operation != operation {
                return;
            }
            if left == 0 {
                let _ = reached.send(());
                // Returns at once, too, when the test has let go.
                let _ = may_go_on.recv();
            }
            left = left.saturating_sub(1);
        });
        let mut child = command.spawn().unwrap();
        while when_reached.recv_timeout(Duration::from_millis(20)).is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "it ended before {operation:?} number {number}");
        }
        then(&child);
        let ran = child.wait_with_output().unwrap().into();
        drop(go_on);
        self.cognito.clear_on_call();
        ran
    }
}

/// The arguments, with rates that do not keep a test waiting.
pub fn fast<'a>(args: &[&'a str]) -> Vec<&'a str> {
    args.iter().copied().chain(FAST).collect()
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Must have ended so.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output, one JSON object a line.
    pub fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The last line of `--json`.
    #[track_caller]
    pub fn summary(&self) -> Value {
        let last = self.lines().pop().unwrap();
        assert_eq!(last["type"], "summary");
        last
    }

    /// The lines before the last.
    pub fn objects(&self) -> Vec<Value> {
        let mut lines = self.lines();
        lines.pop();
        lines
    }

    /// The kind of the one error on standard error.
    #[track_caller]
    pub fn error_kind(&self) -> String {
        let error: Value = serde_json::from_str(self.stderr.trim()).unwrap();
        assert_eq!(error["type"], "error");
        error["kind"].as_str().unwrap().to_owned()
    }
}

/// Snapshots do not depend on when and where they are taken.
pub fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    for (pattern, instead) in [
        (r"\d{8}T\d{6}Z-[0-9a-f]{6}", "[ID]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "[TIME]"),
        (r#""seconds":[0-9.]+"#, r#""seconds":"[SECONDS]""#),
        (r"in \d+\.\d s", "in [SECONDS]"),
        (r#""requests":\{[^}]*\}"#, r#""requests":{"[OPERATION]":"[COUNT]"}"#),
        (r"\d+ requests", "[COUNT] requests"),
        (r"http://127\.0\.0\.1:\d+", "[ENDPOINT]"),
    ] {
        settings.add_filter(pattern, instead);
    }
    settings
}
