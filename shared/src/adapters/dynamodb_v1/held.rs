//! What a table holds, and what of it the last export still saw.

use std::pin::pin;

use futures::TryStreamExt as _;

use crate::Result;
use crate::digest::Digests;
use crate::model::{Partition, PoolId};
use crate::ports::{Backup, Head};
use crate::read::{all_partitions, heads};
use crate::run::Totals;
use crate::time::Timestamp;

/// Records of a table.
#[derive(Default)]
pub(super) struct Holdings {
    pub(super) totals: Totals,
    pub(super) digests: Digests,
}

impl Holdings {
    fn add(&mut self, partition: &Partition, head: &Head) {
        self.totals.add(partition.kind());
        self.digests.add(partition, &head.key, &head.hash);
    }
}

/// What a table holds: all of it, and what the last export confirmed.
#[derive(Default)]
pub(super) struct Held {
    pub(super) all: Holdings,
    pub(super) fresh: Holdings,
}

impl Held {
    pub(super) async fn of(backup: &dyn Backup, pool: &PoolId, latest: Option<Timestamp>) -> Result<Self> {
        let mut held = Self::default();
        for partition in all_partitions(&backup.group_names(pool).await?) {
            let mut heads = pin!(heads(backup, pool, &partition, None));
            while let Some(some) = heads.try_next().await? {
                for head in &some {
                    held.all.add(&partition, head);
                    if latest.is_none_or(|latest| head.valid_from >= latest) {
                        held.fresh.add(&partition, head);
                    }
                }
            }
        }
        Ok(held)
    }
}

/// Ends what the export of that time no longer saw.
pub(super) async fn close_stale(backup: &dyn Backup, pool: &PoolId, latest: Timestamp) -> Result<()> {
    for partition in all_partitions(&backup.group_names(pool).await?) {
        let mut heads = pin!(heads(backup, pool, &partition, None));
        while let Some(some) = heads.try_next().await? {
            let stale = some.into_iter().filter(|head| head.valid_from < latest);
            let keys: Vec<String> = stale.map(|head| head.key).collect();
            if !keys.is_empty() {
                backup.close(pool, &partition, &keys, latest).await?;
            }
        }
    }
    Ok(())
}
