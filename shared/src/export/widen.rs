use std::cmp::Ordering;

use super::Exporter;
use crate::Result;
use crate::ports::Listing;
use crate::run::Run;

/// Printable ASCII a `sub` could begin with besides the digits of a UUID; without the two that
/// a filter must escape.
fn other_beginnings() -> impl Iterator<Item = char> {
    (b'!'..=b'~').map(char::from).filter(|c| !matches!(c, '0'..='9' | 'a'..='f' | '"' | '\\'))
}

/// For so long a listing without a filter vouches for the pool: whoever it found is stored, and
/// looked up directly should a later listing miss them.
const WHOLE_LISTING_VOUCHES_SECONDS: f64 = 30.0 * 24.0 * 3600.0;

impl Exporter {
    /// Listing by the first digit of `sub` misses whoever's `sub` is no UUID. Whether it did is
    /// judged by Cognito's own estimate. If we saw fewer, everyone is listed again without
    /// shards. If we saw more, the estimate is old and proves nothing: everyone is listed again
    /// too, unless that was done lately; then the other beginnings are tried. Returns whether
    /// there is more to list.
    pub async fn widen(&self, run: &Run) -> Result<bool> {
        let listings: Vec<Listing> =
            self.ledger.listings(&run.id).await?.into_iter().map(|progress| progress.listing).collect();
        if listings.contains(&Listing::Users) {
            return Ok(false);
        }
        let seen = self.ledger.users_seen(&run.id).await?;
        // Users who came while we listed raise the estimate, but cannot have been missed.
        let estimate = self.describe().await?.estimated_users.min(run.estimated_users);
        let more: Vec<Listing> = match seen.cmp(&estimate) {
            Ordering::Equal => Vec::new(),
            Ordering::Greater if self.listed_whole_lately(run).await? => {
                other_beginnings().map(|c| Listing::UsersBySub(c.to_string())).collect()
            }
            _ => vec![Listing::Users],
        };
        self.open_new(run, more).await
    }

    async fn listed_whole_lately(&self, run: &Run) -> Result<bool> {
        let lately = |end| run.started_at.seconds_since(end) <= WHOLE_LISTING_VOUCHES_SECONDS;
        let runs = self.backup.runs(Some(self.pool())).await?;
        Ok(runs.iter().any(|earlier| {
            earlier.is_complete() && earlier.listed_whole && earlier.ended_at.is_some_and(lately)
        }))
    }
}
