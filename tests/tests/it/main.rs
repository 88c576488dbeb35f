//! Integration tests, in one binary.

mod ministack;
mod sqlite;
