//! A pool at the other end of a wire.

pub(super) use crate::adapters::aws::wire::{Wire, settings};
use crate::adapters::cognito::CognitoDirectory;
use crate::model::PoolId;

/// The pool every test asks for.
pub(super) const POOL: &str = "eu-west-1_Test";

impl Wire {
    /// The pool at the other end.
    pub(super) fn directory(&self) -> CognitoDirectory {
        CognitoDirectory::from_config(PoolId::new(POOL), &self.config()).unwrap()
    }
}
