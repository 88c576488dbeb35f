//! A backup and ledger in one SQLite file.
//!
//! While a store writes, the file has a write-ahead log beside it, and other processes may
//! read. [`SqliteStore::close`] leaves one plain file and its seal. Only the owner may read any
//! of them.

mod backup;
mod carry;
mod failure;
mod files;
mod imports_port;
mod jobs;
mod ledger;
mod ledger_port;
mod mappings;
mod names;
mod observe;
mod runs;
mod schema;
mod seal;
mod seen;
mod session;
#[cfg(test)]
mod tests;
mod versions;
mod worker;

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

pub use carry::{AtRest, arrive, must_be_backup, must_be_nothing};
pub use seal::{Seal, check_seal};

use crate::{Error, Result};
use failure::Failure;
use session::Session;
use worker::Worker;

/// A [`crate::ports::Backup`], its [`crate::ports::Imports`] and a [`crate::ports::Ledger`] in SQLite. Each call is one
/// transaction.
pub struct SqliteStore {
    worker: Worker,
}

impl SqliteStore {
    /// Opens the backup at `path` to write to it, made if there is none. Until the store is
    /// closed or dropped, no other process can.
    pub fn create_or_open(path: &Path) -> Result<Self> {
        Self::opened(Session::create_or_open(path))
    }

    /// Opens the backup that is at `path` to write to it. Until the store is closed or dropped,
    /// no other process can.
    pub fn open(path: &Path) -> Result<Self> {
        Self::opened(Session::open(path))
    }

    /// Opens the backup that is at `path` to read it, also while another process writes. It
    /// changes nothing there.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        Self::opened(Session::open_read_only(path))
    }

    /// A store of its own that vanishes with it. It is kept on disk as soon as it is large.
    pub fn temporary() -> Result<Self> {
        Self::opened(Session::temporary())
    }

    fn opened(session: Result<Session, Failure>) -> Result<Self> {
        let session = session.map_err(|failure| failure.during("opened"))?;
        Ok(Self { worker: Worker::start(session)? })
    }

    /// Ends the session, and leaves one plain, sealed file. Every later call fails. A store
    /// that is dropped instead loses nothing, but leaves its file unsealed.
    pub async fn close(&self) -> Result<()> {
        let closed = self.worker.run(|session| session.take().map_or(Ok(()), Session::close)).await?;
        closed.map_err(|failure| failure.during("closed"))
    }

    /// Lets SQLite look for damage.
    pub async fn integrity_check(&self) -> Result<()> {
        let report: String =
            self.read(|db| Ok(db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?)).await?;
        if report != "ok" {
            return Err(Error::Corrupted(report));
        }
        if self.read(|db| Ok(db.query_row(schema::NAMELESS, [], |row| row.get(0))?)).await? {
            return Err(Error::Corrupted("records are of a pool or a run that has lost its name".to_owned()));
        }
        Ok(())
    }

    /// Whether every pool has the records of its runs: nothing looks at one without any.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if one has records, and no run.
    pub async fn check_runs(&self) -> Result<()> {
        if self.read(|db| Ok(db.query_row(schema::RUNLESS, [], |row| row.get(0))?)).await? {
            return Err(Error::Corrupted("records are of a pool that has lost all its runs".to_owned()));
        }
        Ok(())
    }

    /// Does `work` on one consistent state.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        self.transaction("read", TransactionBehavior::Deferred, work).await
    }

    /// Does all of `work` or nothing.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        self.transaction("written", TransactionBehavior::Immediate, work).await
    }

    async fn transaction<T: Send + 'static>(
        &self,
        action: &'static str,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let done = self.worker.run(move |session| {
            let session = session.as_mut().ok_or_else(closed)?;
            let transaction = session.connection.transaction_with_behavior(behavior)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        });
        done.await?.map_err(|failure: Failure| failure.during(action))
    }
}

fn closed() -> Failure {
    Failure::Said(Error::Store { action: "used", cause: "it is closed".to_owned() })
}
