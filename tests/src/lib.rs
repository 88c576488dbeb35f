//! Conformance suites for the ports, and what simulations need.

pub mod conformance;
pub mod dynamodb;
mod ministack;
pub mod mortal;
mod sim_clock;
mod sim_directory;
pub mod world;

pub use ministack::MiniStack;
pub use sim_clock::SimClock;
pub use sim_directory::SimDirectory;
