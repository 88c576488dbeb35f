//! `verify`: whether the backup holds what was written, and whether a pool is as it says.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cognito_profiles::Error;
use cognito_profiles::adapters::sqlite::{Seal, SqliteStore};
use cognito_profiles::compare::{Difference, with_pool};
use cognito_profiles::export::SettingsSaved;
use cognito_profiles::import::{compare_restored, list_into};
use cognito_profiles::model::{Kind, PoolId};
use cognito_profiles::ports::{Backup, Import};
use cognito_profiles::progress::{Progress as _, Stage};
use cognito_profiles::read::Snapshot;
use cognito_profiles::run::Run;
use cognito_profiles::settings::NotSaved;
use cognito_profiles::verify::{DamagedRecord, MANIFEST, RECORD, Report, verify, verify_imports};
use serde_json::json;

use crate::args::VerifyArgs;
use crate::backup_url::BackupUrl;
use crate::connect::Connection;
use crate::context::{Context, INTERRUPTED};
use crate::exit::{Ending, Failure, Status};
use crate::import::scratch;
use crate::output::Output;
use crate::store::Store;
use crate::{differences, retired, seal, text};

pub async fn run(context: &Context, args: VerifyArgs) -> Result<Ending, Failure> {
    // A pool that was restored from a table of the retired solution is compared with what was read
    // of it then.
    let of_imports = args.user_pool_id.as_ref().and_then(|_| retired::of_imports(context).ok());
    let context = of_imports.as_ref().unwrap_or(context);
    context
        .interruptible(INTERRUPTED, async {
            let (store, ending) = check_backup(context).await?;
            match &args.user_pool_id {
                Some(pool) if ending.error.is_none() => {
                    let connection = Connection::open(pool.clone(), &args.rates).await?;
                    check_pool(context, &store, &connection, args.as_of.as_deref(), ending).await
                }
                _ => Ok(ending),
            }
        })
        .await
}

/// Looks for damage of any kind: to the file, to its structure, to its records, to its runs.
pub async fn check_backup(context: &Context) -> Result<(Store, Ending), Failure> {
    let file = match &context.backup {
        BackupUrl::File(path) => Some(check_file(path).await?),
        BackupUrl::Table(_) | BackupUrl::Retired(_) => None,
    };
    let store = context.read().await?;
    let runs = store.backup.runs(None).await?;
    // Any table could be named: in one without a run, nothing damaged would be found.
    if file.is_none() && runs.is_empty() {
        return Err(Error::EmptyBackup.into());
    }
    for run in &runs {
        context.remarks.left_out(&context.output, run);
    }
    let report = match verify(&*store.backup, &*context.progress).await {
        // What cannot even be read is said by the error; the structure is why.
        Err(Error::Corrupted(what)) => {
            let structure = file.and_then(|file| file.structure);
            return Err(Error::Corrupted(structure.unwrap_or(what)).into());
        }
        other => other?,
    };
    context.progress.settle();
    show(&context.output, &report)?;
    tell(context, &report, file.as_ref())?;
    verify_imports(&*store.imports).await?;
    tell_not_saved(&context.output, &store.backup).await?;
    Ok((store, ending(&report, file)))
}

/// What a file says of itself, beside its records.
struct File<'a> {
    path: &'a Path,
    seal: Seal,
    /// What SQLite finds damaged.
    structure: Option<String>,
}

async fn check_file(path: &Path) -> Result<File<'_>, Failure> {
    let seal = seal::seal_of(path).await?;
    let store = match SqliteStore::open_read_only(path) {
        // A file that was sealed as a backup is one, whatever its first bytes now say.
        Err(Error::NotABackup(_)) if seal == Seal::Broken => return Err(seal::broken(path).into()),
        opened => opened?,
    };
    let checked = match store.integrity_check().await {
        Ok(()) => store.check_runs().await,
        damaged => damaged,
    };
    let structure = match checked {
        Err(Error::Corrupted(what)) => Some(what),
        other => other.map(|()| None)?,
    };
    Ok(File { path, seal, structure })
}

fn show(output: &Output, report: &Report) -> Result<(), Failure> {
    for record in &report.damaged {
        let key = key(record);
        output.object(&json!({"type": "damaged", "pool": record.pool, "record": record.kind, "key": key}))?;
        output.say(format_args!(
            "damaged: {} {} of {}",
            record.kind,
            text::safe(&key),
            text::safe(record.pool.as_str())
        ))?;
    }
    for broken in &report.broken_runs {
        output.object(&json!({"type": "broken_run", "run_id": broken.run, "shards": broken.shards}))?;
        let run = text::safe(broken.run.as_str());
        match &broken.shards[..] {
            [lost] if lost == MANIFEST || lost == RECORD => {
                output.say(format_args!("the {lost} of run {run} is lost"))?;
            }
            shards => {
                let shards = shards.join(", ");
                let shards = text::safe(&shards);
                output.say(format_args!("run {run} does not hold what its manifest says, in {shards}"))?;
            }
        }
    }
    Ok(())
}

/// What of the settings the last complete run of each pool does not have.
async fn tell_not_saved(output: &Output, backup: &Arc<dyn Backup>) -> Result<(), Failure> {
    let runs = backup.runs(None).await?;
    let last: BTreeMap<&PoolId, &Run> =
        runs.iter().filter(|run| run.is_complete()).map(|run| (&run.pool, run)).collect();
    for (pool, run) in last {
        // A record that is damaged is told of elsewhere.
        let Ok(settings) = Snapshot::of(backup.clone(), run.clone())?.settings().await else { continue };
        for part in settings.not_saved() {
            let NotSaved { part: name, operation, code } = &part;
            let line = json!({"type": "not_saved", "pool": pool, "part": name, "operation": operation, "code": code});
            output.object(&line)?;
            output.note(format_args!("{}: {}", text::safe(pool.as_str()), text::safe(&part.advice())));
        }
    }
    Ok(())
}

