//! What differs, as `diff`, `verify` and `import` show it.

use cognito_profiles::compare::{Difference, What};
use cognito_profiles::model::Kind;
use serde::Serialize;

use crate::exit::Failure;
use crate::output::Output;
use crate::text;

/// The most lines of one list that are shown to people, where the list is not the result.
pub const SHOWN: usize = 20;

/// One difference, as `--json` has it.
#[derive(Serialize)]
pub struct Line<'a> {
    r#type: &'static str,
    record: Kind,
    key: String,
    change: &'static str,
    fields: &'a [String],
}

impl<'a> Line<'a> {
    /// A line of this type.
    pub fn new(r#type: &'static str, difference: &'a Difference) -> Self {
        let (change, fields): (_, &[String]) = match &difference.what {
            What::New => ("new", &[]),
            What::Gone => ("gone", &[]),
            What::Changed(fields) => ("changed", fields),
        };
        Self { r#type, record: difference.kind, key: key(difference), change, fields }
    }
}

/// A `sub`, a group's name, or both for a membership.
fn key(difference: &Difference) -> String {
    match difference.kind {
        Kind::Membership => format!("{}/{}", difference.group, difference.key),
        _ => difference.key.clone(),
    }
}

/// One difference for people: `~ user SUB: attributes.email, enabled`.
pub fn plain(difference: &Difference) -> String {
    let (sign, fields) = match &difference.what {
        What::New => ('+', String::new()),
        What::Gone => ('-', String::new()),
        What::Changed(fields) => ('~', format!(": {}", fields.join(", "))),
    };
    let name = match difference.kind {
        Kind::Settings => String::new(),
        _ => format!(" {}", key(difference)),
    };
    text::safe(&format!("{sign} {}{name}{fields}", difference.kind)).into_owned()
}

/// Shows what a pool has otherwise than it should: all of it as JSON, the first of it to people.
pub fn show(output: &Output, differences: &[Difference]) -> Result<(), Failure> {
    for difference in differences {
        output.object(&Line::new("difference", difference))?;
    }
    let lines = differences.iter().map(|difference| format!("  {}", plain(difference)));
    first_of(output, lines, differences.len())
}

/// Says the first of many lines.
pub fn first_of(output: &Output, lines: impl Iterator<Item = String>, count: usize) -> Result<(), Failure> {
    lines.take(SHOWN).try_for_each(|line| output.say(line))?;
    match count.saturating_sub(SHOWN) {
        0 => Ok(()),
        more => output.say(format_args!("  … and {} more (use --json)", text::number(more as u64))),
    }
}

/// How many of each change.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub new: u64,
    pub changed: u64,
    pub gone: u64,
}

impl Counts {
    pub const fn add(&mut self, difference: &Difference) {
        match difference.what {
            What::New => self.new += 1,
            What::Gone => self.gone += 1,
            What::Changed(_) => self.changed += 1,
        }
    }
}
