//! What can go wrong, said so that a person knows what to do next. Never personal data.

use std::path::PathBuf;

use crate::model::{Kind, PoolId};
use crate::ports::{CallError, Fault};
use crate::run::RunId;

/// The result of everything in this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. [`Error::kind`] is its stable name.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Cognito knows no such pool in this Region and account.
    #[error("no user pool {pool} in Region {region} of this account.{hint}")]
    NoSuchPool {
        /// The pool asked for.
        pool: PoolId,
        /// The Region asked.
        region: String,
        /// What may be the matter, with a leading space; or nothing.
        hint: String,
    },
    /// The credentials do not allow an operation.
    #[error(
        "not allowed to call {operation}: grant cognito-idp:{operation} on user pool {pool} to these credentials{hint}"
    )]
    AccessDenied {
        /// The operation, in AWS's words.
        operation: &'static str,
        /// The pool it was called on.
        pool: PoolId,
        /// What else may be the matter, as a sentence that follows; or nothing.
        hint: String,
    },
    /// There are no credentials, or AWS does not accept them.
    #[error("AWS credentials are missing or not accepted ({0}): set AWS_PROFILE, or sign in again")]
    Credentials(String),
    /// Cognito refused a call for a reason no retry helps.
    #[error("Cognito refused {operation} with {code}")]
    Cognito {
        /// The operation, in AWS's words.
        operation: &'static str,
        /// The error's code, in AWS's words.
        code: String,
    },
    /// Cognito could not be reached, or kept failing.
    #[error(
        "{operation} failed {attempts} times, last with {cause}: check the network and the endpoint, then run it again; what was done is kept"
    )]
    Unavailable {
        /// The operation, in AWS's words.
        operation: &'static str,
        /// How often it was tried.
        attempts: u32,
        /// What the last try met.
        cause: String,
    },
    /// A listing does not come to its end.
    #[error(
        "the listing of {listing} was refused its own page tokens {restarts} times: run the export again; if it happens again, report it"
    )]
    ListingBroken {
        /// Which listing; a group is not named.
        listing: &'static str,
        /// How often it was begun anew.
        restarts: u32,
    },
    /// A page of a listing is larger than a message may be.
    #[error("a page is larger than the {limit} bytes a message may have")]
    PageTooLarge {
        /// The most bytes a message may have.
        limit: usize,
    },
    /// Another run of the pool goes on.
    #[error(
        "run {run} of this pool is going on: wait for it to end, or stop its workflow and wait until {until}"
    )]
    AlreadyRunning {
        /// The run.
        run: RunId,
        /// When its lock is free at the latest, unless it is renewed.
        until: crate::time::Timestamp,
    },
    /// An earlier run of the pool has ended, and its workers may still be on their way.
    #[error("the workers of run {run} come to their end: the next run can begin at {until}")]
    Draining {
        /// The run that ended.
        run: RunId,
        /// When the next run can begin.
        until: crate::time::Timestamp,
    },
    /// The run's lock was taken by another.
    #[error(
        "run {0} lost its lock: it was not renewed in time, and another run began or may begin. Nothing of it is restored unless it is named; the next run starts afresh"
    )]
    LockLost(RunId),
    /// A run cannot complete.
    #[error("{0}")]
    RunBroken(String),
    /// There is no backup where one was expected.
    #[error("no backup at {0}: run `cognito-profiles export` first, or name it with --backup")]
    NoBackup(PathBuf),
    /// A file is there, but no backup of ours.
    #[error("{0} is not a backup made by cognito-profiles: name another with --backup")]
    NotABackup(PathBuf),
    /// A file is there, but encrypted.
    #[error(
        "{0} is encrypted: make a backup file of it with `cognito-profiles decrypt {0}`, and name that with --backup"
    )]
    Encrypted(PathBuf),
    /// An encrypted file is not what was written.
    #[error("{0} was changed or cut since it was encrypted: take another copy of it")]
    BrokenCopy(PathBuf),
    /// The backup was written by a later version.
    #[error(
        "the backup is of format {found}, this version reads up to {known}: install a newer cognito-profiles"
    )]
    NewerFormat {
        /// The format found.
        found: u32,
        /// The newest format this version reads.
        known: u32,
    },
    /// Another process writes to the backup.
    #[error("another cognito-profiles is writing to {0}: wait for it to end")]
    InUse(PathBuf),
    /// The backup does not hold what was written.
    #[error(
        "the backup is damaged: {0}. Run `cognito-profiles verify` to see what is affected; restore it from a copy, or restore as of another run"
    )]
    Corrupted(String),
    /// No space is left for the backup.
    #[error(
        "the disk that holds the backup is full: free some space and run it again; what was done is kept"
    )]
    DiskFull,
    /// The store failed in another way.
    #[error("the backup cannot be {action}: {cause}")]
    Store {
        /// What was tried: "read", "written", "opened".
        action: &'static str,
        /// What the store said.
        cause: String,
    },
    /// DynamoDB could not be reached, or kept failing.
    #[error(
        "{operation} on DynamoDB kept failing, last with {cause}: check the network and the table's capacity, then run it again; what was done is kept"
    )]
    StoreUnavailable {
        /// The operation, in AWS's words.
        operation: &'static str,
        /// What the last try met.
        cause: String,
    },
    /// DynamoDB knows no such table in this Region and account.
    #[error(
        "no DynamoDB table {0} in this Region of this account: deploy the stack, or check the table's name and AWS_REGION"
    )]
    NoSuchTable(String),
    /// The credentials do not allow an operation on a table.
    #[error(
        "not allowed to call {operation}: grant {actions} on DynamoDB table {table} to these credentials"
    )]
    TableDenied {
        /// The operation, in AWS's words.
        operation: &'static str,
        /// What to grant, in IAM's words.
        actions: &'static str,
        /// The table.
        table: String,
    },
    /// The credentials do not allow an operation on a queue.
    #[error("not allowed to call {operation}: grant sqs:{action} on queue {queue} to these credentials")]
    QueueDenied {
        /// The operation, in AWS's words.
        operation: &'static str,
        /// What to grant, in IAM's words.
        action: &'static str,
        /// The queue's name.
        queue: String,
    },
    /// A record is larger than an item of DynamoDB may be.
    #[error(
        "a {what} of {bytes} bytes cannot be saved, though compressed: an item of DynamoDB has at most {limit}. Make it smaller in the pool, or back the pool up into a file with the command line tool"
    )]
    RecordTooLarge {
        /// What kind of record.
        what: &'static str,
        /// Its size as DynamoDB counts it.
        bytes: usize,
        /// The most DynamoDB takes.
        limit: usize,
    },
    /// A record cannot be written as or read from JSON.
    #[error("a {kind} record cannot be read as JSON (line {line}, column {column})")]
    Encoding {
        /// What kind of record.
        kind: Kind,
        /// Where the parser stopped.
        line: usize,
        /// The same, in the line.
        column: usize,
    },
    /// The backup holds no run to read from.
    #[error(
        "the backup holds no complete run of {0}: run an export first, or name a run with --as-of (`cognito-profiles runs` lists them)"
    )]
    NoCompleteRun(PoolId),
    /// The backup holds nothing at all.
    #[error("the backup is empty: run an export first")]
    EmptyBackup,
    /// Several pools are in the backup.
    #[error("the backup holds {0} pools: name one with --from-pool (`cognito-profiles runs` lists them)")]
    SeveralPools(usize),
    /// A run was named that is not there.
    #[error("no run matches {0:?}: `cognito-profiles runs` lists them")]
    NoSuchRun(String),
    /// A run was named by a beginning that several share.
    #[error("{0:?} is the beginning of several runs: write more of it")]
    AmbiguousRun(String),
    /// No complete run is as old as the time given.
    #[error("no complete run had ended by {0}: `cognito-profiles runs` lists them")]
    NoRunBy(String),
    /// A run still going on was named.
    #[error("run {0} has not ended: wait for it, or run the export again to complete it, or name another")]
    RunNotEnded(RunId),
    /// The settings of the pool were not saved.
    #[error("run {0} has no settings: the retired solution did not save them")]
    NoSettings(RunId),
    /// A table is there, but it is not one of the retired solution.
    #[error("DynamoDB table {table} {matter}")]
    NotRetired {
        /// The table.
        table: String,
        /// What it is instead, and what to do.
        matter: String,
    },
    /// The target of a restore has users.
    #[error("user pool {0} is not empty: restore into a new, empty pool")]
    TargetNotEmpty(PoolId),
    /// An import was begun with other options or from another run.
    #[error(
        "import {import} into this pool was begun {difference}: run it again the same way to continue it, or restore into a new, empty pool"
    )]
    OtherImport {
        /// The import that was begun.
        import: String,
        /// How it differs.
        difference: String,
    },
    /// Somebody else wrote what was about to be written.
    #[error("another process wrote {0} meanwhile: run it again; what was done is kept")]
    Conflict(&'static str),
    /// There was no import.
    #[error("there was no import: run `cognito-profiles import` first")]
    NoImport,
    /// An import is asked for that is not there.
    #[error("no import {0:?}: `cognito-profiles report` tells of the last")]
    NoSuchImport(String),
    /// A CSV import job cannot go on.
    #[error(
        "the import job cannot go on: {0}. Look at it in the Cognito console, under the new pool's users; then run the import again: it goes on with who is missing, also with --create-with admin-api"
    )]
    JobStuck(String),
    /// The target cannot take what the backup holds.
    #[error("the new pool cannot take this backup: {}", .0.join("; "))]
    Incompatible(Vec<String>),
    /// What was asked makes no sense.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// That a record cannot be written as or read from JSON: where, and not the parser's own words,
    /// for they quote values.
    pub(crate) fn encoding(kind: Kind, error: &serde_json::Error) -> Self {
        Self::Encoding { kind, line: error.line(), column: error.column() }
    }

    /// That something of our own cannot be written as JSON; not the serializer's own words either.
    pub(crate) fn not_written(error: &serde_json::Error) -> Self {
        Self::Store {
            action: "written",
            cause: format!("no JSON can be made of it ({:?})", error.classify()),
        }
    }

    /// A stable name for scripts; docs/CLI.md lists them.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NoSuchPool { .. } => "no_such_pool",
            Self::AccessDenied { .. } | Self::TableDenied { .. } | Self::QueueDenied { .. } => {
                "access_denied"
            }
            Self::Credentials(_) => "credentials",
            Self::Cognito { .. } => "cognito",
            Self::Unavailable { .. } => "unavailable",
            Self::ListingBroken { .. } => "listing_broken",
            Self::PageTooLarge { .. } => "page_too_large",
            Self::AlreadyRunning { .. } => "already_running",
            Self::Draining { .. } => "draining",
            Self::LockLost(_) => "lock_lost",
            Self::RunBroken(_) => "run_broken",
            Self::NoBackup(_) => "no_backup",
            Self::NotABackup(_) | Self::NotRetired { .. } => "not_a_backup",
            Self::Encrypted(_) => "encrypted",
            Self::NewerFormat { .. } => "newer_format",
            Self::InUse(_) => "in_use",
            Self::Corrupted(_) | Self::Encoding { .. } | Self::BrokenCopy(_) => "corrupted",
            Self::DiskFull => "disk_full",
            Self::Store { .. } => "store",
            Self::StoreUnavailable { .. } => "store_unavailable",
            Self::NoSuchTable(_) => "no_such_table",
            Self::RecordTooLarge { .. } => "record_too_large",
            Self::NoCompleteRun(_) | Self::EmptyBackup => "no_complete_run",
            Self::SeveralPools(_) => "several_pools",
            Self::NoSuchRun(_) => "no_such_run",
            Self::AmbiguousRun(_) => "ambiguous_run",
            Self::NoRunBy(_) => "no_run_by",
            Self::RunNotEnded(_) => "run_not_ended",
            Self::NoSettings(_) => "no_settings",
            Self::TargetNotEmpty(_) => "target_not_empty",
            Self::OtherImport { .. } => "other_import",
            Self::Conflict(_) => "conflict",
            Self::NoImport | Self::NoSuchImport(_) => "no_such_import",
            Self::JobStuck(_) => "job_stuck",
            Self::Incompatible(_) => "incompatible",
            Self::Usage(_) => "usage",
        }
    }

    /// Whether it ends the command as failed, as wrongly used, or as refused.
    pub const fn class(&self) -> Class {
        match self {
            Self::NoSuchPool { .. }
            | Self::AccessDenied { .. }
            | Self::TableDenied { .. }
            | Self::QueueDenied { .. }
            | Self::NoSuchTable(_)
            | Self::Credentials(_)
            | Self::NoBackup(_)
            | Self::NotABackup(_)
            | Self::NotRetired { .. }
            | Self::Encrypted(_)
            | Self::NewerFormat { .. }
            | Self::NoCompleteRun(_)
            | Self::EmptyBackup
            | Self::SeveralPools(_)
            | Self::NoSuchRun(_)
            | Self::AmbiguousRun(_)
            | Self::NoRunBy(_)
            | Self::RunNotEnded(_)
            | Self::NoSettings(_)
            | Self::NoImport
            | Self::NoSuchImport(_)
            | Self::Usage(_) => Class::Usage,
            Self::InUse(_)
            | Self::AlreadyRunning { .. }
            | Self::Draining { .. }
            | Self::Corrupted(_)
            | Self::Encoding { .. }
            | Self::BrokenCopy(_)
            | Self::DiskFull
            | Self::TargetNotEmpty(_)
            | Self::OtherImport { .. }
            | Self::Incompatible(_) => Class::Refused,
            Self::Cognito { .. }
            | Self::Unavailable { .. }
            | Self::ListingBroken { .. }
            | Self::PageTooLarge { .. }
            | Self::LockLost(_)
            | Self::Conflict(_)
            | Self::JobStuck(_)
            | Self::RunBroken(_)
            | Self::RecordTooLarge { .. }
            | Self::StoreUnavailable { .. }
            | Self::Store { .. } => Class::Failed,
        }
    }
}

