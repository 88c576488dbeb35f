//! Conformance suites for the ports, and what simulations need.

pub mod conformance;
mod sim_clock;

pub use sim_clock::SimClock;
