use super::Exporter;
use crate::ports::{CallError, Cursor, Fault, Listing, Page, PageId, PageMessage, PageRecords, UserFilter};
use crate::progress::Stage;
use crate::run::Run;
use crate::{Error, Result};

/// How often a listing is begun anew because Cognito refused its own token, before we give up.
/// A token lives for an hour, so each time stands for an interruption of that length.
const MOST_RESTARTS: u32 = 10;

impl Exporter {
    /// Reads one listing from where it was left to its end. Each page is sent before the
    /// cursor moves: a crash in between sends it again, and loses nothing.
    pub async fn list_pages(&self, run: &Run, listing: &Listing) -> Result<()> {
        let Some(progress) = self.ledger.listing(&run.id, listing).await? else { return Ok(()) };
        let mut cursor = progress.cursor;
        while !cursor.ended {
            let observed_at = self.observed_at(run);
            match self.fetch(listing, cursor.token.as_deref()).await {
                Ok(page) => {
                    let id =
                        PageId { listing: listing.clone(), attempt: cursor.attempt, number: cursor.pages };
                    self.open_members_of(run, &page.records).await?;
                    self.send(run, id, observed_at, page.records).await?;
                    cursor = next(&cursor, page.next);
                }
                Err(error) => cursor = self.after_refusal(run, listing, &cursor, error).await?,
            }
            self.ledger.advance(&run.id, listing, &cursor).await?;
        }
        Ok(())
    }

    async fn fetch(&self, listing: &Listing, token: Option<&str>) -> Result<Fetched, CallError> {
        let by_sub = |digits: &String| UserFilter::StartsWith("sub", digits.clone());
        Ok(match listing {
            Listing::Groups => Fetched::of(self.directory.list_groups(token).await?, PageRecords::Groups),
            Listing::Users => {
                Fetched::of(self.directory.list_users(&UserFilter::All, token).await?, PageRecords::Users)
            }
            Listing::UsersBySub(digits) => {
                Fetched::of(self.directory.list_users(&by_sub(digits), token).await?, PageRecords::Users)
            }
            Listing::Members(group) | Listing::MembersAgain(group) => {
                Fetched::of(self.directory.list_members(group, token).await?, |users| {
                    PageRecords::Members(users.into_iter().map(|user| (user.sub, user.username)).collect())
                })
            }
        })
    }

    async fn send(
        &self,
        run: &Run,
        page: PageId,
        observed_at: crate::time::Timestamp,
        records: PageRecords,
    ) -> Result<()> {
        let message = PageMessage { pool: run.pool.clone(), run: run.id.clone(), page, observed_at, records };
        self.queue.send_page(message).await
    }

    /// Every group that is found has members to be listed.
    async fn open_members_of(&self, run: &Run, records: &PageRecords) -> Result<()> {
        let PageRecords::Groups(groups) = records else { return Ok(()) };
        let listings: Vec<Listing> =
            groups.iter().map(|group| Listing::Members(group.name.clone())).collect();
        self.progress.advance(Stage::Groups, listings.len() as u64);
        self.ledger.open(&run.id, &listings).await
    }

    /// Where a listing goes on after Cognito refused a page of it.
    async fn after_refusal(
        &self,
        run: &Run,
        listing: &Listing,
        cursor: &Cursor,
        error: CallError,
    ) -> Result<Cursor> {
        let ended = Cursor { token: None, ended: true, ..cursor.clone() };
        match (&error.fault, listing) {
            // The group was deleted meanwhile: it has no members.
            (Fault::NotFound, Listing::Members(_) | Listing::MembersAgain(_)) => Ok(ended),
            (Fault::Invalid { .. }, _) if cursor.token.is_some() => match restarted(cursor) {
                again if again.attempt <= MOST_RESTARTS => Ok(again),
                _ if matches!(listing, Listing::UsersBySub(_)) => self.all_at_once(run, ended).await,
                _ => Err(Error::ListingBroken { listing: listing.what(), restarts: MOST_RESTARTS }),
            },
            // Listing by `sub` is not promised by the documentation: then all at once.
            (Fault::Invalid { .. } | Fault::Refused(_), Listing::UsersBySub(_)) => {
                self.all_at_once(run, ended).await
            }
            _ => Err(self.directory.explain(error)),
        }
    }

    /// Has everyone listed without a filter, in place of this listing.
    async fn all_at_once(&self, run: &Run, ended: Cursor) -> Result<Cursor> {
        self.ledger.open(&run.id, &[Listing::Users]).await?;
        Ok(ended)
    }
}

/// A page of any listing.
struct Fetched {
    records: PageRecords,
    next: Option<String>,
}

impl Fetched {
    fn of<T>(page: Page<T>, records: impl FnOnce(Vec<T>) -> PageRecords) -> Self {
        Self { records: records(page.items), next: page.next }
    }
}

fn next(cursor: &Cursor, token: Option<String>) -> Cursor {
    Cursor { attempt: cursor.attempt, pages: cursor.pages + 1, ended: token.is_none(), token }
}

fn restarted(cursor: &Cursor) -> Cursor {
    Cursor { attempt: cursor.attempt + 1, ..Cursor::default() }
}
