//! A backup of two runs and an import, to be damaged in any store; and what then becomes of a
//! restore of each run.

use std::collections::BTreeSet;
use std::sync::Arc;

use cognito_profiles::Result;
use cognito_profiles::export::ShrinkGuard;
use cognito_profiles::model::PoolId;
use cognito_profiles::ports::{Backup, ImportOptions, Imports, Ledger};
use cognito_profiles::read::Snapshot;
use cognito_profiles::run::RunId;
use cognito_profiles_tests::mortal::Fate;
use cognito_profiles_tests::world::{World, scratch};
use cognito_sim::Population;

use crate::pipeline::world;

/// Partition, key and content of everything a run holds.
pub type Held = BTreeSet<(String, String, String)>;

/// What a restore takes, or the kind of error that refuses it.
pub type Restored = std::result::Result<Held, &'static str>;

/// Two runs, between which something of every kind changes, an import of the second, and a pool to
/// restore into.
pub struct TwoRuns {
    pub world: World,
    pub target: String,
    pub runs: Vec<(RunId, Held)>,
}

/// What is said of a damaged backup.
pub struct Restores {
    /// What becomes of a restore of each run.
    pub of_each: Vec<Restored>,
    /// The run that is restored if none is named.
    pub latest: Option<RunId>,
}

impl TwoRuns {
    pub async fn new<S>(population: Population, store: &Arc<S>) -> Self
    where
        S: Backup + Ledger + Imports + 'static,
    {
        let world = world(&Population { heavy_users: 0, ..population });
        let fate = Fate::immortal();
        let exporter = world.exporter_into(store, &fate);
        let first = exporter.export(&ShrinkGuard::default()).await.unwrap();
        change(&world);
        let second = exporter.export(&ShrinkGuard { allow: true, ..ShrinkGuard::default() }).await.unwrap();
        let importer = world.importer_from(store, &world.empty_pool(), &fate);
        let prepared = world.prepare(&importer, ImportOptions::default()).await.unwrap();
        importer.import(prepared, &scratch()).await.unwrap();
        let mut runs = Vec::new();
        for run in [first, second] {
            let snapshot = Snapshot::of(store.clone(), run).unwrap();
            runs.push((snapshot.run.id.clone(), held(&snapshot).await.unwrap()));
        }
        let target = world.empty_pool();
        Self { world, target, runs }
    }

    pub async fn restores<S: Backup + Imports + 'static>(&self, store: &Arc<S>) -> Restores {
        let mut of_each = Vec::new();
        for (run, _) in &self.runs {
            of_each.push(self.restored(store, run).await.map_err(|error| error.kind()));
        }
        let latest = Snapshot::find(store.clone(), Some(&PoolId::new(&self.world.pool)), None).await;
        Restores { of_each, latest: latest.ok().map(|snapshot| snapshot.run.id) }
    }

    /// What a restore of the run takes, unless it is refused.
    async fn restored<S: Backup + Imports + 'static>(&self, store: &Arc<S>, run: &RunId) -> Result<Held> {
        let importer = self.world.importer_from(store, &self.target, &Fate::immortal());
        let pool = PoolId::new(&self.world.pool);
        let snapshot = importer.find_snapshot(Some(&pool), Some(run.as_str())).await?;
        importer.prepare(snapshot.clone(), ImportOptions::default()).await?;
        held(&snapshot).await
    }

    /// The first run that is restored otherwise than it was.
    pub fn restored_otherwise(&self, restores: &Restores) -> Option<&RunId> {
        let otherwise = |((_, held), restored): &(&(RunId, Held), &Restored)| {
            restored.as_ref().is_ok_and(|found| found != held)
        };
        self.runs.iter().zip(&restores.of_each).find(otherwise).map(|((run, _), _)| run)
    }

    /// Whether every run is still restored, but for one that is no longer there if a later one is.
    pub fn are_kept(&self, restores: &Restores) -> bool {
        let last = self.runs.last().map(|(run, _)| run);
        let is_kept = |((run, _), restored): (&(RunId, Held), &Restored)| {
            restored.is_ok() || (Some(run) != last && *restored == Err("no_such_run"))
        };
        restores.latest.as_ref() == last && self.runs.iter().zip(&restores.of_each).all(is_kept)
    }
}

impl Restores {
    /// Whether no run is there any more, by name or without.
    pub fn are_of_nothing(&self) -> bool {
        self.latest.is_none() && self.of_each.iter().all(|restored| *restored == Err("no_such_run"))
    }
}

async fn held(snapshot: &Snapshot) -> Result<Held> {
    let (mut held, mut walk) = (Held::new(), snapshot.everything().await?);
    while let Some(versions) = walk.next().await? {
        let versions = versions.into_iter();
        held.extend(
            versions.map(|version| (format!("{:?}", version.partition), version.key, version.content)),
        );
    }
    Ok(held)
}

/// Something of every kind changes.
fn change(world: &World) {
    let truth = world.truth(&world.pool);
    let subs: Vec<&String> = truth.users.keys().collect();
    let (group, member) = truth.memberships.iter().next().unwrap();
    world.change(|admin| {
        admin.update_user(&world.pool, subs[0], |user| user.enabled = !user.enabled).unwrap();
        admin.leave(&world.pool, member, group).unwrap();
        admin.update_group(&world.pool, group, |group| group.precedence = Some(77)).unwrap();
        admin.delete_user(&world.pool, subs[1]).unwrap();
    });
}
