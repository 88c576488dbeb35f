//! Users by CSV import jobs, one job after another: an account runs one at a time.
//!
//! A job's file is made of one part of the users, in the order of the backup, so that a job that
//! was begun by a process which died can be made again by the next. What a job says it imported is
//! told to who watches, and believed by nobody: the listing of the new pool decides.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use super::fit::Route;
use super::users::mapping_of;
use super::{Importer, Ongoing};
use crate::model::{Hash, Record, User};
use crate::ports::{
    CallError, CreateWith, Fault, Job, JobCounts, JobReport, JobState, Mapping, Sent, Version,
};
use crate::progress::Stage;
use crate::read::Position;
use crate::{Error, Result};

/// How large a job may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobLimits {
    /// The most rows (Developer Guide, "Importing users into user pools from a CSV file": 500,000).
    pub rows: u64,
    /// The most bytes of its file. Cognito takes 100 MB; the whole file is in memory.
    pub bytes: usize,
}

impl Default for JobLimits {
    fn default() -> Self {
        Self { rows: 500_000, bytes: 50_000_000 }
    }
}

/// Rows a second that an import job gets done. AWS names no figure; the retired solution imported
/// 250,000 to 500,000 users at this rate (its implementation guide).
pub(super) const ROWS_PER_SECOND: f64 = 35.0;

/// How long a file may take to be seen where it was sent, before it is sent again.
const UPLOAD_IS_SEEN_WITHIN: f64 = 120.0;

/// A job that does not move for so long, or cannot be started for another, will not.
const LONGEST_WAIT: f64 = 48.0 * 3600.0;

/// How often a job is made again whose file was refused.
const MOST_UPLOADS: u32 = 5;

/// Between two looks at a job, in seconds. A workflow that waits for a hundred jobs has 25,000
/// events for all of them: so a job is looked at a dozen times.
const SHORTEST_LOOK: f64 = 5.0;
const LONGEST_LOOK: f64 = 3_600.0;

/// Until its pace is known, it is looked at when a twentieth of it may be done, at the latest
/// after so many seconds.
const FIRST_LOOK: f64 = 300.0;

/// Until the next try to start a job.
const START_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// While another one is in the way, in seconds: a tenth of the time it was so far, within these.
const SHORTEST_TURN: f64 = 30.0;
const LONGEST_TURN: f64 = 300.0;

/// What is to be done about the jobs of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: all rows were sent, and all jobs have ended.
    Done,
    /// Look again after this time.
    Wait(Duration),
}

impl Importer {
    /// Takes the jobs as far as they go now. In whatever state a process left them, the next goes
    /// on.
    ///
    /// # Errors
    /// [`Error::JobStuck`], and what would stop every job.
    pub async fn advance_jobs(&self, ongoing: &Ongoing) -> Result<Next> {
        if ongoing.import.options.create_with != CreateWith::ImportJob {
            return Ok(Next::Done);
        }
        loop {
            let jobs = self.imports.jobs(&ongoing.import.id).await?;
            let Some(job) = self.current_job(ongoing, &jobs) else { return Ok(Next::Done) };
            if jobs.last().is_none_or(|last| last.number < job.number) {
                self.put_job(ongoing, job.clone()).await?;
            }
            let next = match job.state {
                JobState::Planned => self.make_job(ongoing, job).await?,
                JobState::Uploaded => self.start_job(ongoing, job).await?,
                JobState::Started | JobState::Ended => self.look_at_job(ongoing, job).await?,
            };
            if let Some(next) = next {
                return Ok(next);
            }
        }
    }

    /// All jobs, in this process.
    pub(super) async fn run_jobs(&self, ongoing: &Ongoing, rows: u64) -> Result<()> {
        if ongoing.import.options.create_with != CreateWith::ImportJob {
            return Ok(());
        }
        self.progress.begin(Stage::ImportJobs, Some(rows));
        while let Next::Wait(duration) = self.advance_jobs(ongoing).await? {
            self.clock.sleep(duration).await;
        }
        self.progress.end(Stage::ImportJobs);
        Ok(())
    }

