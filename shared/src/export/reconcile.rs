use std::collections::BTreeSet;
use std::pin::pin;

use futures::{StreamExt, TryStreamExt, stream};

use super::{Exporter, ShrinkGuard};
use crate::model::{Partition, Record};
use crate::ports::{Fault, Listing, Observation};
use crate::progress::Stage;
use crate::run::{Run, Totals};
use crate::{Error, Result};

/// How many partitions are compared at once: a pool of 10,000 groups has 170,000, most of them
/// small.
const PARALLEL_PARTITIONS: usize = 32;

/// What came of comparing a run with what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Listings were opened that must be read first.
    ListMore,
    /// What is gone is closed.
    Reconciled,
    /// Too much would be gone: nothing is closed. Why, for a person to read.
    Held(String),
}

impl Exporter {
    /// Compares what the run saw with what is stored, and closes what is gone: once the shrink
    /// guard allows it, and once a second look confirmed it.
    pub async fn reconcile(&self, run: &Run, guard: &ShrinkGuard) -> Result<Verdict> {
        self.progress.begin(Stage::Reconcile, None);
        let mut incomplete = Vec::new();
        let verdict = self.compare(run, guard, &mut incomplete).await?;
        if verdict == Verdict::Reconciled {
            for partition in &incomplete {
                let (_, missing) = self.missing(run, partition).await?;
                self.must_go_on(run).await?;
                self.close(run, partition, &missing).await?;
            }
        }
        self.progress.end(Stage::Reconcile);
        Ok(verdict)
    }

    /// Once another has brought the run to its end, what it saw is forgotten, and everything would
    /// look missing. Asked after what was seen is read, so that it was read before that.
    async fn must_go_on(&self, run: &Run) -> Result<()> {
        match self.ledger.listing(&run.id, &Listing::Groups).await? {
            Some(_) => Ok(()),
            None => Err(Error::LockLost(run.id.clone())),
        }
    }

    /// Finds what is missing, without changing anything that is stored. Notes which partitions
    /// miss something: users, then memberships, and groups last, so that a group is closed only
    /// after its memberships.
    async fn compare(
        &self,
        run: &Run,
        guard: &ShrinkGuard,
        incomplete: &mut Vec<Partition>,
    ) -> Result<Verdict> {
        // What was allowed once is not held half done.
        let guard = &ShrinkGuard { allow: guard.allow || self.ledger.gone(&run.id).await? > 0, ..*guard };
        let mut stored = Totals::default();
        let mut gone = Totals::default();
        (stored.users, gone.users) = self.compare_users(run, incomplete).await?;
        let (groups, missing_groups) = self.missing(run, &Partition::Groups).await?;
        (stored.groups, gone.groups) = (groups, missing_groups.len() as u64);
        if let Some(objection) = guard.objection(&stored, &gone) {
            return Ok(Verdict::Held(objection));
        }
        let look_up: Vec<Listing> = incomplete.iter().filter_map(look_up_of).collect();
        if self.open_new(run, look_up).await? || self.find_missed_groups(run, &missing_groups).await? {
            return Ok(Verdict::ListMore);
        }
        if self.compare_members(run, &missing_groups, &mut stored, &mut gone, incomplete).await? {
            return Ok(Verdict::ListMore);
        }
        incomplete.push(Partition::Groups);
        Ok(guard.objection(&stored, &gone).map_or(Verdict::Reconciled, Verdict::Held))
    }

    /// How many users are current, and how many of them the run did not see.
    async fn compare_users(&self, run: &Run, incomplete: &mut Vec<Partition>) -> Result<(u64, u64)> {
        let (mut stored, mut gone) = (0, 0);
        let mut compared = stream::iter(Partition::users())
            .map(|partition| async move { Ok((self.missing(run, &partition).await?, partition)) })
            .buffered(PARALLEL_PARTITIONS);
        while let Some(((current, missing), partition)) = compared.try_next().await? {
            stored += current;
            gone += missing.len() as u64;
            if !missing.is_empty() {
                incomplete.push(partition);
            }
        }
        Ok((stored, gone))
    }

    /// How many records of a partition are current, and the keys of those the run did not see.
    async fn missing(&self, run: &Run, partition: &Partition) -> Result<(u64, Vec<String>)> {
        let seen = self.ledger.seen(&run.id, partition).await?;
        let mut current = 0;
        let mut missing = Vec::new();
        let mut heads = pin!(self.heads(partition, None));
        while let Some(head) = heads.try_next().await? {
            current += 1;
            if seen.binary_search(&head.key).is_err() {
                missing.push(head.key);
            }
        }
        self.progress.advance(Stage::Reconcile, current);
        Ok((current, missing))
    }

