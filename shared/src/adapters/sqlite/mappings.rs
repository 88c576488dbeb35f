//! What became of users, groups and updates in an import.

use std::collections::BTreeSet;

use rusqlite::types::{ToSql, ToSqlOutput};
use rusqlite::{Connection, OptionalExtension as _, Row, Rows, params};

use super::failure::Failure;
use super::names::{Names, after, at_most};
use super::runs::{from_word, word};
use crate::ports::{Mapping, Outcome, Step};

pub(super) fn put_mappings(db: &Connection, import: &str, mappings: &[Mapping]) -> Result<(), Failure> {
    let import = Names::Imports.number(db, import)?;
    let mut insert = db.prepare_cached(
        "INSERT INTO mappings
           (import, sub, username, new_sub, new_username, state, reason, created_with, line)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET
           username = excluded.username, new_sub = excluded.new_sub, new_username = excluded.new_username,
           state = excluded.state, reason = excluded.reason, created_with = excluded.created_with,
           line = excluded.line
         WHERE excluded.new_sub IS NOT NULL OR mappings.new_sub IS NULL",
    )?;
    for user in mappings {
        insert.execute(params![
            import,
            user.sub,
            user.username,
            user.new_sub,
            user.new_username,
            word(&user.state)?,
            user.reason,
            word(&user.created_with)?,
            user.line,
        ])?;
    }
    Ok(())
}

pub(super) fn mappings_of(db: &Connection, import: &str, subs: &[String]) -> Result<Vec<Mapping>, Failure> {
    let Some(import) = Names::Imports.find(db, import)? else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached(
        "SELECT sub, username, new_sub, new_username, state, reason, created_with, line FROM mappings
         WHERE import = ?1 AND sub = ?2",
    )?;
    let mut found = Vec::new();
    for sub in subs.iter().collect::<BTreeSet<_>>() {
        found.append(&mut collect(statement.query(params![import, sub])?)?);
    }
    Ok(found)
}

/// SQLite by itself goes through everyone of the import, in the order of the primary key. (What is
/// called `mappings` is a view if the file is of an earlier format, and has no index.)
const BY_NEW_SUB: &str =
    "SELECT sub, username, new_sub, new_username, state, reason, created_with, line FROM mappings
     WHERE import = ?1 AND sub = (
         SELECT sub FROM main.mappings INDEXED BY mappings_by_new_sub
         WHERE import = ?1 AND new_sub = ?2 ORDER BY sub LIMIT 1)";

pub(super) fn mappings_to(
    db: &Connection,
    import: &str,
    new_subs: &[String],
) -> Result<Vec<Mapping>, Failure> {
    let Some(import) = Names::Imports.find(db, import)? else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached(BY_NEW_SUB)?;
    let mut found = Vec::new();
    for new_sub in new_subs.iter().collect::<BTreeSet<_>>() {
        found.append(&mut collect(statement.query(params![import, new_sub])?)?);
    }
    Ok(found)
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
        "SELECT sub, username, new_sub, new_username, state, reason, created_with, line FROM mappings
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
        created_with: from_word(row.get(6)?)?,
        line: row.get(7)?,
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
            StepNumber(outcome.step),
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
    step: Step,
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
            .query_row(params![import, StepNumber(step), group, key], |row| row.get::<_, Option<String>>(0))
            .optional()?;
        let outcome = |failure| Outcome { step, group: group.to_owned(), key: key.clone(), failure };
        found.extend(failure.map(outcome));
    }
    Ok(found)
}

pub(super) fn outcomes(
    db: &Connection,
    import: &str,
    step: Step,
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
        .query_map(params![import, StepNumber(step), group, key, at_most(limit)], |row| {
            Ok(Outcome { step, group: group.to_owned(), key: row.get(0)?, failure: row.get(1)? })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

/// A step as it is stored. The first three are the numbers that kinds of records have, too.
struct StepNumber(Step);

impl ToSql for StepNumber {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let number: i64 = match self.0 {
            Step::Group => 1,
            Step::Disable => 2,
            Step::Membership => 3,
            Step::Mfa => 4,
            Step::Link => 5,
        };
        Ok(number.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    /// Else each of a million look-ups goes through half a million rows.
    #[test]
    fn who_became_this_is_found_by_an_index() {
        let mut db = Connection::open_in_memory().unwrap();
        schema::create(&mut db).unwrap();
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {BY_NEW_SUB}")).unwrap();
        let plan: Vec<String> =
            statement.query_map([1, 2], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        assert!(plan[0].contains("PRIMARY KEY (import=? AND sub=?)"), "{plan:?}");
        assert!(plan[2].contains("INDEX mappings_by_new_sub (import=? AND new_sub=?)"), "{plan:?}");
    }
}
