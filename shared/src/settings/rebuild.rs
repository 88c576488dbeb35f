//! From saved settings to what makes an equal pool: the requests of AWS's API in order, or a
//! template for CloudFormation. Both come with the list of what a person has to adapt.

mod attributes;
mod hand;
mod plan;
mod providers;
mod requests;
mod shape;
mod template;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use hand::ByHand;
pub use requests::{Filled, Request};

use super::{Secrets, Settings};
use crate::read::Snapshot;
use crate::{Error, Result};

/// Makes an equal of a saved pool.
pub struct Rebuild<'a> {
    /// What was saved.
    pub settings: &'a Settings,
    /// Where it is from, for whoever reads the result: the pool's id and the run's.
    pub source: Source,
    /// The secrets, where they are to be written into the result; without, they are asked for.
    pub secrets: Option<&'a Secrets>,
}

/// Where settings are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The pool's id.
    pub pool: String,
    /// The run's id.
    pub run: String,
    /// The run's end.
    pub as_of: String,
}

impl From<&Snapshot> for Source {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            pool: snapshot.pool().to_string(),
            run: snapshot.run.id.to_string(),
            as_of: snapshot.at.to_string(),
        }
    }
}

impl Rebuild<'_> {
    /// The requests that make the pool, in order, and what is left to do by hand.
    pub fn requests(&self) -> Result<(Vec<Request>, Vec<ByHand>)> {
        let mut plan = plan::Plan::of(self.settings)?;
        let requests = requests::requests(&mut plan, self.secrets);
        Ok((requests, plan.by_hand.list()))
    }

    /// A template for CloudFormation, as JSON, and what is left to do by hand; that is in the
    /// template's `Metadata`, too.
    pub fn template(&self) -> Result<(Value, Vec<ByHand>)> {
        let mut plan = plan::Plan::of(self.settings)?;
        let mut template = template::template(&mut plan, &self.source, self.secrets);
        let by_hand = plan.by_hand.list();
        template["Metadata"] = serde_json::json!({ "CognitoUserProfilesExport": {
            "UserPoolId": self.source.pool,
            "RunId": self.source.run,
            "AsOf": self.source.as_of,
            "ByHand": by_hand,
        }});
        Ok((template, by_hand))
    }
}

/// A record that is no object of the form Cognito answers.
fn damaged(what: &str) -> Error {
    Error::Corrupted(format!("{what} of the saved settings cannot be read"))
}
