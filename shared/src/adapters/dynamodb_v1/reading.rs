//! A table becomes a run.

use std::pin::pin;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::RetiredTable;
use super::held::{Held, close_stale};
use super::items::{Content, Item, read};
use super::scan::{SEGMENTS, STRANGER};
use super::tally::Tally;
use crate::export::ShrinkGuard;
use crate::model::{Group, Kind, Record};
use crate::ports::{Backup, Observation};
use crate::progress::{Progress, Stage};
use crate::run::{LeftOut, Run, RunId, RunStatus, Totals};
use crate::time::Timestamp;
use crate::{Error, Result};

/// So many items that cannot be read are listed. With more, the table is damaged, or something
/// else.
const MOST_LEFT_OUT: usize = 1_000;

/// What was read of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The run it was made into.
    pub run: Run,
    /// What a person should know of it, in a sentence each.
    pub notes: Vec<String>,
}

impl RetiredTable {
    /// Reads the whole table into `backup`, which holds nothing of its pool, as one run.
    ///
    /// The run is as of the last export that came to its end, and of whatever an export that goes
    /// on has seen since. An item that neither confirmed is of a record that is no longer in the
    /// pool: the retired solution removes it, but only at an export's end. It is left out; unless
    /// there are as many as would hold an export, for then the table was not written whole (a
    /// replica may lag): the run is held, with all of them. Where no export ever came to its end,
    /// the run has failed. Neither is restored unless it is named. The same items make the same
    /// run, under the same id.
    ///
    /// # Errors
    /// [`Error::NotRetired`] if it is another table; [`Error::Corrupted`] if so much of it cannot
    /// be read that it cannot be listed.
    pub async fn read_into(&self, backup: &dyn Backup, progress: &dyn Progress) -> Result<Reading> {
        self.must_be_retired().await?;
        // Before the items: if an export comes to its end meanwhile, what was read before has not
        // become old by it.
        let latest = latest_export(&self.latest_exports().await?);
        let mut tally = self.read_items(backup, progress, latest).await?;
        let pool = self.pool();
        self.name_groups(backup, latest, &mut tally).await?;
        self.must_be_listable(&tally)?;
        let Held { all, fresh } = Held::of(backup, &pool, latest).await?;
        let (total, stale) = (all.totals, all.totals.minus(&fresh.totals));
        let (status, reason) = judge(latest, &total, &stale);
        let (holdings, gone) = if status == RunStatus::Complete { (fresh, stale.sum()) } else { (all, 0) };
        if let (RunStatus::Complete, Some(latest)) = (status, latest)
            && stale != Totals::default()
        {
            close_stale(backup, &pool, latest).await?;
        }
        let run = Run { status, reason, ..tally.run(pool, latest, holdings, gone) };
        backup.put_run(&run).await?;
        let notes = tally.notes(&total, &stale, &run);
        Ok(Reading { run, notes })
    }

    async fn read_items(
        &self,
        backup: &dyn Backup,
        progress: &dyn Progress,
        latest: Option<Timestamp>,
    ) -> Result<Tally> {
        progress.begin(Stage::Scan, None);
        let segments = (0..SEGMENTS).map(|segment| self.read_segment(segment, backup, progress, latest));
        let tally = stream::iter(segments)
            .buffer_unordered(SEGMENTS as usize)
            .try_fold(Tally::default(), |sum, tally| async { Ok(sum.with(tally)) })
            .await?;
        progress.end(Stage::Scan);
        Ok(tally)
    }

