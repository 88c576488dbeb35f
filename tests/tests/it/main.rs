//! Integration tests, in one binary.

mod dynamodb;
mod ministack;
mod pipeline;
mod sqlite;
mod workflow;
