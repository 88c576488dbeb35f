//! Conformance suites for the ports, and what simulations need.

pub mod cloud;
pub mod conformance;
pub mod dynamodb;
mod dynoxide;
pub mod import_cloud;
mod memory_lock;
mod ministack;
pub mod mortal;
pub mod restored;
pub mod retired;
mod server;
mod sim_clock;
mod sim_directory;
pub mod sim_queue;
pub mod simulation;
mod state_machine;
pub mod weather;
pub mod world;

pub use dynoxide::Dynoxide;
pub use memory_lock::MemoryLock;
pub use ministack::MiniStack;
pub use sim_clock::SimClock;
pub use sim_directory::SimDirectory;

/// How many cases a property is tried with: as many as it says, or `FUZZ_TIMES` as many.
pub fn fuzz_cases(usual: u32) -> u32 {
    let times = std::env::var("FUZZ_TIMES").ok().and_then(|times| times.parse().ok());
    usual.saturating_mul(times.unwrap_or(1))
}
