//! What a seed draws before its history begins.

use std::time::Duration;

use cognito_sim::{Config, FaultRates, Latency, ListingBehaviour, Population, Quotas};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::sim_queue::Manners;
use crate::weather::StoreFaults;

/// A whole history, but for what is drawn as it goes on.
#[derive(Debug)]
pub(super) struct Plan {
    /// Nothing goes wrong.
    calm: bool,
    /// Who is in the pool at first.
    pub(super) population: Population,
    pub(super) listing: ListingBehaviour,
    pub(super) latency: Latency,
    /// The rate of `UserList`.
    pub(super) user_list: u32,
    pub(super) manners: Manners,
    /// Of a hundred invocations, so many are killed.
    pub(super) killed: u64,
    /// Of a hundred invocations of a coordinator, the state machine hears nothing of so many.
    pub(super) forgotten: u64,
    /// By so many milliseconds at most the clocks of functions are ahead or behind.
    pub(super) skew_millis: u64,
    pub(super) cognito: FaultRates,
    pub(super) store: StoreFaults,
    /// A change of the pool follows another after at most so long.
    pub(super) between_changes: Duration,
    pub(super) max_shrink_percent: f64,
    /// Exports by the command line tool, in one process.
    pub(super) one_process: bool,
    pub(super) exports: Vec<ExportPlan>,
    pub(super) import: Option<ImportPlan>,
}

/// One export, and what goes on meanwhile.
#[derive(Clone, Debug)]
pub(super) struct ExportPlan {
    /// How long nothing happens before it.
    pub(super) pause: Duration,
    /// By so many seconds the clock is set before it, and while it goes on.
    pub(super) jump_before: i64,
    pub(super) jump_during: i64,
    /// So many percent of the users are deleted before it.
    pub(super) deleted_percent: u64,
    pub(super) changes: bool,
    pub(super) allow_shrink: bool,
    /// When another execution is started, too.
    pub(super) second_start: Option<Duration>,
    /// When it is stopped from outside.
    pub(super) stopped: Option<Duration>,
}

/// A restore.
#[derive(Clone, Debug)]
pub(super) struct ImportPlan {
    /// By the command line tool.
    pub(super) one_process: bool,
    pub(super) with_jobs: bool,
    pub(super) list_without_row: bool,
    /// Which of the runs so far, from the last; `None`: not named.
    pub(super) as_of: Option<usize>,
    /// How often it is interrupted before it may come to its end.
    pub(super) interruptions: u32,
    /// What goes on meanwhile.
    pub(super) meanwhile: Option<ExportPlan>,
    pub(super) second_start: Option<Duration>,
    /// So often it comes to its end: once more, it changes nothing.
    pub(super) ends: u32,
    pub(super) job_dies_after: Option<u64>,
}

impl Plan {
    pub(super) fn draw(seed: u64) -> Self {
        let random = &mut StdRng::seed_from_u64(seed);
        let calm = random.random_ratio(1, 10);
        let one_process = random.random_ratio(1, 4);
        let faults = |random: &mut StdRng, share: u32| !calm && random.random_ratio(share, 4);
        Self {
            calm,
            population: population(random, seed),
            listing: listing(random),
            latency: *pick(
                random,
                &[
                    Latency::default(),
                    Latency { min: 5, max: 40 },
                    Latency { min: 20, max: 300 },
                    Latency { min: 50, max: 3_000 },
                ],
            ),
            user_list: *pick(random, &[4, 10, 30]),
            manners: if faults(random, 3) { manners(random) } else { Manners::default() },
            killed: if faults(random, 3) { *pick(random, &[3, 10, 25]) } else { 0 },
            forgotten: if faults(random, 2) { *pick(random, &[0, 5, 15]) } else { 0 },
            skew_millis: if faults(random, 2) { *pick(random, &[100, 2_000]) } else { 0 },
            cognito: if faults(random, 2) { cognito(random) } else { FaultRates::default() },
            store: if faults(random, 3) { store(random, one_process) } else { StoreFaults::default() },
            between_changes: Duration::from_millis(*pick(random, &[300, 2_000, 10_000])),
            max_shrink_percent: *pick(random, &[10.0, 10.0, 50.0]),
            one_process,
            exports: (0..*pick(random, &[1, 1, 2, 2, 3])).map(|number| export(random, number)).collect(),
            import: random.random_bool(0.5).then(|| import(random)),
        }
    }

    /// Whether nothing goes wrong that could make an export or an import fail.
    pub(super) fn is_calm(&self) -> bool {
        let stopped = self.exports.iter().any(|export| export.stopped.is_some());
        let import = self.import.as_ref();
        let interrupted = import.is_some_and(|import| import.interruptions > 0 || import.meanwhile.is_some());
        self.calm && !stopped && !interrupted
    }

