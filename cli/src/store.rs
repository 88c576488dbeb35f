//! The backup a command works on, and where its imports are kept account of.

use std::sync::Arc;

use cognito_profiles::adapters::dynamodb;
use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::model::PoolId;
use cognito_profiles::ports::{Backup, Imports};

use crate::backup_url::BackupUrl;
use crate::context::Context;
use crate::exit::Failure;
use crate::{retired, seal};

/// A backup that is open.
#[derive(Clone)]
pub struct Store {
    pub backup: Arc<dyn Backup>,
    pub imports: Arc<dyn Imports>,
    /// The files among them that are written to.
    written: Vec<Arc<SqliteStore>>,
}

impl Store {
    /// The backup, to be read.
    pub async fn read(context: &Context) -> Result<Self, Failure> {
        let store = match &context.backup {
            BackupUrl::File(path) => Self::reading(Arc::new(SqliteStore::open_read_only(path)?)),
            BackupUrl::Table(name) => Self::of_table(context, name).await?,
            BackupUrl::Retired(table) => Self::reading(retired::scan(context, table).await?.0),
        };
        match &context.import_state {
            Some(path) if path.exists() => {
                Ok(Self { imports: Arc::new(SqliteStore::open_read_only(path)?), ..store })
            }
            Some(_) => Ok(Self { imports: Arc::new(SqliteStore::temporary()?), ..store }),
            None => Ok(store),
        }
    }

    /// The backup, to plan what would be restored into that pool.
    pub async fn plan(context: &Context, into: &PoolId) -> Result<Self, Failure> {
        match &context.backup {
            BackupUrl::Retired(table) => return retired::to_restore(context, table, into, true).await,
            BackupUrl::File(path) => seal::must_not_be_broken(path).await?,
            BackupUrl::Table(_) => {}
        }
        Self::read(context).await
    }

    /// The backup, to be restored from into that pool. What becomes of the import is written
    /// beside it, or to the file that is named for that.
    pub async fn restore(context: &Context, into: &PoolId) -> Result<Self, Failure> {
        let store = match (&context.backup, &context.import_state) {
            (BackupUrl::Retired(table), _) => return retired::to_restore(context, table, into, false).await,
            (BackupUrl::File(path), state) => {
                seal::must_not_be_broken(path).await?;
                match state {
                    None => return Ok(Self::writing(SqliteStore::open(path)?)),
                    Some(_) => Self::reading(Arc::new(SqliteStore::open_read_only(path)?)),
                }
            }
            (BackupUrl::Table(name), _) => Self::of_table(context, name).await?,
        };
        let Some(path) = &context.import_state else { return Ok(store) };
        seal::must_not_be_broken(path).await?;
        let state = Arc::new(SqliteStore::create_or_open(path)?);
        Ok(Self { imports: state.clone(), written: vec![state], ..store })
    }

    /// A file that is already open, to be restored from.
    pub fn writing(store: SqliteStore) -> Self {
        let store = Arc::new(store);
        Self { backup: store.clone(), imports: store.clone(), written: vec![store] }
    }

    /// A file that is already open, to be read.
    pub fn reading(store: Arc<SqliteStore>) -> Self {
        Self { backup: store.clone(), imports: store, written: Vec::new() }
    }

    async fn of_table(context: &Context, name: &str) -> Result<Self, Failure> {
        // On the heap: what loads the AWS settings is large, and is done once.
        let opened = dynamodb::open_backup(name.to_owned(), context.source_profile.as_deref());
        let store = Arc::new(Box::pin(opened).await?);
        Ok(Self { backup: store.clone(), imports: store, written: Vec::new() })
    }

    /// Seals what was written.
    pub async fn close(&self) -> Result<(), Failure> {
        for store in &self.written {
            store.close().await?;
        }
        Ok(())
    }
}