impl CallError {
    /// The error that ends a command for want of this call, made `attempts` times on `pool` in
    /// `region`.
    pub fn into_error(self, pool: &PoolId, region: &str, attempts: u32) -> Error {
        let operation = self.operation.as_str();
        match self.fault {
            Fault::Throttled => Error::Unavailable { operation, attempts, cause: "throttling".to_owned() },
            Fault::Transient(cause) => Error::Unavailable { operation, attempts, cause },
            Fault::NoSuchPool => Error::NoSuchPool {
                pool: pool.clone(),
                region: region.to_owned(),
                hint: region_hint(pool, region),
            },
            Fault::AccessDenied => {
                Error::AccessDenied { operation, pool: pool.clone(), hint: region_hint(pool, region) }
            }
            Fault::Credentials(matter) => Error::Credentials(matter),
            Fault::Invalid { code, .. } | Fault::Refused(code) => Error::Cognito { operation, code },
            fault @ (Fault::Limit
            | Fault::NotFound
            | Fault::Exists
            | Fault::AliasExists
            | Fault::NotReady { .. }) => {
                let code = Self { operation: self.operation, fault }.reason();
                Error::Cognito { operation, code }
            }
        }
    }
}

fn region_hint(pool: &PoolId, region: &str) -> String {
    match pool.region() {
        Some(named) if named != region => format!(" Its id says {named}: set AWS_REGION={named}."),
        _ => String::new(),
    }
}

