//! A backup in DynamoDB tables, against services that answer as DynamoDB does.

mod expiry;
mod ministack;
