use async_trait::async_trait;

use super::DynamoStore;
use super::keys::Place;
use crate::Result;
use crate::model::{Kind, Partition, PoolId};
use crate::ports::{Backup, Head, Import, Mapping, Observation, Outcome, Version};
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

    async fn runs(&self, pool: Option<&PoolId>) -> Result<Vec<Run>> {
        self.runs_of(pool).await
    }

    async fn put_import(&self, import: &Import) -> Result<()> {
        self.write_import(import).await
    }

    async fn imports(&self, into: Option<&PoolId>) -> Result<Vec<Import>> {
        self.imports_into(into).await
    }

    async fn put_mappings(&self, import: &str, mappings: &[Mapping]) -> Result<()> {
        self.write_mappings(import, mappings).await
    }

    async fn mappings_of(&self, import: &str, subs: &[String]) -> Result<Vec<Mapping>> {
        self.find_mappings(import, subs).await
    }

    async fn mapping_to(&self, import: &str, new_sub: &str) -> Result<Option<Mapping>> {
        self.find_mapping_to(import, new_sub).await
    }

    async fn mappings(&self, import: &str, after: Option<&str>, limit: usize) -> Result<Vec<Mapping>> {
        self.mappings_after(import, after, limit).await
    }

    async fn put_outcomes(&self, import: &str, outcomes: &[Outcome]) -> Result<()> {
        self.write_outcomes(import, outcomes).await
    }

    async fn outcomes_of(
        &self,
        import: &str,
        kind: Kind,
        group: &str,
        keys: &[String],
    ) -> Result<Vec<Outcome>> {
        self.find_outcomes(import, kind, group, keys).await
    }

    async fn outcomes(
        &self,
        import: &str,
        kind: Kind,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Outcome>> {
        self.outcomes_after(import, kind, group, after, limit).await
    }
}
