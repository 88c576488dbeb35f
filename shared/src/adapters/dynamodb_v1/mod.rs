//! The backup table of the retired solution (AWS's Cognito User Profiles Export Reference
//! Architecture, 1.0.x), to be read, never written to.
//!
//! Its items have the keys `id` and `type`. What each says is read in `items`; the requests are
//! in `scan`; `reading` makes one run of them.

mod held;
mod items;
mod reading;
mod scan;
mod tally;
#[cfg(test)]
mod tests;

use aws_sdk_dynamodb::Client;

pub use reading::Reading;

use super::dynamodb;
use crate::Result;
use crate::model::PoolId;

/// A table of the retired solution.
pub struct RetiredTable {
    client: Client,
    name: String,
}

impl RetiredTable {
    /// The table of that name. The client's own retries are relied on.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// The same by the standard AWS settings, as [`dynamodb::open_backup`] takes them.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] if no Region is configured.
    pub async fn open(name: &str, profile: Option<&str>) -> Result<Self> {
        Ok(Self::new(dynamodb::connect(name, profile).await?, name))
    }

    /// What stands for the pool it is of.
    pub fn pool(&self) -> PoolId {
        PoolId::of_retired_table(&self.name)
    }
}
