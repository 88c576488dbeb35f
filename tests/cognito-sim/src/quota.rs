//! How much is allowed: rates per category, per pool and per user.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::operation::Category;
use crate::time::Millis;

/// The rates the service enforces. Everything can be changed or switched off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    limits: BTreeMap<Category, u32>,
    /// Requests per second of one capped operation on one pool.
    pub per_operation_and_pool: Option<u32>,
    /// Profile writes per second on one user.
    pub writes_per_user: Option<u32>,
}

impl Quotas {
    /// The documented defaults.
    pub fn documented() -> Self {
        Self {
            limits: Category::ALL.into_iter().map(|category| (category, category.default_rps())).collect(),
            per_operation_and_pool: Some(5),
            writes_per_user: Some(10),
        }
    }

    /// No limit at all; the meter still counts.
    pub fn off() -> Self {
        Self { limits: BTreeMap::new(), per_operation_and_pool: None, writes_per_user: None }
    }

    /// The same with another rate for one category.
    #[must_use]
    pub fn with(mut self, category: Category, rps: u32) -> Self {
        self.limits.insert(category, rps);
        self
    }

    /// The same without a limit for one category.
    #[must_use]
    pub fn without(mut self, category: Category) -> Self {
        self.limits.remove(&category);
        self
    }

    /// The rate of a category; `None` when it is not limited.
    pub fn limit(&self, category: Category) -> Option<u32> {
        self.limits.get(&category).copied()
    }
}

impl Default for Quotas {
    fn default() -> Self {
        Self::documented()
    }
}

/// Counts events in the second that ends now. One bucket per millisecond
/// bounds its memory whatever the rate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    buckets: VecDeque<(Millis, u64)>,
    total: u64,
}

impl Window {
    /// Events in the second that ends at `now`, `now` included.
    pub(crate) fn count(&mut self, now: Millis) -> u64 {
        while let Some(&(at, count)) = self.buckets.front() {
            if at + 1000 > now {
                break;
            }
            self.total -= count;
            self.buckets.pop_front();
        }
        self.total
    }

    /// Counts one more event and answers how many the last second now holds.
    pub(crate) fn add(&mut self, now: Millis) -> u64 {
        self.count(now);
        self.total += 1;
        match self.buckets.back_mut() {
            Some((at, count)) if *at == now => *count += 1,
            _ => self.buckets.push_back((now, 1)),
        }
        self.total
    }
}

/// Recent profile writes, per user.
#[derive(Debug, Default)]
pub(crate) struct UserWrites {
    recent: VecDeque<(Millis, (u64, u32))>,
    counts: HashMap<(u64, u32), u32>,
}

impl UserWrites {
    /// Counts a write on a user unless that would exceed the limit.
    pub(crate) fn admit(&mut self, user: (u64, u32), now: Millis, limit: Option<u32>) -> bool {
        while let Some(&(at, old)) = self.recent.front() {
            if at + 1000 > now {
                break;
            }
            self.recent.pop_front();
            if let Some(count) = self.counts.get_mut(&old) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&old);
                }
            }
        }
        let Some(limit) = limit else { return true };
        let count = self.counts.entry(user).or_default();
        if *count >= limit {
            return false;
        }
        *count += 1;
        self.recent.push_back((now, user));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_one_second_sliding() {
        let mut window = Window::default();
        assert_eq!(window.add(0), 1);
        assert_eq!(window.add(999), 2);
        assert_eq!(window.add(1000), 2, "the event at 0 has left the window");
        assert_eq!(window.add(1998), 3);
        assert_eq!(window.count(2998), 0);
    }
}
