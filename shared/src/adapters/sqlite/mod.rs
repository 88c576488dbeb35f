//! A backup and ledger in one SQLite file.
