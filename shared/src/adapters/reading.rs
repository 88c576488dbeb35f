//! Which pages of a listing count, whoever read them.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::ports::{Cursor, PageId};

/// How far a listing was read, and by which attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) cursor: Cursor,
    pub(super) attempts: Attempts,
}

/// Attempts, each with the number of its first page: up to the next one's first, pages are its.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempts(Vec<(u32, u64)>);

impl Default for Attempts {
    fn default() -> Self {
        Self(vec![(0, 0)])
    }
}

impl Attempts {
    /// The one a page belongs to.
    pub(super) fn of(&self, page: u64) -> u32 {
        let next = self.0.partition_point(|(_, first)| *first <= page);
        self.0.get(next.saturating_sub(1)).map_or(0, |(attempt, _)| *attempt)
    }

    fn take_over(&mut self, attempt: u32, first: u64) {
        self.0.retain(|(_, begun)| *begun < first);
        self.0.push((attempt, first));
    }
}

impl Reading {
    /// Once somebody has taken it. From one who has not let go of it, it is taken over.
    pub(super) fn taken(mut self) -> Self {
        if self.cursor.held {
            self.cursor.attempt += 1;
            self.attempts.take_over(self.cursor.attempt, self.cursor.pages);
        }
        self.cursor.held = true;
        self
    }

    /// Once somebody has begun it anew.
    pub(super) fn begun_anew(self) -> Self {
        let Cursor { attempt, restarts, .. } = self.cursor;
        let (attempt, restarts) = (attempt + 1, restarts + 1);
        let cursor = Cursor { attempt, restarts, held: true, ..Cursor::default() };
        Self { cursor, attempts: Attempts(vec![(attempt, 0)]) }
    }

    /// Whether the page is one of this reading, as far as it goes on.
    pub(super) fn has(&self, page: &PageId) -> bool {
        self.attempts.of(page.number) == page.attempt
    }

    /// The cursor's pages from number `first` on: which of them are of which attempt.
    pub(super) fn parts(&self, first: u64) -> impl Iterator<Item = (u32, Range<u64>)> + '_ {
        let begins = self.attempts.0.iter();
        let ends = begins.clone().skip(1).map(|(_, begun)| *begun).chain([self.cursor.pages]);
        let part = move |((attempt, begun), end): (&(u32, u64), u64)| (*attempt, first.max(*begun)..end);
        begins.zip(ends).map(part).filter(|(_, pages)| !pages.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Listing;

    fn parts(reading: &Reading, first: u64) -> Vec<(u32, Range<u64>)> {
        reading.parts(first).collect()
    }

    fn at(pages: u64, reading: Reading) -> Reading {
        Reading { cursor: Cursor { pages, ..reading.cursor }, ..reading }
    }

    fn let_go(reading: Reading) -> Reading {
        Reading { cursor: Cursor { held: false, ..reading.cursor }, ..reading }
    }

    #[test]
    fn pages_belong_to_who_read_them_last() {
        let reading = at(10, Reading::default().taken());
        assert_eq!(parts(&reading, 0), [(0, 0..10)]);
        let reading = let_go(reading).taken();
        assert_eq!((reading.cursor.attempt, reading.cursor.held), (0, true), "it was let go of");
        let reading = at(25, reading.taken());
        assert_eq!(parts(&reading, 0), [(0, 0..10), (1, 10..25)]);
        assert_eq!(parts(&reading, 10), [(1, 10..25)]);
        assert_eq!(parts(&reading, 12), [(1, 12..25)]);
        assert_eq!(parts(&reading, 25), []);
        let reading = at(26, reading.taken().taken());
        assert_eq!(parts(&reading, 4), [(0, 4..10), (1, 10..25), (3, 25..26)], "the second one read nothing");
        let has = |attempt, number| reading.has(&PageId { listing: Listing::Users, attempt, number });
        assert!(has(0, 9) && has(1, 10) && has(1, 24) && has(3, 25) && has(3, 1000));
        assert!(!has(0, 10) && !has(2, 25) && !has(1, 25) && !has(3, 24) && !has(4, 25));
    }

    #[test]
    fn nothing_is_left_of_what_is_begun_anew() {
        let reading = at(10, at(5, Reading::default().taken()).taken());
        let anew = reading.begun_anew();
        assert_eq!(
            (anew.cursor.attempt, anew.cursor.restarts, anew.cursor.pages, anew.cursor.held),
            (2, 1, 0, true)
        );
        assert_eq!(parts(&at(3, anew.clone()), 0), [(2, 0..3)]);
        assert!(!anew.has(&PageId { listing: Listing::Users, attempt: 1, number: 7 }));
    }
}
