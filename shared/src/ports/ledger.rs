use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::model::{Partition, Shard};
use crate::run::RunId;
use crate::time::Timestamp;

/// Counts exactly what one run has listed, sent, written and seen.
///
/// Every method is idempotent: doing it again, in any process, changes nothing.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Adds listings to the run; those it has already are left as they are.
    async fn open(&self, run: &RunId, listings: &[Listing]) -> Result<()>;

    /// All listings of the run, in the order they were opened.
    async fn listings(&self, run: &RunId) -> Result<Vec<ListingProgress>>;

    /// One listing, if it was opened.
    async fn listing(&self, run: &RunId, listing: &Listing) -> Result<Option<ListingProgress>>;

    /// Notes that these listings are handed to who reads them.
    async fn mark_sent(&self, run: &RunId, listings: &[Listing]) -> Result<()>;

    /// Takes a listing, to read on from its cursor; one that has ended is left as it is. `None` if
    /// it was never opened.
    ///
    /// Who had taken it and did not let go of it has died, or reads it at this moment. What they
    /// sent after their cursor moved last does not count any more: the same token, asked again, can
    /// bring another page, and the one page would stand for the other.
    async fn take(&self, run: &RunId, listing: &Listing) -> Result<Option<Cursor>>;

    /// Takes a listing, to begin it anew: nothing counts that was read of it so far.
    async fn restart(&self, run: &RunId, listing: &Listing) -> Result<Option<Cursor>>;

    /// Moves a listing's cursor, once the page before it is sent, and lets go of it unless the
    /// cursor is `held`. A cursor never moves back: with fewer pages it is ignored. False if
    /// someone else took the listing meanwhile: then nothing moves.
    async fn advance(&self, run: &RunId, listing: &Listing, cursor: &Cursor) -> Result<bool>;

    /// Whether a page counts, or will once the cursor has come to it: whoever took the listing
    /// over reads again what does not.
    async fn counts(&self, run: &RunId, page: &PageId) -> Result<bool>;

    /// Records that a page is written, and what was on it. A page counts once, however often
    /// this is called; what was on it is added each time.
    async fn count_page(&self, run: &RunId, page: &PageId, seen: &[(Partition, String)]) -> Result<()>;

    /// Records what was seen outside of any listing: by a direct look-up.
    async fn count_seen(&self, run: &RunId, seen: &[(Partition, String)]) -> Result<()>;

    /// The keys of one partition that the run has seen, in order, each once.
    async fn seen(&self, run: &RunId, partition: &Partition) -> Result<Vec<String>>;

    /// How many users the run has seen, each counted once.
    async fn users_seen(&self, run: &RunId) -> Result<u64>;

    /// Records keys of a partition that the run decided are gone, before any is closed. Adds to
    /// what it recorded before.
    async fn put_gone(&self, run: &RunId, partition: &Partition, keys: &[String]) -> Result<()>;

    /// How many different records [`Ledger::put_gone`] recorded, over all partitions.
    async fn gone(&self, run: &RunId) -> Result<u64>;

    /// Notes a message that is at its last try, or failed it. Replaces an earlier note of the
    /// same message.
    async fn put_dead_letter(&self, run: &RunId, letter: &DeadLetter) -> Result<()>;

    /// Takes the note of a message back: its last try succeeded after all.
    async fn remove_dead_letter(&self, run: &RunId, letter: &DeadLetter) -> Result<()>;

    /// The messages noted, in any order.
    async fn dead_letters(&self, run: &RunId) -> Result<Vec<DeadLetter>>;

    /// Forgets all of a run that has ended.
    async fn clear(&self, run: &RunId) -> Result<()>;
}

/// One paged series of calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listing {
    /// All groups.
    Groups,
    /// All users, without a filter.
    Users,
    /// The users whose `sub` begins with this.
    UsersBySub(String),
    /// The members of a group.
    Members(String),
    /// The members of a group once more, because the first listing missed someone.
    MembersAgain(String),
    /// The users of one shard that no listing found, looked up one by one.
    Missing(Shard),
    /// What an import replays in one phase: its pages are the messages of the `ReplayQueue`.
    Replay(Phase),
}

/// What an import replays, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Groups, to be created.
    Groups,
    /// Users, to be created by `AdminCreateUser`.
    Users,
    /// Users who are created, and of whom something is still to be set.
    Unfinished,
    /// Memberships, to be added.
    Memberships,
}

impl Listing {
    /// What it lists, for errors and logs: it names no group.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Users | Self::UsersBySub(_) => "users",
            Self::Members(_) | Self::MembersAgain(_) => "a group's members",
            Self::Missing(_) => "missing users",
            Self::Replay(phase) => phase.what(),
        }
    }

    /// Whether it is one of the pool's users.
    pub const fn is_of_users(&self) -> bool {
        matches!(self, Self::Users | Self::UsersBySub(_))
    }
}

impl Phase {
    /// What it replays.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Groups => "groups to create",
            Self::Users => "users to create",
            Self::Unfinished => "users to finish",
            Self::Memberships => "memberships to add",
        }
    }

    /// Its letter, where it is stored.
    pub(crate) const fn letter(self) -> char {
        match self {
            Self::Groups => 'g',
            Self::Users => 'u',
            Self::Unfinished => 'f',
            Self::Memberships => 'm',
        }
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}

/// Where a listing goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// How often the listing was taken over from someone who had not let go of it, or begun anew.
    pub attempt: u32,
    /// How often it was begun anew, because its token had expired.
    pub restarts: u32,
    /// Pages sent since it was begun anew, and so the number of the next.
    pub pages: u64,
    /// The token of the next page; none at the beginning, and none at the end.
    pub token: Option<String>,
    /// Whether Cognito said there is no further page.
    pub ended: bool,
    /// Whether someone has taken the listing, and not let go of it.
    pub held: bool,
}

/// How far a listing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingProgress {
    /// Which.
    pub listing: Listing,
    /// Where it goes on.
    pub cursor: Cursor,
    /// How many of the cursor's pages are written: of those that count, and are numbered below
    /// `cursor.pages`.
    pub written: u64,
    /// Whether it was handed to who reads it.
    pub sent: bool,
}

impl ListingProgress {
    /// Whether the listing came to its end and every page of it is written.
    pub const fn is_done(&self) -> bool {
        self.cursor.ended && self.written == self.cursor.pages
    }
}

/// Names one page of one listing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PageId {
    /// The listing.
    pub listing: Listing,
    /// The cursor's attempt when it was read.
    pub attempt: u32,
    /// Its number, from 0.
    pub number: u64,
}

/// A message that is at its last try, or failed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The listing it is about.
    pub listing: Listing,
    /// The page it carries; none if it asks for the listing to be read.
    pub page: Option<PageId>,
    /// The stable name of the error it met ([`crate::Error::kind`]); none while it is tried.
    pub error: Option<String>,
    /// When the try began.
    pub at: Timestamp,
}