    async fn read_segment(
        &self,
        segment: i32,
        backup: &dyn Backup,
        progress: &dyn Progress,
        latest: Option<Timestamp>,
    ) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut pages = pin!(self.pages(segment));
        while let Some(items) = pages.try_next().await? {
            self.take(backup, &items, latest, &mut tally).await?;
            progress.advance(Stage::Scan, items.len() as u64);
            if tally.unread.len() > MOST_LEFT_OUT {
                self.must_be_listable(&tally)?;
            }
        }
        Ok(tally)
    }

    /// Saves what these items say.
    async fn take(
        &self,
        backup: &dyn Backup,
        items: &[Item],
        latest: Option<Timestamp>,
        tally: &mut Tally,
    ) -> Result<()> {
        let mut seen = Vec::new();
        for item in items {
            match read(item) {
                Ok(Content::Record(record, confirmed)) => {
                    tally.add(confirmed, latest);
                    if let Record::Membership(member) = &record {
                        tally.add_member(&member.group, confirmed);
                    }
                    seen.push(Observation::new(&record, confirmed)?);
                }
                Ok(Content::LatestExport(_)) => {}
                Err(left_out) => tally.unread.push(left_out),
            }
        }
        backup.observe(&self.pool(), &RunId::new(SCAN), &seen).await
    }

    /// Adds the groups that are known by their members only: their items are missing, or cannot be
    /// read. They have nothing but their names, and are listed.
    async fn name_groups(
        &self,
        backup: &dyn Backup,
        latest: Option<Timestamp>,
        tally: &mut Tally,
    ) -> Result<()> {
        for name in backup.group_names(&self.pool()).await? {
            tally.members.remove(&name);
        }
        let nameless = std::mem::take(&mut tally.members);
        let seen = nameless.iter().map(|(name, confirmed)| Observation::new(&named(name), *confirmed));
        backup.observe(&self.pool(), &RunId::new(SCAN), &seen.collect::<Result<Vec<_>>>()?).await?;
        for (name, confirmed) in nameless {
            tally.add(confirmed, latest);
            if latest.is_none_or(|latest| confirmed >= latest) {
                let reason = "only its members tell of it: it has its name, and nothing else".to_owned();
                tally.unread.push(LeftOut { record: Some(Kind::Group), key: name, reason });
            }
        }
        Ok(())
    }

    /// Refuses what cannot be listed item by item, or of which nothing is left.
    fn must_be_listable(&self, tally: &Tally) -> Result<()> {
        let (unread, name) = (tally.unread.len(), &self.name);
        if tally.records == 0 && unread > 0 && tally.unread.iter().all(|item| item.record.is_none()) {
            return Err(self.not_retired(STRANGER));
        }
        if unread > MOST_LEFT_OUT || (tally.records == 0 && unread > 0) {
            let reasons = tally.reasons();
            return Err(Error::Corrupted(format!(
                "{unread} items of DynamoDB table {name} cannot be read: {reasons}"
            )));
        }
        Ok(())
    }
}

/// What the versions of a run are first seen by, before it has an id: that follows from all of
/// them.
const SCAN: &str = "scan";

/// A group of which the name is known, and nothing else.
fn named(name: &str) -> Record {
    Record::Group(Group {
        name: name.to_owned(),
        description: None,
        precedence: None,
        role_arn: None,
        created_at: None,
        modified_at: None,
    })
}

/// When the export began that came to its end last.
fn latest_export(items: &[Item]) -> Option<Timestamp> {
    let times = items.iter().filter_map(|item| match read(item) {
        Ok(Content::LatestExport(time)) => Some(time),
        _ => None,
    });
    times.max()
}

/// How a run ends with so much that the last export no longer saw, and why.
fn judge(latest: Option<Timestamp>, all: &Totals, stale: &Totals) -> (RunStatus, Option<String>) {
    let Some(latest) = latest else {
        let reason = "no export of the retired solution into this table came to its end";
        return (RunStatus::Failed, Some(reason.to_owned()));
    };
    match ShrinkGuard::default().objection(all, stale) {
        None => (RunStatus::Complete, None),
        Some(objection) => {
            let reason = format!("the export of {latest} did not confirm so much: {objection}");
            (RunStatus::Held, Some(reason))
        }
    }
}
