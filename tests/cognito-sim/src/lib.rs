//! A simulated Amazon Cognito: strict user pools over the real JSON protocol.
//!
//! [`Cognito`] is the service, without HTTP and without a clock of its own;
//! [`serve`] puts it on a socket. Tests drive it in process, the demo starts
//! it beside the tool, benchmarks run the `cognito-sim` binary as their judge.
//!
//! It is meant to be at least as strict as the real service wherever the two
//! can be compared: quotas hold in every sliding second, page tokens are bound
//! to their listing, and everything a request says is validated.
//!
//! ```
//! use cognito_sim::{Cognito, Config, PoolConfig, UserRecord};
//!
//! let cognito = Cognito::new(Config::seeded(1));
//! let pool = cognito.admin(0, |admin| {
//!     let pool = admin.create_pool(PoolConfig::named("people"))?;
//!     admin.add_users(&pool, [UserRecord::new("ann").with("name", "Ann")])?;
//!     Ok::<_, cognito_sim::ServiceError>(pool)
//! })?;
//! let body = format!(r#"{{"UserPoolId":"{pool}"}}"#);
//! let answer = cognito.call("ListUsers", body.as_bytes(), 1000).json();
//! assert_eq!(answer.map(|json| json["Users"][0]["Username"].clone()), Ok("ann".into()));
//! # Ok::<_, cognito_sim::ServiceError>(())
//! ```

mod admin;
mod cognito;
mod config;
mod error;
mod fault;
mod filter;
mod group;
mod http;
mod imports;
mod json;
mod lag;
mod meter;
mod mfa;
mod names;
mod operation;
mod ops;
mod outcome;
mod page;
mod password;
mod pool;
mod pool_config;
mod population;
mod provider;
mod quota;
mod resources;
mod rng;
mod schema;
mod state;
mod time;
mod token;
mod user;

pub use admin::{Admin, Truth};
pub use cognito::Cognito;
pub use config::{Clock, Config, ListingBehaviour, ProvisionedLimits};
pub use error::ServiceError;
pub use fault::{Fault, FaultRates, Faults, Latency};
pub use group::GroupRecord;
pub use http::{Server, serve};
pub use imports::{BusyError, ImportBehaviour, UploadOutcome};
pub use meter::{MeterReport, Usage};
pub use mfa::{MfaFactor, UserMfa};
pub use operation::{Category, Operation};
pub use outcome::{Outcome, Reply};
pub use password::{PasswordPolicy, SYMBOLS};
pub use pool_config::{MfaMode, PoolConfig};
pub use population::Population;
pub use provider::{IdentityProvider, ProviderType};
pub use quota::Quotas;
pub use schema::{DataType, NumberConstraints, SchemaAttribute, StringConstraints};
pub use state::{CallInfo, Hook};
pub use time::Millis;
pub use user::{UserRecord, UserStatus};
