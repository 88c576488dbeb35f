//! How import jobs behave.

use std::collections::VecDeque;
use std::ops::Range;

use crate::error::ServiceError;
use crate::time::Millis;

/// What starting a job answers while another one of the account is active. No
/// documentation says which it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BusyError {
    /// `PreconditionNotMetException`, which `StartUserImportJob` documents.
    #[default]
    PreconditionNotMet,
    /// `LimitExceededException`, after the quota of one active job.
    LimitExceeded,
}

impl BusyError {
    pub(crate) fn error(self) -> ServiceError {
        let code = match self {
            Self::PreconditionNotMet => "PreconditionNotMetException",
            Self::LimitExceeded => "LimitExceededException",
        };
        ServiceError::new(code, "Another user import job of this account is active.")
    }
}

/// How import jobs behave, and what goes wrong with them on purpose. A job
/// keeps what was set when it was started.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportBehaviour {
    /// How many milliseconds a started job is `Pending`.
    pub pending: Millis,
    /// How many rows a job gets through in a second; 0 counts as 1. Nobody
    /// documents it.
    pub rows_per_second: u32,
    /// How many milliseconds a stopped job is `Stopping`, and still imports.
    pub stopping: Millis,
    /// How many milliseconds after its creation a job that was not started
    /// is `Expired`; documented as 24 to 48 hours.
    pub expiry: Millis,
    /// How many milliseconds it takes until starting a job notices an upload.
    pub upload_lag: Millis,
    /// Above this share of all rows, failed and skipped ones end a job as
    /// `Failed`, at once. Nobody documents it.
    pub bad_share: f64,
    /// Fewer bad rows than this never end a job.
    pub bad_least: u64,
    /// What starting a job answers while another one is active.
    pub busy: BusyError,
    /// When jobs of other people in this account are active.
    pub foreign_jobs: Vec<Range<Millis>>,
    /// The next jobs that are started die, `Failed`, after so many rows: the
    /// first entry is the next job's.
    pub deaths: VecDeque<u64>,
    /// Probability that a row counts, and is logged, as imported, and is not.
    pub lost_rows: f64,
    /// How many milliseconds the counts in answers lag behind the job. Its
    /// status does not.
    pub count_lag: Millis,
}

impl Default for ImportBehaviour {
    fn default() -> Self {
        Self {
            pending: 1000,
            rows_per_second: 1000,
            stopping: 1000,
            expiry: 24 * 3_600_000,
            upload_lag: 0,
            bad_share: 0.5,
            bad_least: 1,
            busy: BusyError::default(),
            foreign_jobs: Vec::new(),
            deaths: VecDeque::new(),
            lost_rows: 0.0,
            count_lag: 0,
        }
    }
}
