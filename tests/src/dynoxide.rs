//! dynoxide: DynamoDB on SQLite, compared with the real one by its authors; a second judge of our
//! tables.

use crate::server::{Program, Server};

static DYNOXIDE: Program = Program {
    name: "dynoxide",
    file: "dynoxide",
    configure: |command, port| {
        command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()]);
    },
    ready: "/",
};

/// A running dynoxide of its own, in memory. It ends when this is dropped, and also when the test
/// is killed.
pub struct Dynoxide(Server);

impl Dynoxide {
    /// Starts one on a free port, and waits until it answers.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub fn start() -> Self {
        Self(Server::start(&DYNOXIDE))
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        self.0.endpoint()
    }
}
