//! Backup, point-in-time restore and migration of Amazon Cognito user pools.
//!
//! The core of this library (everything but [`adapters`]) knows no AWS SDK type and no
//! database: it reaches a pool, its backup, the ledger of a run, the clock and chance only
//! through [`ports`]. See ARCHITECTURE.md for the map.

pub mod adapters;
pub mod compare;
pub mod copy;
pub mod digest;
pub mod encryption;
pub mod error;
pub mod export;
#[cfg(test)]
mod fuzz;
pub mod import;
pub mod model;
pub mod pacing;
pub mod ports;
pub mod progress;
pub mod read;
pub mod run;
pub mod settings;
pub mod time;
pub mod verify;
pub mod workflow;

pub use error::{Error, Result};
