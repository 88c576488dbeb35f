//! The listings of a run, and how many of their pages are written.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;

use super::space::{self, LISTINGS, Space, home_of, page_sk};
use super::{DynamoStore, number};
use crate::adapters::dynamodb::expression::Expression;
use crate::adapters::dynamodb::item::{Attributes, text};
use crate::adapters::dynamodb::query::{Query, Range};
use crate::adapters::dynamodb::table::{Item, in_parallel};
use crate::adapters::reading::{Attempts, Reading};
use crate::ports::{Cursor, Listing, ListingProgress, PageId};
use crate::run::RunId;
use crate::{Error, Result};

/// So many pages are worth noting: to read them again takes about five read units, which cost
/// what one write unit does.
const NOTED_FROM: usize = 20;

/// A listing as it is stored.
struct Stored {
    listing: Listing,
    /// Its place among the others.
    position: u64,
    reading: Reading,
    sent: bool,
    /// Since it was begun anew so often, so many pages, from the first on, were found written.
    counted: (u32, u64),
}

impl Stored {
    fn read(item: &Item) -> Result<Self> {
        let listing = Attributes { item, what: "listing" };
        let number = |name| {
            let digits = item.get(name).and_then(|value| value.as_n().ok());
            digits.and_then(|digits| digits.parse::<u64>().ok()).ok_or_else(|| listing.damaged(name))
        };
        let small =
            |name| number(name).and_then(|number| u32::try_from(number).map_err(|_| listing.damaged(name)));
        let flag = |name| {
            item.get(name)
                .and_then(|value| value.as_bool().ok())
                .copied()
                .ok_or_else(|| listing.damaged(name))
        };
        let cursor = Cursor {
            attempt: small("attempt")?,
            restarts: small("restarts")?,
            pages: number("pages")?,
            token: listing.text_if_any("token")?.map(str::to_owned),
            ended: flag("ended")?,
            held: flag("held")?,
        };
        let attempts =
            serde_json::from_str(listing.text("attempts")?).map_err(|_| listing.damaged("attempts"))?;
        Ok(Self {
            listing: serde_json::from_str(listing.text("listing")?)
                .map_err(|_| listing.damaged("listing"))?,
            position: number("position")?,
            reading: Reading { cursor, attempts },
            sent: flag("sent")?,
            counted: (small("counted_restarts")?, number("counted")?),
        })
    }

    /// How many pages of the cursor's are known to be written, from the first on.
    fn known(&self) -> u64 {
        let (restarts, pages) = self.counted;
        let cursor = &self.reading.cursor;
        if restarts == cursor.restarts { pages.min(cursor.pages) } else { 0 }
    }
}

impl DynamoStore {
    pub(super) async fn open_listings(&self, run: &RunId, listings: &[Listing]) -> Result<()> {
        let mut named = BTreeSet::new();
        let listings: Vec<&Listing> = listings.iter().filter(|listing| named.insert(*listing)).collect();
        if listings.is_empty() {
            return Ok(());
        }
        let space = &self.space(run).await?;
        let first = self.positions(run, listings.len() as u64).await?;
        let puts = listings.into_iter().zip(first..).map(|(listing, position)| async move {
            let item = self.new_listing(space, listing, position)?;
            // One that is there stays as it is.
            let _ = self.run.put(item, Some(Expression::absent())).await?;
            Ok(())
        });
        in_parallel(puts.collect()).await?;
        Ok(())
    }

    /// The first of so many places that no other call has.
    async fn positions(&self, run: &RunId, count: u64) -> Result<u64> {
        let update = Expression::new("SET #expires_at = :expires_at ADD #positions :count")
            .with(":expires_at", self.run_expiry())
            .with(":count", number(count));
        let item = self.run.update(space::run(run), update, None).await?.unwrap_or_default();
        let end = item.get("positions").and_then(|value| value.as_n().ok()).and_then(|end| end.parse().ok());
        end.and_then(|end: u64| end.checked_sub(count))
            .ok_or_else(|| Attributes { item: &item, what: "run's ledger" }.damaged("positions"))
    }

