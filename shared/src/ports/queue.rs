use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Listing, PageId};
use crate::Result;
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
