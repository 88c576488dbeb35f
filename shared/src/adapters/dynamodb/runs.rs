//! The records of runs, and when they may go.

use super::DynamoStore;
use super::expression::Expression;
use super::item::{Attributes, expiry, fitting, put_record};
use super::keys;
use super::query::{Query, Range};
use super::table::Item;
use crate::Result;
use crate::model::PoolId;
use crate::run::{Run, RunId};

const RUN: &str = "run";

impl DynamoStore {
    /// [`crate::ports::Backup::put_run`].
    pub(super) async fn write_run(&self, run: &Run) -> Result<()> {
        self.register(&run.pool).await?;
        let mut item = keys::run(&run.pool, &run.id).into_item();
        put_record(&mut item, run, RUN)?;
        let _ = self.backup.put(fitting(item, RUN)?, None).await?;
        if run.ended_at.is_some() { self.let_expire(run).await } else { Ok(()) }
    }

    /// Once a run has ended, the earlier ones go when all that only they show has gone. The last
    /// that is complete stays: if exports stop, it is the one to restore.
    async fn let_expire(&self, ended: &Run) -> Result<()> {
        // Without their manifests: there may be thousands of runs.
        let read = |item: &Item| {
            let stays = !item.contains_key("expires_at");
            run(item).map(|run| (Run { manifest: None, ..run }, stays))
        };
        let runs = self.stored_runs(&ended.pool, read).await?;
        let last_complete = runs.iter().map(|(run, _)| run).filter(|run| run.is_complete());
        let last_complete = last_complete.max_by_key(|run| run.started_at).map(|run| run.id.clone());
        for (run, stays) in &runs {
            let Some(end) = run.ended_at else { continue };
            let is_earlier = run.id != ended.id && run.started_at <= ended.started_at;
            if !is_earlier || !stays || last_complete.as_ref() == Some(&run.id) {
                continue;
            }
            let set = Expression::new("SET #expires_at = :expires_at")
                .with(":expires_at", expiry(end, self.retention_days));
            let still_there = Expression::new("attribute_exists(#pk)");
            self.backup.update(keys::run(&run.pool, &run.id), set, Some(still_there)).await?;
        }
        Ok(())
    }

    /// [`crate::ports::Backup::run`].
    pub(super) async fn run_of(&self, pool: &PoolId, id: &RunId) -> Result<Option<Run>> {
        let Some(item) = self.backup.get(keys::run(pool, id)).await? else { return Ok(None) };
        let attributes = Attributes { item: &item, what: RUN };
        if attributes.has_expired(self.clock.now())? { Ok(None) } else { run(&item).map(Some) }
    }

    /// [`crate::ports::Backup::runs`].
    pub(super) async fn runs_of(&self, pool: Option<&PoolId>) -> Result<Vec<Run>> {
        let pools = match pool {
            Some(pool) => vec![pool.clone()],
            None => self.pools().await?,
        };
        let now = self.clock.now();
        let mut found = Vec::new();
        for pool in &pools {
            // DynamoDB takes its time to remove what has expired.
            let read = |item: &Item| {
                let has_expired = Attributes { item, what: RUN }.has_expired(now)?;
                run(item).map(|run| (!has_expired).then_some(run))
            };
            found.extend(self.stored_runs(pool, read).await?.into_iter().flatten());
        }
        found.sort_by(|a, b| (a.started_at, &a.id, &a.pool).cmp(&(b.started_at, &b.id, &b.pool)));
        Ok(found)
    }

    async fn stored_runs<T>(&self, pool: &PoolId, read: impl Fn(&Item) -> Result<T>) -> Result<Vec<T>> {
        let (pk, range) = keys::runs(pool);
        self.backup.query_all(&Query::of(pk, range), read).await
    }

    /// Makes the pool one of [`DynamoStore::pools`].
    async fn register(&self, pool: &PoolId) -> Result<()> {
        if self.backup.get(keys::pool(pool)).await?.is_none() {
            let _ = self.backup.put(keys::pool(pool).into_item(), None).await?;
        }
        Ok(())
    }

    async fn pools(&self) -> Result<Vec<PoolId>> {
        let pool = |item: &Item| {
            let attributes = Attributes { item, what: "pool" };
            keys::decode(attributes.text("sk")?).map(PoolId::new).ok_or_else(|| attributes.damaged("sk"))
        };
        self.backup.query_all(&Query::of(keys::POOLS, Range::All), pool).await
    }
}

fn run(item: &Item) -> Result<Run> {
    Attributes { item, what: RUN }.record_at(|run: &Run| keys::run(&run.pool, &run.id))
}
