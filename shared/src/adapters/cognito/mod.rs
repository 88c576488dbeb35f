//! A user pool through the AWS SDK.
