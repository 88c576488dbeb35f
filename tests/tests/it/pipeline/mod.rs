//! The real pipeline over a simulated pool and clock: what a restore rests on.

mod crash;
mod export;
pub(crate) mod import;
mod jobs;
mod plan;
mod rates;
mod round_trip;
mod settings;
mod walk;

use cognito_profiles_tests::world::World;
use cognito_sim::{Config, ListingBehaviour, Population};

/// A pool whose listings behave as badly as they may.
pub(crate) fn awkward(population: &Population) -> World {
    World::new(population, Config { listing: ListingBehaviour::awkward(), ..Config::seeded(population.seed) })
}

/// A pool that behaves.
pub(crate) fn world(population: &Population) -> World {
    World::new(population, Config::seeded(population.seed))
}
