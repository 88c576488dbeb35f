use async_trait::async_trait;

use super::{SqliteStore, jobs, mappings, runs};
use crate::Result;
use crate::compare::Difference;
use crate::model::{Hash, PoolId};
use crate::ports::{Import, Imports, Job, Mapping, Outcome, Sent, Step};
use crate::run::RunId;

#[async_trait]
impl Imports for SqliteStore {
    async fn put_import(&self, import: &Import) -> Result<bool> {
        let import = import.clone();
        self.write(move |db| runs::put_import(db, &import)).await
    }

    async fn import(&self, id: &str) -> Result<Option<Import>> {
        let id = id.to_owned();
        self.read(move |db| runs::import(db, &id)).await
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

    async fn mappings_to(&self, import: &str, new_subs: &[String]) -> Result<Vec<Mapping>> {
        let (import, new_subs) = (import.to_owned(), new_subs.to_vec());
        self.read(move |db| mappings::mappings_to(db, &import, &new_subs)).await
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
        step: Step,
        group: &str,
        keys: &[String],
    ) -> Result<Vec<Outcome>> {
        let (import, group, keys) = (import.to_owned(), group.to_owned(), keys.to_vec());
        self.read(move |db| mappings::outcomes_of(db, &import, step, &group, &keys)).await
    }

    async fn outcomes(
        &self,
        import: &str,
        step: Step,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Outcome>> {
        let (import, group, after) = (import.to_owned(), group.to_owned(), after.map(str::to_owned));
        self.read(move |db| mappings::outcomes(db, &import, step, &group, after.as_deref(), limit)).await
    }

    async fn put_sent(&self, import: &str, sent: &[Sent]) -> Result<()> {
        let (import, sent) = (import.to_owned(), sent.to_vec());
        self.write(move |db| jobs::put_sent(db, &import, &sent)).await
    }

    async fn sent_as(&self, import: &str, names: &[Hash]) -> Result<Vec<Sent>> {
        let (import, names) = (import.to_owned(), names.to_vec());
        self.read(move |db| jobs::sent_as(db, &import, &names)).await
    }

    async fn put_job(&self, import: &str, job: &Job) -> Result<()> {
        let (import, job) = (import.to_owned(), job.clone());
        self.write(move |db| jobs::put_job(db, &import, &job)).await
    }

    async fn jobs(&self, import: &str) -> Result<Vec<Job>> {
        let import = import.to_owned();
        self.read(move |db| jobs::jobs(db, &import)).await
    }

    async fn put_differences(
        &self,
        import: &str,
        listing: &RunId,
        first: u64,
        differences: &[Difference],
    ) -> Result<()> {
        let (import, listing, differences) = (import.to_owned(), listing.clone(), differences.to_vec());
        self.write(move |db| jobs::put_differences(db, &import, &listing, first, &differences)).await
    }

    async fn differences(
        &self,
        import: &str,
        listing: &RunId,
        first: u64,
        limit: usize,
    ) -> Result<Vec<Difference>> {
        let (import, listing) = (import.to_owned(), listing.clone());
        self.read(move |db| jobs::differences(db, &import, &listing, first, limit)).await
    }
}
