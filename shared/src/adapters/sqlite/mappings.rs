//! What became of users, groups and updates in an import.

use rusqlite::{Connection, OptionalExtension as _, Row, Rows, params};

use super::failure::Failure;
use super::names::{KindNumber, Names, after, at_most};
use super::runs::{from_word, word};
use crate::model::Kind;
use crate::ports::{Mapping, Outcome};

pub(super) fn put_mappings(db: &Connection, import: &str, mappings: &[Mapping]) -> Result<(), Failure> {
    let import = Names::Imports.number(db, import)?;
    let mut insert = db.prepare_cached(
        "INSERT OR REPLACE INTO mappings (import, sub, username, new_sub, new_username, state, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for user in mappings {
        insert.execute(params![
            import,
            user.sub,
            user.username,
            user.new_sub,
            user.new_username,
            word(&user.state)?,
            user.reason
        ])?;
    }
    Ok(())
}

pub(super) fn mappings_of(db: &Connection, import: &str, subs: &[String]) -> Result<Vec<Mapping>, Failure> {
    let Some(import) = Names::Imports.find(db, import)? else { return Ok(Vec::new()) };
    let mut subs: Vec<&String> = subs.iter().collect();
    subs.sort_unstable();
    subs.dedup();
    let mut statement = db.prepare_cached(
        "SELECT sub, username, new_sub, new_username, state, reason FROM mappings
         WHERE import = ?1 AND sub = ?2",
    )?;
    let mut found = Vec::new();
    for sub in subs {
        found.append(&mut collect(statement.query(params![import, sub])?)?);
    }
    Ok(found)
}

pub(super) fn mapping_to(db: &Connection, import: &str, new_sub: &str) -> Result<Option<Mapping>, Failure> {
    let Some(import) = Names::Imports.find(db, import)? else { return Ok(None) };
    let mut statement = db.prepare_cached(
        "SELECT sub, username, new_sub, new_username, state, reason FROM mappings
         WHERE import = ?1 AND new_sub = ?2 ORDER BY sub LIMIT 1",
    )?;
    let found = collect(statement.query(params![import, new_sub])?)?;
    Ok(found.into_iter().next())
}

pub(super) fn mappings(
    db: &Connection,
    import: &str,
    after_sub: Option<&str>,
    limit: usize,
) -> Result<Vec<Mapping>, Failure> {
    let Some(import) = Names::Imports.find(db, import)? else { return Ok(Vec::new()) };
    let (beyond, sub) = after(after_sub);
    let mut statement = db.prepare_cached(&format!(
        "SELECT sub, username, new_sub, new_username, state, reason FROM mappings
         WHERE import = ?1 AND sub {beyond} ?2 ORDER BY sub LIMIT ?3"
    ))?;
    collect(statement.query(params![import, sub, at_most(limit)])?)
}

fn collect(mut rows: Rows<'_>) -> Result<Vec<Mapping>, Failure> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(mapping(row)?);
    }
    Ok(found)
}

fn mapping(row: &Row<'_>) -> Result<Mapping, Failure> {
    Ok(Mapping {
        sub: row.get(0)?,
        username: row.get(1)?,
        new_sub: row.get(2)?,
        new_username: row.get(3)?,
        state: from_word(row.get(4)?)?,
        reason: row.get(5)?,
    })
}

pub(super) fn put_outcomes(db: &Connection, import: &str, outcomes: &[Outcome]) -> Result<(), Failure> {
    let import = Names::Imports.number(db, import)?;
    let mut insert = db.prepare_cached(
        "INSERT OR REPLACE INTO outcomes (import, kind, grp, key, failure) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for outcome in outcomes {
        insert.execute(params![
            import,
            KindNumber(outcome.kind),
            outcome.group,
            outcome.key,
            outcome.failure
        ])?;
    }
    Ok(())
}

pub(super) fn outcomes_of(
    db: &Connection,
    import: &str,
    kind: Kind,
    group: &str,
    keys: &[String],
) -> Result<Vec<Outcome>, Failure> {
    let Some(import) = Names::Imports.find(db, import)? else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached(
        "SELECT failure FROM outcomes WHERE import = ?1 AND kind = ?2 AND grp = ?3 AND key = ?4",
    )?;
    let mut found = Vec::new();
    for key in keys {
        let failure = statement
            .query_row(params![import, KindNumber(kind), group, key], |row| row.get::<_, Option<String>>(0))
            .optional()?;
        let outcome = |failure| Outcome { kind, group: group.to_owned(), key: key.clone(), failure };
        found.extend(failure.map(outcome));
    }
    Ok(found)
}

pub(super) fn outcomes(
    db: &Connection,
    import: &str,
    kind: Kind,
    group: &str,
    after_key: Option<&str>,
    limit: usize,
) -> Result<Vec<Outcome>, Failure> {
    let Some(import) = Names::Imports.find(db, import)? else { return Ok(Vec::new()) };
    let (beyond, key) = after(after_key);
    let found = db
        .prepare_cached(&format!(
            "SELECT key, failure FROM outcomes
             WHERE import = ?1 AND kind = ?2 AND grp = ?3 AND key {beyond} ?4 ORDER BY key LIMIT ?5"
        ))?
        .query_map(params![import, KindNumber(kind), group, key, at_most(limit)], |row| {
            Ok(Outcome { kind, group: group.to_owned(), key: row.get(0)?, failure: row.get(1)? })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}
