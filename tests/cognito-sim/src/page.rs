//! Cutting one page out of an ordered listing.

use crate::config::ListingBehaviour;
use crate::rng::Rng;
use crate::token::Position;

/// One page: numbers of records, and where the listing goes on.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) numbers: Vec<u32>,
    pub(crate) next: Option<Position>,
}

/// Cuts a page of at most `limit` records. `records` are those after `start`,
/// in order; `repeat` is the last record of the page before, if it is still
/// there.
pub(crate) fn cut(
    records: impl Iterator<Item = (u64, u32)>,
    start: Position,
    limit: usize,
    repeat: Option<u32>,
    behaviour: &ListingBehaviour,
    rng: &mut Rng,
) -> Page {
    // A listing whose every page is empty would never end.
    if rng.chance(behaviour.empty_pages.min(0.9)) {
        return Page { numbers: Vec::new(), next: Some(start) };
    }
    let limit = if rng.chance(behaviour.short_pages) { 1 + rng.index(limit) } else { limit };
    let mut numbers = Vec::with_capacity(limit);
    if let Some(number) = repeat
        && limit > 1
        && rng.chance(behaviour.duplicates)
    {
        numbers.push(number);
    }
    let mut last = start;
    let mut records = records.peekable();
    while numbers.len() < limit
        && let Some((place, number)) = records.next()
    {
        numbers.push(number);
        last = Position { after: (place, number), started: true, ended: start.ended };
    }
    let next = if records.peek().is_some() {
        Some(last)
    } else if !start.ended && rng.chance(behaviour.trailing_page) {
        Some(Position { ended: true, ..last })
    } else {
        None
    };
    Page { numbers, next }
}
