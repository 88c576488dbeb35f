use crate::model::Kind;
use crate::run::Totals;

/// Refuses to call too much of a pool gone: a pool emptied by accident, or a listing that
/// broke, must not empty the backup's latest run.
#[derive(Clone, Copy, Debug)]
pub struct ShrinkGuard {
    /// The most that may go in one run, in percent of what was there.
    pub max_percent: f64,
    /// Lets everything pass.
    pub allow: bool,
}

impl ShrinkGuard {
    /// The most that may go in one run unless told otherwise, in percent.
    pub const DEFAULT_PERCENT: f64 = 10.0;

    /// Why a run with so many gone must be held, if it must. Users, groups and memberships are
    /// each judged by themselves; memberships that went with their user or group are not
    /// counted. One group or one membership alone never holds a run: with few of them it would
    /// be too large a share each time.
    pub fn objection(&self, stored: &Totals, gone: &Totals) -> Option<String> {
        if self.allow {
            return None;
        }
        let users = self.exceeds(gone.users, stored.users).then_some((Kind::User, gone.users, stored.users));
        let groups = (gone.groups > 1 && self.exceeds(gone.groups, stored.groups)).then_some((
            Kind::Group,
            gone.groups,
            stored.groups,
        ));
        let memberships = (gone.memberships > 1 && self.exceeds(gone.memberships, stored.memberships))
            .then_some((Kind::Membership, gone.memberships, stored.memberships));
        let (kind, gone, stored) = users.or(groups).or(memberships)?;
        Some(format!(
            "{gone} of {stored} {kind}s would be gone, more than {} %: nothing was closed",
            self.max_percent
        ))
    }

    #[allow(clippy::cast_precision_loss)] // no pool has more than 40 million users
    fn exceeds(&self, gone: u64, stored: u64) -> bool {
        gone as f64 * 100.0 > self.max_percent * stored as f64
    }
}

impl Default for ShrinkGuard {
    fn default() -> Self {
        Self { max_percent: Self::DEFAULT_PERCENT, allow: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(stored: (u64, u64, u64), gone: (u64, u64, u64)) -> bool {
        let totals = |(users, groups, memberships)| Totals { users, groups, memberships };
        ShrinkGuard::default().objection(&totals(stored), &totals(gone)).is_some()
    }

    #[test]
    fn objects_above_the_percentage_only() {
        assert!(!objects((100, 0, 0), (10, 0, 0)));
        assert!(objects((100, 0, 0), (11, 0, 0)));
        assert!(objects((1, 0, 0), (1, 0, 0)));
        assert!(!objects((0, 0, 0), (0, 0, 0)));
    }

    #[test]
    fn judges_each_kind_by_itself_but_never_one_group_alone() {
        assert!(objects((1_000, 10, 0), (0, 2, 0)));
        assert!(!objects((1_000, 3, 5), (0, 1, 1)));
        assert!(objects((1_000, 3, 100), (0, 0, 11)));
    }

    #[test]
    fn lets_everything_pass_when_told_to() {
        let guard = ShrinkGuard { allow: true, ..ShrinkGuard::default() };
        let all = Totals { users: 5, groups: 5, memberships: 5 };
        assert_eq!(guard.objection(&all, &all), None);
    }
}
