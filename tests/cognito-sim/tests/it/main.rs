//! One test per documented behaviour of the simulated service.

mod faults;
mod groups;
mod harness;
mod http;
mod imports;
mod listing;
mod mfa;
mod passwords;
mod people;
mod pools;
mod providers;
mod quotas;
mod resources;
mod users;
