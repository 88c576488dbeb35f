//! `import`: restore a run into a new pool.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use cognito_profiles::Error;
use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::import::{Failure as NotRestored, Importer, Plan, Report, Scratch};
use cognito_profiles::model::{Kind, PoolId};
use cognito_profiles::ports::{Backup, ImportOptions, ImportStatus};
use cognito_profiles::run::RunId;
use cognito_profiles::time::duration;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::ImportArgs;
use crate::backup_url::BackupUrl;
use crate::connect::Connection;
use crate::context::{CONTINUABLE, Context, open_table};
use crate::differences;
use crate::exit::{Ending, Failure, Status};
use crate::export::rounded;
use crate::output::Output;
use crate::{seal, text};

pub async fn run(context: &Context, args: ImportArgs) -> Result<Ending, Failure> {
    if !args.yes && !args.plan && !can_ask() {
        return Err(Failure::usage("there is no terminal to ask on: pass --yes to restore without asking"));
    }
    match &context.backup {
        BackupUrl::File(path) => from_file(context, &args, path).await,
        BackupUrl::Table(name) => restore_from(context, &args, open_table(name).await?).await,
    }
}

async fn from_file(context: &Context, args: &ImportArgs, path: &Path) -> Result<Ending, Failure> {
    seal::must_not_be_broken(path).await?;
    let store = if args.plan { SqliteStore::open_read_only(path)? } else { SqliteStore::open(path)? };
    let store = Arc::new(store);
    let ended = restore_from(context, args, store.clone()).await;
    let closed = store.close().await;
    let ending = ended?;
    closed?;
    Ok(ending)
}

async fn restore_from(
    context: &Context,
    args: &ImportArgs,
    backup: Arc<dyn Backup>,
) -> Result<Ending, Failure> {
    let connection = Connection::open(args.user_pool_id.clone(), &args.rates).await?;
    let importer = importer(context, &connection, backup)?;
    let ended = context.interruptible(CONTINUABLE, restore(context, &importer, args)).await;
    context.progress.settle();
    ended
}

/// What restores from this backup into this pool.
pub fn importer(
    context: &Context,
    connection: &Connection,
    backup: Arc<dyn Backup>,
) -> Result<Importer, Failure> {
    let scratch = scratch()?;
    let Connection { directory, clock } = connection.clone();
    Ok(Importer { directory, backup, scratch, clock, progress: context.progress.clone() })
}

/// A store to list a pool into, for the time of a comparison.
pub fn scratch() -> Result<Scratch, Failure> {
    let store = Arc::new(SqliteStore::temporary()?);
    Ok(Scratch { backup: store.clone(), ledger: store })
}

async fn restore(context: &Context, importer: &Importer, args: &ImportArgs) -> Result<Ending, Failure> {
    let output = &context.output;
    let source = &args.source;
    let snapshot = importer.find_snapshot(source.from_pool.as_ref(), source.as_of.as_deref()).await?;
    let prepared = importer.prepare(snapshot, options(args)).await?;
    show_plan(output, &prepared.plan)?;
    if !prepared.plan.incompatible.is_empty() {
        return Err(Error::Incompatible(prepared.plan.incompatible).into());
    }
    if args.plan {
        return Ok(Ending::new(Status::Complete));
    }
    if !args.yes {
        ask(&args.user_pool_id).await?;
    }
    let report = importer.import(prepared).await?;
    context.progress.settle();
    show_report(output, &report)?;
    Ok(ending(&report))
}

fn options(args: &ImportArgs) -> ImportOptions {
    let mut drop_attributes = args.drop_attributes.clone();
    // The same set of names is the same import, however it is written.
    drop_attributes.sort_unstable();
    drop_attributes.dedup();
    ImportOptions { drop_attributes, old_sub_attribute: args.old_sub_attribute.clone() }
}

fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

async fn ask(pool: &PoolId) -> Result<(), Failure> {
    let question = format!("Type yes to restore into {}: ", text::safe(pool.as_str()));
    let answer = tokio::task::spawn_blocking(move || {
        let mut stderr = io::stderr();
        stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush())?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    match answer.await {
        Ok(Ok(answer)) if answer.trim() == "yes" => Ok(()),
        _ => Err(Failure::Declined),
    }
}

/// The plan, as `--json` has it.
#[derive(Serialize)]
#[serde(tag = "type", rename = "plan")]
struct PlanLine<'a> {
    from_pool: Option<&'a str>,
    into_pool: Option<&'a str>,
    run_id: Option<&'a str>,
    as_of: Option<String>,
    users: u64,
    groups: u64,
    memberships: u64,
    users_to_create: u64,
    passwords_to_set: u64,
    users_to_disable: u64,
    memberships_to_add: u64,
    billed_users: u64,
    incompatible: &'a [String],
    problems: Vec<Value>,
    notes: &'a [String],
    seconds: f64,
}

