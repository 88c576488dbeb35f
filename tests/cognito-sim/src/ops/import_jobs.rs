//! Import jobs.

use serde::Deserialize;
use serde_json::json;

use super::listings::{close, max_results, start as start_of};
use super::{Answer, parse, pool_id, required};
use crate::error::ServiceError;
use crate::imports::{Job, MAX_JOBS, header};
use crate::names;
use crate::page::cut;
use crate::rng::Rng;
use crate::state::State;
use crate::token::Seal;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PoolRequest {
    user_pool_id: Option<String>,
}

pub(super) fn csv_header(state: &mut State, body: &[u8]) -> Answer {
    let id = pool_id(parse::<PoolRequest>(body)?.user_pool_id)?;
    let pool = state.pool(&id)?;
    let mut columns = header(&pool.schema);
    // In no order that anybody could rely on.
    let mut rng = Rng::new(pool.key);
    for i in (1..columns.len()).rev() {
        columns.swap(i, rng.index(i + 1));
    }
    Ok(json!({ "UserPoolId": id, "CSVHeader": columns }).to_string().into_bytes())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateRequest {
    user_pool_id: Option<String>,
    job_name: Option<String>,
    cloud_watch_logs_role_arn: Option<String>,
    password_hashing_algorithm: Option<String>,
}

pub(super) fn create(state: &mut State, body: &[u8]) -> Answer {
    let request: CreateRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    let name = required(request.job_name, "jobName")?;
    names::import_job_name(&name)?;
    let role = required(request.cloud_watch_logs_role_arn, "cloudWatchLogsRoleArn")?;
    names::role_arn(&role)?;
    if let Some(algorithm) = request.password_hashing_algorithm {
        return Err(no_hashes(&algorithm));
    }
    if state.pool(&id)?.jobs.len() >= MAX_JOBS {
        return Err(ServiceError::new(
            "LimitExceededException",
            "The number of user import jobs exceeds the limit of the user pool.",
        ));
    }
    let (now, expiry) = (state.now, state.config.imports.expiry);
    let job = state.new_job_id();
    state.pool_mut(&id)?.jobs.push(Job::new(job.clone(), name, role, now, expiry));
    answer(state, &id, &job)
}

fn no_hashes(algorithm: &str) -> ServiceError {
    if matches!(algorithm, "BCRYPT" | "SCRYPT" | "ARGON2ID" | "PBKDF2_SHA256") {
        return ServiceError::new(
            "OperationNotEnabledException",
            "Importing password hashes is not enabled for the user pool.",
        );
    }
    ServiceError::constraint(
        "passwordHashingAlgorithm",
        "Member must satisfy enum value set: [BCRYPT, SCRYPT, ARGON2ID, PBKDF2_SHA256]",
    )
}

fn answer(state: &State, pool: &str, job: &str) -> Answer {
    let job = state.pool(pool)?.job(job)?;
    let url = state.upload_url(pool, job);
    let description = job.describe(pool, &url, state.now, state.config.imports.count_lag);
    Ok(json!({ "UserImportJob": description }).to_string().into_bytes())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JobRequest {
    user_pool_id: Option<String>,
    job_id: Option<String>,
}

/// The pool and the job a request means; the job need not exist.
fn job_of(body: &[u8]) -> Result<(String, String), ServiceError> {
    let request: JobRequest = parse(body)?;
    let job = required(request.job_id, "jobId")?;
    names::import_job_id(&job)?;
    Ok((pool_id(request.user_pool_id)?, job))
}

pub(super) fn describe(state: &mut State, body: &[u8]) -> Answer {
    let (id, job) = job_of(body)?;
    answer(state, &id, &job)
}

pub(super) fn start(state: &mut State, body: &[u8]) -> Answer {
    let (id, job) = job_of(body)?;
    let now = state.now;
    let pool = state.pool(&id)?;
    pool.job(&job)?;
    if pool.config.auto_verified_attributes.is_empty() {
        return Err(ServiceError::invalid("The user pool does not have any auto verified attributes."));
    }
    let foreign = state.config.imports.foreign_jobs.iter().any(|active| active.contains(&now));
    let active = state.pools.values().flat_map(|pool| &pool.jobs).any(|known| {
        // Of itself, it says by its status that it cannot be started.
        known.status.active() && known.id != job
    });
    if foreign || active {
        return Err(state.config.imports.busy.error());
    }
    let State { pools, config, .. } = state;
    let pool = pools.get_mut(&id).ok_or_else(|| ServiceError::no_pool(&id))?;
    let seed = pool.key;
    pool.job_mut(&job)?.start(now, seed, &mut config.imports)?;
    answer(state, &id, &job)
}

pub(super) fn stop(state: &mut State, body: &[u8]) -> Answer {
    let (id, job) = job_of(body)?;
    let (now, when) = (state.now, state.when());
    let stopping = state.config.imports.stopping;
    let pool = state.pool_mut(&id)?;
    pool.job_mut(&job)?.stop(now, stopping)?;
    // It may have stopped already.
    pool.run_jobs(now, when.lag);
    answer(state, &id, &job)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRequest {
    user_pool_id: Option<String>,
    max_results: Option<i64>,
    pagination_token: Option<String>,
}

pub(super) fn list(state: &mut State, body: &[u8]) -> Answer {
    let request: ListRequest = parse(body)?;
    let id = pool_id(request.user_pool_id)?;
    let limit = max_results(request.max_results)?;
    let now = state.now;
    let jobs = state.pool(&id)?.jobs.len();
    let seal = Seal::new(state.config.seed, &["ListUserImportJobs", &id]);
    let start = start_of(seal, request.pagination_token.as_ref(), now)?;
    // The last created comes first.
    let places = (0..u32::try_from(jobs).unwrap_or(u32::MAX))
        .rev()
        .map(|number| (u64::from(u32::MAX - number), number))
        .filter(|place| !start.started || *place > start.after);
    let State { config, chance, .. } = state;
    let page = cut(places, start, limit, None, &config.listing, chance);
    let pool = state.pool(&id)?;
    let lines: Vec<String> = page
        .numbers
        .iter()
        .filter_map(|&number| pool.jobs.get(number as usize))
        .map(|job| {
            job.describe(&id, &state.upload_url(&id, job), now, state.config.imports.count_lag).to_string()
        })
        .collect();
    let out = format!("{{\"UserImportJobs\":[{}", lines.join(","));
    Ok(close(out.into_bytes(), &page, "PaginationToken", seal, now))
}
