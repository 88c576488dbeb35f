//! Integration tests, in one binary.

mod memory_lock;
mod ministack;
mod pipeline;
mod sqlite;
