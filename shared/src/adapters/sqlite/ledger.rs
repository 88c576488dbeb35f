//! The ledger of runs that have not ended.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::failure::Failure;
use super::names::{KindNumber, Names, from_json, to_json};
use super::seen;
use crate::adapters::reading::{Attempts, Reading};
use crate::model::Partition;
use crate::ports::{Cursor, DeadLetter, Listing, ListingProgress, PageId};
use crate::run::RunId;

const A_LISTING: &str = "a listing";

pub(super) fn open(db: &Connection, run: &RunId, listings: &[Listing]) -> Result<(), Failure> {
    let run = Names::Runs.number(db, run.as_str())?;
    let mut insert = db.prepare_cached(
        "INSERT OR IGNORE INTO listings (run, listing, attempt, restarts, pages, ended, held, attempts, sent)
         VALUES (?1, ?2, 0, 0, 0, FALSE, FALSE, ?3, FALSE)",
    )?;
    let attempts = to_json(&Attempts::default(), A_LISTING)?;
    for listing in listings {
        insert.execute(params![run, to_json(listing, A_LISTING)?, attempts])?;
    }
    Ok(())
}

pub(super) fn listings(db: &Connection, run: &RunId) -> Result<Vec<ListingProgress>, Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached("SELECT listing, sent FROM listings WHERE run = ?1 ORDER BY id")?;
    let mut rows = statement.query([run])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let listing = from_json(&row.get::<_, String>(0)?, A_LISTING)?;
        found.extend(progress(db, run, listing, row.get(1)?)?);
    }
    Ok(found)
}

pub(super) fn listing(
    db: &Connection,
    run: &RunId,
    listing: &Listing,
) -> Result<Option<ListingProgress>, Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(None) };
    let mut statement = db.prepare_cached("SELECT sent FROM listings WHERE run = ?1 AND listing = ?2")?;
    let sent =
        statement.query_row(params![run, to_json(listing, A_LISTING)?], |row| row.get(0)).optional()?;
    sent.map_or(Ok(None), |sent| progress(db, run, listing.clone(), sent))
}

fn progress(
    db: &Connection,
    run: i64,
    listing: Listing,
    sent: bool,
) -> Result<Option<ListingProgress>, Failure> {
    let Some(reading) = reading(db, run, &listing)? else { return Ok(None) };
    let mut count = db.prepare_cached(
        "SELECT count(*) FROM pages
         WHERE run = ?1 AND listing = ?2 AND attempt = ?3 AND number >= ?4 AND number < ?5",
    )?;
    let mut written = 0;
    for (attempt, pages) in reading.parts(0) {
        let (first, end) = (pages.start.cast_signed(), pages.end.cast_signed());
        let part = params![run, to_json(&listing, A_LISTING)?, attempt, first, end];
        written += count.query_row(part, |row| row.get::<_, i64>(0))?.cast_unsigned();
    }
    Ok(Some(ListingProgress { listing, cursor: reading.cursor, written, sent }))
}

fn reading(db: &Connection, run: i64, listing: &Listing) -> Result<Option<Reading>, Failure> {
    let mut statement = db.prepare_cached(
        "SELECT attempt, restarts, pages, token, ended, held, attempts FROM listings
         WHERE run = ?1 AND listing = ?2",
    )?;
    let mut rows = statement.query(params![run, to_json(listing, A_LISTING)?])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let cursor = Cursor {
        attempt: row.get(0)?,
        restarts: row.get(1)?,
        pages: row.get::<_, i64>(2)?.cast_unsigned(),
        token: row.get(3)?,
        ended: row.get(4)?,
        held: row.get(5)?,
    };
    Ok(Some(Reading { cursor, attempts: from_json(&row.get::<_, String>(6)?, A_LISTING)? }))
}

/// Has somebody take a listing, as `take` says.
pub(super) fn take(
    db: &Connection,
    run: &RunId,
    listing: &Listing,
    take: fn(Reading) -> Reading,
) -> Result<Option<Cursor>, Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(None) };
    let Some(reading) = reading(db, run, listing)? else { return Ok(None) };
    if reading.cursor.ended {
        return Ok(Some(reading.cursor));
    }
    let Reading { cursor, attempts } = take(reading);
    db.prepare_cached(
        "UPDATE listings SET attempt = ?3, restarts = ?4, pages = ?5, token = ?6, held = TRUE, attempts = ?7
         WHERE run = ?1 AND listing = ?2",
    )?
    .execute(params![
        run,
        to_json(listing, A_LISTING)?,
        cursor.attempt,
        cursor.restarts,
        cursor.pages.cast_signed(),
        cursor.token,
        to_json(&attempts, A_LISTING)?
    ])?;
    Ok(Some(cursor))
}

