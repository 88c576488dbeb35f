//! Eventual consistency: what listings still believe.

use std::collections::{HashMap, VecDeque};

use crate::time::Millis;
use crate::user::User;

/// When a change happens, and how much later listings notice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct When {
    pub(crate) now: Millis,
    pub(crate) lag: Millis,
}

/// What has to leave an index once listings notice a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    Nothing,
    Pool,
    Group(u32),
}

/// Older states of users that changed a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    due: VecDeque<(Millis, u32, Leaves)>,
    old: HashMap<u32, VecDeque<Option<User>>>,
}

impl Lag {
    /// Keeps the state a user had before a change; `None` if it did not exist.
    pub(crate) fn remember(&mut self, id: u32, before: Option<User>, leaves: Leaves, when: When) {
        self.due.push_back((when.now + when.lag, id, leaves));
        self.old.entry(id).or_default().push_back(before);
    }

    /// The older state listings must show, if there is one.
    pub(crate) fn before(&self, id: u32) -> Option<&Option<User>> {
        self.old.get(&id)?.front()
    }

    /// Takes one change that listings notice now, with the state before it.
    pub(crate) fn next_due(&mut self, now: Millis) -> Option<(u32, Leaves, Option<User>)> {
        if self.due.front()?.0 > now {
            return None;
        }
        let (_, id, leaves) = self.due.pop_front()?;
        let states = self.old.get_mut(&id)?;
        let before = states.pop_front().flatten();
        if states.is_empty() {
            self.old.remove(&id);
        }
        Some((id, leaves, before))
    }
}
