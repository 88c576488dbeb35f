use async_trait::async_trait;

use super::{SqliteStore, mappings, observe, runs, versions};
use crate::Result;
use crate::model::{Kind, Partition, PoolId};
use crate::ports::{Backup, Head, Import, Mapping, Observation, Outcome, Version};
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

    async fn put_import(&self, import: &Import) -> Result<()> {
        let import = import.clone();
        self.write(move |db| runs::put_import(db, &import)).await
    }

    async fn imports(&self, into: Option<&PoolId>) -> Result<Vec<Import>> {
        let into = into.cloned();
        self.read(move |db| runs::imports(db, into.as_ref())).await
    }

    async fn put_mappings(&self, import: &str, mappings: &[Mapping]) -> Result<()> {
        let (import, mappings) = (import.to_owned(), mappings.to_vec());
        self.write(move |db| mappings::put_mappings(db, &import, &mappings)).await
    }

    async fn mappings_of(&self, import: &str, subs: &[String]) -> Result<Vec<Mapping>> {
        let (import, subs) = (import.to_owned(), subs.to_vec());
        self.read(move |db| mappings::mappings_of(db, &import, &subs)).await
    }

    async fn mapping_to(&self, import: &str, new_sub: &str) -> Result<Option<Mapping>> {
        let (import, new_sub) = (import.to_owned(), new_sub.to_owned());
        self.read(move |db| mappings::mapping_to(db, &import, &new_sub)).await
    }

    async fn mappings(&self, import: &str, after: Option<&str>, limit: usize) -> Result<Vec<Mapping>> {
        let (import, after) = (import.to_owned(), after.map(str::to_owned));
        self.read(move |db| mappings::mappings(db, &import, after.as_deref(), limit)).await
    }

    async fn put_outcomes(&self, import: &str, outcomes: &[Outcome]) -> Result<()> {
        let (import, outcomes) = (import.to_owned(), outcomes.to_vec());
        self.write(move |db| mappings::put_outcomes(db, &import, &outcomes)).await
    }

    async fn outcomes_of(
        &self,
        import: &str,
        kind: Kind,
        group: &str,
        keys: &[String],
    ) -> Result<Vec<Outcome>> {
        let (import, group, keys) = (import.to_owned(), group.to_owned(), keys.to_vec());
        self.read(move |db| mappings::outcomes_of(db, &import, kind, &group, &keys)).await
    }

    async fn outcomes(
        &self,
        import: &str,
        kind: Kind,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Outcome>> {
        let (import, group, after) = (import.to_owned(), group.to_owned(), after.map(str::to_owned));
        self.read(move |db| mappings::outcomes(db, &import, kind, &group, after.as_deref(), limit)).await
    }
}