    fn new_listing(&self, space: &Space, listing: &Listing, position: u64) -> Result<Item> {
        let json = serde_json::to_string(listing).map_err(|error| Error::not_written(&error))?;
        let mut item = space.listing(listing).into_item();
        let attributes = [
            ("listing", text(&json)),
            ("position", number(position)),
            ("attempt", number(0)),
            ("restarts", number(0)),
            ("pages", number(0)),
            ("ended", AttributeValue::Bool(false)),
            ("held", AttributeValue::Bool(false)),
            ("attempts", attempts(&Attempts::default())?),
            ("sent", AttributeValue::Bool(false)),
            ("counted_restarts", number(0)),
            ("counted", number(0)),
            ("expires_at", self.expiry()),
        ];
        item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
        Ok(item)
    }

    pub(super) async fn all_listings(&self, run: &RunId) -> Result<Vec<ListingProgress>> {
        let space = &self.space(run).await?;
        // What was read of the run before it was judged may be older than this judgement.
        self.ledger.seen.forget_all();
        let items = self.run.query(&Query::of(space.pk(LISTINGS), Range::All), usize::MAX).await?;
        let progress = items.iter().map(|item| async move {
            let stored = Stored::read(item)?;
            Ok((stored.position, self.progress(space, stored).await?))
        });
        let mut found = in_parallel(progress.collect()).await?;
        found.sort_unstable_by_key(|(position, _)| *position);
        Ok(found.into_iter().map(|(_, progress)| progress).collect())
    }

    pub(super) async fn one_listing(
        &self,
        run: &RunId,
        listing: &Listing,
    ) -> Result<Option<ListingProgress>> {
        let space = self.space(run).await?;
        match self.stored(&space, listing).await? {
            None => Ok(None),
            Some(stored) => Ok(Some(self.progress(&space, stored).await?)),
        }
    }

    async fn stored(&self, space: &Space, listing: &Listing) -> Result<Option<Stored>> {
        self.run.get(space.listing(listing)).await?.as_ref().map(Stored::read).transpose()
    }

    async fn progress(&self, space: &Space, stored: Stored) -> Result<ListingProgress> {
        let written = self.written(space, &stored).await?;
        let Stored { listing, reading, sent, .. } = stored;
        Ok(ListingProgress { listing, cursor: reading.cursor, written, sent })
    }

    /// How many of the cursor's pages are written. Those found without a gap are not looked for
    /// again.
    async fn written(&self, space: &Space, stored: &Stored) -> Result<u64> {
        let Stored { listing, reading, .. } = stored;
        let (known, cursor) = (stored.known(), &reading.cursor);
        let mut found = Vec::new();
        for (attempt, pages) in reading.parts(known) {
            let range = space::pages(listing, attempt, pages.start, pages.end - 1);
            let query = Query::of(space.pk(&home_of(listing)), range).only("#sk");
            found.extend(self.run.query(&query, usize::MAX).await?);
        }
        let is_page = |item: &Item, number| {
            let sk = page_sk(listing, reading.attempts.of(number), number);
            item.get("sk") == Some(&AttributeValue::S(sk))
        };
        let in_a_row = found.iter().zip(known..).take_while(|(item, number)| is_page(item, *number)).count();
        let all = known + in_a_row as u64 == cursor.pages;
        if in_a_row >= NOTED_FROM || in_a_row > 0 && all && cursor.ended {
            self.note_counted(space, stored, known + in_a_row as u64).await?;
        }
        Ok(known + found.len() as u64)
    }

    /// Only forward, whoever else counts at the same time.
    async fn note_counted(&self, space: &Space, stored: &Stored, counted: u64) -> Result<()> {
        let update = Expression::new("SET #counted_restarts = :restarts, #counted = :counted")
            .with(":restarts", number(stored.reading.cursor.restarts.into()))
            .with(":counted", number(counted));
        let condition = Expression::new(
            "#counted_restarts < :restarts OR (#counted_restarts = :restarts AND #counted < :counted)",
        );
        self.run.update(space.listing(&stored.listing), update, Some(condition)).await?;
        Ok(())
    }