    /// The job that goes on, or the next to be made; none if the last one carried the last users.
    fn current_job(&self, ongoing: &Ongoing, jobs: &[Job]) -> Option<Job> {
        let last = jobs.last().filter(|job| job.ends == ongoing.import.ends);
        let from = match last {
            Some(job) if job.state != JobState::Ended => return Some(job.clone()),
            Some(job) if job.through == Position::End => return None,
            Some(job) => job.through.clone(),
            None => Position::Start,
        };
        Some(Job {
            number: jobs.last().map_or(0, |job| job.number) + 1,
            ends: ongoing.import.ends,
            through: from.clone(),
            from,
            rows: 0,
            state: JobState::Planned,
            id: None,
            status: None,
            counts: JobCounts::default(),
            since: self.clock.now(),
        })
    }

    /// Makes the file and the job, and brings the one to the other.
    async fn make_job(&self, ongoing: &Ongoing, job: Job) -> Result<Option<Next>> {
        let role = self.logs_role_arn.as_deref().ok_or_else(|| Error::Usage(NO_ROLE.to_owned()))?;
        let (file, mut job) = self.make_file(ongoing, job).await?;
        if job.rows == 0 {
            // Nobody is left for a row. Written down, or the next look would read everyone again.
            job.state = JobState::Ended;
            self.put_job(ongoing, job).await?;
            return Ok(None);
        }
        let name = format!("cognito-profiles-{}-{}", ongoing.import.id, job.number);
        for _ in 0..MOST_UPLOADS {
            let made = match self.directory.create_import_job(&name, role).await {
                Err(error) if is_taken(&error) => return self.wait_for_turn(&job).map(Some),
                made => made.map_err(|error| self.directory.explain(error))?,
            };
            job.id = Some(made.id);
            job.status = None;
            match self.directory.upload(&made.upload, &file).await {
                Ok(()) => {
                    self.put_job(ongoing, Job { state: JobState::Uploaded, ..job }).await?;
                    return Ok(None);
                }
                // Its URL has expired, most likely.
                Err(CallError { fault: Fault::Refused(_), .. }) => {}
                Err(error) => return Err(self.directory.explain(error)),
            }
        }
        Err(Error::JobStuck(format!("its file was refused {MOST_UPLOADS} times")))
    }

    async fn start_job(&self, ongoing: &Ongoing, job: Job) -> Result<Option<Next>> {
        let id = job.id.clone().unwrap_or_default();
        match self.directory.start_import_job(&id).await {
            Ok(report) => self.note(ongoing, job, JobState::Started, report).await.map(|()| None),
            Err(CallError { fault: Fault::NotReady { no_file: true }, .. }) => {
                let seconds = self.clock.now().seconds_since(job.since);
                if seconds < UPLOAD_IS_SEEN_WITHIN {
                    return Ok(Some(Next::Wait(START_AGAIN_AFTER)));
                }
                self.put_job(ongoing, Job { state: JobState::Planned, ..job }).await.map(|()| None)
            }
            // Another job runs; or this one does, and the answer to its start was lost.
            Err(error) if is_taken(&error) => {
                let report = self.describe_job(&id).await?;
                match report.as_ref().map(|report| report.status.as_str()) {
                    Some("Created") => self.wait_for_turn(&job).map(Some),
                    Some("Expired") | None => {
                        self.put_job(ongoing, Job { state: JobState::Planned, ..job }).await.map(|()| None)
                    }
                    Some(_) => {
                        let state = JobState::Started;
                        self.put_job(ongoing, Job { state, ..job }).await.map(|()| None)
                    }
                }
            }
            Err(CallError { fault: Fault::NotFound, .. }) => {
                self.put_job(ongoing, Job { state: JobState::Planned, ..job }).await.map(|()| None)
            }
            Err(error) => Err(self.directory.explain(error)),
        }
    }

