//! MiniStack: an AWS emulator that we did not write, and so a second judge of our client.

use crate::server::{Program, Server};

static MINISTACK: Program = Program {
    name: "MiniStack",
    file: "ministack",
    configure: |command, port| {
        command
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
            .env("LOG_LEVEL", "WARNING");
    },
    ready: "/_ministack/ready",
};

/// A running MiniStack of its own, in memory. It ends when this is dropped, and also when the
/// test is killed.
pub struct MiniStack(Server);

impl MiniStack {
    /// Starts one on a free port, and waits until it answers.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub fn start() -> Self {
        Self(Server::start(&MINISTACK))
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        self.0.endpoint()
    }
}
