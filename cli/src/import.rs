//! `import`: restore a run into a new pool.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use cognito_profiles::Error;
use cognito_profiles::adapters::sqlite::SqliteStore;
use cognito_profiles::import::{Importer, JobLimits, Plan, Problem, Scratch};
use cognito_profiles::model::PoolId;
use cognito_profiles::ports::{CreateWith, ImportOptions, WithoutRow};
use cognito_profiles::run::RunId;
use cognito_profiles::time::duration;

use crate::args::{self, ImportArgs};
use crate::connect::Connection;
use crate::context::{CONTINUABLE, Context};
use crate::exit::{Ending, Failure, Status};
use crate::output::Output;
use crate::store::Store;
use crate::{report, text};

pub async fn run(context: &Context, args: ImportArgs) -> Result<Ending, Failure> {
    if !args.yes && !args.plan && !can_ask() {
        return Err(Failure::usage("there is no terminal to ask on: pass --yes to restore without asking"));
    }
    if args.logs_role_arn.is_none() && create_with(&args) == CreateWith::ImportJob {
        return Err(Failure::usage(
            "import jobs need a role by which Cognito writes their logs: pass --logs-role-arn",
        ));
    }
    let into = &args.user_pool_id;
    let store =
        if args.plan { Store::plan(context, into).await? } else { Store::restore(context, into).await? };
    let ended = restore_from(context, &args, &store).await;
    let closed = store.close().await;
    let ending = ended?;
    closed?;
    Ok(ending)
}

async fn restore_from(context: &Context, args: &ImportArgs, store: &Store) -> Result<Ending, Failure> {
    let connection = Connection::open(args.user_pool_id.clone(), &args.rates).await?;
    let importer =
        Importer { logs_role_arn: args.logs_role_arn.clone(), ..importer(context, &connection, store) };
    let ended = context.interruptible(CONTINUABLE, restore(context, &importer, args)).await;
    context.progress.settle();
    ended
}

/// What restores from this backup into this pool.
pub fn importer(context: &Context, connection: &Connection, store: &Store) -> Importer {
    let Connection { directory, clock } = connection.clone();
    let Store { backup, imports, .. } = store.clone();
    Importer {
        directory,
        backup,
        imports,
        logs_role_arn: None,
        job_limits: JobLimits::default(),
        clock,
        progress: context.progress.clone(),
    }
}

/// A store to list a pool into, for the time of a comparison.
pub fn scratch() -> Result<Scratch, Failure> {
    let store = Arc::new(SqliteStore::temporary()?);
    Ok(Scratch { backup: store.clone(), ledger: store })
}

async fn restore(context: &Context, importer: &Importer, args: &ImportArgs) -> Result<Ending, Failure> {
    let output = &context.output;
    let source = &args.source;
    let from = source.from_pool.clone().or_else(|| context.backup.retired_pool());
    let snapshot = importer.find_snapshot(from.as_ref(), source.as_of.as_deref()).await?;
    context.remarks.left_out(output, &snapshot.run);
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
    // On the heap: its state is larger than a stack should carry.
    let report = Box::pin(importer.import(prepared, &scratch()?)).await?;
    context.progress.settle();
    report::show(output, &report)?;
    Ok(report::ending(&report))
}

fn options(args: &ImportArgs) -> ImportOptions {
    let mut drop_attributes = args.drop_attributes.clone();
    // The same set of names is the same import, however it is written.
    drop_attributes.sort_unstable();
    drop_attributes.dedup();
    ImportOptions {
        drop_attributes,
        old_sub_attribute: args.old_sub_attribute.clone(),
        create_with: create_with(args),
        without_row: match args.without_row {
            args::WithoutRow::AdminApi => WithoutRow::AdminApi,
            args::WithoutRow::List => WithoutRow::List,
        },
    }
}

/// Import jobs, which bill nobody, for whoever named the role they need.
fn create_with(args: &ImportArgs) -> CreateWith {
    match args.create_with {
        None if args.logs_role_arn.is_some() => CreateWith::ImportJob,
        Some(args::CreateWith::ImportJob) => CreateWith::ImportJob,
        None | Some(args::CreateWith::AdminApi) => CreateWith::AdminApi,
    }
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

/// Shows what an import will do.
pub fn show_plan(output: &Output, plan: &Plan) -> Result<(), Failure> {
    output.object(plan)?;
    let word = |text: Option<&str>| text::safe(text.unwrap_or("?")).into_owned();
    output.say(format_args!(
        "Restoring run {} of {} into {}",
        word(plan.run.as_ref().map(RunId::as_str)),
        word(plan.from_pool.as_ref().map(PoolId::as_str)),
        word(plan.into_pool.as_ref().map(PoolId::as_str))
    ))?;
    let mut rows = vec![
        ("as of", plan.as_of.map(|at| at.to_string()).unwrap_or_default()),
        ("users in the run", text::number(plan.totals.users)),
        ("  to create", text::number(plan.users_to_create)),
    ];
    if plan.users_by_job > 0 {
        rows.push(("    by import jobs", text::number(plan.users_by_job)));
        rows.push(("    one by one", text::number(plan.users_to_create - plan.users_by_job)));
    }
    rows.push(("  to give a new password", text::number(plan.passwords_to_set)));
    rows.push(("  to disable", text::number(plan.users_to_disable)));
    let optional =
        [("  second factors to turn on", plan.factors_to_set), ("  identities to link", plan.links_to_make)];
    rows.extend(
        optional.into_iter().filter(|(_, count)| *count > 0).map(|(name, n)| (name, text::number(n))),
    );
    rows.extend([
        ("  to be billed as active", text::number(plan.active_users)),
        ("groups in the run", text::number(plan.totals.groups)),
        ("memberships in the run", text::number(plan.totals.memberships)),
        ("  to add", text::number(plan.memberships_to_add)),
        ("time at the rates in force", time(plan)),
    ]);
    for (name, value) in rows {
        output.say(format_args!("  {name:28}{value}"))?;
    }
    show_problems(output, "Cannot be restored, or may be refused:", &plan.problems)?;
    show_problems(
        output,
        "Created one by one, because no row of an import job can carry them:",
        &plan.without_row,
    )?;
    if !plan.notes.is_empty() {
        output.say("Good to know:")?;
    }
    plan.notes.iter().try_for_each(|note| output.say(format_args!("  {}", text::safe(note))))
}

fn time(plan: &Plan) -> String {
    let whole = format!("about {}", duration(plan.seconds));
    if plan.job_seconds > 0.0 {
        format!(
            "{whole}; {} of it for import jobs, of which Cognito promises nothing",
            duration(plan.job_seconds)
        )
    } else {
        whole
    }
}

fn show_problems(output: &Output, heading: &str, problems: &[Problem]) -> Result<(), Failure> {
    if !problems.is_empty() {
        output.say(heading)?;
    }
    problems.iter().try_for_each(|problem| {
        output.say(format_args!("  {:>9}  {}", text::number(problem.count), text::safe(&problem.what)))
    })
}
