use super::Exporter;
use crate::Result;
use crate::ports::{ListMessage, Listing, ListingProgress};
use crate::run::Run;

/// At least so many messages, so that all workers have something to do.
const FEWEST_MESSAGES: usize = 16;

/// The most groups whose members are listed by one message: most groups are a page or two, and
/// a message costs about as much time as a page.
const MOST_GROUPS: usize = 25;

impl Exporter {
    /// Hands every listing that nobody was given yet to who reads it. Sent first, then noted:
    /// a crash in between sends it again. Returns all listings, as they were before.
    pub async fn dispatch(&self, run: &Run) -> Result<Vec<ListingProgress>> {
        let listings = self.ledger.listings(&run.id).await?;
        let unsent = listings.iter().filter(|progress| !progress.sent);
        self.hand_out(run, unsent.map(|progress| progress.listing.clone()).collect()).await?;
        Ok(listings)
    }

    /// Hands these listings to who reads them.
    pub(super) async fn hand_out(&self, run: &Run, listings: Vec<Listing>) -> Result<()> {
        if listings.is_empty() {
            return Ok(());
        }
        self.queue.send_listings(&messages(run, &listings)).await?;
        self.ledger.mark_sent(&run.id, &listings).await
    }
}

/// One message for each listing; groups' members are listed several by one message.
fn messages(run: &Run, listings: &[Listing]) -> Vec<ListMessage> {
    let is_of_members =
        |listing: &&Listing| matches!(listing, Listing::Members(_) | Listing::MembersAgain(_));
    let (members, others): (Vec<&Listing>, Vec<&Listing>) = listings.iter().partition(is_of_members);
    let in_one = members.len().div_ceil(FEWEST_MESSAGES).clamp(1, MOST_GROUPS);
    let message = |listings: &[&Listing]| ListMessage {
        run: run.clone(),
        listings: listings.iter().map(|listing| (*listing).clone()).collect(),
    };
    others.chunks(1).chain(members.chunks(in_one)).map(message).collect()
}
