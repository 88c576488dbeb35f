//! A backup and its ledger in DynamoDB tables, against services that answer as DynamoDB does.

mod corruption;
mod dynoxide;
mod expiry;
mod ministack;
mod replica;
mod retired;
