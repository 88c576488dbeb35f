//! What a run has seen, in few and short writes: the keys of one page that begin alike are one
//! row, added at the end of their kind. A row for each key would land anywhere in the table, and
//! SQLite writes a whole page of the file for each: measured, that doubled what an export writes.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::failure::Failure;
use super::names::{KindNumber, Names};
use crate::Error;
use crate::model::Partition;
use crate::run::RunId;

pub(super) fn add(db: &Connection, run: &RunId, seen: &[(Partition, String)]) -> Result<(), Failure> {
    let run = Names::Runs.number(db, run.as_str())?;
    let mut rows: BTreeMap<(KindNumber, &str, &str), Vec<u8>> = BTreeMap::new();
    for (partition, key) in seen {
        let row = rows.entry((KindNumber(partition.kind()), partition.group(), lead(partition))).or_default();
        let shard = partition.shard();
        row.extend(u32::try_from(shard.len() + key.len()).unwrap_or(u32::MAX).to_be_bytes());
        row.extend([shard.as_bytes(), key.as_bytes()].concat());
    }
    let mut insert = db.prepare_cached(
        "INSERT INTO seen (run, kind, grp, lead, number, keys)
         VALUES (?1, ?2, ?3, ?4, (SELECT coalesce(max(number), 0) + 1 FROM seen
                                  WHERE run = ?1 AND kind = ?2 AND grp = ?3 AND lead = ?4), ?5)",
    )?;
    for ((kind, group, lead), keys) in rows {
        insert.execute(params![run, kind, group, lead, keys])?;
    }
    Ok(())
}

/// The keys of a partition, in order, each once.
pub(super) fn of(db: &Connection, run: &RunId, partition: &Partition) -> Result<Vec<String>, Failure> {
    let Some(run) = Names::Runs.find(db, run.as_str())? else { return Ok(Vec::new()) };
    let mut statement =
        db.prepare_cached("SELECT keys FROM seen WHERE run = ?1 AND kind = ?2 AND grp = ?3 AND lead = ?4")?;
    let place = params![run, KindNumber(partition.kind()), partition.group(), lead(partition)];
    let mut rows = statement.query(place)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        collect(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?, partition, &mut found)?;
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// How many users, each counted once.
pub(super) fn users(db: &Connection, run: &RunId) -> Result<u64, Failure> {
    Partition::users().map(|partition| Ok(of(db, run, &partition)?.len() as u64)).sum()
}

/// Rows are told apart by the first character of the shard.
fn lead(partition: &Partition) -> &str {
    partition.shard().get(..1).unwrap_or_default()
}

/// Adds those keys of a row that lie in the partition.
fn collect(mut row: &[u8], partition: &Partition, found: &mut Vec<String>) -> Result<(), Failure> {
    while let Some((length, rest)) = row.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let entry =
            rest.get(..length).and_then(|entry| std::str::from_utf8(entry).ok()).ok_or_else(damaged)?;
        found.extend(entry.strip_prefix(partition.shard()).map(str::to_owned));
        row = &rest[length..];
    }
    if row.is_empty() { Ok(()) } else { Err(damaged()) }
}

fn damaged() -> Failure {
    Error::Corrupted("what a run has seen cannot be read".to_owned()).into()
}