    pub(super) async fn mark_listings_sent(&self, run: &RunId, listings: &[Listing]) -> Result<()> {
        let space = &self.space(run).await?;
        let marks = listings.iter().map(|listing| async move {
            let update = Expression::new("SET #sent = :sent").with(":sent", AttributeValue::Bool(true));
            let condition = Expression::new("attribute_exists(#pk)");
            self.run.update(space.listing(listing), update, Some(condition)).await?;
            Ok(())
        });
        in_parallel(marks.collect()).await?;
        Ok(())
    }

    /// Has somebody take a listing, as `take` says, whoever else does at the same time.
    pub(super) async fn take_listing(
        &self,
        run: &RunId,
        listing: &Listing,
        take: fn(Reading) -> Reading,
    ) -> Result<Option<Cursor>> {
        let space = self.space(run).await?;
        loop {
            let Some(stored) = self.stored(&space, listing).await? else { return Ok(None) };
            let was = stored.reading.cursor.clone();
            if was.ended {
                return Ok(Some(was));
            }
            let Reading { cursor, attempts: of } = take(stored.reading);
            // A cursor that moved meanwhile is to be read again.
            let condition = Expression::new("#attempt = :was AND #pages = :at AND #held = :was_held")
                .with(":was", number(was.attempt.into()))
                .with(":at", number(was.pages))
                .with(":was_held", AttributeValue::Bool(was.held));
            let update =
                moved(&cursor, ", #attempt = :attempt, #restarts = :restarts, #attempts = :attempts")
                    .with(":attempt", number(cursor.attempt.into()))
                    .with(":restarts", number(cursor.restarts.into()))
                    .with(":attempts", attempts(&of)?);
            if self.run.update(space.listing(listing), update, Some(condition)).await?.is_some() {
                return Ok(Some(cursor));
            }
        }
    }

    pub(super) async fn is_of_reading(&self, run: &RunId, page: &PageId) -> Result<bool> {
        let space = self.space(run).await?;
        let stored = self.stored(&space, &page.listing).await?;
        Ok(stored.is_some_and(|stored| stored.reading.has(page)))
    }

    pub(super) async fn move_cursor(&self, run: &RunId, listing: &Listing, cursor: &Cursor) -> Result<bool> {
        let space = self.space(run).await?;
        // With as many pages a cursor may still move on: to a token after an empty page, or to
        // the end. From the end it may not.
        let condition = Expression::new(if cursor.ended {
            "#attempt = :attempt AND #pages <= :pages"
        } else {
            "#attempt = :attempt AND #pages <= :pages AND #ended = :ended"
        });
        let condition = condition.with(":attempt", number(cursor.attempt.into()));
        let update = moved(cursor, "");
        if self.run.update(space.listing(listing), update, Some(condition)).await?.is_some() {
            return Ok(true);
        }
        let stored = self.stored(&space, listing).await?;
        Ok(stored.is_some_and(|stored| stored.reading.cursor.attempt == cursor.attempt))
    }
}

/// Sets where a cursor is, and `more`.
fn moved(cursor: &Cursor, more: &str) -> Expression {
    let set = format!("SET #pages = :pages, #ended = :ended, #held = :held{more}");
    let update = match &cursor.token {
        Some(token) => Expression::new(format!("{set}, #token = :token")).with_text(":token", token),
        None => Expression::new(format!("{set} REMOVE #token")),
    };
    update
        .with(":pages", number(cursor.pages))
        .with(":ended", AttributeValue::Bool(cursor.ended))
        .with(":held", AttributeValue::Bool(cursor.held))
}

fn attempts(attempts: &Attempts) -> Result<AttributeValue> {
    let json = serde_json::to_string(attempts).map_err(|error| Error::not_written(&error))?;
    Ok(text(&json))
}
