//! The simulated account of the demo, and what happens to its pool.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use cognito_profiles::adapters::cognito::CognitoDirectory;
use cognito_profiles::model::PoolId;
use cognito_profiles::pacing::{Category, Rates};
use cognito_sim::{
    Admin, Clock, Cognito, Config, Latency, Population, Quotas, Server, ServiceError, Truth, UserRecord,
    serve,
};
use tokio::net::TcpListener;

use crate::connect::Connection;
use crate::exit::Failure;

/// The simulated quotas are so many times the real defaults.
pub const FASTER: u32 = 100;

/// What one of the users is called.
pub const HOSTILE_NAME: &str = "line\nbreak, \"quote\" and \u{1b}[31mred";

/// Decides everything random: each demo is the same.
const SEED: u64 = 20_261_123;
const GROUPS: usize = 12;
/// Of so many users one changes in a day; of so many one is deleted or signs up.
const CHANGING: usize = 50;
const LEAVING: usize = 100;

pub struct Account {
    cognito: Arc<Cognito>,
    server: Server,
    /// The pool to be saved.
    pub pool: String,
    /// The pool to restore into.
    pub new_pool: String,
}

/// How many users a day changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Day {
    pub changed: u64,
    pub gone: u64,
    pub new: u64,
}

/// What the service counted.
pub struct Seen {
    pub requests: u64,
    pub throttled: u64,
    pub messages: u64,
    pub broken: u64,
}

impl Account {
    pub async fn start(users: usize) -> Result<Self, Failure> {
        let mut config = Config::seeded(SEED);
        config.quotas =
            cognito_sim::Category::ALL.into_iter().fold(Quotas::documented(), |quotas, category| {
                quotas.with(category, category.default_rps() * FASTER)
            });
        config.faults.latency = Latency { min: 1, max: 5 };
        let cognito = Arc::new(Cognito::new(config));
        let (pool, new_pool) =
            cognito.admin(Clock::System.now(), |admin| fill(admin, users)).map_err(|error| odd(&error))?;
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
        let server = listener.and_then(|listener| serve(cognito.clone(), listener));
        let server = server.map_err(|error| Failure::Demo(format!("cannot listen on 127.0.0.1: {error}")))?;
        Ok(Self { cognito, server, pool, new_pool })
    }

    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    pub fn connect(&self) -> Result<Connection, Failure> {
        self.connect_to(&self.pool)
    }

    pub fn connect_new(&self) -> Result<Connection, Failure> {
        self.connect_to(&self.new_pool)
    }

    /// With settings of its own: nothing of the person's environment is used or changed.
    fn connect_to(&self, pool: &str) -> Result<Connection, Failure> {
        let credentials = Credentials::new("demo", "demo", None, None, "demo");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(self.endpoint())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        Ok(Connection::over(CognitoDirectory::from_config(PoolId::new(pool), &config)?, rates()))
    }

    /// What really is in the pool, whatever listings say.
    pub fn truth(&self) -> Result<Truth, Failure> {
        self.change(|admin, pool| admin.truth(pool))
    }

    /// Some users change, some leave, some come.
    pub fn a_day_goes_by(&self) -> Result<Day, Failure> {
        let truth = self.truth()?;
        let subs: Vec<&String> = truth.users.keys().collect();
        self.change(|admin, pool| {
            let mut day = Day::default();
            for sub in subs.iter().step_by(LEAVING) {
                admin.delete_user(pool, sub)?;
                day.gone += 1;
            }
            for sub in subs.iter().skip(1).step_by(CHANGING) {
                admin.update_user(pool, sub, |user| set(user, "custom:level", "1000000"))?;
                day.changed += 1;
            }
            for number in 0..subs.len().div_ceil(LEAVING) {
                let user = UserRecord::new("")
                    .with("email", format!("new{number}@example.com"))
                    .with("email_verified", "true")
                    .with("name", if number == 0 { HOSTILE_NAME } else { "Newcomer" })
                    .in_group("admins");
                admin.create_user(pool, user)?;
                day.new += 1;
            }
            Ok(day)
        })
    }

    pub fn half_is_deleted(&self) -> Result<(), Failure> {
        let truth = self.truth()?;
        self.change(|admin, pool| {
            truth.users.keys().step_by(2).try_for_each(|sub| admin.delete_user(pool, sub))
        })
    }

    pub fn seen(&self) -> Seen {
        let meter = self.cognito.meter();
        let sum = |of: fn(&cognito_sim::Usage) -> u64| meter.operations.values().map(of).sum();
        Seen {
            requests: sum(|usage| usage.attempts),
            throttled: sum(|usage| usage.throttled),
            messages: meter.messages_sent,
            broken: meter.federated_users_broken,
        }
    }

    /// What the service saw that it should not have seen.
    pub fn unexpected(&self) -> Option<String> {
        let seen = self.seen();
        [
            (seen.throttled, "requests were throttled"),
            (seen.messages, "messages were sent to users"),
            (seen.broken, "federated users were broken"),
        ]
        .into_iter()
        .find(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
    }

    fn change<T>(
        &self,
        work: impl FnOnce(&mut Admin<'_>, &str) -> Result<T, ServiceError>,
    ) -> Result<T, Failure> {
        self.cognito.admin(Clock::System.now(), |admin| work(admin, &self.pool)).map_err(|error| odd(&error))
    }
}

fn fill(admin: &mut Admin<'_>, users: usize) -> Result<(String, String), ServiceError> {
    let people = Population { groups_per_user: 2, ..Population::realistic(users, GROUPS, SEED) };
    let pool = admin.create_pool(people.pool_config("people"))?;
    people.fill(admin, &pool)?;
    let new_pool = admin.create_pool(people.pool_config("people-restored"))?;
    Ok((pool, new_pool))
}

fn set(user: &mut UserRecord, name: &'static str, value: &str) {
    user.attributes.retain(|(known, _)| known != name);
    user.attributes.push((name.into(), value.to_owned()));
}

/// As for a person: four fifths of each quota.
fn rates() -> Rates {
    let raised =
        |category: Category| (category, category.default_rps() * f64::from(FASTER) * Rates::DEFAULT_SHARE);
    let chosen: BTreeMap<Category, f64> = Category::ALL.into_iter().map(raised).collect();
    Rates::new(Rates::DEFAULT_SHARE, chosen)
}

fn odd(error: &ServiceError) -> Failure {
    Failure::Demo(format!("the simulated service: {error}"))
}
