//! Integration tests, in one binary.

mod ministack;
mod pipeline;
mod sqlite;
mod workflow;
