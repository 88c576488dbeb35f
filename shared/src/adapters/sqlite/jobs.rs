//! Under which names an import sent users, its jobs, and what differs in the end.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::failure::Failure;
use super::names::{Names, at_most, from_record, to_record};
use crate::compare::Difference;
use crate::model::Hash;
use crate::ports::{Job, Sent};
use crate::run::RunId;

const A_JOB: &str = "an import job";
const A_DIFFERENCE: &str = "a difference";

pub(super) fn put_sent(db: &Connection, import: &str, sent: &[Sent]) -> Result<(), Failure> {
    let import = Names::Imports.number(db, import)?;
    let mut insert = db.prepare_cached(
        "INSERT OR REPLACE INTO sent (import, name, sub, job, line) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for Sent { name, sub, row } in sent {
        let (job, line) = row.unzip();
        insert.execute(params![import, name.as_bytes(), sub, job, line])?;
    }
    Ok(())
}

pub(super) fn sent_as(db: &Connection, import: &str, names: &[Hash]) -> Result<Vec<Sent>, Failure> {
    let Some(import) = Names::Imports.find(db, import)? else { return Ok(Vec::new()) };
    let mut statement =
        db.prepare_cached("SELECT sub, job, line FROM sent WHERE import = ?1 AND name = ?2")?;
    let mut found = Vec::new();
    for name in names {
        let sent = |row: &Row<'_>| {
            let row_of_job = row.get::<_, Option<u32>>(1)?.zip(row.get(2)?);
            Ok(Sent { name: *name, sub: row.get(0)?, row: row_of_job })
        };
        found.extend(statement.query_row(params![import, name.as_bytes()], sent).optional()?);
    }
    Ok(found)
}

pub(super) fn put_job(db: &Connection, import: &str, job: &Job) -> Result<(), Failure> {
    let import = Names::Imports.number(db, import)?;
    db.prepare_cached("INSERT OR REPLACE INTO jobs (import, number, record) VALUES (?1, ?2, ?3)")?
        .execute(params![import, job.number, to_record(job, A_JOB)?])?;
    Ok(())
}

pub(super) fn jobs(db: &Connection, import: &str) -> Result<Vec<Job>, Failure> {
    let Some(import) = Names::Imports.find(db, import)? else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached("SELECT record FROM jobs WHERE import = ?1 ORDER BY number")?;
    let mut rows = statement.query([import])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_record(&row.get::<_, String>(0)?, A_JOB)?);
    }
    Ok(found)
}

pub(super) fn put_differences(
    db: &Connection,
    import: &str,
    listing: &RunId,
    first: u64,
    differences: &[Difference],
) -> Result<(), Failure> {
    let import = Names::Imports.number(db, import)?;
    let mut insert = db.prepare_cached(
        "INSERT OR REPLACE INTO differences (import, listing, number, record) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (number, difference) in (first..).zip(differences) {
        insert.execute(params![
            import,
            listing.as_str(),
            number.cast_signed(),
            to_record(difference, A_DIFFERENCE)?
        ])?;
    }
    Ok(())
}

pub(super) fn differences(
    db: &Connection,
    import: &str,
    listing: &RunId,
    first: u64,
    limit: usize,
) -> Result<Vec<Difference>, Failure> {
    let Some(import) = Names::Imports.find(db, import)? else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached(
        "SELECT record FROM differences
         WHERE import = ?1 AND listing = ?2 AND number >= ?3 ORDER BY number LIMIT ?4",
    )?;
    let mut rows = statement.query(params![import, listing.as_str(), first.cast_signed(), at_most(limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(from_record(&row.get::<_, String>(0)?, A_DIFFERENCE)?);
    }
    Ok(found)
}
