//! The rates an account has.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{Answer, parse, required};
use crate::config::ProvisionedLimits;
use crate::error::ServiceError;
use crate::operation::{Category, Operation};
use crate::state::State;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    limit_definition: Option<Definition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    limit_class: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
}

pub(super) fn get(state: &mut State, body: &[u8]) -> Answer {
    match state.config.provisioned_limits {
        ProvisionedLimits::Available => {}
        ProvisionedLimits::AccessDenied => {
            return Err(state.denied(Operation::GetProvisionedLimit));
        }
        ProvisionedLimits::NotAuthorized => {
            return Err(ServiceError::new(
                "NotAuthorizedException",
                "The account is not authorized to use provisioned limits.",
            ));
        }
    }
    let definition = required(parse::<Request>(body)?.limit_definition, "limitDefinition")?;
    let class = required(definition.limit_class, "limitDefinition.limitClass")?;
    let attributes = required(definition.attributes, "limitDefinition.attributes")?;
    if class != "API_CATEGORY" {
        return Err(ServiceError::constraint(
            "limitDefinition.limitClass",
            "Member must satisfy enum value set: [API_CATEGORY]",
        ));
    }
    let category = attributes
        .get("Category")
        .filter(|_| attributes.len() == 1)
        .and_then(|name| Category::parse(name))
        .filter(|category| category.adjustable())
        .ok_or_else(|| ServiceError::invalid("The limit definition is invalid."))?;
    let free = category.default_rps();
    let provisioned = state.config.quotas.limit(category).unwrap_or(free);
    Ok(json!({
        "Limit": {
            "FreeLimitValue": free,
            "ProvisionedLimitValue": provisioned,
            "LimitDefinition": { "LimitClass": class, "Attributes": attributes },
        }
    })
    .to_string()
    .into_bytes())
}
