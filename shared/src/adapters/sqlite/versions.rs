//! What reads versions.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::names::{Millis, Place, after, at_most, run_name};
use super::observe::change_from;
use crate::model::{Hash, Partition, PoolId};
use crate::ports::{Head, Version};
use crate::run::RunId;
use crate::time::Timestamp;

/// The names of the runs met in one answer: few, however many rows.
#[derive(Default)]
struct RunNames(HashMap<i64, RunId>);

impl RunNames {
    fn get(&mut self, db: &Connection, number: i64) -> Result<RunId, Failure> {
        if let Some(name) = self.0.get(&number) {
            return Ok(name.clone());
        }
        let name = run_name(db, number)?;
        self.0.insert(number, name.clone());
        Ok(name)
    }
}

/// [`crate::ports::Backup::heads`].
pub(super) fn heads(
    db: &Connection,
    pool: &PoolId,
    partition: &Partition,
    after_key: Option<&str>,
    limit: usize,
) -> Result<Vec<Head>, Failure> {
    let Some(place) = Place::find(db, pool, partition)? else { return Ok(Vec::new()) };
    let (beyond, key) = after(after_key);
    let mut statement = db.prepare_cached(&format!(
        "SELECT key, hash, run, change, valid_from FROM current
         WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4 AND key {beyond} ?5
         ORDER BY key LIMIT ?6"
    ))?;
    let mut rows =
        statement.query(params![place.pool, place.kind, place.grp, place.shard, key, at_most(limit)])?;
    let (mut heads, mut runs) = (Vec::new(), RunNames::default());
    while let Some(row) = rows.next()? {
        heads.push(Head {
            key: row.get(0)?,
            hash: Hash::from_bytes(row.get(1)?),
            run: runs.get(db, row.get(2)?)?,
            change: change_from(row.get(3)?),
            valid_from: row.get::<_, Millis>(4)?.0,
        });
    }
    Ok(heads)
}

/// [`crate::ports::Backup::as_of`]. At any time at most one version of a record held, so the
/// two tables never answer with the same key.
pub(super) fn as_of(
    db: &Connection,
    pool: &PoolId,
    partition: &Partition,
    at: Timestamp,
    after_key: Option<&str>,
    limit: usize,
) -> Result<Vec<Version>, Failure> {
    let Some(place) = Place::find(db, pool, partition)? else { return Ok(Vec::new()) };
    let (beyond, key) = after(after_key);
    let mut statement = db.prepare_cached(&format!(
        "SELECT key, (SELECT json FROM contents WHERE id = content), hash, valid_from, NULL, run
         FROM current
         WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4 AND key {beyond} ?5
           AND valid_from <= ?6
         UNION ALL
         SELECT key, (SELECT json FROM contents WHERE id = content), hash, valid_from, valid_to, run
         FROM history
         WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4 AND key {beyond} ?5
           AND valid_from <= ?6 AND ?6 < valid_to
         ORDER BY key LIMIT ?7"
    ))?;
    let rows = statement.query(params![
        place.pool,
        place.kind,
        place.grp,
        place.shard,
        key,
        Millis(at),
        at_most(limit)
    ])?;
    collect(db, partition, rows)
}

/// [`crate::ports::Backup::get`].
pub(super) fn get(
    db: &Connection,
    pool: &PoolId,
    partition: &Partition,
    keys: &[String],
    at: Timestamp,
) -> Result<Vec<Version>, Failure> {
    let Some(place) = Place::find(db, pool, partition)? else { return Ok(Vec::new()) };
    let mut keys: Vec<&String> = keys.iter().collect();
    keys.sort_unstable();
    keys.dedup();
    let mut statement = db.prepare_cached(
        "SELECT key, (SELECT json FROM contents WHERE id = content), hash, valid_from, NULL, run
         FROM current
         WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4 AND key = ?5 AND valid_from <= ?6
         UNION ALL
         SELECT key, (SELECT json FROM contents WHERE id = content), hash, valid_from, valid_to, run
         FROM history
         WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4 AND key = ?5
           AND valid_from <= ?6 AND ?6 < valid_to",
    )?;
    let mut found = Vec::new();
    for key in keys {
        let rows =
            statement.query(params![place.pool, place.kind, place.grp, place.shard, key, Millis(at)])?;
        found.append(&mut collect(db, partition, rows)?);
    }
    Ok(found)
}

/// [`crate::ports::Backup::versions`].
pub(super) fn versions(
    db: &Connection,
    pool: &PoolId,
    partition: &Partition,
    after_version: Option<(&str, Timestamp)>,
    limit: usize,
) -> Result<Vec<Version>, Failure> {
    let Some(place) = Place::find(db, pool, partition)? else { return Ok(Vec::new()) };
    let (key, time) = after_version.unwrap_or(("", Timestamp::from_millis(i64::MIN)));
    let beyond = if after_version.is_some() { ">" } else { ">=" };
    let mut statement = db.prepare_cached(&format!(
        "SELECT key, (SELECT json FROM contents WHERE id = content), hash, valid_from, NULL, run
         FROM current
         WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4
           AND key >= ?5 AND (key, valid_from) {beyond} (?5, ?6)
         UNION ALL
         SELECT key, (SELECT json FROM contents WHERE id = content), hash, valid_from, valid_to, run
         FROM history
         WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4
           AND (key, valid_from) {beyond} (?5, ?6) AND valid_from < valid_to
         ORDER BY key, valid_from LIMIT ?7"
    ))?;
    let rows = statement.query(params![
        place.pool,
        place.kind,
        place.grp,
        place.shard,
        key,
        Millis(time),
        at_most(limit)
    ])?;
    collect(db, partition, rows)
}

/// [`crate::ports::Backup::group_names`].
pub(super) fn group_names(db: &Connection, pool: &PoolId) -> Result<Vec<String>, Failure> {
    let partition = Partition::Groups;
    let Some(place) = Place::find(db, pool, &partition)? else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached(
        "SELECT key FROM current WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4
         UNION
         SELECT key FROM history WHERE pool = ?1 AND kind = ?2 AND grp = ?3 AND shard = ?4
           AND valid_from < valid_to
         ORDER BY key",
    )?;
    let names = statement
        .query_map(params![place.pool, place.kind, place.grp, place.shard], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(names)
}

fn collect(
    db: &Connection,
    partition: &Partition,
    mut rows: rusqlite::Rows<'_>,
) -> Result<Vec<Version>, Failure> {
    let (mut found, mut runs) = (Vec::new(), RunNames::default());
    while let Some(row) = rows.next()? {
        let run = runs.get(db, row.get(5)?)?;
        found.push(version(partition, row, run)?);
    }
    Ok(found)
}

fn version(partition: &Partition, row: &Row<'_>, run: RunId) -> rusqlite::Result<Version> {
    Ok(Version {
        partition: partition.clone(),
        key: row.get(0)?,
        // What cannot be read is not what was written: whoever checks the version can say which.
        content: row.get(1).unwrap_or_default(),
        hash: row.get(2).map_or(Hash::NONE, Hash::from_bytes),
        valid_from: row.get::<_, Millis>(3)?.0,
        valid_to: row.get::<_, Option<Millis>>(4)?.map(|end| end.0),
        run,
    })
}
