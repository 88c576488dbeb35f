//! Import jobs: from a CSV file to users.

mod behaviour;
mod file;
mod row;
mod upload;

use serde_json::{Value, json};

pub use behaviour::{BusyError, ImportBehaviour};
pub(crate) use upload::MAX_UPLOAD;
pub use upload::UploadOutcome;

use crate::error::ServiceError;
use crate::lag::When;
use crate::pool::Pool;
use crate::rng::{self, Rng};
use crate::time::{Millis, seconds};
use file::File;
use row::Fate;

pub(crate) use file::header;

/// Jobs a pool may have ever had ("Quotas in Amazon Cognito").
pub(crate) const MAX_JOBS: usize = 1000;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobStatus {
    Created,
    Pending,
    InProgress,
    Stopping,
    Stopped,
    Succeeded,
    Failed,
    Expired,
}

impl JobStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Expired => "Expired",
        }
    }

    /// Whether it keeps others of the account from being started.
    pub(crate) fn active(self) -> bool {
        matches!(self, Self::Pending | Self::InProgress | Self::Stopping)
    }
}

#[derive(Debug)]
struct Upload {
    at: Millis,
    body: Vec<u8>,
}

/// One import job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) created: Millis,
    pub(crate) status: JobStatus,
    expires: Millis,
    upload: Option<Upload>,
    run: Option<Run>,
    /// When it ended, and what it said then.
    end: Option<(Millis, &'static str)>,
    /// What became of each row, in order.
    fates: Vec<Fate>,
}

/// A job that was started.
#[derive(Debug)]
struct Run {
    started: Millis,
    /// When its first row is begun.
    begin: Millis,
    rows_per_second: u64,
    stop_at: Option<Millis>,
    bad_share: f64,
    bad_least: u64,
    dies_after: Option<u64>,
    lost_rows: f64,
    rng: Rng,
    file: Option<File>,
    bad: u64,
}

impl Run {
    /// How many rows are done by then.
    fn rows_by(&self, at: Millis) -> u64 {
        at.saturating_sub(self.begin).saturating_mul(self.rows_per_second) / 1000
    }

    /// When a row is done; the first is 1, and 0 is the beginning.
    fn done_at(&self, row: u64) -> Millis {
        self.begin + row.saturating_mul(1000).div_ceil(self.rows_per_second)
    }

    /// Whether too many rows failed or were skipped.
    #[allow(clippy::cast_precision_loss)] // Rows stay far below 2^53.
    fn too_many(&self, rows: u64) -> bool {
        self.bad > 0 && self.bad >= self.bad_least && self.bad as f64 > self.bad_share * rows as f64
    }
}

impl Job {
    pub(crate) fn new(id: String, name: String, role: String, now: Millis, expiry: Millis) -> Self {
        Self {
            id,
            name,
            role,
            created: now,
            status: JobStatus::Created,
            expires: now + expiry,
            upload: None,
            run: None,
            end: None,
            fates: Vec::new(),
        }
    }

    /// Takes a file; the latest counts.
    fn take(&mut self, body: &[u8], now: Millis) {
        self.upload = Some(Upload { at: now, body: body.to_vec() });
    }

    /// Starts it with the file it was given. `seed` decides everything random.
    pub(crate) fn start(
        &mut self,
        now: Millis,
        seed: u64,
        behaviour: &mut ImportBehaviour,
    ) -> Result<(), ServiceError> {
        if self.status != JobStatus::Created {
            return Err(precondition("The user import job cannot be started in its current status."));
        }
        if self.upload.as_ref().is_none_or(|upload| now < upload.at + behaviour.upload_lag) {
            return Err(precondition(format!("No csv file was uploaded for {}", self.id)));
        }
        self.run = Some(Run {
            started: now,
            begin: now + behaviour.pending,
            rows_per_second: u64::from(behaviour.rows_per_second.max(1)),
            stop_at: None,
            bad_share: behaviour.bad_share,
            bad_least: behaviour.bad_least,
            dies_after: behaviour.deaths.pop_front(),
            lost_rows: behaviour.lost_rows,
            rng: Rng::new(rng::hash(seed, self.id.as_bytes())),
            file: None,
            bad: 0,
        });
        self.status = JobStatus::Pending;
        Ok(())
    }

    /// Lets it end soon.
    pub(crate) fn stop(&mut self, now: Millis, stopping: Millis) -> Result<(), ServiceError> {
        let run = self.run.as_mut();
        let Some(run) = run.filter(|_| matches!(self.status, JobStatus::Pending | JobStatus::InProgress))
        else {
            return Err(precondition("The user import job cannot be stopped in its current status."));
        };
        run.stop_at = Some(now + stopping);
        self.status = JobStatus::Stopping;
        Ok(())
    }

    fn finish(&mut self, status: JobStatus, at: Millis, message: &'static str) {
        self.status = status;
        self.end = Some((at, message));
        self.upload = None;
    }

