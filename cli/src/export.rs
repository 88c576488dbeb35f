//! `export`: save a pool as it is now.

use std::path::Path;
use std::sync::Arc;

use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::export::{Exporter, SettingsSaved, ShrinkGuard};
use cognito_profiles::ports::Backup as _;
use cognito_profiles::read::Snapshot;
use cognito_profiles::run::{Manifest, Run, RunStatus};
use cognito_profiles::settings::NotSaved;
use cognito_profiles::time::duration;
use serde_json::json;

use crate::args::ExportArgs;
use crate::backup_url::BackupUrl;
use crate::connect::Connection;
use crate::context::{CONTINUABLE, Context};
use crate::exit::{Ending, Failure, Status};
use crate::output::Output;
use crate::{seal, text};

pub async fn run(context: &Context, args: ExportArgs) -> Result<Ending, Failure> {
    let guard = ShrinkGuard { max_percent: args.max_shrink, allow: args.allow_shrink };
    let recipient = args.secrets_recipient.as_deref().map(str::parse).transpose()?;
    seal::must_not_be_broken(file(context)?).await?;
    let connection = Connection::open(args.user_pool_id, &args.rates).await?;
    let exported = export(context, &connection, &guard, SettingsSaved::All { recipient }).await?;
    tell(&context.output, &exported.run, &connection)?;
    for part in &exported.not_saved {
        context.output.note(text::safe(&part.advice()));
    }
    Ok(ending(&exported, &connection))
}

/// What an export left behind.
pub struct Exported {
    pub run: Run,
    /// Parts of the settings that could not be read.
    pub not_saved: Vec<NotSaved>,
}

/// The file to export into.
fn file(context: &Context) -> Result<&Path, Failure> {
    match &context.backup {
        BackupUrl::File(path) => Ok(path),
        BackupUrl::Retired(_) => Err(Failure::usage(
            "a table of the retired solution is only read: export into a file with --backup sqlite:PATH",
        )),
        BackupUrl::Table(_) => Err(Failure::usage(
            "a table is written by the stack's ExportWorkflow: start that with `aws stepfunctions \
             start-execution`, or export into a file with --backup sqlite:PATH",
        )),
    }
}

/// Exports into the backup, and leaves it closed however that ends.
pub async fn export(
    context: &Context,
    connection: &Connection,
    guard: &ShrinkGuard,
    settings: SettingsSaved,
) -> Result<Exported, Failure> {
    let path = file(context)?;
    let is_new = !path.exists();
    let store = Arc::new(SqliteStore::create_or_open(path)?);
    let Connection { directory, clock } = connection.clone();
    let exporter =
        Exporter::in_process(directory, store.clone(), store.clone(), clock, context.progress.clone());
    let exporter = exporter.saving(settings);
    let exporting = async {
        let run = exporter.export(guard).await?;
        let snapshot = Snapshot::of(store.clone(), run.clone())?;
        Ok(Exported { run, not_saved: snapshot.settings().await?.not_saved() })
    };
    let ended = context.interruptible(CONTINUABLE, exporting).await;
    let is_empty = is_new && store.runs(None).await.is_ok_and(|runs| runs.is_empty());
    let closed = store.close().await;
    if is_empty {
        discard(path);
    }
    context.progress.settle();
    let done = ended?;
    closed?;
    Ok(done)
}

/// Takes away a backup that was made for nothing: the pool could not even be looked at.
fn discard(path: &Path) {
    for ending in ["", ".sha256", ".lock"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        // An empty backup that stays does no harm.
        let _ = std::fs::remove_file(name);
    }
}

/// What the export did, for people.
pub fn tell(output: &Output, run: &Run, connection: &Connection) -> Result<(), Failure> {
    let Manifest { totals, changes, .. } = run.manifest.clone().unwrap_or_default();
    let requests = connection.directory.requests();
    let sent: u64 = requests.by_operation.values().sum();
    output.say(format_args!("run {} of {}: {}", run.id, text::safe(run.pool.as_str()), run.status))?;
    output.say(format_args!(
        "  {}, {}, {}",
        text::count(totals.users, "user"),
        text::count(totals.groups, "group"),
        text::count(totals.memberships, "membership")
    ))?;
    output.say(format_args!(
        "  {} new, {} changed, {} gone, {} unchanged",
        text::number(changes.new),
        text::number(changes.changed),
        text::number(changes.gone),
        text::number(changes.unchanged)
    ))?;
    output.say(format_args!(
        "  {} ({} throttled) in {}",
        text::count(sent, "request"),
        text::number(requests.throttled),
        duration(connection.seconds())
    ))
}

fn ending(exported: &Exported, connection: &Connection) -> Ending {
    let Exported { run, not_saved } = exported;
    let Manifest { totals, changes, .. } = run.manifest.clone().unwrap_or_default();
    let requests = connection.directory.requests();
    let status = if run.status == RunStatus::Held { Status::Held } else { Status::Complete };
    let ending = Ending::new(status)
        .with("run_id", run.id.as_str())
        .with("users", totals.users)
        .with("groups", totals.groups)
        .with("memberships", totals.memberships)
        .with("new", changes.new)
        .with("changed", changes.changed)
        .with("gone", changes.gone)
        .with("unchanged", changes.unchanged)
        .with("requests", json!(requests.by_operation))
        .with("throttled", requests.throttled)
        .with("seconds", rounded(connection.seconds()))
        .with("settings_not_saved", json!(not_saved));
    match &run.reason {
        Some(reason) => {
            let advice = "If they were meant to go, run the export again with --allow-shrink";
            ending.with("error", "held").because("held", format!("{reason}. {advice}"))
        }
        None => ending,
    }
}

/// To the millisecond.
pub fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
