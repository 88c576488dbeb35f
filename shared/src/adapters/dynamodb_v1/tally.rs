//! What is counted while a table is read, and the run that follows from it.

use std::collections::BTreeMap;

use super::held::Holdings;
use crate::model::{Hash, Kind, PoolId};
use crate::run::{Changes, LeftOut, Manifest, Run, RunId, RunStatus, Totals};
use crate::time::Timestamp;

/// What is counted of items as they are read.
#[derive(Default)]
pub(super) struct Tally {
    /// Items of which there is a record.
    pub(super) records: u64,
    /// Those of them that an export saw that has not come to its end.
    newer: u64,
    /// When the first and the last export began that saw any of them.
    confirmed: Option<(Timestamp, Timestamp)>,
    /// The groups that have members, and when the last export began that saw one.
    pub(super) members: BTreeMap<String, Timestamp>,
    /// What cannot be read.
    pub(super) unread: Vec<LeftOut>,
}

impl Tally {
    pub(super) fn add(&mut self, confirmed: Timestamp, latest: Option<Timestamp>) {
        self.records += 1;
        self.newer += u64::from(latest.is_some_and(|latest| confirmed > latest));
        self.widen((confirmed, confirmed));
    }

    pub(super) fn add_member(&mut self, group: &str, confirmed: Timestamp) {
        match self.members.get_mut(group) {
            Some(last) => *last = confirmed.max(*last),
            None => drop(self.members.insert(group.to_owned(), confirmed)),
        }
    }

    fn widen(&mut self, (first, last): (Timestamp, Timestamp)) {
        let (before, after) = self.confirmed.unwrap_or((first, last));
        self.confirmed = Some((before.min(first), after.max(last)));
    }

    pub(super) fn with(mut self, other: Self) -> Self {
        self.records += other.records;
        self.newer += other.newer;
        if let Some(times) = other.confirmed {
            self.widen(times);
        }
        for (group, confirmed) in other.members {
            self.add_member(&group, confirmed);
        }
        self.unread.extend(other.unread);
        self
    }

    /// Why items cannot be read, the most frequent reasons first.
    pub(super) fn reasons(&self) -> String {
        const SAID: usize = 5;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for LeftOut { record, reason, .. } in &self.unread {
            let what = record.map_or("item", Kind::as_str);
            *counts.entry(format!("{what}: {reason}")).or_default() += 1;
        }
        let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let said: Vec<String> =
            counts.iter().take(SAID).map(|(reason, count)| format!("{count} x {reason}")).collect();
        said.join("; ")
    }

    /// The run of these holdings, complete, in which so much is gone.
    pub(super) fn run(&self, pool: PoolId, latest: Option<Timestamp>, holdings: Holdings, gone: u64) -> Run {
        let (first, last) =
            self.confirmed.or(latest.map(|latest| (latest, latest))).unwrap_or((NEVER, NEVER));
        let started_at = latest.unwrap_or(first);
        let ended_at = started_at.max(last);
        let totals = holdings.totals;
        let new = totals.sum();
        let manifest = Manifest {
            totals,
            changes: Changes { new, gone, ..Changes::default() },
            digests: holdings.digests.finish(),
        };
        Run {
            id: RunId::generate(ended_at, fingerprint(&pool, &manifest)),
            pool,
            status: RunStatus::Complete,
            started_at,
            ended_at: Some(ended_at),
            estimated_users: totals.users,
            listed_whole: true,
            manifest: Some(manifest),
            reason: None,
            left_out: self.left_out(),
        }
    }

    /// What cannot be read, in order; what has no key to show has a number.
    fn left_out(&self) -> Vec<LeftOut> {
        let mut all = self.unread.clone();
        all.sort_unstable();
        let nameless = all.iter_mut().filter(|item| item.key.is_empty());
        for (number, item) in (1..).zip(nameless) {
            item.key = format!("#{number}");
        }
        all
    }

    /// What a person should know of this run, of which so much was there and so much no more.
    pub(super) fn notes(&self, all: &Totals, stale: &Totals, run: &Run) -> Vec<String> {
        let since = run.started_at;
        let beside = match run.status {
            RunStatus::Complete => {
                let gone =
                    format!("left out because the export of {since} no longer saw them: {}", counted(stale));
                (*stale != Totals::default()).then_some(gone)
            }
            status => {
                let reason = run.reason.as_deref().unwrap_or_default();
                Some(format!(
                    "run {} is {status}: {reason}. To take it all the same, pass --as-of {}",
                    run.id, run.id
                ))
            }
        };
        let (newer, others) = (self.newer, self.records - self.newer);
        let amid = (newer > 0).then(|| {
            format!(
                "an export of the retired solution goes on, or failed: {newer} items are as it saw them, {others} as the export of {since} did"
            )
        });
        let twice = self.records.saturating_sub(all.sum());
        let twice = (twice > 0).then(|| {
            format!("{twice} items are of records that another item is of, too, which was confirmed later and counts")
        });
        [amid, beside, twice].into_iter().flatten().collect()
    }
}

/// The time of a table that no export ever wrote to.
const NEVER: Timestamp = Timestamp::from_millis(0);

/// A number that another content would hardly have.
fn fingerprint(pool: &PoolId, manifest: &Manifest) -> u64 {
    let digests = manifest.digests.iter().map(|(name, digest)| format!("\n{name} {digest}"));
    let text: String = std::iter::once(pool.to_string()).chain(digests).collect();
    let [first, second, third, ..] = *Hash::of(text.as_bytes()).as_bytes();
    u64::from_be_bytes([0, 0, 0, 0, 0, first, second, third])
}

/// `1 user, 12 memberships`: what there is of each kind.
fn counted(totals: &Totals) -> String {
    let counts = [(totals.users, "user"), (totals.groups, "group"), (totals.memberships, "membership")];
    let some = counts.into_iter().filter(|(count, _)| *count > 0);
    let said: Vec<String> =
        some.map(|(count, word)| format!("{count} {word}{}", if count == 1 { "" } else { "s" })).collect();
    said.join(", ")
}
