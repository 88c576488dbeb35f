//! What befalls the calls of a whole deployment to its stores, and a trace of all that happened.

#![allow(clippy::missing_panics_doc)] // a history without an end is a failure

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cognito_profiles::ports::Clock as _;
use cognito_profiles::run::Run;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::SimClock;

/// So many of the last events are kept.
const KEPT: usize = 60;

/// A history of more events than this has no end.
const MOST_EVENTS: u64 = 500_000;

/// What is read of each of hundreds of partitions, and of those calls the faults strike this part:
/// else no comparison would ever come to its end.
const OFTEN: [&str; 6] = ["heads", "seen", "as_of", "get", "versions", "group_names"];
const OFTEN_SHARE: u32 = 100;

/// What may befall a call to a store, each with so many in ten thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreFaults {
    /// It does not arrive; who made it hears that it failed.
    pub lost_before: u32,
    /// It has its effect, and who made it hears that it failed.
    pub lost_after: u32,
    /// The same, but of several records only some are written.
    pub torn: u32,
    /// It takes a while: up to `slowest`.
    pub slow: u32,
    /// How long at most.
    pub slowest: Duration,
}

/// What befalls one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Luck {
    /// Nothing.
    Good,
    /// It is lost before it had its effect.
    LostBefore,
    /// Its answer is lost.
    LostAfter,
    /// Its answer is lost, and its effect is in part: these bits say which.
    Torn(u64),
}

impl Luck {
    /// What of these is done.
    pub fn part_of<T: Clone>(self, whole: &[T]) -> Cow<'_, [T]> {
        let Self::Torn(bits) = self else { return Cow::Borrowed(whole) };
        let kept = whole.iter().enumerate().filter(|(number, _)| bits >> (number % 64) & 1 == 1);
        Cow::Owned(kept.map(|(_, item)| item.clone()).collect())
    }
}

/// The weather.
pub struct Weather {
    clock: Arc<SimClock>,
    /// Whether every event is printed: if the environment has `TRACE`.
    is_told: bool,
    state: Mutex<State>,
}

struct State {
    faults: StoreFaults,
    kills: bool,
    held_up: Option<(&'static str, Duration)>,
    random: StdRng,
    last_events: VecDeque<String>,
    events: u64,
    hash: DefaultHasher,
    runs: Vec<(Duration, Run)>,
}

impl Weather {
    /// Fair; what may befall follows from `seed`.
    pub fn fair(clock: Arc<SimClock>, seed: u64) -> Arc<Self> {
        let state = State {
            faults: StoreFaults::default(),
            kills: true,
            held_up: None,
            random: StdRng::seed_from_u64(seed),
            last_events: VecDeque::with_capacity(KEPT),
            events: 0,
            hash: DefaultHasher::new(),
            runs: Vec::new(),
        };
        Arc::new(Self { clock, is_told: std::env::var_os("TRACE").is_some(), state: Mutex::new(state) })
    }

    /// From now on this may befall calls.
    pub fn set(&self, faults: StoreFaults) {
        self.state().faults = faults;
    }

    /// The next call of this method takes so long to arrive.
    pub fn hold_up(&self, step: &'static str, by: Duration) {
        self.state().held_up = Some((step, by));
    }

    /// From now on nothing befalls calls, and nobody is killed any more.
    pub fn calm(&self) {
        let mut state = self.state();
        state.faults = StoreFaults::default();
        state.kills = false;
    }

    /// Whether processes are killed, where they would be.
    pub fn kills(&self) -> bool {
        self.state().kills
    }

    /// Adds to the trace.
    pub fn note(&self, what: fmt::Arguments<'_>) {
        let event = format!("{:>12.3} {what}", self.clock.elapsed().as_secs_f64());
        if self.is_told {
            eprintln!("{event}");
        }
        let mut state = self.state();
        event.hash(&mut state.hash);
        state.events += 1;
        assert!(state.events < MOST_EVENTS, "it goes on for ever");
        if state.last_events.len() == KEPT {
            state.last_events.pop_front();
        }
        state.last_events.push_back(event);
    }

    /// The last events.
    pub fn last_events(&self) -> String {
        self.state().last_events.iter().fold(String::new(), |events, event| events + event + "\n")
    }

    /// How many events there were, and a hash of all.
    pub fn trace(&self) -> (u64, u64) {
        let state = self.state();
        (state.events, state.hash.finish())
    }

    /// Every run record that was written, and when.
    pub fn runs(&self) -> Vec<(Duration, Run)> {
        self.state().runs.clone()
    }

    pub(crate) fn witness(&self, run: &Run) {
        let now = self.clock.elapsed();
        self.note(format_args!("run {} is {:?}", run.id, run.status));
        self.state().runs.push((now, run.clone()));
    }

    /// What befalls the next call, once it is time.
    pub(crate) async fn luck(&self, step: &str) -> Luck {
        let held_up = self.state().held_up.take_if(|(held_up, _)| *held_up == step);
        let (luck, delay) = self.draw(if OFTEN.contains(&step) { OFTEN_SHARE } else { 1 });
        if let Some(delay) = delay.max(held_up.map(|(_, by)| by)) {
            self.clock.sleep(delay).await;
        }
        luck
    }

    fn draw(&self, share: u32) -> (Luck, Option<Duration>) {
        let mut state = self.state();
        let StoreFaults { lost_before, lost_after, torn, slow, slowest } = state.faults;
        let all = 10_000 * share;
        let slow = state.random.random_range(0..all) < slow;
        let delay = slow.then(|| slowest.mul_f64(state.random.random_range(0.0..1.0)));
        let luck = match state.random.random_range(0..all) {
            chance if chance < lost_before => Luck::LostBefore,
            chance if chance < lost_before + lost_after => Luck::LostAfter,
            chance if chance < lost_before + lost_after + torn => Luck::Torn(state.random.random()),
            _ => Luck::Good,
        };
        (luck, delay)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
