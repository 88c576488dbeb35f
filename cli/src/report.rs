//! `report`: how an import stands, from what it wrote down.

use cognito_profiles::Error;
use cognito_profiles::import::{Failure as NotRestored, Report};
use cognito_profiles::ports::{Import, ImportStatus, Imports};
use serde_json::{Value, json};

use crate::args::{ReportArgs, WhichImport};
use crate::context::{Context, INTERRUPTED};
use crate::differences;
use crate::exit::{Ending, Failure, Status};
use crate::output::Output;
use crate::store::Store;
use crate::{retired, text};

pub async fn run(context: &Context, args: ReportArgs) -> Result<Ending, Failure> {
    let context = &retired::of_imports(context)?;
    let store = context.read().await?;
    context
        .interruptible(INTERRUPTED, async {
            let import = find(context, &store, &args.which).await?;
            let groups = store.backup.group_names(&import.from_pool).await?;
            let report = Report::of(&*store.imports, import, groups).await?;
            show(&context.output, &report)?;
            Ok(ending(&report))
        })
        .await
}

/// The import that is meant, and word of what its run does not hold.
pub async fn find(context: &Context, store: &Store, which: &WhichImport) -> Result<Import, Failure> {
    let import = meant(&*store.imports, which).await?;
    if let Some(run) = store.backup.run(&import.from_pool, &import.run).await? {
        context.remarks.left_out(&context.output, &run);
    }
    Ok(import)
}

async fn meant(imports: &dyn Imports, which: &WhichImport) -> Result<Import, Failure> {
    let mut found = imports.imports(which.user_pool_id.as_ref()).await?;
    let Some(text) = which.import.as_deref() else {
        return found.pop().ok_or_else(|| Error::NoImport.into());
    };
    found.retain(|import| import.id.starts_with(text));
    match (found.pop(), found.is_empty()) {
        (Some(import), true) => Ok(import),
        (None, _) => Err(Error::NoSuchImport(text.to_owned()).into()),
        (Some(_), false) => Err(Failure::usage(format!("{text:?} is the beginning of several imports"))),
    }
}

/// Shows how an import ended, or how far it is.
pub fn show(output: &Output, report: &Report) -> Result<(), Failure> {
    let Report { import, counts, .. } = report;
    let (id, into) = (&import.id, text::safe(import.into_pool.as_str()));
    output.say(format_args!("import {id} into {into}: {}", word(import.status)))?;
    if let Some(reason) = &import.reason {
        output.say(format_args!("  {}", text::safe(reason)))?;
    }
    let mut rows = vec![("users created", counts.users_created)];
    let optional = |rows: &mut Vec<_>, name, count| {
        if count > 0 {
            rows.push((name, count));
        }
    };
    optional(&mut rows, "  by import jobs", counts.users_by_job);
    rows.push(("users not restored", counts.users_failed));
    rows.push(("users disabled", counts.users_disabled));
    optional(&mut rows, "second factors turned on", counts.factors_set);
    optional(&mut rows, "users linked to providers", counts.users_linked);
    rows.extend([
        ("groups created", counts.groups_created),
        ("memberships added", counts.memberships_added),
        ("old and new users matched", counts.users_created),
        ("records compared", counts.compared),
        ("  different", counts.differences),
    ]);
    for (name, number) in rows {
        output.say(format_args!("  {name:28}{:>9}", text::number(number)))?;
    }
    show_failures(output, report)?;
    if !report.differences.is_empty() {
        output.say("Different from the backup (+ only in the pool, - only in the backup, ~ changed):")?;
    }
    differences::show(output, &report.differences)
}

const fn word(status: ImportStatus) -> &'static str {
    match status {
        ImportStatus::Running => "running, or interrupted",
        ImportStatus::Complete => "complete",
        ImportStatus::Partial => "partial",
        ImportStatus::Failed => "failed",
    }
}

/// First how many for each reason, then which.
fn show_failures(output: &Output, report: &Report) -> Result<(), Failure> {
    let Report { counts, failures, .. } = report;
    if failures.is_empty() {
        return Ok(());
    }
    output.say("Not restored, by reason:")?;
    let by_reason = counts.reasons.iter().map(|((record, reason), count)| {
        format!("  {:>9}  {record}: {}", text::number(*count), text::safe(reason))
    });
    differences::first_of(output, by_reason, counts.reasons.len())?;
    output.say("Not restored:")?;
    let lines = failures.iter().map(|NotRestored { record, key, reason, line }| {
        let line = line.map_or_else(String::new, |line| format!(" (line {line})"));
        text::safe(&format!("  {record} {key}: {reason}{line}")).into_owned()
    });
    differences::first_of(output, lines, failures.len())
}

/// How a command ends that reports on an import.
pub fn ending(report: &Report) -> Ending {
    let failures: Vec<Value> = report.failures.iter().map(failure).collect();
    let (counts, import) = (&report.counts, &report.import);
    let status = match import.status {
        ImportStatus::Complete => Status::Complete,
        ImportStatus::Partial => Status::Partial,
        ImportStatus::Running | ImportStatus::Failed => Status::Failed,
    };
    Ending::new(status)
        .with("import_id", import.id.as_str())
        .with("users_created", counts.users_created)
        .with("users_by_job", counts.users_by_job)
        .with("users_failed", counts.users_failed)
        .with("groups_created", counts.groups_created)
        .with("memberships_added", counts.memberships_added)
        .with("users_disabled", counts.users_disabled)
        .with("factors_set", counts.factors_set)
        .with("users_linked", counts.users_linked)
        .with("mapped", counts.users_created)
        .with("compared", counts.compared)
        .with("differences", counts.differences)
        .with("failures", failures)
}

fn failure(failure: &NotRestored) -> Value {
    let NotRestored { record, key, reason, line } = failure;
    let mut value = json!({"record": record, "key": key, "reason": reason});
    if let Some(line) = line {
        value["line"] = json!(line);
    }
    value
}
