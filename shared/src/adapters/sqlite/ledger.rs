//! The ledger of runs that have not ended.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::failure::Failure;
use super::names::{KindNumber, Names, from_json, to_json};
use crate::model::{Kind, Partition};
use crate::ports::{Cursor, Listing, ListingProgress, PageId};
use crate::run::RunId;

const A_LISTING: &str = "a listing";

pub(super) fn open(db: &Connection, run: &RunId, listings: &[Listing]) -> Result<(), Failure> {
    let run = Names::Runs.number(db, run.as_str())?;
    let mut insert = db.prepare_cached(
        "INSERT OR IGNORE INTO listings (run, listing, attempt, pages, token, ended)
         VALUES (?1, ?2, 0, 0, NULL, FALSE)",
    )?;
    for listing in listings {
        insert.execute(params![run, to_json(listing, A_LISTING)?])?;
    }
    Ok(())
}

pub(super) fn listings(db: &Connection, run: &RunId) -> Result<Vec<ListingProgress>, Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached(
        "SELECT listing, attempt, pages, token, ended,
                (SELECT count(*) FROM pages p
                 WHERE p.run = l.run AND p.listing = l.listing AND p.attempt = l.attempt)
         FROM listings l WHERE run = ?1 ORDER BY id",
    )?;
    let mut rows = statement.query([run])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(progress(row)?);
    }
    Ok(found)
}

pub(super) fn listing(
    db: &Connection,
    run: &RunId,
    listing: &Listing,
) -> Result<Option<ListingProgress>, Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(None) };
    let mut statement = db.prepare_cached(
        "SELECT listing, attempt, pages, token, ended,
                (SELECT count(*) FROM pages p
                 WHERE p.run = l.run AND p.listing = l.listing AND p.attempt = l.attempt)
         FROM listings l WHERE run = ?1 AND listing = ?2",
    )?;
    let mut rows = statement.query(params![run, to_json(listing, A_LISTING)?])?;
    rows.next()?.map(progress).transpose()
}

fn progress(row: &Row<'_>) -> Result<ListingProgress, Failure> {
    Ok(ListingProgress {
        listing: from_json(&row.get::<_, String>(0)?, A_LISTING)?,
        cursor: Cursor {
            attempt: row.get(1)?,
            pages: row.get::<_, i64>(2)?.cast_unsigned(),
            token: row.get(3)?,
            ended: row.get(4)?,
        },
        written: row.get::<_, i64>(5)?.cast_unsigned(),
    })
}

pub(super) fn advance(
    db: &Connection,
    run: &RunId,
    listing: &Listing,
    cursor: &Cursor,
) -> Result<(), Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(()) };
    // With as many pages a cursor may still move on: to a token after an empty page, or to the
    // end. From the end it may not.
    db.prepare_cached(
        "UPDATE listings SET attempt = ?3, pages = ?4, token = ?5, ended = ?6
         WHERE run = ?1 AND listing = ?2 AND (attempt, pages, ended) <= (?3, ?4, ?6)",
    )?
    .execute(params![
        run,
        to_json(listing, A_LISTING)?,
        cursor.attempt,
        cursor.pages.cast_signed(),
        cursor.token,
        cursor.ended
    ])?;
    Ok(())
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
    // Also if the page had been counted: read once more, it may hold others.
    count_seen(db, run, seen)
}

pub(super) fn count_seen(db: &Connection, run: &RunId, seen: &[(Partition, String)]) -> Result<(), Failure> {
    let run = Names::Runs.number(db, run.as_str())?;
    let mut insert = db.prepare_cached(
        "INSERT OR IGNORE INTO seen (run, kind, grp, shard, key) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut users = 0;
    for (partition, key) in seen {
        let kind = partition.kind();
        let added =
            insert.execute(params![run, KindNumber(kind), partition.group(), partition.shard(), key])?;
        if added > 0 && kind == Kind::User {
            users += 1_i64;
        }
    }
    if users > 0 {
        db.prepare_cached("UPDATE run_ids SET users_seen = users_seen + ?2 WHERE id = ?1")?
            .execute([run, users])?;
    }
    Ok(())
}

pub(super) fn users_seen(db: &Connection, run: &RunId) -> Result<u64, Failure> {
    let count = db
        .prepare_cached("SELECT users_seen FROM run_ids WHERE name = ?1")?
        .query_row([run.as_str()], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(count.unwrap_or(0).cast_unsigned())
}

pub(super) fn seen(db: &Connection, run: &RunId, partition: &Partition) -> Result<Vec<String>, Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(Vec::new()) };
    let keys = db
        .prepare_cached(
            "SELECT key FROM seen WHERE run = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4 ORDER BY key",
        )?
        .query_map(params![run, KindNumber(partition.kind()), partition.group(), partition.shard()], |row| {
            row.get(0)
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(keys)
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

pub(super) fn clear(db: &Connection, run: &RunId) -> Result<(), Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(()) };
    for sql in [
        "DELETE FROM listings WHERE run = ?1",
        "DELETE FROM pages WHERE run = ?1",
        "DELETE FROM seen WHERE run = ?1",
        "DELETE FROM gone WHERE run = ?1",
        "UPDATE run_ids SET users_seen = 0 WHERE id = ?1",
    ] {
        db.prepare_cached(sql)?.execute([run])?;
    }
    Ok(())
}
