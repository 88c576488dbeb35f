//! The tool as a person or a script meets it: a process, against the simulated Cognito over HTTP.

mod contract;
mod damage;
mod encrypted;
mod errors;
mod interrupted;
mod journey;
mod private;
mod restore;
mod retired;
mod settings;
mod table;
mod world;
