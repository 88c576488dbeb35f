//! `dump`: everything a run holds, as JSON or CSV.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use cognito_profiles::model::{Record, User};
use cognito_profiles::read::{Snapshot, Walk};
use cognito_profiles::run::Totals;
use serde_json::json;

use crate::args::{DumpArgs, Format};
use crate::context::{Context, INTERRUPTED};
use crate::exit::{Ending, Failure, Status};
use crate::lines::Line;
use crate::output::{Output, json_line};
use crate::sink::Sink;
use crate::text;

pub async fn run(context: &Context, args: DumpArgs) -> Result<Ending, Failure> {
    if context.output.is_json() && args.out.is_none() && args.format != Format::Jsonl {
        return Err(Failure::usage("with --json, name a file with --out, or take --format jsonl"));
    }
    let backup = context.read().await?.backup;
    context
        .interruptible(INTERRUPTED, async {
            let snapshot = context.snapshot(backup, &args.source).await?;
            let mut sink = Sink::open(&context.output, args.out.as_deref(), &context.backup)?;
            let totals = match args.format {
                Format::Jsonl => jsonl(&snapshot, &mut sink).await?,
                Format::Csv => csv(&snapshot, &mut sink).await?,
                Format::Json => json(&snapshot, &mut sink).await?,
            };
            sink.keep()?;
            if let Some(path) = &args.out {
                tell(&context.output, path, &totals)?;
            }
            Ok(Ending::new(Status::Complete)
                .with("run_id", snapshot.run.id.as_str())
                .with("users", totals.users)
                .with("groups", totals.groups)
                .with("memberships", totals.memberships))
        })
        .await
}

fn tell(output: &Output, path: &Path, totals: &Totals) -> Result<(), Failure> {
    let counts = [(totals.users, "user"), (totals.groups, "group"), (totals.memberships, "membership")];
    let written: Vec<String> = counts
        .into_iter()
        .filter(|(count, word)| *count > 0 || *word == "user")
        .map(|(count, word)| text::count(count, word))
        .collect();
    output.say(format_args!("wrote {} to {}", written.join(", "), path.display()))
}

/// Hands on every record of a walk.
async fn each(
    mut walk: Walk<'_>,
    totals: &mut Totals,
    mut write: impl FnMut(&Record) -> Result<(), Failure>,
) -> Result<(), Failure> {
    while let Some(versions) = walk.next().await? {
        for version in &versions {
            totals.add(version.partition.kind());
            write(&version.record()?)?;
        }
    }
    Ok(())
}

async fn jsonl(snapshot: &Snapshot, sink: &mut Sink<'_>) -> Result<Totals, Failure> {
    let mut totals = Totals::default();
    let mut line = |record: &Record| sink.write(|out| json_line(out, &Line::from(record)));
    each(snapshot.users(), &mut totals, &mut line).await?;
    each(snapshot.groups(), &mut totals, &mut line).await?;
    each(snapshot.memberships().await?, &mut totals, &mut line).await?;
    Ok(totals)
}

/// One object, written as it is read: it need not fit into memory.
async fn json(snapshot: &Snapshot, sink: &mut Sink<'_>) -> Result<Totals, Failure> {
    let mut totals = Totals::default();
    let (pool, run) = (json!(snapshot.pool()), json!(snapshot.run.id));
    sink.write(|out| write!(out, "{{\"pool\":{pool},\"run_id\":{run}"))?;
    let walks = [
        ("users", snapshot.users()),
        ("groups", snapshot.groups()),
        ("memberships", snapshot.memberships().await?),
    ];
    for (name, walk) in walks {
        sink.write(|out| write!(out, ",\n\"{name}\":["))?;
        let mut separator = "\n";
        each(walk, &mut totals, |record| {
            let json = serde_json::to_string(&Line::from(record)).map_err(io::Error::from);
            sink.write(|out| write!(out, "{separator}{}", text::safe_json(&json?)))?;
            separator = ",\n";
            Ok(())
        })
        .await?;
        sink.write(|out| write!(out, "]"))?;
    }
    sink.write(|out| writeln!(out, "}}"))?;
    Ok(totals)
}

/// Two passes: the columns are known once every user was seen.
async fn csv(snapshot: &Snapshot, sink: &mut Sink<'_>) -> Result<Totals, Failure> {
    let mut names = BTreeSet::new();
    each(snapshot.users(), &mut Totals::default(), |record| {
        if let Record::User(user) = record {
            for name in user.attributes.keys().filter(|name| !names.contains(*name)).collect::<Vec<_>>() {
                names.insert(name.clone());
            }
        }
        Ok(())
    })
    .await?;
    let fixed = ["sub", "username", "enabled", "status", "created_at", "modified_at"];
    let header: Vec<&str> = fixed.into_iter().chain(names.iter().map(String::as_str)).collect();
    sink.csv_row(&header)?;
    let mut totals = Totals::default();
    each(snapshot.users(), &mut totals, |record| match record {
        Record::User(user) => csv_user(sink, user, &names),
        _ => Ok(()),
    })
    .await?;
    Ok(totals)
}

fn csv_user(sink: &mut Sink<'_>, user: &User, names: &BTreeSet<String>) -> Result<(), Failure> {
    let time = |at: Option<cognito_profiles::time::Timestamp>| at.map(|at| at.to_string());
    let (created, modified) = (time(user.created_at), time(user.modified_at));
    let mut cells = vec![
        user.sub.as_str(),
        user.username.as_str(),
        if user.enabled { "true" } else { "false" },
        user.status.as_str(),
        created.as_deref().unwrap_or_default(),
        modified.as_deref().unwrap_or_default(),
    ];
    cells.extend(names.iter().map(|name| user.attributes.get(name).map_or("", String::as_str)));
    sink.csv_row(&cells)
}
