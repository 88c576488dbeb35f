//! The records of runs and imports.

use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::names::{Millis, Names, from_record, to_record};
use crate::model::PoolId;
use crate::ports::Import;
use crate::run::{Run, RunId};

pub(super) fn put_run(db: &Connection, run: &Run) -> Result<(), Failure> {
    db.prepare_cached("INSERT OR REPLACE INTO runs (pool, run, started_at, record) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            Names::Pools.number(db, run.pool.as_str())?,
            Names::Runs.number(db, run.id.as_str())?,
            Millis(run.started_at),
            to_record(run, A_RUN)?,
        ])?;
    Ok(())
}

pub(super) fn run(db: &Connection, pool: &PoolId, id: &RunId) -> Result<Option<Run>, Failure> {
    let mut statement = db.prepare_cached(
        "SELECT r.record, p.name, n.name, r.started_at
         FROM runs r JOIN pools p ON p.id = r.pool JOIN run_ids n ON n.id = r.run
         WHERE p.name = ?1 AND n.name = ?2",
    )?;
    let mut rows = statement.query([pool.as_str(), id.as_str()])?;
    rows.next()?.map(read_run).transpose()
}

pub(super) fn runs(db: &Connection, pool: Option<&PoolId>) -> Result<Vec<Run>, Failure> {
    let pool = pool.map(PoolId::as_str);
    let mut statement = db.prepare_cached(
        "SELECT r.record, p.name, n.name, r.started_at
         FROM runs r JOIN pools p ON p.id = r.pool JOIN run_ids n ON n.id = r.run
         WHERE ?1 IS NULL OR p.name = ?1 ORDER BY r.started_at, n.name, p.name",
    )?;
    let mut rows = statement.query([pool])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read_run(row)?);
    }
    Ok(found)
}

/// The record of a run, if it is that of its row.
fn read_run(row: &Row<'_>) -> Result<Run, Failure> {
    let run: Run = from_record(&row.get::<_, String>(0)?, A_RUN)?;
    let named: (String, String, Millis) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let is_in_place =
        (run.pool.as_str(), run.id.as_str(), Millis(run.started_at)) == (&*named.0, &*named.1, named.2);
    if is_in_place { Ok(run) } else { Err(Failure::damaged(A_RUN)) }
}

pub(super) fn put_import(db: &Connection, import: &Import) -> Result<bool, Failure> {
    let last = self::import(db, &import.id)?;
    if last.as_ref() == Some(import) {
        return Ok(true);
    }
    if last.map_or(0, |last| last.edition) + 1 != import.edition {
        return Ok(false);
    }
    db.prepare_cached(
        "INSERT OR REPLACE INTO import_records (import, into_pool, started_at, record) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![
        Names::Imports.number(db, &import.id)?,
        import.into_pool.as_str(),
        Millis(import.started_at),
        to_record(import, AN_IMPORT)?,
    ])?;
    Ok(true)
}

pub(super) fn import(db: &Connection, id: &str) -> Result<Option<Import>, Failure> {
    let Some(number) = Names::Imports.find(db, id)? else { return Ok(None) };
    let mut statement = db.prepare_cached("SELECT record FROM import_records WHERE import = ?1")?;
    let mut rows = statement.query([number])?;
    rows.next()?.map(|row| from_record(&row.get::<_, String>(0)?, AN_IMPORT)).transpose()
}

pub(super) fn imports(db: &Connection, into: Option<&PoolId>) -> Result<Vec<Import>, Failure> {
    let mut statement = db.prepare_cached(
        "SELECT record FROM import_records JOIN import_ids n ON n.id = import
         WHERE ?1 IS NULL OR into_pool = ?1 ORDER BY started_at, n.name",
    )?;
    let mut rows = statement.query([into.map(PoolId::as_str)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_record(&row.get::<_, String>(0)?, AN_IMPORT)?);
    }
    Ok(found)
}

const A_RUN: &str = "a run";
const AN_IMPORT: &str = "an import";

/// The one word an enum without data is written as.
pub(super) fn word(value: &impl serde::Serialize) -> Result<String, Failure> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(Failure::damaged(AN_IMPORT)),
    }
}

/// Reads [`word`] back.
pub(super) fn from_word<T: serde::de::DeserializeOwned>(word: String) -> Result<T, Failure> {
    serde_json::from_value(serde_json::Value::String(word)).map_err(|_| Failure::damaged(AN_IMPORT))
}
