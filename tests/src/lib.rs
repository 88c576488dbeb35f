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
