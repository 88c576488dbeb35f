use async_trait::async_trait;

use super::DynamoStore;
use super::keys::Place;
use crate::Result;
use crate::model::{Partition, PoolId};
use crate::ports::{Backup, Head, Observation, Version};
use crate::run::{Run, RunId};
use crate::time::Timestamp;

#[async_trait]
impl Backup for DynamoStore {
    async fn observe(&self, pool: &PoolId, run: &RunId, observations: &[Observation]) -> Result<()> {
        self.observe_all(pool, run, observations).await
    }

    async fn close(
        &self,
        pool: &PoolId,
        partition: &Partition,
        keys: &[String],
        at: Timestamp,
    ) -> Result<()> {
        self.close_all(pool, partition, keys, at).await
    }

    async fn heads(
        &self,
        pool: &PoolId,
        partition: &Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Head>> {
        self.heads_after(&Place::new(pool, partition), after, limit).await
    }

    async fn as_of(
        &self,
        pool: &PoolId,
        partition: &Partition,
        at: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Version>> {
        self.held(&Place::new(pool, partition), at, after, limit).await
    }

    async fn get(
        &self,
        pool: &PoolId,
        partition: &Partition,
        keys: &[String],
        at: Timestamp,
    ) -> Result<Vec<Version>> {
        self.get_held(&Place::new(pool, partition), keys, at).await
    }

    async fn versions(
        &self,
        pool: &PoolId,
        partition: &Partition,
        after: Option<(&str, Timestamp)>,
        limit: usize,
    ) -> Result<Vec<Version>> {
        self.versions_after(&Place::new(pool, partition), after, limit).await
    }

    async fn group_names(&self, pool: &PoolId) -> Result<Vec<String>> {
        self.names_of_groups(pool).await
    }

    async fn latest(&self, pool: &PoolId) -> Result<Option<Timestamp>> {
        self.latest_of(pool).await
    }

    async fn put_run(&self, run: &Run) -> Result<()> {
        self.write_run(run).await
    }

    async fn run(&self, pool: &PoolId, id: &RunId) -> Result<Option<Run>> {
        self.run_of(pool, id).await
    }

    async fn runs(&self, pool: Option<&PoolId>) -> Result<Vec<Run>> {
        self.runs_of(pool).await
    }
}
