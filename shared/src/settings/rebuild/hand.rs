//! What is left to a person.

use serde::Serialize;

/// One thing to adapt by hand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ByHand {
    /// What it is about, as a stable name: `domain`, `lambda`, … (docs/CLI.md).
    pub matter: &'static str,
    /// What in the saved pool it concerns; empty if the whole.
    pub subject: String,
    /// What to do.
    pub what: String,
}

/// The list while it grows: each once, in the order of its making.
#[derive(Debug, Default)]
pub(super) struct Hands(Vec<ByHand>);

impl Hands {
    pub(super) fn add(&mut self, matter: &'static str, subject: impl Into<String>, what: impl Into<String>) {
        let new = ByHand { matter, subject: subject.into(), what: what.into() };
        if !self.0.contains(&new) {
            self.0.push(new);
        }
    }

    pub(super) fn list(&self) -> Vec<ByHand> {
        self.0.clone()
    }
}
