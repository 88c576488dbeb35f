use async_trait::async_trait;

use super::{SqliteStore, observe, runs, versions};
use crate::Result;
use crate::model::{Partition, PoolId};
use crate::ports::{Backup, Head, Observation, Version};
use crate::run::{Run, RunId};
use crate::time::Timestamp;

#[async_trait]
impl Backup for SqliteStore {
    async fn observe(&self, pool: &PoolId, run: &RunId, observations: &[Observation]) -> Result<()> {
        let (pool, run, observations) = (pool.clone(), run.clone(), observations.to_vec());
        self.write(move |db| observe::observe(db, &pool, &run, &observations)).await
    }

    async fn close(
        &self,
        pool: &PoolId,
        partition: &Partition,
        keys: &[String],
        at: Timestamp,
    ) -> Result<()> {
        let (pool, partition, keys) = (pool.clone(), partition.clone(), keys.to_vec());
        self.write(move |db| observe::close(db, &pool, &partition, &keys, at)).await
    }

    async fn heads(
        &self,
        pool: &PoolId,
        partition: &Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Head>> {
        let (pool, partition, after) = (pool.clone(), partition.clone(), after.map(str::to_owned));
        self.read(move |db| versions::heads(db, &pool, &partition, after.as_deref(), limit)).await
    }

    async fn as_of(
        &self,
        pool: &PoolId,
        partition: &Partition,
        at: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Version>> {
        let (pool, partition, after) = (pool.clone(), partition.clone(), after.map(str::to_owned));
        self.read(move |db| versions::as_of(db, &pool, &partition, at, after.as_deref(), limit)).await
    }

    async fn get(
        &self,
        pool: &PoolId,
        partition: &Partition,
        keys: &[String],
        at: Timestamp,
    ) -> Result<Vec<Version>> {
        let (pool, partition, keys) = (pool.clone(), partition.clone(), keys.to_vec());
        self.read(move |db| versions::get(db, &pool, &partition, &keys, at)).await
    }

    async fn versions(
        &self,
        pool: &PoolId,
        partition: &Partition,
        after: Option<(&str, Timestamp)>,
        limit: usize,
    ) -> Result<Vec<Version>> {
        let (pool, partition) = (pool.clone(), partition.clone());
        let after = after.map(|(key, time)| (key.to_owned(), time));
        self.read(move |db| {
            let after = after.as_ref().map(|(key, time)| (key.as_str(), *time));
            versions::versions(db, &pool, &partition, after, limit)
        })
        .await
    }

    async fn group_names(&self, pool: &PoolId) -> Result<Vec<String>> {
        let pool = pool.clone();
        self.read(move |db| versions::group_names(db, &pool)).await
    }

    async fn latest(&self, pool: &PoolId) -> Result<Option<Timestamp>> {
        let pool = pool.clone();
        self.read(move |db| observe::latest(db, &pool)).await
    }

    async fn put_run(&self, run: &Run) -> Result<()> {
        let run = run.clone();
        self.write(move |db| runs::put_run(db, &run)).await
    }

    async fn run(&self, pool: &PoolId, id: &RunId) -> Result<Option<Run>> {
        let (pool, id) = (pool.clone(), id.clone());
        self.read(move |db| runs::run(db, &pool, &id)).await
    }

    async fn runs(&self, pool: Option<&PoolId>) -> Result<Vec<Run>> {
        let pool = pool.cloned();
        self.read(move |db| runs::runs(db, pool.as_ref())).await
    }
}
