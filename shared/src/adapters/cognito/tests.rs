//! The adapter against answers shaped like Cognito's, without a network.

mod calls;
mod connection;
mod environment;
mod faults;
mod fuzz;
mod import;
mod upload;
mod wire;
