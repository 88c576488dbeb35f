//! What can go wrong on purpose.

use std::collections::{BTreeSet, VecDeque};

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rng::Rng;

/// One thing that goes wrong with one call.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// HTTP 500 with `InternalErrorException`; the call has no effect.
    InternalError,
    /// HTTP 503 whose body is not JSON; the call has no effect.
    Unavailable,
    /// The connection drops before the call has any effect.
    DropBefore,
    /// The call takes effect, and then the connection drops.
    DropAfter,
    /// `TooManyRequestsException`, whatever the quotas say.
    Throttle,
    /// Any other error; the call has no effect.
    Error(ServiceError),
    /// The answer takes this many milliseconds longer.
    Delay(u64),
}

/// Faults that strike at random, each call anew.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultRates {
    /// Probability of [`Fault::InternalError`].
    pub internal_error: f64,
    /// Probability of [`Fault::Unavailable`].
    pub unavailable: f64,
    /// Probability of [`Fault::DropBefore`].
    pub drop_before: f64,
    /// Probability of [`Fault::DropAfter`].
    pub drop_after: f64,
    /// Probability that a burst of [`Fault::Throttle`] starts.
    pub throttle: f64,
    /// How many calls in a row such a burst refuses; 0 counts as 1.
    pub throttle_burst: u32,
}

/// How long answers take, in milliseconds: any value from `min` to `max`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// The shortest.
    pub min: u64,
    /// The longest.
    pub max: u64,
}

impl Latency {
    /// Always the same.
    pub fn fixed(ms: u64) -> Self {
        Self { min: ms, max: ms }
    }
}

/// All that goes wrong.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// At random.
    pub rates: FaultRates,
    /// How long answers take.
    pub latency: Latency,
    /// Operations the caller may not call: `AccessDeniedException`.
    pub denied: BTreeSet<Operation>,
    script: VecDeque<Scripted>,
    burst_left: u32,
}

#[derive(Debug, Clone, PartialEq)]
struct Scripted {
    target: Target,
    skip: u32,
    times: u32,
    fault: Fault,
}

/// What a scripted fault waits for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    Any,
    Operation(Operation),
    Upload,
}

impl Faults {
    /// Lets a fault strike the next `times` calls of an operation (`None`: of
    /// any, uploads included), after letting `skip` of them pass. The oldest
    /// entry that matches a call wins.
    pub fn script(&mut self, operation: Option<Operation>, skip: u32, times: u32, fault: Fault) {
        let target = operation.map_or(Target::Any, Target::Operation);
        self.script.push_back(Scripted { target, skip, times, fault });
    }

    /// The same for uploads of files to import. What throttles a call makes
    /// an upload "slow down": 503, as `Unavailable` does.
    pub fn script_upload(&mut self, skip: u32, times: u32, fault: Fault) {
        self.script.push_back(Scripted { target: Target::Upload, skip, times, fault });
    }

    /// Scripted faults that have not struck yet.
    pub fn scripted_left(&self) -> usize {
        self.script.len()
    }

    /// Decides the fate of one call: what strikes it, and how long it takes.
    pub(crate) fn strike(&mut self, operation: Operation, rng: &mut Rng) -> (Option<Fault>, u64) {
        self.strike_at(Target::Operation(operation), rng)
    }

    /// Decides the fate of one upload.
    pub(crate) fn strike_upload(&mut self, rng: &mut Rng) -> (Option<Fault>, u64) {
        self.strike_at(Target::Upload, rng)
    }

    fn strike_at(&mut self, target: Target, rng: &mut Rng) -> (Option<Fault>, u64) {
        let Latency { min, max } = self.latency;
        let latency = if max > min { min + rng.below(max - min + 1) } else { min };
        match self.scripted(target).or_else(|| self.random(rng)) {
            Some(Fault::Delay(more)) => (None, latency + more),
            fault => (fault, latency),
        }
    }

    fn scripted(&mut self, target: Target) -> Option<Fault> {
        let position =
            self.script.iter().position(|entry| entry.target == Target::Any || entry.target == target)?;
        let entry = self.script.get_mut(position)?;
        if entry.skip > 0 {
            entry.skip -= 1;
            return None;
        }
        let fault = entry.fault.clone();
        entry.times = entry.times.saturating_sub(1);
        if entry.times == 0 {
            self.script.remove(position);
        }
        Some(fault)
    }

    fn random(&mut self, rng: &mut Rng) -> Option<Fault> {
        if self.burst_left > 0 {
            self.burst_left -= 1;
            return Some(Fault::Throttle);
        }
        let rates = &self.rates;
        if rng.chance(rates.throttle) {
            self.burst_left = rates.throttle_burst.saturating_sub(1);
            return Some(Fault::Throttle);
        }
        [
            (rates.internal_error, Fault::InternalError),
            (rates.unavailable, Fault::Unavailable),
            (rates.drop_before, Fault::DropBefore),
            (rates.drop_after, Fault::DropAfter),
        ]
        .into_iter()
        .find_map(|(probability, fault)| rng.chance(probability).then_some(fault))
    }
}
