use std::time::Duration;

use futures::future::ready;
use futures::{StreamExt, TryStreamExt, stream};

use super::Exporter;
use crate::model::{Partition, Shard, User};
use crate::ports::{
    CallError, Cursor, Fault, Listing, PAGE_SIZE, Page, PageId, PageMessage, PageRecords, UserFilter,
};
use crate::progress::Stage;
use crate::run::Run;
use crate::{Error, Result};

/// How often a listing is begun anew because Cognito refused its own token, before we give up.
/// A token lives for an hour, so each time stands for an interruption of that length.
const MOST_RESTARTS: u32 = 10;

/// The cursor is written down after so many pages, and where reading stops. A crash reads so
/// many again at most.
const COMMIT_EVERY: u64 = 10;

/// How many look-ups of missing users are on their way at once; the rate is the limit.
const PARALLEL_LOOKUPS: usize = 32;

/// How far a listing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// To its end.
    Ended,
    /// As far as time allowed; the cursor says where it goes on.
    Interrupted,
    /// Until someone else took it over, who reads on.
    TakenOver,
}

impl Exporter {
    /// Reads one listing from where it was left, to its end or until the clock's `elapsed()`
    /// is `deadline`. Each page is sent before the cursor moves: after a crash in between it is
    /// read again, and what was sent of it before no longer counts.
    pub async fn list_pages(
        &self,
        run: &Run,
        listing: &Listing,
        deadline: Option<Duration>,
    ) -> Result<Listed> {
        let Some(mut cursor) = self.ledger.take(&run.id, listing).await? else { return Ok(Listed::Ended) };
        let mut limit = PAGE_SIZE;
        while !cursor.ended {
            if deadline.is_some_and(|deadline| self.clock.elapsed() >= deadline) {
                cursor.held = false;
                let is_ours = self.ledger.advance(&run.id, listing, &cursor).await?;
                return Ok(if is_ours { Listed::Interrupted } else { Listed::TakenOver });
            }
            cursor = match self.list_page(run, listing, &cursor, limit).await {
                // Fewer users of the largest kind fit one message.
                Err(Error::PageTooLarge { .. }) if limit > 1 && has_whole_users(listing) => {
                    limit /= 2;
                    continue;
                }
                next => next?,
            };
            limit = PAGE_SIZE;
            let is_due = cursor.ended || cursor.pages % COMMIT_EVERY == 0;
            if is_due && !self.ledger.advance(&run.id, listing, &cursor).await? {
                return Ok(Listed::TakenOver);
            }
        }
        Ok(Listed::Ended)
    }

    /// Reads and sends one page. Returns where the listing goes on.
    async fn list_page(&self, run: &Run, listing: &Listing, cursor: &Cursor, limit: u8) -> Result<Cursor> {
        let observed_at = self.observed_at(run);
        let token = cursor.token.as_deref();
        match self.fetch(run, listing, limit, token).await {
            Ok(page) => {
                let id = PageId { listing: listing.clone(), attempt: cursor.attempt, number: cursor.pages };
                self.open_members_of(run, &page.records).await?;
                self.send(run, id, observed_at, page.records).await?;
                Ok(next(cursor, page.next))
            }
            Err(Unfetched::Refused(error)) => self.after_refusal(run, listing, cursor, error).await,
            Err(Unfetched::Failed(error)) => Err(error),
        }
    }

    async fn fetch(
        &self,
        run: &Run,
        listing: &Listing,
        limit: u8,
        token: Option<&str>,
    ) -> Result<Fetched, Unfetched> {
        let users = async |filter| {
            let page = self.directory.list_users(&filter, limit, token).await?;
            Ok(Fetched::of(page, PageRecords::Users))
        };
        match listing {
            Listing::Groups => Ok(Fetched::of(self.directory.list_groups(token).await?, PageRecords::Groups)),
            Listing::Users => users(UserFilter::All).await,
            Listing::UsersBySub(lead) => users(UserFilter::StartsWith("sub", lead.clone())).await,
            Listing::Members(group) | Listing::MembersAgain(group) => {
                Ok(Fetched::of(self.directory.list_members(group, token).await?, |users| {
                    PageRecords::Members(users.into_iter().map(|user| (user.sub, user.username)).collect())
                }))
            }
            Listing::Missing(shard) => Ok(self.look_up_missing(run, shard, limit, token).await?),
            // Not of a pool: there is nothing to list.
            Listing::Replay(_) => {
                Ok(Fetched::of(Page { items: Vec::new(), next: None }, PageRecords::Groups))
            }
        }
    }