    /// Asks for each missing group by name. One that is still there was missed by the listing:
    /// it is saved, and its members are listed. Returns whether there was one.
    async fn find_missed_groups(&self, run: &Run, missing: &[String]) -> Result<bool> {
        let mut missed = false;
        for name in missing {
            let observed_at = self.observed_at(run);
            match self.directory.get_group(name).await {
                Ok(group) if group.name == *name => {
                    self.save_seen(run, &Observation::new(&Record::Group(group), observed_at)?).await?;
                    self.ledger.open(&run.id, &[Listing::Members(name.clone())]).await?;
                    missed = true;
                }
                Ok(_) => {}
                Err(error) if matches!(error.fault, Fault::NotFound | Fault::Invalid { .. }) => {}
                Err(error) => return Err(self.directory.explain(error)),
            }
        }
        Ok(missed)
    }

    /// Counts missing memberships that did not go with their group or user, and has their
    /// groups listed once more: only a membership missed twice is gone. Returns whether there
    /// is more to list.
    async fn compare_members(
        &self,
        run: &Run,
        missing_groups: &[String],
        stored: &mut Totals,
        gone: &mut Totals,
        incomplete: &mut Vec<Partition>,
    ) -> Result<bool> {
        let mut again = Vec::new();
        let groups = self.backup.group_names(self.pool()).await?;
        let mut compared = stream::iter(groups)
            .map(|group| self.compare_group(run, missing_groups, group))
            .buffered(PARALLEL_PARTITIONS);
        while let Some(compared) = compared.try_next().await? {
            stored.memberships += compared.current;
            incomplete.extend(compared.incomplete);
            if compared.missed > 0 {
                gone.memberships += compared.missed;
                again.push(Listing::MembersAgain(compared.group));
            }
        }
        self.open_new(run, again).await
    }

    async fn compare_group(&self, run: &Run, missing_groups: &[String], group: String) -> Result<Compared> {
        let group_is_gone = missing_groups.contains(&group);
        let mut compared = Compared { current: 0, missed: 0, incomplete: Vec::new(), group };
        for partition in Partition::members(&compared.group) {
            let (current, missing) = self.missing(run, &partition).await?;
            compared.current += current;
            if !group_is_gone {
                compared.missed += self.of_users_seen(run, &missing).await?;
            }
            if !missing.is_empty() {
                compared.incomplete.push(partition);
            }
        }
        Ok(compared)
    }

    /// How many of these users the run saw.
    async fn of_users_seen(&self, run: &Run, subs: &[String]) -> Result<u64> {
        let partitions: BTreeSet<Partition> = subs.iter().map(|sub| Partition::of_user(sub)).collect();
        let mut count = 0;
        for partition in partitions {
            let seen = self.ledger.seen(&run.id, &partition).await?;
            let in_partition = subs.iter().filter(|sub| Partition::of_user(sub) == partition);
            count += in_partition.filter(|sub| seen.binary_search(sub).is_ok()).count() as u64;
        }
        Ok(count)
    }

    async fn save_seen(&self, run: &Run, observation: &Observation) -> Result<()> {
        self.backup.observe(self.pool(), &run.id, std::slice::from_ref(observation)).await?;
        let seen = [(observation.partition.clone(), observation.key.clone())];
        self.ledger.count_seen(&run.id, &seen).await
    }

    /// Notes what is gone before closing it, so that a run killed in between still counts it.
    async fn close(&self, run: &Run, partition: &Partition, keys: &[String]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        self.ledger.put_gone(&run.id, partition, keys).await?;
        self.backup.close(self.pool(), partition, keys, self.observed_at(run)).await
    }
}

/// What came of comparing the memberships of one group.
struct Compared {
    group: String,
    /// How many are current.
    current: u64,
    /// How many are missing, though their user was seen.
    missed: u64,
    /// The partitions that miss something.
    incomplete: Vec<Partition>,
}

/// The listing that looks up the missing users of a partition.
fn look_up_of(partition: &Partition) -> Option<Listing> {
    match partition {
        Partition::Users(shard) => Some(Listing::Missing(shard.clone())),
        _ => None,
    }
}
