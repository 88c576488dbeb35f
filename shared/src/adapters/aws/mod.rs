//! What all services of AWS have in common: codes, connections that break, the Region.

pub(super) mod codes;
pub(super) mod profile;
pub(super) mod region;
pub(super) mod undelivered;
#[cfg(test)]
pub(super) mod wire;