    /// Does what it has done by `now`.
    pub(crate) fn advance(&mut self, pool: &mut Pool, now: Millis, list_lag: Millis) {
        if self.status == JobStatus::Created && self.expires <= now {
            self.finish(JobStatus::Expired, self.expires, "The user import job has expired.");
        }
        let Some(mut run) = self.run.take_if(|_| self.status.active()) else { return };
        if self.status == JobStatus::Pending && run.begin <= now {
            self.open(pool, &mut run);
        }
        let until = run.stop_at.map_or(now, |stop| stop.min(now));
        self.work_off(pool, &mut run, until, list_lag);
        if self.status.active()
            && let Some(stop) = run.stop_at.filter(|stop| *stop <= now)
        {
            self.finish(JobStatus::Stopped, stop, "The Import Job was stopped by the developer.");
        }
        if !self.status.active() {
            run.file = None;
        }
        self.run = Some(run);
    }

    /// Works off the rows that are done by then, and ends where it has to.
    fn work_off(&mut self, pool: &mut Pool, run: &mut Run, until: Millis, list_lag: Millis) {
        while let Some(rows) = run.file.as_ref().map(|file| file.rows) {
            let done = self.fates.len() as u64;
            let end = if run.dies_after.is_some_and(|after| done >= after) {
                (JobStatus::Failed, "The user import job failed.")
            } else if run.too_many(rows) {
                (JobStatus::Failed, "Too many users have failed or been skipped during the import.")
            } else if done >= rows && self.status == JobStatus::InProgress {
                (JobStatus::Succeeded, "Import Job Completed Successfully.")
            } else if done < rows.min(run.rows_by(until)) {
                self.work(pool, run, list_lag);
                continue;
            } else {
                return;
            };
            return self.finish(end.0, run.done_at(done), end.1);
        }
    }

    /// Begins with the file.
    fn open(&mut self, pool: &Pool, run: &mut Run) {
        let body = self.upload.take().map(|upload| upload.body).unwrap_or_default();
        match File::open(body, &pool.schema) {
            Ok(file) => {
                run.file = Some(file);
                self.status = JobStatus::InProgress;
            }
            Err(message) => self.finish(JobStatus::Failed, run.begin, message),
        }
    }

    /// Imports one row.
    fn work(&mut self, pool: &mut Pool, run: &mut Run, list_lag: Millis) {
        let Some(row) = run.file.as_mut().and_then(File::next_row) else { return };
        let when = When { now: run.done_at(self.fates.len() as u64 + 1), lag: list_lag };
        let fate = match row.map_err(Fate::failed).and_then(|row| row.admit(pool, &mut run.rng)) {
            Ok(_) if run.rng.chance(run.lost_rows) => Fate::Succeeded,
            Ok(user) => match pool.add_user(user, when) {
                Ok(_) => Fate::Succeeded,
                Err(error) => Fate::from(error),
            },
            Err(fate) => fate,
        };
        run.bad += u64::from(fate != Fate::Succeeded);
        self.fates.push(fate);
    }

    /// Its log in CloudWatch.
    pub(crate) fn log(&self) -> Vec<String> {
        // The header is the first line.
        self.fates.iter().zip(2..).map(|(fate, line): (_, u64)| fate.log(line)).collect()
    }

    /// The job as answers describe it at `now`.
    pub(crate) fn describe(&self, pool: &str, url: &str, now: Millis, count_lag: Millis) -> Value {
        let known = self.run.as_ref().filter(|_| count_lag > 0);
        let known = known.map_or(u64::MAX, |run| run.rows_by(now.saturating_sub(count_lag)));
        let known = usize::try_from(known).unwrap_or(usize::MAX).min(self.fates.len());
        let mut counts = [0_u64; 3];
        for fate in &self.fates[..known] {
            counts[fate.index()] += 1;
        }
        let [imported, skipped, failed] = counts;
        let mut value = json!({
            "JobName": self.name,
            "JobId": self.id,
            "UserPoolId": pool,
            "PreSignedUrl": url,
            "CreationDate": seconds(self.created),
            "Status": self.status.name(),
            "CloudWatchLogsRoleArn": self.role,
            "ImportedUsers": imported,
            "SkippedUsers": skipped,
            "FailedUsers": failed,
        });
        if let Some(run) = &self.run {
            value["StartDate"] = json!(seconds(run.started));
        }
        if let Some((at, message)) = self.end {
            value["CompletionDate"] = json!(seconds(at));
            value["CompletionMessage"] = json!(message);
        }
        value
    }
}

impl Pool {
    /// A job of this pool.
    pub(crate) fn job(&self, id: &str) -> Result<&Job, ServiceError> {
        self.jobs.iter().find(|job| job.id == id).ok_or_else(no_job)
    }

    pub(crate) fn job_mut(&mut self, id: &str) -> Result<&mut Job, ServiceError> {
        self.jobs.iter_mut().find(|job| job.id == id).ok_or_else(no_job)
    }

    /// Lets its jobs do what they have done by `now`.
    pub(crate) fn run_jobs(&mut self, now: Millis, list_lag: Millis) {
        // Taken out meanwhile, because each of them gets the pool.
        let mut jobs = std::mem::take(&mut self.jobs);
        for job in &mut jobs {
            job.advance(self, now, list_lag);
        }
        self.jobs = jobs;
    }
}

fn no_job() -> ServiceError {
    ServiceError::new("ResourceNotFoundException", "User import job does not exist.")
}

fn precondition(message: impl Into<String>) -> ServiceError {
    ServiceError::new("PreconditionNotMetException", message)
}
