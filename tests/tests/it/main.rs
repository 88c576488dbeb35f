//! Integration tests, in one binary.

mod pipeline;
mod sqlite;