impl<'a> From<&'a Plan> for PlanLine<'a> {
    fn from(plan: &'a Plan) -> Self {
        let problems = plan.problems.iter();
        Self {
            from_pool: plan.from_pool.as_ref().map(PoolId::as_str),
            into_pool: plan.into_pool.as_ref().map(PoolId::as_str),
            run_id: plan.run.as_ref().map(RunId::as_str),
            as_of: plan.as_of.map(|at| at.to_string()),
            users: plan.totals.users,
            groups: plan.totals.groups,
            memberships: plan.totals.memberships,
            users_to_create: plan.users_to_create,
            passwords_to_set: plan.passwords_to_set,
            users_to_disable: plan.users_to_disable,
            memberships_to_add: plan.memberships_to_add,
            billed_users: plan.users_to_create,
            incompatible: &plan.incompatible,
            problems: problems.map(|problem| json!({"what": problem.what, "count": problem.count})).collect(),
            notes: &plan.notes,
            seconds: rounded(plan.seconds),
        }
    }
}

/// Shows what an import will do.
pub fn show_plan(output: &Output, plan: &Plan) -> Result<(), Failure> {
    output.object(&PlanLine::from(plan))?;
    let line = PlanLine::from(plan);
    let word = |text: Option<&str>| text::safe(text.unwrap_or("?")).into_owned();
    output.say(format_args!(
        "Restoring run {} of {} into {}",
        word(line.run_id),
        word(line.from_pool),
        word(line.into_pool)
    ))?;
    let rows = [
        ("as of", line.as_of.unwrap_or_default()),
        ("users in the run", text::number(line.users)),
        (
            "  to create",
            format!("{}; each becomes a billed monthly active user", text::number(line.users_to_create)),
        ),
        ("  to give a new password", text::number(line.passwords_to_set)),
        ("  to disable", text::number(line.users_to_disable)),
        ("groups in the run", text::number(line.groups)),
        ("memberships in the run", text::number(line.memberships)),
        ("  to add", text::number(line.memberships_to_add)),
        ("time at the rates in force", format!("about {}", duration(line.seconds))),
    ];
    for (name, value) in rows {
        output.say(format_args!("  {name:28}{value}"))?;
    }
    if !plan.problems.is_empty() {
        output.say("Cannot be restored, or may be refused:")?;
    }
    for problem in &plan.problems {
        output.say(format_args!("  {:>9}  {}", text::number(problem.count), text::safe(&problem.what)))?;
    }
    if !plan.notes.is_empty() {
        output.say("Good to know:")?;
    }
    plan.notes.iter().try_for_each(|note| output.say(format_args!("  {}", text::safe(note))))
}

/// Shows how an import ended.
pub fn show_report(output: &Output, report: &Report) -> Result<(), Failure> {
    let import = &report.import;
    let (id, into) = (&import.id, text::safe(import.into_pool.as_str()));
    let status = if import.status == ImportStatus::Complete { "complete" } else { "partial" };
    output.say(format_args!("import {id} into {into}: {status}"))?;
    let rows = [
        ("users created", report.users_created),
        ("users not restored", report.users_failed),
        ("users disabled", report.users_disabled),
        ("groups created", report.groups_created),
        ("memberships added", report.memberships_added),
        ("old and new users matched", report.mapped),
        ("differences from the backup", report.differences.len() as u64),
    ];
    for (name, number) in rows {
        output.say(format_args!("  {name:28}{:>9}", text::number(number)))?;
    }
    show_failures(output, &report.failures)?;
    if !report.differences.is_empty() {
        output.say("Different from the backup (+ only in the pool, - only in the backup, ~ changed):")?;
    }
    differences::show(output, &report.differences)
}

/// First how many for each reason, then which.
fn show_failures(output: &Output, failures: &[NotRestored]) -> Result<(), Failure> {
    if failures.is_empty() {
        return Ok(());
    }
    let mut reasons: BTreeMap<(Kind, &str), u64> = BTreeMap::new();
    for failure in failures {
        *reasons.entry((failure.record, &failure.reason)).or_default() += 1;
    }
    output.say("Not restored, by reason:")?;
    let count = reasons.len();
    let by_reason = reasons.into_iter().map(|((record, reason), count)| {
        format!("  {:>9}  {record}: {}", text::number(count), text::safe(reason))
    });
    differences::first_of(output, by_reason, count)?;
    output.say("Not restored:")?;
    let lines = failures.iter().map(|NotRestored { record, key, reason }| {
        text::safe(&format!("  {record} {key}: {reason}")).into_owned()
    });
    differences::first_of(output, lines, failures.len())
}

fn ending(report: &Report) -> Ending {
    let failures: Vec<Value> = report
        .failures
        .iter()
        .map(|failure| json!({"record": failure.record, "key": failure.key, "reason": failure.reason}))
        .collect();
    let complete = report.import.status == ImportStatus::Complete;
    Ending::new(if complete { Status::Complete } else { Status::Partial })
        .with("import_id", report.import.id.as_str())
        .with("users_created", report.users_created)
        .with("users_failed", report.users_failed)
        .with("groups_created", report.groups_created)
        .with("memberships_added", report.memberships_added)
        .with("users_disabled", report.users_disabled)
        .with("mapped", report.mapped)
        .with("differences", report.differences.len())
        .with("failures", failures)
}
