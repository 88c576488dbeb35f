//! A server of its own for a test, in a process beside it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a start may take on a busy machine; alone none takes a second.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// Between two looks at whether it is ready.
const POLL: Duration = Duration::from_millis(20);

/// A port that is free may be taken before it is used: then another is tried.
const STARTS: u32 = 3;

/// Becomes the server, with a watcher beside it that ends the server and all its children once
/// standard input closes: when the test lets go of it, and also when the test is killed.
const SUPERVISED: &str = r#"
exec 3<&0
{ read -r _; trap : TERM; kill -TERM 0; sleep 3; kill -KILL 0; } <&3 3<&- &
exec "$0" "$@" 3<&- </dev/null
"#;

/// What is started, and how.
pub struct Program {
    /// What a person calls it.
    pub name: &'static str,
    /// What it is called in `.venv/bin`, where `make venv` installs it.
    pub file: &'static str,
    /// Tells it its port, on 127.0.0.1.
    pub configure: fn(&mut Command, u16),
    /// What it answers with 200 to a GET of, once it is ready.
    pub ready: &'static str,
}

/// A running server. It ends when this is dropped.
pub struct Server {
    program: &'static Program,
    process: Child,
    port: u16,
    // Its log and whatever else it writes.
    directory: TempDir,
}

impl Server {
    /// Starts one on a free port, and waits until it answers.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub fn start(program: &'static Program) -> Self {
        for _ in 1..STARTS {
            if let Ok(started) = Self::try_start(program) {
                return started;
            }
        }
        Self::try_start(program).unwrap_or_else(|log| panic!("{} did not start:\n{log}", program.name))
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts one; if that fails, gives what it wrote.
    fn try_start(program: &'static Program) -> Result<Self, String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let output = File::create(directory.path().join("log")).expect("a log");
        let port = free_port();
        let mut command = Command::new("sh");
        command.args(["-c", SUPERVISED]).arg(program.path());
        (program.configure)(&mut command, port);
        let process = command
            .env("TMPDIR", directory.path())
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a log"))
            .stderr(output)
            .process_group(0)
            .spawn()
            .expect("a shell");
        let mut started = Self { program, process, port, directory };
        if started.becomes_ready() { Ok(started) } else { Err(started.log()) }
    }

    /// What it wrote so far.
    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn becomes_ready(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < START_TIMEOUT {
            if is_ready(self.port, self.program.ready) {
                return true;
            }
            if !matches!(self.process.try_wait(), Ok(None)) {
                return false;
            }
            std::thread::sleep(POLL);
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // The watcher kills it after a few seconds at the latest. An error here has no reader.
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("{} wrote:\n{}", self.program.name, self.log());
        }
    }
}

impl Program {
    fn path(&self) -> PathBuf {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin").join(self.file);
        assert!(path.exists(), "{} is not installed in {}: run `make venv`", self.name, path.display());
        path
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn is_ready(port: u16, path: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}
