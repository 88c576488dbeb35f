use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};

use super::{Exporter, ShrinkGuard};
use crate::Result;
use crate::model::{Partition, Record};
use crate::ports::{Fault, Listing, Observation, UserFilter};
use crate::progress::Stage;
use crate::read::CHUNK;
use crate::run::{Run, Totals};

/// How many look-ups of missing users are on their way at once; the rate is the limit.
const PARALLEL_LOOKUPS: usize = 32;

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
    /// guard allows it, and once a second look confirms it.
    pub async fn reconcile(&self, run: &Run, guard: &ShrinkGuard) -> Result<Verdict> {
        self.progress.begin(Stage::Reconcile, None);
        let mut incomplete = Vec::new();
        let verdict = self.compare(run, guard, &mut incomplete).await?;
        let verdict = match verdict {
            Verdict::Reconciled => self.close_gone(run, incomplete).await?,
            other => other,
        };
        self.progress.end(Stage::Confirm);
        self.progress.end(Stage::Reconcile);
        Ok(verdict)
    }

    /// Finds what is missing, without changing anything that is stored. Notes which partitions
    /// miss something.
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
        for partition in Partition::users() {
            let (current, missing) = self.missing(run, &partition).await?;
            stored.users += current;
            gone.users += missing.len() as u64;
            if !missing.is_empty() {
                incomplete.push(partition);
            }
        }
        let (groups, missing_groups) = self.missing(run, &Partition::Groups).await?;
        stored.groups = groups;
        gone.groups = missing_groups.len() as u64;
        if let Some(objection) = guard.objection(&stored, &gone) {
            return Ok(Verdict::Held(objection));
        }
        if self.find_missed_groups(run, &missing_groups).await? {
            return Ok(Verdict::ListMore);
        }
        if self.compare_members(run, &missing_groups, &mut stored, &mut gone, incomplete).await? {
            return Ok(Verdict::ListMore);
        }
        // Last, so that a group is closed only after its memberships.
        incomplete.push(Partition::Groups);
        Ok(guard.objection(&stored, &gone).map_or(Verdict::Reconciled, Verdict::Held))
    }

    /// How many records of a partition are current, and the keys of those the run did not see.
    async fn missing(&self, run: &Run, partition: &Partition) -> Result<(u64, Vec<String>)> {
        let seen = self.ledger.seen(&run.id, partition).await?;
        let mut current = 0;
        let mut missing = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let heads = self.backup.heads(self.pool(), partition, after.as_deref(), CHUNK).await?;
            let more = heads.len() == CHUNK;
            after = heads.last().map(|head| head.key.clone());
            current += heads.len() as u64;
            missing.extend(
                heads.into_iter().map(|head| head.key).filter(|key| seen.binary_search(key).is_err()),
            );
            if !more {
                self.progress.advance(Stage::Reconcile, current);
                return Ok((current, missing));
            }
        }
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
        for group in self.backup.group_names(self.pool()).await? {
            let group_is_gone = missing_groups.contains(&group);
            let mut missed = 0;
            for partition in Partition::members(&group) {
                let (current, missing) = self.missing(run, &partition).await?;
                stored.memberships += current;
                if !group_is_gone {
                    missed += self.of_users_seen(run, &missing).await?;
                }
                if !missing.is_empty() {
                    incomplete.push(partition);
                }
            }
            if missed > 0 {
                gone.memberships += missed;
                again.push(Listing::MembersAgain(group));
            }
        }
        let opened: BTreeSet<Listing> =
            self.ledger.listings(&run.id).await?.into_iter().map(|progress| progress.listing).collect();
        again.retain(|listing| !opened.contains(listing));
        self.ledger.open(&run.id, &again).await?;
        Ok(!again.is_empty())
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

    /// Closes what is gone: users first. If a look-up found someone the listing missed, the
    /// memberships are compared again before any is closed.
    async fn close_gone(&self, run: &Run, incomplete: Vec<Partition>) -> Result<Verdict> {
        let (users, others): (Vec<_>, Vec<_>) =
            incomplete.into_iter().partition(|partition| matches!(partition, Partition::Users(_)));
        let mut found = false;
        for partition in users {
            let (_, missing) = self.missing(run, &partition).await?;
            let missed = missing.len();
            let gone = self.confirm_gone(run, missing).await?;
            found |= gone.len() < missed;
            self.close(run, &partition, &gone).await?;
        }
        if found {
            return Ok(Verdict::ListMore);
        }
        for partition in others {
            let (_, missing) = self.missing(run, &partition).await?;
            self.close(run, &partition, &missing).await?;
        }
        Ok(Verdict::Reconciled)
    }

    /// Looks up each user directly. Whoever is still there was missed by the listing, and is
    /// saved as seen; the others are returned.
    async fn confirm_gone(&self, run: &Run, missing: Vec<String>) -> Result<Vec<String>> {
        if !missing.is_empty() {
            self.progress.begin(Stage::Confirm, None);
        }
        let looked_up = stream::iter(missing)
            .map(|sub| async move { Ok((self.is_gone(run, &sub).await?, sub)) })
            .buffered(PARALLEL_LOOKUPS);
        looked_up.try_filter_map(async |(gone, sub)| Ok(gone.then_some(sub))).try_collect().await
    }

    async fn is_gone(&self, run: &Run, sub: &str) -> Result<bool> {
        let observed_at = self.observed_at(run);
        self.progress.advance(Stage::Confirm, 1);
        for attribute in ["sub", "username"] {
            let filter = UserFilter::Equals(attribute, sub.to_owned());
            let found = match self.directory.find_users(&filter).await {
                Ok(found) => found,
                // Cognito will not look for such a text: then nothing confirms that the user is
                // gone, and so they are not.
                Err(error) if error.is_invalid() => return self.keep(run, sub).await,
                Err(error) => return Err(self.directory.explain(error)),
            };
            // A service that answers with others than asked for must not hide that this one is
            // gone. Who has no `sub` is stored, and found, by username.
            if let Some(user) = found.into_iter().find(|user| user.sub == sub) {
                self.save_seen(run, &Observation::new(&Record::User(user), observed_at)?).await?;
                return Ok(false);
            }
            if !Partition::of_user(sub).is_of_odd_subs() {
                break;
            }
        }
        Ok(true)
    }

    /// Counts a user as seen, as stored.
    async fn keep(&self, run: &Run, sub: &str) -> Result<bool> {
        self.ledger.count_seen(&run.id, &[(Partition::of_user(sub), sub.to_owned())]).await?;
        Ok(false)
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
