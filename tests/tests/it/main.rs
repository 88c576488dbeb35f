//! Integration tests, in one binary.

mod dynamodb;
mod memory_lock;
mod ministack;
mod pipeline;
mod simulation;
mod sqlite;
mod two_runs;
mod workflow;
