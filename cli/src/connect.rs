//! A pool to call: through the AWS SDK, at the rates asked for.

use std::sync::Arc;

use cognito_profiles::adapters::SystemClock;
use cognito_profiles::adapters::cognito::{CognitoDirectory, ConnectOptions};
use cognito_profiles::model::PoolId;
use cognito_profiles::pacing::{Paced, Pacer, Rates};
use cognito_profiles::ports::{Clock, Directory};

use crate::args::RateArgs;
use crate::exit::Failure;

/// A pool, and the time by which it is called.
#[derive(Clone)]
pub struct Connection {
    pub directory: Arc<Paced>,
    pub clock: Arc<dyn Clock>,
}

impl Connection {
    /// Connects by the standard AWS settings.
    pub async fn open(pool: PoolId, rates: &RateArgs) -> Result<Self, Failure> {
        // On the heap: what loads the AWS settings is large, and is done once.
        let directory = Box::pin(CognitoDirectory::connect(pool, &ConnectOptions::default())).await?;
        Ok(Self::over(directory, rates.rates()))
    }

    /// Paces the calls of `directory`.
    pub fn over(directory: impl Directory + 'static, rates: Rates) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let pacer = Arc::new(Pacer::new(clock.clone(), rates));
        Self { directory: Arc::new(Paced::new(Arc::new(directory), clock.clone(), pacer)), clock }
    }

    /// Seconds since the connection was made.
    pub fn seconds(&self) -> f64 {
        self.clock.elapsed().as_secs_f64()
    }
}

impl RateArgs {
    /// The rates they ask for.
    fn rates(&self) -> Rates {
        Rates::new(self.quota_share, self.rates.iter().copied().collect())
    }
}