    async fn look_at_job(&self, ongoing: &Ongoing, job: Job) -> Result<Option<Next>> {
        let Some(report) = self.describe_job(job.id.as_deref().unwrap_or_default()).await? else {
            return Err(Error::JobStuck("Cognito no longer knows it".to_owned()));
        };
        let state = match report.status.as_str() {
            "Succeeded" | "Failed" | "Stopped" => JobState::Ended,
            "Created" => JobState::Uploaded,
            "Expired" => JobState::Planned,
            _ => JobState::Started,
        };
        let moved = Some(&report.status) != job.status.as_ref() || report.counts != job.counts;
        if state == JobState::Started && !moved {
            if self.clock.now().seconds_since(job.since) > LONGEST_WAIT {
                return Err(Error::JobStuck(format!("it is {} for 48 hours", report.status)));
            }
            return Ok(Some(Next::Wait(until_next_look(&job, job.counts, 0.0))));
        }
        let pace = pace(job.counts, report.counts, self.clock.now().seconds_since(job.since));
        let wait = Next::Wait(until_next_look(&job, report.counts, pace));
        self.note(ongoing, job, state, report).await?;
        Ok((state == JobState::Started).then_some(wait))
    }

    /// `None` if there is no such job any more.
    async fn describe_job(&self, id: &str) -> Result<Option<JobReport>> {
        match self.directory.describe_import_job(id).await {
            Ok(report) => Ok(Some(report)),
            Err(CallError { fault: Fault::NotFound, .. }) => Ok(None),
            Err(error) => Err(self.directory.explain(error)),
        }
    }

    async fn note(&self, ongoing: &Ongoing, job: Job, state: JobState, report: JobReport) -> Result<()> {
        let JobReport { status, counts } = report;
        self.progress.advance(Stage::ImportJobs, rows(counts).saturating_sub(rows(job.counts)));
        self.put_job(ongoing, Job { state, status: Some(status), counts, ..job }).await
    }

    async fn put_job(&self, ongoing: &Ongoing, job: Job) -> Result<()> {
        let job = Job { since: self.clock.now(), ..job };
        self.imports.put_job(&ongoing.import.id, &job).await
    }

    fn wait_for_turn(&self, job: &Job) -> Result<Next> {
        let seconds = self.clock.now().seconds_since(job.since);
        if seconds > LONGEST_WAIT {
            return Err(Error::JobStuck("another import job of the account runs for 48 hours".to_owned()));
        }
        Ok(Next::Wait(Duration::from_secs_f64((seconds / 10.0).clamp(SHORTEST_TURN, LONGEST_TURN))))
    }

    /// The file of a job: rows of those users after `job.from` who are not created yet, as many
    /// as fit.
    async fn make_file(&self, ongoing: &Ongoing, job: Job) -> Result<(Bytes, Job)> {
        let most = self.job_limits;
        let mut file = ongoing.fit.sheet().header().into_bytes();
        let (mut rows, mut through) = (0, job.from.clone());
        let mut walk = ongoing.snapshot.users().from(job.from.clone());
        let mut is_full = false;
        while !is_full {
            let Some(versions) = walk.next().await? else {
                through = Position::End;
                break;
            };
            let mut candidates = self.candidates(ongoing, &versions).await?;
            let mut sent = Vec::new();
            for version in &versions {
                if let Some((name, row)) = candidates.remove(&version.key) {
                    is_full = rows == most.rows || file.len() + row.len() > most.bytes;
                    if is_full {
                        break;
                    }
                    file.extend_from_slice(row.as_bytes());
                    rows += 1;
                    // The header is the first line.
                    let line = u32::try_from(rows + 1).unwrap_or(u32::MAX);
                    sent.push(Sent { name, sub: version.key.clone(), row: Some((job.number, line)) });
                }
                through = Position::after(version);
            }
            self.imports.put_sent(&ongoing.import.id, &sent).await?;
        }
        Ok((Bytes::from(file), Job { through, rows, ..job }))
    }

