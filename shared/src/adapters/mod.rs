//! The ports, made real: Cognito through the AWS SDK, a backup and ledger in one SQLite file or
//! in DynamoDB, queues on SQS, the system's clock; and a deployment, which is all of them.

pub mod cognito;
pub mod deployment;
pub mod sqlite;
pub mod sqs;
mod system;

pub use system::SystemClock;
