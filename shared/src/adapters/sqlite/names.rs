//! Small integers for what is named in every row, and where a partition's rows are.

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use crate::adapters::kept;
use crate::model::{Kind, Partition, PoolId};
use crate::run::RunId;
use crate::time::Timestamp;

/// A set of names, each with its number.
#[derive(Clone, Copy)]
pub(super) enum Names {
    Pools,
    Runs,
    Imports,
}

impl Names {
    /// The number of `name`, given now if it has none.
    pub(super) fn number(self, db: &Connection, name: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.find(db, name)? {
            return Ok(number);
        }
        db.prepare_cached(match self {
            Self::Pools => "INSERT INTO pools (name) VALUES (?1)",
            Self::Runs => "INSERT INTO run_ids (name) VALUES (?1)",
            Self::Imports => "INSERT INTO import_ids (name) VALUES (?1)",
        })?
        .insert([name])
    }

    /// The number of `name`, if it has one.
    pub(super) fn find(self, db: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
        db.prepare_cached(match self {
            Self::Pools => "SELECT id FROM pools WHERE name = ?1",
            Self::Runs => "SELECT id FROM run_ids WHERE name = ?1",
            Self::Imports => "SELECT id FROM import_ids WHERE name = ?1",
        })?
        .query_row([name], |row| row.get(0))
        .optional()
    }
}

/// The name of a run by its number.
pub(super) fn run_name(db: &Connection, number: i64) -> Result<RunId, Failure> {
    db.prepare_cached("SELECT name FROM run_ids WHERE id = ?1")?
        .query_row(params![number], |row| row.get::<_, String>(0))
        .optional()?
        .map(RunId::new)
        .ok_or_else(|| Failure::damaged("the name of a run"))
}

/// Where the rows of one partition of one pool are.
pub(super) struct Place<'a> {
    pub(super) pool: i64,
    pub(super) kind: KindNumber,
    pub(super) grp: &'a str,
    pub(super) shard: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn new(pool: i64, partition: &'a Partition) -> Self {
        Self { pool, kind: KindNumber(partition.kind()), grp: partition.group(), shard: partition.shard() }
    }

    /// `None` if the pool has never been written to.
    pub(super) fn find(
        db: &Connection,
        pool: &PoolId,
        partition: &'a Partition,
    ) -> rusqlite::Result<Option<Self>> {
        Ok(Names::Pools.find(db, pool.as_str())?.map(|pool| Self::new(pool, partition)))
    }
}

/// A kind as it is stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KindNumber(pub(super) Kind);

impl ToSql for KindNumber {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let number: i64 = match self.0 {
            Kind::Settings => 0,
            Kind::Group => 1,
            Kind::User => 2,
            Kind::Membership => 3,
        };
        Ok(number.into())
    }
}

/// A time as it is stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Millis(pub(super) Timestamp);

impl ToSql for Millis {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_millis().into())
    }
}

impl FromSql for Millis {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(|millis| Self(Timestamp::from_millis(millis)))
    }
}

/// `None` as the least of all keys, to go on after: the operator to compare with, and the key.
pub(super) fn after(key: Option<&str>) -> (&'static str, &str) {
    key.map_or((">=", ""), |key| (">", key))
}

/// As many rows as SQLite can count.
pub(super) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A small value as JSON. `what` names it if that fails, never its content.
pub(super) fn to_json(value: &impl Serialize, what: &str) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|_| Failure::damaged(what))
}

/// A record of this code's own, as [`kept`] writes it.
pub(super) fn to_record(record: &impl Serialize, what: &str) -> Result<String, Failure> {
    kept::written(record).ok_or_else(|| Failure::damaged(what))
}

/// Reads [`to_record`] back.
pub(super) fn from_record<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, Failure> {
    kept::read(text).ok_or_else(|| Failure::damaged(what))
}

/// Reads [`to_json`] back.
pub(super) fn from_json<T: DeserializeOwned>(json: &str, what: &str) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|_| Failure::damaged(what))
}
