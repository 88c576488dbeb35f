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

impl Exporter {
    /// Listing by the first digit of `sub` misses whoever's `sub` is no UUID. Whether it did is
    /// judged by Cognito's own estimate: if we saw fewer, everyone is listed again without
    /// shards; if we saw more, the estimate is old and proves nothing, so the other beginnings
    /// are tried. Returns whether there is more to list.
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
            Ordering::Less => vec![Listing::Users],
            Ordering::Equal => Vec::new(),
            Ordering::Greater => other_beginnings().map(|c| Listing::UsersBySub(c.to_string())).collect(),
        };
        let new = more.iter().any(|listing| !listings.contains(listing));
        self.ledger.open(&run.id, &more).await?;
        Ok(new)
    }
}
