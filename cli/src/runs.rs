//! `runs`: what is in the backup.

use cognito_profiles::Error;
use cognito_profiles::model::PoolId;
use cognito_profiles::run::{Manifest, Run, RunId, RunStatus};
use cognito_profiles::time::Timestamp;
use serde::Serialize;

use crate::context::{Context, INTERRUPTED};
use crate::exit::{Ending, Failure, Status};
use crate::table::Table;
use crate::text;

pub async fn run(context: &Context) -> Result<Ending, Failure> {
    let backup = context.read().await?.backup;
    let runs = context.interruptible(INTERRUPTED, async { Ok(backup.runs(None).await?) }).await?;
    if runs.is_empty() {
        return Err(Error::EmptyBackup.into());
    }
    list(context, &runs)?;
    for run in &runs {
        context.remarks.left_out(&context.output, run);
    }
    Ok(Ending::new(Status::Complete).with("runs", runs.len()))
}

/// Prints these runs.
pub fn list(context: &Context, runs: &[Run]) -> Result<(), Failure> {
    let headings =
        ["RUN", "POOL", "STATUS", "ENDED", ">USERS", ">GROUPS", ">MEMBERSHIPS", ">NEW", ">CHANGED", ">GONE"];
    let mut table = Table::new(&context.output, headings);
    for run in runs {
        context.output.object(&Line::from(run))?;
        let ended = run.ended_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let number = |of: fn(&Manifest) -> u64| {
            run.manifest.as_ref().map_or_else(|| "-".to_owned(), |manifest| text::number(of(manifest)))
        };
        table.row([
            run.id.as_str(),
            run.pool.as_str(),
            &run.status.to_string(),
            &ended,
            &number(|manifest| manifest.totals.users),
            &number(|manifest| manifest.totals.groups),
            &number(|manifest| manifest.totals.memberships),
            &number(|manifest| manifest.changes.new),
            &number(|manifest| manifest.changes.changed),
            &number(|manifest| manifest.changes.gone),
        ])?;
    }
    table.end()
}

/// One run, as `--json` has it.
#[derive(Serialize)]
#[serde(tag = "type", rename = "run")]
struct Line<'a> {
    run_id: &'a RunId,
    pool: &'a PoolId,
    status: RunStatus,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    users: Option<u64>,
    groups: Option<u64>,
    memberships: Option<u64>,
    new: Option<u64>,
    changed: Option<u64>,
    gone: Option<u64>,
    unchanged: Option<u64>,
    reason: Option<&'a str>,
}

impl<'a> From<&'a Run> for Line<'a> {
    fn from(run: &'a Run) -> Self {
        let totals = run.manifest.as_ref().map(|manifest| manifest.totals);
        let changes = run.manifest.as_ref().map(|manifest| manifest.changes);
        Self {
            run_id: &run.id,
            pool: &run.pool,
            status: run.status,
            started_at: run.started_at,
            ended_at: run.ended_at,
            users: totals.map(|totals| totals.users),
            groups: totals.map(|totals| totals.groups),
            memberships: totals.map(|totals| totals.memberships),
            new: changes.map(|changes| changes.new),
            changed: changes.map(|changes| changes.changed),
            gone: changes.map(|changes| changes.gone),
            unchanged: changes.map(|changes| changes.unchanged),
            reason: run.reason.as_deref(),
        }
    }
}
