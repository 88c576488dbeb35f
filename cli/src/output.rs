//! Standard output and error: lines for people, or one JSON object a line.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::exit::{Ending, Failure, Said};
use crate::text;

/// Commands that change nothing: when whoever reads them has had enough, all is well.
const READERS: [&str; 9] =
    ["runs", "show", "settings", "diff", "verify", "dump", "report", "map", "completions"];

/// Where a command writes to.
pub struct Output {
    json: bool,
    at_once: bool,
    out: Mutex<BufWriter<Stdout>>,
}

impl Output {
    pub fn new(json: bool) -> Self {
        let stdout = io::stdout();
        Self { json, at_once: stdout.is_terminal(), out: Mutex::new(BufWriter::new(stdout)) }
    }

    /// Whether every line is a JSON object.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// A line for people; nothing with `--json`.
    pub fn say(&self, line: impl Display) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        let mut out = self.lock();
        writeln!(out, "{line}").map_err(Failure::stdout)?;
        if self.at_once { out.flush().map_err(Failure::stdout) } else { Ok(()) }
    }

    /// One JSON object; nothing without `--json`.
    pub fn object(&self, object: &impl Serialize) -> Result<(), Failure> {
        if self.json { self.with(|out| json_line(out, object)) } else { Ok(()) }
    }

    /// Writes to standard output directly.
    pub fn with(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        write(&mut *self.lock()).map_err(Failure::stdout)
    }

    /// Writes out what is still kept back.
    pub fn flush(&self) -> Result<(), Failure> {
        self.lock().flush().map_err(Failure::stdout)
    }

    /// Says how a command ended. With `--json`, the summary is the last line.
    pub fn end(&self, command: &str, mut ending: Ending) -> ExitCode {
        if let Err(failure) = self.flush()
            && ending.error.is_none()
        {
            ending = failure.into();
        }
        if ending.quiet {
            let harmless = READERS.contains(&command);
            return if harmless { ExitCode::SUCCESS } else { ExitCode::from(ending.status.code()) };
        }
        if let Some(said) = &ending.error {
            self.complain(said);
        }
        // The script is the whole output, also for who passes --json everywhere.
        if command != "completions" {
            // If it cannot be written, nobody is there to be told so.
            let _ = self.object(&Summary { command, ending: &ending }).and_then(|()| self.flush());
        }
        ExitCode::from(ending.status.code())
    }

    /// A remark for people that is no result.
    pub fn note(&self, line: impl Display) {
        if !self.json {
            let _ = writeln!(io::stderr(), "note: {line}");
        }
    }

    fn complain(&self, said: &Said) {
        let Said { kind, message } = said;
        let mut stderr = io::stderr().lock();
        let _ = if self.json {
            json_line(&mut stderr, &ErrorLine { kind, message })
        } else {
            writeln!(stderr, "error: {}", text::safe(message))
        };
    }

    fn lock(&self) -> MutexGuard<'_, BufWriter<Stdout>> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes one object and a line end.
pub fn json_line(out: &mut dyn Write, object: &impl Serialize) -> io::Result<()> {
    let line = serde_json::to_string(object)?;
    out.write_all(text::safe_json(&line).as_bytes())?;
    out.write_all(b"\n")
}

/// An error with `--json`.
#[derive(Serialize)]
#[serde(tag = "type", rename = "error")]
struct ErrorLine<'a> {
    kind: &'a str,
    message: &'a str,
}

/// The last line of `--json`.
struct Summary<'a> {
    command: &'a str,
    ending: &'a Ending,
}

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "summary")?;
        map.serialize_entry("command", self.command)?;
        map.serialize_entry("status", self.ending.status.word())?;
        for (name, value) in &self.ending.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
