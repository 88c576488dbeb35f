//! Import jobs.

mod jobs;
mod rows;
mod trouble;
mod uploads;

use cognito_sim::{Config, ImportBehaviour, PoolConfig, Quotas, UserRecord};
use serde_json::{Value, json};

use crate::harness::{NOW, Sim};

const ROLE: &str = "arn:aws:iam::123456789012:role/import";
const KMS: Option<&str> = Some("aws:kms");
/// Long after any job here is done.
const LATER: u64 = NOW + 600_000;

/// A pool, and files for it.
struct World {
    sim: Sim,
    columns: Vec<String>,
}

impl World {
    fn new(pool: PoolConfig) -> Self {
        Self::with(pool, ImportBehaviour::default())
    }

    fn with(pool: PoolConfig, imports: ImportBehaviour) -> Self {
        let config = Config { quotas: Quotas::off(), imports, ..Config::seeded(1) };
        Self::over(Sim::with(config, pool))
    }

    fn over(sim: Sim) -> Self {
        let header = sim.ok("GetCSVHeader", json!({}));
        assert_eq!(header["UserPoolId"], sim.pool.as_str());
        let columns = serde_json::from_value(header["CSVHeader"].clone()).expect("names");
        Self { sim, columns }
    }

    /// A row: nothing but these values, and by default a verified address.
    fn row(&self, username: &str, values: &[(&str, &str)]) -> String {
        let value = |column: &String| {
            let default = match column.as_str() {
                "cognito:username" => username.to_owned(),
                "cognito:mfa_enabled" => "false".to_owned(),
                "email" if username.contains('@') => username.to_owned(),
                "email" => format!("{username}@x.org"),
                "email_verified" => "true".to_owned(),
                _ => String::new(),
            };
            values.iter().find(|(name, _)| name == column).map_or(default, |(_, value)| (*value).to_owned())
        };
        self.columns.iter().map(value).collect::<Vec<_>>().join(",")
    }

    fn file(&self, rows: &[String]) -> String {
        let header = self.columns.join(",");
        [&[header], rows, &[String::new()]].concat().join("\n")
    }

    /// Users u0, u1, …
    fn users(&self, count: usize) -> String {
        let rows: Vec<String> = (0..count).map(|i| self.row(&format!("u{i}"), &[])).collect();
        self.file(&rows)
    }

    fn create(&self) -> (String, String) {
        let job =
            self.sim.ok("CreateUserImportJob", json!({"JobName": "a job", "CloudWatchLogsRoleArn": ROLE}));
        let text = |member: &str| job["UserImportJob"][member].as_str().expect("text").to_owned();
        (text("JobId"), text("PreSignedUrl"))
    }

    fn upload(&self, url: &str, file: &str) -> u16 {
        self.sim.cognito.upload(url, KMS, file.as_bytes(), NOW)
    }

    fn uploaded(&self, file: &str) -> String {
        let (job, url) = self.create();
        assert_eq!(self.upload(&url, file), 200);
        job
    }

    fn start(&self, file: &str) -> String {
        let job = self.uploaded(file);
        self.sim.ok("StartUserImportJob", json!({"JobId": job}));
        job
    }

    fn at(&self, now: u64, job: &str) -> Value {
        let answer = self.sim.at(now, "DescribeUserImportJob", json!({"JobId": job})).expect("a job");
        answer["UserImportJob"].clone()
    }

    /// Lets every job end, and answers the time.
    fn wait(&self) -> u64 {
        let now = self.sim.cognito.admin(NOW, |admin| admin.now());
        self.sim.cognito.admin(now + 600_000, |admin| admin.now())
    }

    fn log(&self, job: &str) -> Vec<String> {
        self.sim.cognito.admin(self.wait(), |admin| admin.import_log(&self.sim.pool, job)).expect("a job")
    }

    /// What becomes of one row.
    fn fate(&self, row: &str) -> String {
        let job = self.start(&self.file(&[row.to_owned()]));
        self.log(&job).concat()
    }

    fn user(&self, name: &str) -> UserRecord {
        let truth = self.sim.cognito.admin(LATER, |admin| admin.truth(&self.sim.pool)).expect("a pool");
        truth.users.into_values().find(|user| user.username == name).expect("a user")
    }

    fn count(&self, now: u64) -> usize {
        self.sim.cognito.admin(now, |admin| admin.user_count(&self.sim.pool)).expect("a pool")
    }
}

fn counts(job: &Value) -> [u64; 3] {
    ["ImportedUsers", "SkippedUsers", "FailedUsers"].map(|member| job[member].as_u64().expect("a number"))
}

fn named() -> World {
    World::new(PoolConfig::named("people"))
}