    /// Those of these users who are to get a row, by their `sub`: their name's hash and the row.
    /// Of two who would have the same name in the new pool, the first gets it.
    async fn candidates(
        &self,
        ongoing: &Ongoing,
        versions: &[Version],
    ) -> Result<HashMap<String, (Hash, String)>> {
        let import = &ongoing.import;
        let subs: Vec<String> = versions.iter().map(|version| version.key.clone()).collect();
        let begun = self.mappings_of(import, &subs).await?;
        let is_created = |user: &User| begun.get(&user.sub).is_some_and(|mapping| mapping.new_sub.is_some());
        let mut with_row = Vec::new();
        for version in versions {
            if let Record::User(user) = version.record()?
                && !is_created(&user)
                && let (Ok(new), Route::Row(row)) = (ongoing.fit.new_user(&user), ongoing.fit.route(&user))
            {
                with_row.push((user, ongoing.fit.name_hash(&new.username), row));
            }
        }
        let names: Vec<Hash> = with_row.iter().map(|(_, name, _)| *name).collect();
        let claims = self.imports.sent_as(&import.id, &names).await?;
        let mut claims: HashMap<Hash, String> =
            claims.into_iter().map(|sent| (sent.name, sent.sub)).collect();
        let (mut candidates, mut losers) = (HashMap::new(), Vec::new());
        for (user, name, row) in with_row {
            if *claims.entry(name).or_insert_with(|| user.sub.clone()) == user.sub {
                candidates.insert(user.sub, (name, row));
            } else {
                let reason = Some(SAME_NAME.to_owned());
                losers.push(Mapping { reason, created_with: CreateWith::ImportJob, ..mapping_of(&user) });
            }
        }
        self.imports.put_mappings(&import.id, &losers).await?;
        Ok(candidates)
    }
}

/// Why the second of two users with one name has no row.
const SAME_NAME: &str = "another user of the backup has the same name in the new pool";

const NO_ROLE: &str = "import jobs need a role by which Cognito writes their logs: pass --logs-role-arn";

/// Whether another job is in the way.
const fn is_taken(error: &CallError) -> bool {
    matches!(error.fault, Fault::NotReady { .. } | Fault::Limit)
}

const fn rows(counts: JobCounts) -> u64 {
    counts.imported + counts.skipped + counts.failed
}

/// Rows a second, between two looks; 0 if that cannot be told.
#[allow(clippy::cast_precision_loss)] // a job has at most 500,000 rows
fn pace(before: JobCounts, now: JobCounts, seconds: f64) -> f64 {
    let done = rows(now).saturating_sub(rows(before)) as f64;
    if seconds > 0.0 { done / seconds } else { 0.0 }
}

/// Three quarters of the time that is left at this pace. A job that is done waits at most a fiftieth
/// of its time for the next.
#[allow(clippy::cast_precision_loss)] // a job has at most 500,000 rows
fn until_next_look(job: &Job, counts: JobCounts, pace: f64) -> Duration {
    let left = job.rows.saturating_sub(rows(counts)) as f64;
    let seconds = if pace > 0.0 {
        (left * 0.75 / pace).max(job.rows as f64 / pace / 50.0)
    } else {
        (left / ROWS_PER_SECOND / 20.0).min(FIRST_LOOK)
    };
    Duration::from_secs_f64(seconds.clamp(SHORTEST_LOOK, LONGEST_LOOK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    /// How often a job of so many rows is looked at that gets `rps` of them done each second; how
    /// many seconds it takes, and how many after its end it is looked at for the last time.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn look(rows: u64, rps: f64) -> (f64, f64, f64) {
        let mut job = Job {
            number: 1,
            ends: 0,
            from: Position::Start,
            through: Position::End,
            rows,
            state: JobState::Started,
            id: None,
            status: None,
            counts: JobCounts::default(),
            since: Timestamp::from_millis(0),
        };
        let (mut looks, mut elapsed, mut last_pace) = (0.0, 0.0, 0.0);
        while job.counts.imported < rows {
            let wait = until_next_look(&job, job.counts, last_pace).as_secs_f64();
            elapsed += wait;
            looks += 1.0;
            let imported = ((elapsed * rps) as u64).min(rows);
            let counts = JobCounts { imported, ..JobCounts::default() };
            last_pace = pace(job.counts, counts, wait);
            job.counts = counts;
        }
        let takes = rows as f64 / rps;
        (looks, takes, elapsed - takes)
    }

    #[test]
    fn a_job_is_looked_at_a_dozen_times_and_never_waits_long_for_the_next() {
        for rows in [1, 100, 10_000, 500_000] {
            for rps in [2.0, 35.0, 400.0, 5_000.0] {
                let (looks, takes, late) = look(rows, rps);
                assert!(looks <= 12.0 + takes / LONGEST_LOOK, "{rows} rows, {rps}/s: {looks} looks");
                assert!(late <= takes / 40.0 + FIRST_LOOK, "{rows} rows, {rps}/s: {late} s late");
            }
        }
    }
}
