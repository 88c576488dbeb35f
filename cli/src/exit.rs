//! How a command ends: its status, its exit code, and what went wrong.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::CommandFactory as _;
use cognito_profiles::Error;
use cognito_profiles::error::Class;
use serde_json::Value;

use crate::args::Cli;
use crate::output::Output;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Complete,
    Failed,
    Usage,
    Partial,
    Refused,
    Held,
    Interrupted,
}

impl Status {
    /// As the summary has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Partial => "partial",
            Self::Refused => "refused",
            Self::Held => "held",
            Self::Interrupted => "interrupted",
        }
    }

    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Refused | Self::Held => 4,
            Self::Interrupted => 130,
        }
    }
}

/// What ended a command early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Library(#[from] Error),
    #[error("cannot write {to}: {source}")]
    Output { to: String, source: io::Error },
    #[error("{0}")]
    Interrupted(&'static str),
    #[error("not confirmed: nothing was written")]
    Declined,
    #[error("{0}")]
    Demo(String),
}

impl Failure {
    /// Standard output cannot be written to.
    pub fn stdout(source: io::Error) -> Self {
        Self::Output { to: "to standard output".to_owned(), source }
    }

    /// Wrong usage, in one sentence.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Library(Error::Usage(message.into()))
    }

    /// Whether whoever read our output has had enough of it.
    fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Library(error) => error.kind(),
            Self::Output { .. } => "output",
            Self::Interrupted(_) => "interrupted",
            Self::Declined => "declined",
            Self::Demo(_) => "demo",
        }
    }

    const fn status(&self) -> Status {
        match self {
            Self::Library(error) => match error.class() {
                Class::Failed => Status::Failed,
                Class::Usage => Status::Usage,
                Class::Refused => Status::Refused,
            },
            Self::Output { .. } | Self::Demo(_) => Status::Failed,
            Self::Interrupted(_) => Status::Interrupted,
            Self::Declined => Status::Refused,
        }
    }
}

/// An error as it is shown: its stable name and a sentence.
pub struct Said {
    pub kind: &'static str,
    pub message: String,
}

/// What a command leaves behind: a status, the summary's fields, and what to say if it was not
/// all well.
pub struct Ending {
    pub status: Status,
    pub fields: Vec<(&'static str, Value)>,
    pub error: Option<Said>,
    pub quiet: bool,
}

impl Ending {
    /// Ends with this status.
    pub const fn new(status: Status) -> Self {
        Self { status, fields: Vec::new(), error: None, quiet: false }
    }

    /// Adds a field to the summary.
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Says why it was not all well.
    pub fn because(mut self, kind: &'static str, message: impl Into<String>) -> Self {
        self.error = Some(Said { kind, message: message.into() });
        self
    }
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        let kind = failure.kind();
        let quiet = failure.is_broken_pipe();
        let ending = Self::new(failure.status()).with("error", kind).because(kind, failure.to_string());
        Self { quiet, ..ending }
    }
}

/// Clap has a text of its own for wrong usage, help and the version. A script that asked for
/// JSON gets wrong usage as JSON.
pub fn of_clap(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args().any(|argument| argument == "--json") {
        let text = error.to_string();
        let sentence = text.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        let said = sentence.trim_start_matches("error: ").to_owned();
        let ending = Ending::new(Status::Usage).with("error", "usage").because("usage", said);
        return Output::new(true).end(&command_named(), ending);
    }
    // Nobody is left to tell when the terminal is gone.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(Status::Usage.code()) } else { ExitCode::SUCCESS }
}

/// The subcommand among the arguments; empty if there is none.
fn command_named() -> String {
    let known = Cli::command();
    let is_known = |argument: &String| known.get_subcommands().any(|command| command.get_name() == argument);
    std::env::args().skip(1).find(is_known).unwrap_or_default()
}

/// The process could not even start its threads.
pub fn without_runtime(error: &io::Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: cannot start: {error}");
    ExitCode::from(Status::Failed.code())
}
