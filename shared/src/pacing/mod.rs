//! Every call to Cognito goes through here: at its category's rate, retried where that helps.

mod paced;
mod pacer;
mod rates;
mod window;

pub use paced::{Paced, Requests};
pub use pacer::{Pacer, Permit};
pub use rates::{Category, Rates, UnknownCategory};
