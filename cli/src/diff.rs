//! `diff`: what changed between two runs.

use std::sync::Arc;

use cognito_profiles::compare::{Diff, Difference};
use cognito_profiles::model::PoolId;
use cognito_profiles::ports::Backup;
use cognito_profiles::read::Snapshot;

use crate::args::DiffArgs;
use crate::context::{Context, INTERRUPTED};
use crate::differences::{Counts, Line, plain};
use crate::exit::{Ending, Failure, Status};
use crate::text;

pub async fn run(context: &Context, args: DiffArgs) -> Result<Ending, Failure> {
    let backup = context.read().await?.backup;
    context
        .interruptible(INTERRUPTED, async {
            let (first, second) = both(backup, &args).await?;
            for snapshot in [&first, &second] {
                context.remarks.left_out(&context.output, &snapshot.run);
            }
            let counts = between(&first, &second, |difference| {
                context.output.object(&Line::new("change", difference))?;
                context.output.say(plain(difference))
            })
            .await?;
            context.output.say(said(&counts))?;
            Ok(Ending::new(Status::Complete)
                .with("run_a", first.run.id.as_str())
                .with("run_b", second.run.id.as_str())
                .with("new", counts.new)
                .with("changed", counts.changed)
                .with("gone", counts.gone))
        })
        .await
}

/// Hands every difference to `each`, and counts them.
pub async fn between(
    first: &Snapshot,
    second: &Snapshot,
    mut each: impl FnMut(&Difference) -> Result<(), Failure>,
) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    let mut diff = Diff::new(first, second).await?;
    while let Some(differences) = diff.next().await? {
        for difference in &differences {
            counts.add(difference);
            each(difference)?;
        }
    }
    Ok(counts)
}

/// The counts for people.
pub fn said(counts: &Counts) -> String {
    let [new, changed, gone] = [counts.new, counts.changed, counts.gone].map(text::number);
    format!("{new} new, {changed} changed, {gone} gone")
}

async fn both(backup: Arc<dyn Backup>, args: &DiffArgs) -> Result<(Snapshot, Snapshot), Failure> {
    let find = async |run: &str, pool: Option<&PoolId>| Snapshot::find(backup.clone(), pool, Some(run)).await;
    let pool = args.from_pool.as_ref();
    let first = find(&args.run_a, pool).await?;
    let second = find(&args.run_b, pool).await?;
    if first.pool() == second.pool() {
        return Ok((first, second));
    }
    Err(Failure::usage(format!(
        "run {} is of {} and run {} of {}: name two runs of one pool",
        first.run.id,
        first.pool(),
        second.run.id,
        second.pool()
    )))
}