    /// Looks up the next users of a shard that are stored, and that no listing found. The page
    /// holds those who are there after all; its token is the key of the last one looked up.
    async fn look_up_missing(
        &self,
        run: &Run,
        shard: &Shard,
        limit: u8,
        after: Option<&str>,
    ) -> Result<Fetched> {
        let missing = self.missing_after(run, shard, limit, after).await?;
        let next = missing.last().filter(|_| missing.len() == usize::from(limit)).cloned();
        self.progress.advance(Stage::Confirm, missing.len() as u64);
        let found: Vec<Option<User>> = stream::iter(missing)
            .map(|sub| async move { self.look_up(run, &sub).await })
            .buffered(PARALLEL_LOOKUPS)
            .try_collect()
            .await?;
        Ok(Fetched { records: PageRecords::Users(found.into_iter().flatten().collect()), next })
    }

    /// The next users of a shard that are current and were not seen; at most so many.
    async fn missing_after(
        &self,
        run: &Run,
        shard: &Shard,
        limit: u8,
        after: Option<&str>,
    ) -> Result<Vec<String>> {
        let partition = Partition::Users(shard.clone());
        let seen = self.ledger.seen(&run.id, &partition).await?;
        self.heads(&partition, after.map(str::to_owned))
            .map_ok(|head| head.key)
            .try_filter(|key| ready(seen.binary_search(key).is_err()))
            .take(limit.into())
            .try_collect()
            .await
    }

    /// The user with this `sub`, if it is still in the pool.
    async fn look_up(&self, run: &Run, sub: &str) -> Result<Option<User>> {
        for attribute in ["sub", "username"] {
            let filter = UserFilter::Equals(attribute, sub.to_owned());
            let found = match self.directory.find_users(&filter).await {
                Ok(found) => found,
                // Cognito will not look for such a text: then nothing confirms that the user is
                // gone, and so they count as seen, as stored.
                Err(error) if error.is_invalid() => {
                    self.ledger.count_seen(&run.id, &[(Partition::of_user(sub), sub.to_owned())]).await?;
                    return Ok(None);
                }
                Err(error) => return Err(self.directory.explain(error)),
            };
            // A service that answers with others than asked for must not hide that this one is
            // gone. Who has no `sub` is stored, and found, by username.
            if let Some(user) = found.into_iter().find(|user| user.sub == sub) {
                return Ok(Some(user));
            }
            if !Partition::of_user(sub).is_of_odd_subs() {
                break;
            }
        }
        Ok(None)
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
        self.ledger.open(&run.id, &listings).await?;
        self.hand_out(run, listings).await
    }

    /// Where a listing goes on after Cognito refused a page of it.
    async fn after_refusal(
        &self,
        run: &Run,
        listing: &Listing,
        cursor: &Cursor,
        error: CallError,
    ) -> Result<Cursor> {
        let ended = ended(cursor);
        match (&error.fault, listing) {
            // The group was deleted meanwhile: it has no members.
            (Fault::NotFound, Listing::Members(_) | Listing::MembersAgain(_)) => Ok(ended),
            (Fault::Invalid { .. }, _) if cursor.token.is_some() => match listing {
                _ if cursor.restarts < MOST_RESTARTS => {
                    let restarted = self.ledger.restart(&run.id, listing).await?;
                    Ok(restarted.unwrap_or(ended))
                }
                Listing::UsersBySub(_) => self.all_at_once(run, ended).await,
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

/// Whether its pages hold users with all their attributes.
const fn has_whole_users(listing: &Listing) -> bool {
    listing.is_of_users() || matches!(listing, Listing::Missing(_))
}

/// Why there is no page.
enum Unfetched {
    /// Cognito refused it: the listing may still go on in another way.
    Refused(CallError),
    /// Something else failed.
    Failed(Error),
}

impl From<CallError> for Unfetched {
    fn from(error: CallError) -> Self {
        Self::Refused(error)
    }
}

impl From<Error> for Unfetched {
    fn from(error: Error) -> Self {
        Self::Failed(error)
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
    let next = Cursor { pages: cursor.pages + 1, token, ..cursor.clone() };
    if next.token.is_none() { ended(&next) } else { next }
}

fn ended(cursor: &Cursor) -> Cursor {
    Cursor { token: None, ended: true, held: false, ..cursor.clone() }
}
