use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cognito_profiles::Result;
use cognito_profiles::model::PoolId;
use cognito_profiles::ports::{Lease, Lock};
use cognito_profiles::time::Timestamp;

/// The locks of pools, in memory.
#[derive(Default)]
pub struct MemoryLock {
    leases: Mutex<HashMap<PoolId, Lease>>,
}

impl MemoryLock {
    fn leases(&self) -> MutexGuard<'_, HashMap<PoolId, Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Lock for MemoryLock {
    async fn acquire(&self, pool: &PoolId, lease: &Lease, now: Timestamp) -> Result<Lease> {
        let mut leases = self.leases();
        if let Some(held) = leases.get_mut(pool) {
            if held.holder == lease.holder && !held.released {
                held.until = held.until.max(lease.until);
                return Ok(held.clone());
            }
            if held.until > now {
                return Ok(held.clone());
            }
        }
        leases.insert(pool.clone(), lease.clone());
        Ok(lease.clone())
    }

    async fn renew(&self, pool: &PoolId, holder: &str, until: Timestamp) -> Result<bool> {
        let mut leases = self.leases();
        let held = leases.get_mut(pool).filter(|held| held.holder == holder && !held.released);
        Ok(held.map(|held| held.until = held.until.max(until)).is_some())
    }

    async fn release(&self, pool: &PoolId, holder: &str, until: Timestamp) -> Result<()> {
        let mut leases = self.leases();
        if let Some(held) = leases.get_mut(pool).filter(|held| held.holder == holder && !held.released) {
            held.released = true;
            held.until = until;
        }
        Ok(())
    }

    async fn current(&self, pool: &PoolId) -> Result<Option<Lease>> {
        Ok(self.leases().get(pool).cloned())
    }
}
