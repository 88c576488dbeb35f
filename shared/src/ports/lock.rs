use async_trait::async_trait;

use crate::Result;
use crate::run::RunId;
use crate::time::Timestamp;

/// Lets one run of a pool, or one import into it, go on at a time, over all processes: a lease
/// that its holder renews. What is locked has a name; a pool's is its id.
#[async_trait]
pub trait Lock: Send + Sync {
    /// Takes the lock if it is free: if nobody ever held it, or the lease of who did is
    /// over (`until <= now`). Returns the lease in force afterwards: the one asked for, if it
    /// was taken; else the other's. If `lease.holder` holds it already, the run stays that of
    /// the first call and `until` is moved on, never back (unless it was released); also if its
    /// lease is over but taken by nobody.
    async fn acquire(&self, name: &str, lease: &Lease, now: Timestamp) -> Result<Lease>;

    /// Moves the end of the lease, never back. `false` if `holder` no longer holds it, or
    /// released it: then nothing changes. A lease that is over but taken by nobody can still be
    /// renewed.
    async fn renew(&self, name: &str, holder: &str, until: Timestamp) -> Result<bool>;

    /// Gives the lock back: it is free from `until` on. Nothing changes if `holder` no longer
    /// holds it, or released it before.
    async fn release(&self, name: &str, holder: &str, until: Timestamp) -> Result<()>;

    /// The lease last taken, if any; it may be over.
    async fn current(&self, name: &str) -> Result<Option<Lease>>;
}

/// Who holds a lock, for which run, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Names the one process or workflow that renews it.
    pub holder: String,
    /// The run it may go on with.
    pub run: RunId,
    /// From then on it is free to be taken.
    pub until: Timestamp,
    /// Whether its holder gave it back; it is then still kept until `until`, so that workers
    /// on their way come to their end.
    pub released: bool,
}
