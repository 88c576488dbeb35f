//! The ports, made real: Cognito through the AWS SDK, a backup and ledger in two DynamoDB tables
//! or in one SQLite file, the system's clock.

pub mod cognito;
pub mod dynamodb;
pub mod sqlite;
mod system;
#[cfg(test)]
mod wire;

pub use system::SystemClock;
