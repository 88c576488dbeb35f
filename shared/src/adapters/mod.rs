//! The ports, made real: Cognito through the AWS SDK; a backup and ledger in two DynamoDB tables
//! or in one SQLite file; queues on SQS; the system's clock. A deployment is all of them. And the
//! table of the retired solution, to be read into any backup.

mod aws;
pub mod cognito;
pub mod deployment;
pub mod dynamodb;
pub mod dynamodb_v1;
mod kept;
mod reading;
pub mod sqlite;
pub mod sqs;
mod system;

pub use system::SystemClock;
