//! Groups of users.

use std::collections::BTreeSet;

use crate::json::write_str;
use crate::time::{Millis, write_seconds};

/// A group as tests and the demo see one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupRecord {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Which group's role wins; the lowest does.
    pub precedence: Option<u32>,
    /// The role its members assume.
    pub role_arn: Option<String>,
    /// When it was created; 0 means now, when adding.
    pub created: Millis,
    /// When it was changed last; 0 means when created, when adding.
    pub modified: Millis,
}

impl GroupRecord {
    /// A group with nothing but a name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// A group as stored.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) record: GroupRecord,
    /// Its place in listings.
    pub(crate) place: u64,
    /// When listings begin and stop to show it.
    pub(crate) visible_from: Millis,
    pub(crate) visible_until: Option<Millis>,
    /// Its members by their place in listings.
    pub(crate) members: BTreeSet<(u64, u32)>,
}

impl Group {
    pub(crate) fn visible(&self, now: Millis) -> bool {
        self.visible_from <= now && self.visible_until.is_none_or(|until| now < until)
    }

    pub(crate) fn deleted(&self) -> bool {
        self.visible_until.is_some()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>, pool: &str) {
        let record = &self.record;
        out.extend_from_slice(b"{\"GroupName\":");
        write_str(out, &record.name);
        out.extend_from_slice(b",\"UserPoolId\":");
        write_str(out, pool);
        for (member, text) in
            [(b",\"Description\":".as_slice(), &record.description), (b",\"RoleArn\":", &record.role_arn)]
        {
            if let Some(text) = text {
                out.extend_from_slice(member);
                write_str(out, text);
            }
        }
        if let Some(precedence) = record.precedence {
            out.extend_from_slice(b",\"Precedence\":");
            out.extend_from_slice(precedence.to_string().as_bytes());
        }
        out.extend_from_slice(b",\"LastModifiedDate\":");
        write_seconds(out, record.modified);
        out.extend_from_slice(b",\"CreationDate\":");
        write_seconds(out, record.created);
        out.push(b'}');
    }
}