    /// How the simulated Cognito behaves.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::seeded(self.population.seed);
        config.listing = self.listing.clone();
        config.faults.latency = self.latency;
        config.quotas = Quotas::documented().with(cognito_sim::Category::UserList, self.user_list);
        config
    }

    /// How long a listing may lag behind.
    pub(super) fn lag(&self) -> Duration {
        Duration::from_millis(self.listing.list_lag)
    }
}

fn pick<'a, T>(random: &mut StdRng, from: &'a [T]) -> &'a T {
    &from[random.random_range(0..from.len())]
}

fn population(random: &mut StdRng, seed: u64) -> Population {
    let users = match random.random_range(0..60) {
        0..3 => 0,
        3..15 => random.random_range(1..8),
        15..56 => random.random_range(8..50),
        56..59 => random.random_range(60..140),
        _ => random.random_range(601..700),
    };
    let groups = random.random_range(0..6);
    let email_sign_in = random.random_bool(0.5);
    // Of these everyone can be restored.
    if random.random_ratio(1, 4) {
        return Population { email_sign_in, ..Population::plain(users, groups, seed) };
    }
    let odd = random.random_bool(0.4);
    let people = if odd { Population::odd } else { Population::realistic }(users, groups, seed);
    Population {
        heavy_users: 0,
        linked_percent: *pick(random, &[0, 0, 15]),
        sms_mfa_percent: *pick(random, &[0, 0, 15]),
        email_sign_in,
        groups_per_user: groups.min(3),
        ..people
    }
}

fn listing(random: &mut StdRng) -> ListingBehaviour {
    let base =
        if random.random_bool(0.6) { ListingBehaviour::awkward() } else { ListingBehaviour::default() };
    ListingBehaviour {
        list_lag: *pick(random, &[0, 0, 0, 300, 2_500]),
        refuse_sub_prefix: random.random_ratio(1, 10),
        // A small pool that is thought to be large is listed by the beginnings of `sub`.
        estimate_error: *pick(random, &[0, 0, 0, 0, 640, 3, -2]),
        duplicates: *pick(random, &[0.0, 0.0, 0.2]),
        ..base
    }
}

fn manners(random: &mut StdRng) -> Manners {
    Manners {
        twice: *pick(random, &[0, 10, 40]),
        delay: Duration::from_secs(*pick(random, &[0, 2, 20, 90])),
        most_bytes: *pick(random, &[1024 * 1024, 1024 * 1024, 16 * 1024]),
        lost: *pick(random, &[0, 0, 3]),
    }
}

fn cognito(random: &mut StdRng) -> FaultRates {
    let mut rate = || *pick(random, &[0.0, 0.02, 0.08]);
    let (internal_error, unavailable, drop_before, drop_after) = (rate(), rate() / 4.0, rate() / 2.0, rate());
    let throttle = rate() / 2.0;
    FaultRates { internal_error, unavailable, drop_before, drop_after, throttle, throttle_burst: 5 }
}

/// A file writes all of a call or nothing.
fn store(random: &mut StdRng, one_process: bool) -> StoreFaults {
    let mut rate = |most: u32| *pick(random, &[0, most / 10, most]);
    StoreFaults {
        lost_before: rate(100),
        lost_after: rate(100),
        torn: if one_process { 0 } else { rate(200) },
        slow: rate(200),
        slowest: Duration::from_secs(u64::from(rate(50)).max(1)),
    }
}

fn export(random: &mut StdRng, number: u32) -> ExportPlan {
    let seconds =
        |random: &mut StdRng, most: u64| Duration::from_millis(random.random_range(0..most * 1_000));
    ExportPlan {
        pause: Duration::from_secs(*pick(random, &[0, 70, 2_000, 100_000])),
        jump_before: if number == 0 { 0 } else { *pick(random, &[0, 0, 0, 3_600, -5, -60]) },
        jump_during: *pick(random, &[0, 0, 0, 0, 20, 400, -3, -30]),
        deleted_percent: if number == 0 { 0 } else { *pick(random, &[0, 0, 0, 5, 30]) },
        changes: random.random_bool(0.6),
        allow_shrink: random.random_ratio(1, 4),
        second_start: random.random_ratio(1, 4).then(|| seconds(random, 30)),
        stopped: random.random_ratio(1, 6).then(|| seconds(random, 60)),
    }
}

fn import(random: &mut StdRng) -> ImportPlan {
    ImportPlan {
        one_process: random.random_ratio(1, 3),
        with_jobs: random.random_bool(0.6),
        list_without_row: random.random_ratio(1, 5),
        as_of: random.random_ratio(1, 3).then(|| random.random_range(0..4)),
        interruptions: random.random_range(0..3),
        meanwhile: random.random_ratio(1, 3).then(|| export(random, 1)),
        second_start: random.random_ratio(1, 4).then(|| Duration::from_secs(random.random_range(0..60))),
        ends: *pick(random, &[1, 1, 2]),
        job_dies_after: random.random_ratio(1, 8).then(|| random.random_range(0..30)),
    }
}
