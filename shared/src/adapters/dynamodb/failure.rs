//! What an error of DynamoDB means. Its messages can hold keys and values: they are dropped.

use std::error::Error as StdError;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::Error;
use crate::adapters::aws::{codes, undelivered};
use crate::ports::Fault;

/// What became of a request that was not granted.
#[derive(Debug)]
pub(in crate::adapters) enum Failure {
    /// A condition does not hold: an answer, not an error.
    ConditionFailed,
    /// Another transaction has the item, or there is no capacity: the same again may do.
    Busy(String),
    /// Trying again does not help, or the SDK has tried often enough.
    Said(Error),
}

/// What was asked of which table.
#[derive(Clone, Copy)]
pub(in crate::adapters) struct Asked<'a> {
    pub(in crate::adapters) operation: &'static str,
    pub(in crate::adapters) table: &'a str,
}

impl Asked<'_> {
    pub(in crate::adapters) fn failure<E>(self, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        match error {
            SdkError::ServiceError(context) => {
                self.answered(context.raw().status().as_u16(), context.err().code())
            }
            SdkError::ResponseError(context) => {
                self.unavailable(format!("HTTP {}", context.raw().status().as_u16()))
            }
            SdkError::TimeoutError(_) => self.unavailable("time-out".to_owned()),
            SdkError::DispatchFailure(_) => match undelivered::fault(error) {
                Fault::Credentials(matter) => Failure::Said(Error::Credentials(matter)),
                Fault::Transient(cause) => self.unavailable(cause),
                _ => self.unavailable("request not sent".to_owned()),
            },
            _ => self.refused("RequestNotBuilt"),
        }
    }

    /// As [`Asked::failure`], where the reasons say which.
    pub(super) fn cancelled(self, error: &SdkError<TransactWriteItemsError, HttpResponse>) -> Failure {
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                self.for_reasons(cancelled.cancellation_reasons())
            }
            _ => self.failure(error),
        }
    }

    fn for_reasons(self, reasons: &[CancellationReason]) -> Failure {
        let codes = || reasons.iter().filter_map(CancellationReason::code).filter(|code| *code != "None");
        if codes().any(|code| code == "ConditionalCheckFailed") {
            return Failure::ConditionFailed;
        }
        let grave = codes().find(|code| {
            !matches!(*code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
        });
        match (grave, codes().next()) {
            (None, Some(passing)) => Failure::Busy(passing.to_owned()),
            (grave, _) => self
                .refused(grave.filter(|code| codes::is_code(code)).unwrap_or("TransactionCanceledException")),
        }
    }

    fn answered(self, status: u16, code: Option<&str>) -> Failure {
        let Some(code) = code.filter(|code| codes::is_code(code)) else {
            return self.unavailable(format!("HTTP {status}"));
        };
        match code {
            "ConditionalCheckFailedException" => Failure::ConditionFailed,
            "TransactionConflictException" | "TransactionInProgressException" => {
                Failure::Busy(code.to_owned())
            }
            "ResourceNotFoundException" => Failure::Said(Error::NoSuchTable(self.table.to_owned())),
            "AccessDeniedException" | "AccessDenied" => Failure::Said(Error::TableDenied {
                operation: self.operation,
                actions: actions(self.operation),
                table: self.table.to_owned(),
            }),
            _ => match codes::credentials(code) {
                Some(matter) => Failure::Said(Error::Credentials(format!("{code}: {matter}"))),
                None if status >= 500 || codes::is_throttling(code) => self.unavailable(code.to_owned()),
                None => self.refused(code),
            },
        }
    }

    /// That the same kept failing.
    pub(super) fn unavailable(self, cause: String) -> Failure {
        Failure::Said(Error::StoreUnavailable { operation: self.operation, cause })
    }

    fn refused(self, code: &str) -> Failure {
        let action = match self.operation {
            "GetItem" | "BatchGetItem" | "Query" | "Scan" => "read",
            _ => "written",
        };
        let (operation, table) = (self.operation, self.table);
        // What is asked of a table with other keys is not valid.
        let hint = match code {
            "ValidationException" if operation == "Query" => {
                format!(". A table of the retired solution is named with --backup dynamodb-v1:{table}")
            }
            _ => String::new(),
        };
        let cause = format!("{operation} on DynamoDB table {table} is refused with {code}{hint}");
        Failure::Said(Error::Store { action, cause })
    }
}

impl Failure {
    /// As an error, where no condition was given and waiting has no use.
    pub(in crate::adapters) fn into_error(self, asked: Asked<'_>) -> Error {
        match self {
            Self::Said(error) => error,
            Self::Busy(cause) => Error::StoreUnavailable { operation: asked.operation, cause },
            Self::ConditionFailed => {
                Error::StoreUnavailable { operation: asked.operation, cause: "a failed condition".to_owned() }
            }
        }
    }
}

/// What allows an operation. Transactions have no action of their own.
fn actions(operation: &str) -> &'static str {
    match operation {
        "GetItem" => "dynamodb:GetItem",
        "BatchGetItem" => "dynamodb:BatchGetItem",
        "Query" => "dynamodb:Query",
        "Scan" => "dynamodb:Scan",
        "PutItem" => "dynamodb:PutItem",
        "UpdateItem" => "dynamodb:UpdateItem",
        "DeleteItem" => "dynamodb:DeleteItem",
        "BatchWriteItem" => "dynamodb:BatchWriteItem",
        _ => "dynamodb:PutItem, dynamodb:UpdateItem and dynamodb:DeleteItem",
    }
}
