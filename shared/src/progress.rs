//! What goes on, for whoever watches.

/// The stages of an export, an import or a verification, in the order a person sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Listing users; counts users.
    Users,
    /// Listing groups; counts groups.
    Groups,
    /// Listing the members of groups; counts memberships.
    Members,
    /// Comparing what was seen with what is stored; counts records.
    Reconcile,
    /// Asking Cognito whether missing users are really gone; counts users.
    Confirm,
    /// Reading a table of the retired solution; counts items.
    Scan,
    /// Carrying a run into another backup; counts records.
    Copy,
    /// Looking through the backup before a restore; counts records.
    Plan,
    /// Creating groups; counts groups.
    CreateGroups,
    /// Creating users by import jobs; counts users.
    ImportJobs,
    /// Creating users one by one; counts users.
    CreateUsers,
    /// Finding out who of the new pool is whom; counts users.
    Match,
    /// Finishing users who are created: disabling, second factors, links; counts users.
    Finish,
    /// Adding users to groups; counts memberships.
    Updates,
    /// Comparing a pool with its backup; counts records.
    Compare,
    /// Recomputing digests; counts versions.
    Digests,
}

/// Watches the work. Implementations return at once and never fail.
pub trait Progress: Send + Sync {
    /// A stage begins. `total` is how much it will be, if that is known; it may be an estimate.
    fn begin(&self, stage: Stage, total: Option<u64>);

    /// So much more of a stage is done.
    fn advance(&self, stage: Stage, by: u64);

    /// A stage is over.
    fn end(&self, stage: Stage);
}

/// Watches nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _stage: Stage, _total: Option<u64>) {}
    fn advance(&self, _stage: Stage, _by: u64) {}
    fn end(&self, _stage: Stage) {}
}
