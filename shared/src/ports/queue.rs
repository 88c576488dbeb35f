use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Listing, PageId};
use crate::Result;
use crate::import::Batch;
use crate::model::{Group, PoolId, User};
use crate::run::{Run, RunId};
use crate::time::Timestamp;

/// Carries listings to who reads them, and pages from there to who writes them. Either may
/// arrive twice, late, or out of order.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Once this returns, these messages are held durably.
    async fn send_listings(&self, messages: &[ListMessage]) -> Result<()>;

    /// Once this returns, the page's effect will not be lost: it is held durably, or done.
    /// [`crate::Error::PageTooLarge`] if no message can hold it.
    async fn send_page(&self, page: PageMessage) -> Result<()>;
}

/// Carries an import's batches to who replays them. Each may arrive twice, late, or out of order.
#[async_trait]
pub trait ReplayQueue: Send + Sync {
    /// Once this returns, these messages are held durably.
    async fn send_batches(&self, messages: &[ReplayMessage]) -> Result<()>;
}

/// One batch of an import, to be replayed. It holds keys, and no personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayMessage {
    /// The pool restored into.
    pub into_pool: PoolId,
    /// The import.
    pub import: String,
    /// The execution's attempt at it: who is not of the one that goes on is passed over.
    pub attempt: RunId,
    /// Which batch of the attempt it is.
    pub page: PageId,
    /// What is to be replayed.
    pub batch: Batch,
}

/// Listings to read, one after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListMessage {
    /// The run, as it was when it began.
    pub run: Run,
    /// The listings; those already read are passed over.
    pub listings: Vec<Listing>,
}

/// One page of a listing, to be compared with what is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageMessage {
    /// The pool.
    pub pool: PoolId,
    /// The run.
    pub run: RunId,
    /// Which page it is.
    pub page: PageId,
    /// The pool was so at this time or later.
    pub observed_at: Timestamp,
    /// What the page held.
    pub records: PageRecords,
}

/// What a page held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageRecords {
    /// Of a listing of users.
    Users(Vec<User>),
    /// Of the listing of groups.
    Groups(Vec<Group>),
    /// Of a listing of one group's members: `sub` and username of each.
    Members(Vec<(String, String)>),
}