pub(super) fn counts(db: &Connection, run: &RunId, page: &PageId) -> Result<bool, Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(false) };
    Ok(reading(db, run, &page.listing)?.is_some_and(|reading| reading.has(page)))
}

pub(super) fn mark_sent(db: &Connection, run: &RunId, listings: &[Listing]) -> Result<(), Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(()) };
    let mut mark = db.prepare_cached("UPDATE listings SET sent = TRUE WHERE run = ?1 AND listing = ?2")?;
    for listing in listings {
        mark.execute(params![run, to_json(listing, A_LISTING)?])?;
    }
    Ok(())
}

pub(super) fn advance(
    db: &Connection,
    run: &RunId,
    listing: &Listing,
    cursor: &Cursor,
) -> Result<bool, Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(false) };
    let Some(reading) = reading(db, run, listing)? else { return Ok(false) };
    if reading.cursor.attempt != cursor.attempt {
        return Ok(false);
    }
    // With as many pages a cursor may still move on: to a token after an empty page, or to the
    // end. From the end it may not.
    db.prepare_cached(
        "UPDATE listings SET pages = ?3, token = ?4, ended = ?5, held = ?6
         WHERE run = ?1 AND listing = ?2 AND pages <= ?3 AND ended <= ?5",
    )?
    .execute(params![
        run,
        to_json(listing, A_LISTING)?,
        cursor.pages.cast_signed(),
        cursor.token,
        cursor.ended,
        cursor.held
    ])?;
    Ok(true)
}

pub(super) fn count_page(
    db: &Connection,
    run: &RunId,
    page: &PageId,
    seen: &[(Partition, String)],
) -> Result<(), Failure> {
    let number = Names::Runs.number(db, run.as_str())?;
    db.prepare_cached("INSERT OR IGNORE INTO pages (run, listing, attempt, number) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            number,
            to_json(&page.listing, A_LISTING)?,
            page.attempt,
            page.number.cast_signed()
        ])?;
    // Also if the page had been counted: what was seen was seen.
    seen::add(db, run, seen)
}

pub(super) fn put_gone(
    db: &Connection,
    run: &RunId,
    partition: &Partition,
    keys: &[String],
) -> Result<(), Failure> {
    let run = Names::Runs.number(db, run.as_str())?;
    let mut insert = db.prepare_cached(
        "INSERT OR IGNORE INTO gone (run, kind, grp, shard, key) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for key in keys {
        insert.execute(params![
            run,
            KindNumber(partition.kind()),
            partition.group(),
            partition.shard(),
            key
        ])?;
    }
    Ok(())
}

pub(super) fn gone(db: &Connection, run: &RunId) -> Result<u64, Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(0) };
    let count: i64 =
        db.prepare_cached("SELECT count(*) FROM gone WHERE run = ?1")?.query_row([run], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

const A_MESSAGE: &str = "a message";

pub(super) fn put_dead_letter(db: &Connection, run: &RunId, letter: &DeadLetter) -> Result<(), Failure> {
    let run = Names::Runs.number(db, run.as_str())?;
    let message = to_json(&(&letter.listing, &letter.page), A_MESSAGE)?;
    db.prepare_cached("INSERT OR REPLACE INTO dead_letters (run, message, letter) VALUES (?1, ?2, ?3)")?
        .execute(params![run, message, to_json(letter, A_MESSAGE)?])?;
    Ok(())
}

pub(super) fn remove_dead_letter(db: &Connection, run: &RunId, letter: &DeadLetter) -> Result<(), Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(()) };
    let message = to_json(&(&letter.listing, &letter.page), A_MESSAGE)?;
    db.prepare_cached("DELETE FROM dead_letters WHERE run = ?1 AND message = ?2")?
        .execute(params![run, message])?;
    Ok(())
}

pub(super) fn dead_letters(db: &Connection, run: &RunId) -> Result<Vec<DeadLetter>, Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached("SELECT letter FROM dead_letters WHERE run = ?1")?;
    let mut rows = statement.query([run])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_json(&row.get::<_, String>(0)?, A_MESSAGE)?);
    }
    Ok(found)
}

pub(super) fn clear(db: &Connection, run: &RunId) -> Result<(), Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(()) };
    for sql in [
        "DELETE FROM listings WHERE run = ?1",
        "DELETE FROM pages WHERE run = ?1",
        "DELETE FROM seen WHERE run = ?1",
        "DELETE FROM gone WHERE run = ?1",
        "DELETE FROM dead_letters WHERE run = ?1",
    ] {
        db.prepare_cached(sql)?.execute([run])?;
    }
    Ok(())
}
