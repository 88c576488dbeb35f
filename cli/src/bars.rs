//! Progress bars on a terminal: one for each stage, with its rate and the time left.

use std::collections::HashMap;
use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cognito_profiles::progress::{Progress, Stage};
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

/// Bars on standard error, if that is a terminal and they are wanted; else nothing.
#[derive(Default)]
pub struct Bars {
    shown: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    screen: MultiProgress,
    bars: HashMap<Stage, ProgressBar>,
}

impl Bars {
    pub fn new(wanted: bool) -> Self {
        Self { shown: wanted && io::stderr().is_terminal(), ..Self::default() }
    }

    /// Ends every bar that is left, so that lines can follow.
    pub fn settle(&self) {
        let mut drawn = self.lock();
        for bar in std::mem::take(&mut drawn.bars).into_values() {
            finish(&bar);
        }
        drawn.screen = MultiProgress::new();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bar of a stage; a new one if it has none yet, for not every stage is announced.
    fn bar(&self, stage: Stage) -> Option<ProgressBar> {
        if !self.shown {
            return None;
        }
        let mut drawn = self.lock();
        if let Some(bar) = drawn.bars.get(&stage) {
            return Some(bar.clone());
        }
        let bar = drawn.screen.add(ProgressBar::no_length());
        bar.set_style(style(COUNTING));
        bar.set_prefix(name(stage));
        bar.enable_steady_tick(Duration::from_millis(125));
        drawn.bars.insert(stage, bar.clone());
        Some(bar)
    }
}

fn finish(bar: &ProgressBar) {
    bar.set_style(style(DONE));
    bar.finish();
}

impl Progress for Bars {
    fn begin(&self, stage: Stage, total: Option<u64>) {
        let Some(bar) = self.bar(stage) else { return };
        if let Some(total) = total.filter(|total| *total > 0) {
            bar.set_length(total.max(bar.position()));
            bar.set_style(style(MEASURED));
        }
    }

    fn advance(&self, stage: Stage, by: u64) {
        let Some(bar) = self.bar(stage) else { return };
        let position = bar.position() + by;
        // Totals are estimates.
        if bar.length().is_some_and(|length| length < position) {
            bar.set_length(position);
        }
        bar.inc(by);
    }

    fn end(&self, stage: Stage) {
        let mut drawn = self.lock();
        let Some(bar) = drawn.bars.remove(&stage) else { return };
        finish(&bar);
        if drawn.bars.is_empty() {
            // What is drawn stays; a new screen does not draw over lines printed after it.
            drawn.screen = MultiProgress::new();
        }
    }
}

const MEASURED: &str = "{prefix:24} {bar:30.cyan/dim} {human_pos:>10} of {human_len}, {rate}, {eta} left";
const COUNTING: &str = "{prefix:24} {spinner:30.cyan} {human_pos:>10}, {rate}";
const DONE: &str = "{prefix:24} {human_pos:>10} in {elapsed}, {rate}";

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸─").with_key("rate", |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        // A bar that cannot be drawn is not worth failing for.
        let _ = write!(text, "{:.0}/s", state.per_sec());
    })
}

const fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Users => "Listing users",
        Stage::Groups => "Listing groups",
        Stage::Members => "Listing group members",
        Stage::Reconcile => "Comparing with backup",
        Stage::Confirm => "Confirming who is gone",
        Stage::Scan => "Reading the table",
        Stage::Copy => "Keeping what was read",
        Stage::Plan => "Reading the backup",
        Stage::CreateGroups => "Creating groups",
        Stage::ImportJobs => "Importing users",
        Stage::CreateUsers => "Creating users",
        Stage::Match => "Matching users",
        Stage::Finish => "Finishing users",
        Stage::Updates => "Adding to groups",
        Stage::Compare => "Comparing field by field",
        Stage::Digests => "Recomputing digests",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_one_indicatif_takes() {
        for template in [MEASURED, COUNTING, DONE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
