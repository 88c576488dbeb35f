//! `--backup dynamodb-v1:TABLE`: a table of the retired solution. It is read whole, and never
//! written to; what an import restores from, and what becomes of it, is kept in a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cognito_profiles::Error;
use cognito_profiles::adapters::dynamodb_v1::RetiredTable;
use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::copy::copy_run;
use cognito_profiles::model::PoolId;
use cognito_profiles::ports::Imports as _;
use cognito_profiles::read::Snapshot;
use cognito_profiles::run::Run;

use crate::backup_url::BackupUrl;
use crate::context::{Context, INTERRUPTED};
use crate::exit::Failure;
use crate::store::Store;
use crate::{seal, text};

/// The table as it is now, in a store that is thrown away.
pub async fn scan(context: &Context, table: &str) -> Result<(Arc<SqliteStore>, Run), Failure> {
    let store = Arc::new(SqliteStore::temporary()?);
    let read = async {
        let table = RetiredTable::open(table, context.source_profile.as_deref()).await?;
        Ok(table.read_into(&*store, &*context.progress).await?)
    };
    // On the heap: what loads the AWS settings is large, and is done once.
    let reading = Box::pin(context.interruptible(INTERRUPTED, read)).await;
    context.progress.settle();
    let reading = reading?;
    for note in reading.notes {
        context.output.note(text::safe(&note));
    }
    Ok((store, reading.run))
}

/// What is to be restored into that pool: the snapshot that an import into it began with, if one
/// did; else the table as it is now. Both are kept in the file; with `plan` nothing is.
pub async fn to_restore(context: &Context, table: &str, into: &PoolId, plan: bool) -> Result<Store, Failure> {
    let path = file(context);
    seal::must_not_be_broken(&path).await?;
    if has_begun(&path, into).await? {
        tell(context, &path, "the import goes on from what was read of the table when it began, kept in");
        let open = if plan { SqliteStore::open_read_only } else { SqliteStore::open };
        let store = open(&path)?;
        return Ok(if plan { Store::reading(Arc::new(store)) } else { Store::writing(store) });
    }
    let (read, run) = scan(context, table).await?;
    if plan {
        return Ok(Store::reading(read));
    }
    let store = SqliteStore::create_or_open(&path)?;
    let copy = async { Ok(copy_run(&Snapshot::of(read, run)?, &store, &*context.progress).await?) };
    let copied = context.interruptible(INTERRUPTED, copy).await;
    context.progress.settle();
    if let Err(failure) = copied {
        store.close().await?;
        return Err(failure);
    }
    tell(context, &path, "what was read of the table, and what becomes of the import, is kept in");
    Ok(Store::writing(store))
}

fn tell(context: &Context, path: &Path, what: &str) {
    context.output.note(format_args!("{what} {}: keep it until the import is done", path.display()));
    context.remarks.kept_in(path);
}

/// Whether an import into that pool was begun, by what the file says.
async fn has_begun(path: &Path, into: &PoolId) -> Result<bool, Failure> {
    if !path.exists() {
        return Ok(false);
    }
    Ok(!SqliteStore::open_read_only(path)?.imports(Some(into)).await?.is_empty())
}

/// Where what became of imports is to be looked up: in the file they are kept in, which is a
/// backup like any other; with any other backup, there.
///
/// # Errors
/// [`Error::NoImport`] if there is no such file.
pub fn of_imports(context: &Context) -> Result<Context, Failure> {
    if !matches!(context.backup, BackupUrl::Retired(_)) {
        return Ok(context.clone());
    }
    let path = file(context);
    if !path.exists() {
        return Err(Error::NoImport.into());
    }
    let mut context = context.at(BackupUrl::File(path));
    context.import_state = None;
    Ok(context)
}

/// The file an import from the table is kept in.
fn file(context: &Context) -> PathBuf {
    context.import_state.clone().or_else(|| context.backup.file()).unwrap_or_default()
}
