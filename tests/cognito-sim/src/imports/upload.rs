//! The pre-signed URLs that files are put to.

use jiff::Timestamp;

use super::{Job, JobStatus};
use crate::fault::Fault;
use crate::rng;
use crate::state::State;
use crate::time::Millis;

/// How long a URL is good for: "The URL expires in 15 minutes".
const LIFETIME: Millis = 15 * 60_000;
/// What uploads must be encrypted with.
const ENCRYPTION: &str = "aws:kms";
/// No upload is larger: a little above what a job reads, which is for the job
/// to say.
pub(crate) const MAX_UPLOAD: usize = 101 * 1024 * 1024;
/// Where uploads go as long as no server has an address.
const NOWHERE: &str = "http://upload.invalid";

/// What an upload came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadOutcome {
    /// The HTTP status; `None` where the connection dropped, and the upload
    /// may have taken effect or not.
    pub status: Option<u16>,
    /// How many milliseconds it takes to come back.
    pub latency: u64,
}

impl State {
    /// The URL a job's file is put to.
    pub(crate) fn upload_url(&self, pool: &str, job: &Job) -> String {
        let base = self.endpoint.as_deref().unwrap_or(NOWHERE);
        format!("{base}{}", self.signed_path(pool, job))
    }

    /// The signed part of the URL: everything but the host.
    fn signed_path(&self, pool: &str, job: &Job) -> String {
        let at =
            Timestamp::from_millisecond(i64::try_from(job.created).unwrap_or(i64::MAX)).unwrap_or_default();
        let path = format!(
            "/{}/{pool}/{}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={}\
             &X-Amz-SignedHeaders=host%3Bx-amz-server-side-encryption&X-Amz-Expires={}",
            self.config.account,
            job.id,
            at.strftime("%Y%m%dT%H%M%SZ"),
            LIFETIME / 1000
        );
        let key = rng::mix(self.config.seed ^ 0x51_67_6E);
        let [a, b, c, d] = [0, 1, 2, 3].map(|word| rng::hash(rng::mix(key ^ word), path.as_bytes()));
        format!("{path}&X-Amz-Signature={a:016x}{b:016x}{c:016x}{d:016x}")
    }

    pub(crate) fn upload(
        &mut self,
        url: &str,
        encryption: Option<&str>,
        body: &[u8],
        now: Millis,
    ) -> UploadOutcome {
        let now = self.advance(now);
        let (fault, latency) = self.config.faults.strike_upload(&mut self.chance);
        let status = match fault {
            Some(Fault::InternalError) => Some(500),
            // "Slow down" is what this service says.
            Some(Fault::Unavailable | Fault::Throttle) => Some(503),
            Some(Fault::Error(error)) => Some(error.status),
            Some(Fault::DropBefore) => None,
            Some(Fault::DropAfter) => {
                self.put(url, encryption, body, now);
                None
            }
            Some(Fault::Delay(_)) | None => Some(self.put(url, encryption, body, now)),
        };
        UploadOutcome { status, latency }
    }

    fn put(&mut self, url: &str, encryption: Option<&str>, body: &[u8], now: Millis) -> u16 {
        const FORBIDDEN: u16 = 403;
        let Some((pool, job)) = self.signed_for(url) else { return FORBIDDEN };
        let job = self.pools.get_mut(&pool).and_then(|pool| pool.job_mut(&job).ok());
        let Some(job) = job.filter(|job| job.status == JobStatus::Created) else { return FORBIDDEN };
        if job.created + LIFETIME <= now || encryption != Some(ENCRYPTION) {
            return FORBIDDEN;
        }
        if body.len() > MAX_UPLOAD {
            return 400;
        }
        job.take(body, now);
        200
    }

    /// The pool and the job a URL was signed for.
    fn signed_for(&self, url: &str) -> Option<(String, String)> {
        let (_, rest) = url.split_once("://")?;
        let path = &rest[rest.find('/')?..];
        let (resource, _) = path.split_once('?')?;
        let mut parts = resource.split('/').skip(2);
        let (pool, job) = (parts.next()?, parts.next()?);
        let signed = self.signed_path(pool, self.pool(pool).ok()?.job(job).ok()?);
        (signed == path).then(|| (pool.to_owned(), job.to_owned()))
    }
}
