use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{Membership, Partition, Record};
use crate::ports::{Backup, Ledger, ListMessage, Listing, Observation, PageMessage, PageRecords, Queue};
use crate::progress::{Progress, Stage};
use crate::{Error, Result};

/// Compares pages with what is stored, and writes what differs.
pub struct Writer {
    backup: Arc<dyn Backup>,
    ledger: Arc<dyn Ledger>,
    progress: Arc<dyn Progress>,
}

impl Writer {
    /// Writes to these.
    pub fn new(backup: Arc<dyn Backup>, ledger: Arc<dyn Ledger>, progress: Arc<dyn Progress>) -> Self {
        Self { backup, ledger, progress }
    }

    /// Writes one page, then counts it. A page that comes again changes nothing.
    pub async fn write_page(&self, message: PageMessage) -> Result<()> {
        let PageMessage { pool, run, page, observed_at, records } = message;
        let observations = records_of(&page.listing, records)?
            .iter()
            .map(|record| Observation::new(record, observed_at))
            .collect::<Result<Vec<_>>>()?;
        self.backup.observe(&pool, &run, &observations).await?;
        let seen: Vec<(Partition, String)> =
            observations.into_iter().map(|observation| (observation.partition, observation.key)).collect();
        self.ledger.count_page(&run, &page, &seen).await?;
        if let Some(stage) = stage_of(&page.listing) {
            self.progress.advance(stage, seen.len() as u64);
        }
        Ok(())
    }
}

/// In one process, a page is written by who sends it: sent means written.
#[async_trait]
impl Queue for Writer {
    /// Nobody waits for them: who exports in one process finds open listings in the ledger.
    async fn send_listings(&self, _: &[ListMessage]) -> Result<()> {
        Ok(())
    }

    async fn send_page(&self, page: PageMessage) -> Result<()> {
        self.write_page(page).await
    }
}

/// The records of a page; none is counted as written that holds what its listing does not list.
fn records_of(listing: &Listing, records: PageRecords) -> Result<Vec<Record>> {
    Ok(match (records, listing) {
        (PageRecords::Users(users), Listing::Users | Listing::UsersBySub(_) | Listing::Missing(_)) => {
            users.into_iter().map(Record::User).collect()
        }
        (PageRecords::Groups(groups), Listing::Groups) => groups.into_iter().map(Record::Group).collect(),
        (PageRecords::Members(members), Listing::Members(group) | Listing::MembersAgain(group)) => members
            .into_iter()
            .map(|(sub, username)| Record::Membership(Membership { group: group.clone(), sub, username }))
            .collect(),
        _ => {
            let what = listing.what();
            return Err(Error::RunBroken(format!("a page of the listing of {what} holds something else")));
        }
    })
}

const fn stage_of(listing: &Listing) -> Option<Stage> {
    match listing {
        Listing::Users | Listing::UsersBySub(_) => Some(Stage::Users),
        Listing::Members(_) => Some(Stage::Members),
        // Counted when found, or counted before.
        Listing::Groups | Listing::MembersAgain(_) | Listing::Missing(_) | Listing::Replay(_) => None,
    }
}