fn key(record: &DamagedRecord) -> String {
    match record.kind {
        Kind::Membership => format!("{}/{}", record.group, record.key),
        _ => record.key.clone(),
    }
}

fn tell(context: &Context, report: &Report, file: Option<&File<'_>>) -> Result<(), Failure> {
    let (versions, runs) = (text::count(report.versions, "version"), text::count(report.runs, "run"));
    context.output.say(format_args!(
        "{versions} of records and the digests of {runs} recomputed: {}, {}",
        match report.damaged.len() as u64 {
            0 => "no record is damaged".to_owned(),
            damaged => format!("{} damaged", text::count(damaged, "record")),
        },
        match report.broken_runs.len() as u64 {
            0 => "every run holds what it held".to_owned(),
            broken => format!("{} broken", text::count(broken, "run")),
        }
    ))?;
    match file {
        Some(File { path, seal: Seal::Missing, .. }) => context.output.note(format_args!(
            "{} has no seal: an export or import goes on, or was interrupted; the next seals it",
            path.display()
        )),
        Some(_) => {}
        None => context
            .output
            .note("a table has no seal: the hashes of its records and runs are what was checked"),
    }
    Ok(())
}

fn ending(report: &Report, file: Option<File<'_>>) -> Ending {
    let seal = file.as_ref().map_or("none", |file| seal::word(file.seal));
    let damage = match file {
        _ if !report.is_intact() => Some(Error::Corrupted("see what is listed".to_owned())),
        Some(File { structure: Some(what), .. }) => Some(Error::Corrupted(what)),
        Some(File { path, seal: Seal::Broken, .. }) => Some(seal::broken(path)),
        _ => None,
    };
    let ending = match damage {
        None => Ending::new(Status::Complete),
        Some(error) => Ending::from(Failure::from(error)),
    };
    ending
        .with("versions", report.versions)
        .with("runs", report.runs)
        .with("seal", seal)
        .with("damaged", report.damaged.len())
        .with("broken_runs", report.broken_runs.len())
}

/// Lists a pool, and compares it with what the backup says it should hold.
pub async fn check_pool(
    context: &Context,
    store: &Store,
    connection: &Connection,
    as_of: Option<&str>,
    ending: Ending,
) -> Result<Ending, Failure> {
    let pool = connection.directory.pool();
    // Before the pool is listed: that may take long.
    let reference = Reference::find(store, pool, as_of).await?;
    let Connection { directory, clock } = connection.clone();
    let (progress, settings) = (context.progress.clone(), SettingsSaved::All { recipient: None });
    let live = list_into(&scratch()?, directory, clock, progress, settings).await?;
    let differences = reference.compare(context, store, connection, &live).await?;
    context.progress.settle();
    tell_compared(&context.output, pool, &reference, &differences)?;
    differences::show(&context.output, &differences)?;
    let status = if differences.is_empty() { Status::Complete } else { Status::Partial };
    Ok(Ending { status, ..ending }
        .with("run_id", reference.snapshot.run.id.as_str())
        .with("import_id", reference.import.map(|import| import.id))
        .with("differences", differences.len()))
}

/// What a pool should be like.
struct Reference {
    snapshot: Snapshot,
    /// The import that made the pool from the snapshot; none if the snapshot is of the pool
    /// itself.
    import: Option<Import>,
}

impl Reference {
    /// A run of the pool itself if one is named, or if the last is newer than the import into
    /// the pool; else what was imported.
    async fn find(store: &Store, pool: &PoolId, as_of: Option<&str>) -> Result<Self, Failure> {
        let Store { backup, imports, .. } = store;
        let own = Snapshot::find(backup.clone(), Some(pool), as_of).await;
        let import = imports.imports(Some(pool)).await?.pop();
        let Some(import) = import.filter(|_| as_of.is_none()) else {
            return Ok(Self { snapshot: own?, import: None });
        };
        match own {
            Ok(own) if own.at > import.started_at => Ok(Self { snapshot: own, import: None }),
            _ => {
                let run = Some(import.run.as_str());
                let snapshot = Snapshot::find(backup.clone(), Some(&import.from_pool), run).await?;
                Ok(Self { snapshot, import: Some(import) })
            }
        }
    }

    async fn compare(
        &self,
        context: &Context,
        store: &Store,
        connection: &Connection,
        live: &Snapshot,
    ) -> Result<Vec<Difference>, Failure> {
        let (old, progress) = (&self.snapshot, &*context.progress);
        progress.begin(Stage::Compare, None);
        let differences = match &self.import {
            Some(import) => {
                compare_restored(import, &*store.imports, &connection.directory, old, live, progress).await?
            }
            None => with_pool(old, live).await?,
        };
        progress.end(Stage::Compare);
        Ok(differences)
    }
}

fn tell_compared(
    output: &Output,
    pool: &PoolId,
    reference: &Reference,
    differences: &[Difference],
) -> Result<(), Failure> {
    let (pool, run) = (text::safe(pool.as_str()), &reference.snapshot.run.id);
    let with = match &reference.import {
        Some(import) => format!("run {run}, as import {} restored it", import.id),
        None => format!("run {run}"),
    };
    match differences.len() as u64 {
        0 => output.say(format_args!("{pool} is the same as {with}")),
        count => output.say(format_args!(
            "{pool} differs from {with}, in {} (+ only in the pool, - only in the backup, ~ changed):",
            text::count(count, "record")
        )),
    }
}