/// How an error ends a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Something outside failed: exit 1.
    Failed,
    /// The command was given something wrong: exit 2.
    Usage,
    /// Going on could do harm: exit 4.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Operation;

    fn text(fault: Fault, region: &str) -> String {
        let error = CallError { operation: Operation::ListUsers, fault };
        error.into_error(&PoolId::new("eu-west-1_abc"), region, 5).to_string()
    }

    #[test]
    fn a_missing_pool_hints_at_its_region_only_if_that_differs() {
        let elsewhere = text(Fault::NoSuchPool, "us-east-1");
        assert!(
            elsewhere.ends_with("account. Its id says eu-west-1: set AWS_REGION=eu-west-1."),
            "{elsewhere}"
        );
        let here = text(Fault::NoSuchPool, "eu-west-1");
        assert!(here.ends_with("in Region eu-west-1 of this account."), "{here}");
    }

    #[test]
    fn says_what_to_grant_and_how_often_it_was_tried() {
        let denied = text(Fault::AccessDenied, "eu-west-1");
        assert!(denied.contains("grant cognito-idp:ListUsers on user pool eu-west-1_abc"), "{denied}");
        let unavailable = text(Fault::Transient("time-out".into()), "eu-west-1");
        assert!(unavailable.starts_with("ListUsers failed 5 times, last with time-out"), "{unavailable}");
        assert!(text(Fault::Throttled, "eu-west-1").contains("last with throttling"));
        assert_eq!(text(Fault::Refused("X".into()), "eu-west-1"), "Cognito refused ListUsers with X");
    }
}
