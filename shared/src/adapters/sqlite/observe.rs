//! What changes versions: observations and closings.

use std::cmp::Ordering;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::failure::Failure;
use super::names::{Millis, Names, Place, run_name};
use crate::model::{Hash, Partition, PoolId};
use crate::ports::{Change, Observation};
use crate::run::RunId;
use crate::time::Timestamp;

/// A row of `current`, without its content.
struct Stored {
    valid_from: Timestamp,
    run: i64,
    change: Change,
    hash: Hash,
}

/// [`crate::ports::Backup::observe`], in the caller's transaction.
pub(super) fn observe(
    db: &Connection,
    pool: &PoolId,
    run: &RunId,
    observations: &[Observation],
) -> Result<(), Failure> {
    let pool = Names::Pools.number(db, pool.as_str())?;
    let run = (Names::Runs.number(db, run.as_str())?, run);
    if let Some(last) = observations.iter().map(|seen| seen.observed_at).max() {
        note_latest(db, pool, last)?;
    }
    // A first export asks nothing about the past of anyone.
    let has_past = has_history(db, pool)?;
    for seen in observations {
        let place = Place::new(pool, &seen.partition);
        if let Some(before) = stored(db, &place, &seen.key)? {
            supersede(db, &place, run, &before, seen)?;
        } else if !has_past || gone_since(db, &place, &seen.key)?.is_none_or(|gone| seen.observed_at > gone) {
            insert(db, &place, seen, run.0, Change::of(run.1, None))?;
        }
    }
    Ok(())
}

/// Replaces the current version if the observation differs from it and is newer.
fn supersede(
    db: &Connection,
    place: &Place<'_>,
    (run_number, run): (i64, &RunId),
    before: &Stored,
    seen: &Observation,
) -> Result<(), Failure> {
    if seen.hash == before.hash {
        return Ok(());
    }
    match seen.observed_at.cmp(&before.valid_from) {
        Ordering::Greater => retire(db, place, &seen.key, seen.observed_at)?,
        Ordering::Equal if seen.hash > before.hash => forget(db, place, &seen.key)?,
        _ => return Ok(()),
    }
    let earlier = run_name(db, before.run)?;
    let change = Change::of(run, Some((&earlier, before.change)));
    Ok(insert(db, place, seen, run_number, change)?)
}

/// [`crate::ports::Backup::close`], in the caller's transaction.
pub(super) fn close(
    db: &Connection,
    pool: &PoolId,
    partition: &Partition,
    keys: &[String],
    at: Timestamp,
) -> Result<(), Failure> {
    let Some(place) = Place::find(db, pool, partition)? else { return Ok(()) };
    note_latest(db, place.pool, at)?;
    for key in keys {
        if stored(db, &place, key)?.is_some_and(|current| current.valid_from <= at) {
            retire(db, &place, key, at)?;
        }
    }
    Ok(())
}

/// Never earlier than any version's beginning or end; observations that changed nothing may
/// make it later.
fn note_latest(db: &Connection, pool: i64, at: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE pools SET latest = ?2 WHERE id = ?1 AND coalesce(latest < ?2, TRUE)")?
        .execute(params![pool, Millis(at)])
        .map(|_| ())
}

/// [`crate::ports::Backup::latest`].
pub(super) fn latest(db: &Connection, pool: &PoolId) -> Result<Option<Timestamp>, Failure> {
    let latest = db
        .prepare_cached("SELECT latest FROM pools WHERE name = ?1")?
        .query_row([pool.as_str()], |row| row.get::<_, Option<Millis>>(0))
        .optional()?;
    Ok(latest.flatten().map(|latest| latest.0))
}

fn stored(db: &Connection, place: &Place<'_>, key: &str) -> rusqlite::Result<Option<Stored>> {
    db.prepare_cached(
        "SELECT valid_from, run, change, hash FROM current
         WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4 AND key = ?5",
    )?
    .query_row(params![place.pool, place.kind, place.grp, place.shard, key], |row| {
        Ok(Stored {
            valid_from: row.get::<_, Millis>(0)?.0,
            run: row.get(1)?,
            change: change_from(row.get(2)?),
            hash: Hash::from_bytes(row.get(3)?),
        })
    })
    .optional()
}

fn has_history(db: &Connection, pool: i64) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM history WHERE pool = ?1)")?
        .query_row([pool], |row| row.get(0))
}

/// When a record that is not current went, if it ever was.
fn gone_since(db: &Connection, place: &Place<'_>, key: &str) -> rusqlite::Result<Option<Timestamp>> {
    // Versions of one record never overlap, so that the last to begin is the last to end.
    db.prepare_cached(
        "SELECT valid_to FROM history
         WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4 AND key = ?5
         ORDER BY valid_from DESC LIMIT 1",
    )?
    .query_row(params![place.pool, place.kind, place.grp, place.shard, key], |row| {
        row.get::<_, Millis>(0).map(|end| end.0)
    })
    .optional()
}

/// Ends the current version at `at`. One that began at `at` held for no time: it leaves a row
/// that no reader is shown, so that a repeated observation cannot bring the record back.
fn retire(db: &Connection, place: &Place<'_>, key: &str, at: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO history (pool, kind, grp, shard, key, valid_from, valid_to, run, change, hash, content)
         SELECT pool, kind, grp, shard, key, valid_from, ?6, run, change, hash, content FROM current
         WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4 AND key = ?5",
    )?
    .execute(params![place.pool, place.kind, place.grp, place.shard, key, Millis(at)])?;
    remove(db, place, key)
}

/// Removes a version that held for no time, with its content.
fn forget(db: &Connection, place: &Place<'_>, key: &str) -> rusqlite::Result<()> {
    db.prepare_cached(
        "DELETE FROM contents WHERE id = (SELECT content FROM current
         WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4 AND key = ?5)",
    )?
    .execute(params![place.pool, place.kind, place.grp, place.shard, key])?;
    remove(db, place, key)
}

fn remove(db: &Connection, place: &Place<'_>, key: &str) -> rusqlite::Result<()> {
    db.prepare_cached(
        "DELETE FROM current WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4 AND key = ?5",
    )?
    .execute(params![place.pool, place.kind, place.grp, place.shard, key])
    .map(|_| ())
}

fn insert(
    db: &Connection,
    place: &Place<'_>,
    seen: &Observation,
    run: i64,
    change: Change,
) -> rusqlite::Result<()> {
    let content = db.prepare_cached("INSERT INTO contents (json) VALUES (?1)")?.insert([&seen.content])?;
    db.prepare_cached(
        "INSERT INTO current (pool, kind, grp, shard, key, valid_from, run, change, hash, content)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        place.pool,
        place.kind,
        place.grp,
        place.shard,
        seen.key,
        Millis(seen.observed_at),
        run,
        change_number(change),
        seen.hash.as_bytes(),
        content,
    ])
    .map(|_| ())
}

const fn change_number(change: Change) -> i64 {
    match change {
        Change::New => 0,
        Change::Changed => 1,
    }
}

/// Reads what [`change_number`] wrote.
pub(super) const fn change_from(number: i64) -> Change {
    if number == 0 { Change::New } else { Change::Changed }
}
