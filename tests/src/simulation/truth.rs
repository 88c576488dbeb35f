//! What was really in the pool, and when: recorded at each change, never asked of the product.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use crate::world::Contents;

/// The states of one record: each since when. `None`: it is not there.
#[derive(Debug)]
struct History<T>(Vec<(Duration, Option<T>)>);

/// When a run looked at the pool; a listing may show what was so a little before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub(super) from: Duration,
    pub(super) to: Duration,
}

impl<T: Clone + Eq> History<T> {
    fn note(&mut self, at: Duration, state: Option<&T>) {
        if self.0.last().and_then(|(_, state)| state.as_ref()) != state {
            self.0.push((at, state.cloned()));
        }
    }

    /// Every state it had in the interval.
    fn during(&self, interval: Interval) -> Vec<Option<&T>> {
        let before = self.0.iter().rev().find(|(at, _)| *at < interval.from);
        let meanwhile = self.0.iter().filter(|(at, _)| *at >= interval.from && *at <= interval.to);
        let first = before.and_then(|(_, state)| state.as_ref());
        std::iter::once(first).chain(meanwhile.map(|(_, state)| state.as_ref())).collect()
    }
}

/// Records of one kind, by their keys.
#[derive(Debug)]
struct Records<K, T>(BTreeMap<K, History<T>>);

impl<K, T> Default for Records<K, T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone + Debug, T: Clone + Eq + Debug> Records<K, T> {
    fn note(&mut self, at: Duration, now: &BTreeMap<K, T>) {
        for (key, state) in now {
            let history = self.0.entry(key.clone()).or_insert_with(|| History(Vec::new()));
            history.note(at, Some(state));
        }
        for (key, history) in &mut self.0 {
            if !now.contains_key(key) {
                history.note(at, None);
            }
        }
    }

    /// Judges what a run says it saw.
    fn judge(&self, what: &str, interval: Interval, saved: &BTreeMap<K, T>, is_complete: bool) {
        for (key, history) in &self.0 {
            let states = history.during(interval);
            let saved = saved.get(key);
            if saved.is_none() {
                assert!(states.contains(&None), "G1: {what} {key:?} was there throughout, and is missing");
            } else if states.iter().all(Option::is_none) {
                assert!(!is_complete, "G2: {what} {key:?} was gone before the run, and is not closed");
            } else if is_complete || !states.contains(&None) {
                assert!(
                    states.contains(&saved),
                    "G1: {what} {key:?} is saved as it was not in the run\nsaved: {saved:?}\nwas: {states:?}"
                );
            }
        }
        let strangers: Vec<&K> = saved.keys().filter(|key| !self.0.contains_key(key)).collect();
        assert!(strangers.is_empty(), "{what} {strangers:?} never were");
    }

    /// How many of these were not there throughout.
    fn left(&self, interval: Interval, before: &BTreeMap<K, T>) -> usize {
        let left = |key| self.0.get(key).is_none_or(|history| history.during(interval).contains(&None));
        before.keys().filter(|key| left(key)).count()
    }
}

type User = (String, bool, String, BTreeMap<String, String>);
type Group = (Option<String>, Option<i64>, Option<String>);

/// The truth about one pool.
#[derive(Debug, Default)]
pub(super) struct Truth {
    users: Records<String, User>,
    groups: Records<String, Group>,
    memberships: Records<(String, String), bool>,
}

fn as_states(keys: &Contents) -> BTreeMap<(String, String), bool> {
    keys.memberships.iter().map(|key| (key.clone(), true)).collect()
}

impl Truth {
    /// At `at`, the pool became so.
    pub(super) fn note(&mut self, at: Duration, now: &Contents) {
        self.users.note(at, &now.users);
        self.groups.note(at, &now.groups);
        self.memberships.note(at, &as_states(now));
    }

    /// Whoever was in the pool throughout is saved, as they were; and in a run that is complete,
    /// nobody else is.
    pub(super) fn judge(&self, interval: Interval, saved: &Contents, is_complete: bool) {
        self.users.judge("user", interval, &saved.users, is_complete);
        self.groups.judge("group", interval, &saved.groups, is_complete);
        self.memberships.judge("membership", interval, &as_states(saved), is_complete);
    }

    /// How many records of `before` were not in the pool throughout.
    pub(super) fn left(&self, interval: Interval, before: &Contents) -> usize {
        self.users.left(interval, &before.users)
            + self.groups.left(interval, &before.groups)
            + self.memberships.left(interval, &as_states(before))
    }
}
