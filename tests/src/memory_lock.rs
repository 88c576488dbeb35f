use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cognito_profiles::Result;
use cognito_profiles::ports::{Lease, Lock};
use cognito_profiles::time::Timestamp;

/// The locks of one process, for simulations.
#[derive(Default)]
pub struct MemoryLock {
    leases: Mutex<BTreeMap<String, Lease>>,
}

impl MemoryLock {
    fn leases(&self) -> MutexGuard<'_, BTreeMap<String, Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Lock for MemoryLock {
    async fn acquire(&self, name: &str, lease: &Lease, now: Timestamp) -> Result<Lease> {
        let mut leases = self.leases();
        let held = leases.entry(name.to_owned()).or_insert_with(|| lease.clone());
        if held.holder == lease.holder && !held.released {
            held.until = held.until.max(lease.until);
        } else if held.until <= now {
            held.clone_from(lease);
        }
        Ok(held.clone())
    }

    async fn renew(&self, name: &str, holder: &str, until: Timestamp) -> Result<bool> {
        let mut leases = self.leases();
        let held = leases.get_mut(name).filter(|held| held.holder == holder && !held.released);
        let Some(held) = held else { return Ok(false) };
        held.until = held.until.max(until);
        Ok(true)
    }

    async fn release(&self, name: &str, holder: &str, until: Timestamp) -> Result<()> {
        let mut leases = self.leases();
        if let Some(held) = leases.get_mut(name).filter(|held| held.holder == holder && !held.released) {
            *held = Lease { until, released: true, ..held.clone() };
        }
        Ok(())
    }

    async fn current(&self, name: &str) -> Result<Option<Lease>> {
        Ok(self.leases().get(name).cloned())
    }
}
