//! A whole deployment over simulated time: the seed draws the pool, what goes wrong, and what
//! happens when. Several exports, then a restore; after each, the promises of docs/GUARANTEES.md
//! are judged against what was really in the pool.
//!
//! Everything is in one thread, and the same seed gives the same history.

mod changes;
mod history;
mod plan;
mod truth;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tokio::task::LocalSet;

use crate::world::World;
use history::History;
use plan::Plan;

/// What came of one seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many events its trace has.
    pub events: u64,
    /// A hash of them.
    pub trace: u64,
    /// How its exports and imports ended, and how often.
    pub endings: BTreeMap<String, u64>,
}

/// Runs the history of a seed.
///
/// # Panics
/// If a promise is broken. Then it prints what the seed drew, the last events, and the command
/// that replays it.
pub fn simulate(seed: u64) -> Outcome {
    let plan = Plan::draw(seed);
    let drawn = format!("{plan:#?}");
    let world = World::new(&plan.population, plan.config());
    let weather = world.weather.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
    let history = History::new(seed, plan, world);
    match catch_unwind(AssertUnwindSafe(|| runtime.block_on(LocalSet::new().run_until(history.run())))) {
        Ok(outcome) => outcome,
        Err(panic) => {
            eprintln!("{drawn}\n{}\nseed {seed} failed: make simulate SEED={seed}", weather.last_events());
            resume_unwind(panic)
        }
    }
}
