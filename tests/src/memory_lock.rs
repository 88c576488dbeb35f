use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cognito_profiles::Result;
use cognito_profiles::model::PoolId;
use cognito_profiles::ports::{Lease, Lock};
use cognito_profiles::time::Timestamp;

/// The locks of one process, for simulations.
#[derive(Default)]
pub struct MemoryLock {
    leases: Mutex<BTreeMap<PoolId, Lease>>,
}

impl MemoryLock {
    fn leases(&self) -> MutexGuard<'_, BTreeMap<PoolId, Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Lock for MemoryLock {
    async fn acquire(&self, pool: &PoolId, lease: &Lease, now: Timestamp) -> Result<Lease> {
        let mut leases = self.leases();
        let held = leases.entry(pool.clone()).or_insert_with(|| lease.clone());
        if held.holder == lease.holder && !held.released {
            held.until = held.until.max(lease.until);
        } else if held.until <= now {
            held.clone_from(lease);
        }
        Ok(held.clone())
    }

    async fn renew(&self, pool: &PoolId, holder: &str, until: Timestamp) -> Result<bool> {
        let mut leases = self.leases();
        let held = leases.get_mut(pool).filter(|held| held.holder == holder && !held.released);
        let Some(held) = held else { return Ok(false) };
        held.until = held.until.max(until);
        Ok(true)
    }

    async fn release(&self, pool: &PoolId, holder: &str, until: Timestamp) -> Result<()> {
        let mut leases = self.leases();
        if let Some(held) = leases.get_mut(pool).filter(|held| held.holder == holder && !held.released) {
            *held = Lease { until, released: true, ..held.clone() };
        }
        Ok(())
    }

    async fn current(&self, pool: &PoolId) -> Result<Option<Lease>> {
        Ok(self.leases().get(pool).cloned())
    }
}
