//! Integration tests, in one binary.

mod sqlite;
