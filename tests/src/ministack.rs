//! MiniStack: an AWS emulator that we did not write, and so a second judge of our client.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a start may take on a busy machine; alone it takes 0.6 s.
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
exec "$0" 3<&- </dev/null
"#;

/// A running MiniStack of its own, in memory. It ends when this is dropped.
pub struct MiniStack {
    server: Child,
    port: u16,
    // Its log and whatever else it writes.
    directory: TempDir,
}

impl MiniStack {
    /// Starts one on a free port, and waits until it answers.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub fn start() -> Self {
        let program = program();
        for _ in 1..STARTS {
            if let Ok(started) = Self::try_start(&program) {
                return started;
            }
        }
        Self::try_start(&program).unwrap_or_else(|log| panic!("MiniStack did not start:\n{log}"))
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts one; if that fails, gives what it wrote.
    fn try_start(program: &Path) -> Result<Self, String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let output = File::create(directory.path().join("log")).expect("a log");
        let port = free_port();
        let server = Command::new("sh")
            .args(["-c", SUPERVISED])
            .arg(program)
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
            .env("LOG_LEVEL", "WARNING")
            .env("TMPDIR", directory.path())
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a log"))
            .stderr(output)
            .process_group(0)
            .spawn()
            .expect("a shell");
        let mut started = Self { server, port, directory };
        if started.becomes_ready() { Ok(started) } else { Err(started.log()) }
    }

    /// What it wrote so far.
    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn becomes_ready(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < START_TIMEOUT {
            if is_ready(self.port) {
                return true;
            }
            if !matches!(self.server.try_wait(), Ok(None)) {
                return false;
            }
            std::thread::sleep(POLL);
        }
        false
    }
}

impl Drop for MiniStack {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        // The watcher kills it after a few seconds at the latest. An error here has no reader.
        let _ = self.server.wait();
        if std::thread::panicking() {
            eprintln!("MiniStack wrote:\n{}", self.log());
        }
    }
}

/// Where `make venv` installs it.
fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/ministack");
    assert!(path.exists(), "MiniStack is not installed in {}: run `make venv`", path.display());
    path
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn is_ready(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream
            .write_all(b"GET /_ministack/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}
