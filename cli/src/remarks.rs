//! What is to be said of the backup when a command has ended, whatever its result.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cognito_profiles::run::{LeftOut, Run, RunId};
use serde_json::{Value, json};

use crate::differences::SHOWN;
use crate::exit::{Ending, Status};
use crate::output::Output;
use crate::text;

/// Collects what there is to say.
#[derive(Default)]
pub struct Remarks(Mutex<Remarked>);

#[derive(Default)]
struct Remarked {
    /// What runs that were read do not hold.
    left_out: Vec<(RunId, Vec<LeftOut>)>,
    /// The file an import is kept in.
    kept_in: Option<String>,
}

impl Remarks {
    /// Says what a run does not hold although it was there: at once to people.
    pub fn left_out(&self, output: &Output, run: &Run) {
        let mut remarked = self.lock();
        if run.left_out.is_empty() || remarked.left_out.iter().any(|(id, _)| *id == run.id) {
            return;
        }
        remarked.left_out.push((run.id.clone(), run.left_out.clone()));
        let items = text::count(run.left_out.len() as u64, "item");
        output.note(format_args!("run {} does not hold what could not be read ({items}):", run.id));
        for LeftOut { record, key, reason } in run.left_out.iter().take(SHOWN) {
            let record = record.map_or("item", |record| record.as_str());
            output.note(text::safe(&format!("  {record} {key}: {reason}")));
        }
        if let Some(more @ 1..) = run.left_out.len().checked_sub(SHOWN) {
            output.note(format_args!("  … and {} more (use --json)", text::number(more as u64)));
        }
    }

    /// Says in which file an import is kept.
    pub fn kept_in(&self, path: &Path) {
        self.lock().kept_in = Some(format!("sqlite:{}", path.display()));
    }

    /// The ending with all of it: where something is left out, not all is well.
    pub fn end(&self, mut ending: Ending) -> Ending {
        let Remarked { left_out, kept_in } = std::mem::take(&mut *self.lock());
        if let Some(file) = kept_in {
            ending = ending.with("import_state", file);
        }
        let all: Vec<Value> =
            left_out.iter().flat_map(|(run, items)| items.iter().map(move |item| line(run, item))).collect();
        if all.is_empty() {
            return ending;
        }
        if ending.status == Status::Complete {
            ending.status = Status::Partial;
        }
        ending.with("left_out", all)
    }

    fn lock(&self) -> MutexGuard<'_, Remarked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn line(run: &RunId, LeftOut { record, key, reason }: &LeftOut) -> Value {
    json!({"run_id": run, "record": record, "key": key, "reason": reason})
}
