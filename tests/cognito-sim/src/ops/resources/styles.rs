//! Customised sign-in pages.

use serde_json::json;

use super::super::Answer;
use super::body::{Body, answer, dated};
use super::clients::optional;
use crate::error::ServiceError;
use crate::resources::Object;
use crate::state::State;

/// What stands for all clients.
const ALL: &str = "ALL";

pub(super) fn set(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &["UserPoolId", "ClientId", "CSS", "ImageFile"])?;
    let id = body.pool()?;
    let client = optional(&body, state.pool(&id)?, Some(ALL))?.unwrap_or_else(|| ALL.to_owned());
    let css = body.text("CSS", 0, 131_072)?.map(ToOwned::to_owned);
    if css.as_deref().is_some_and(|css| css.matches('{').count() != css.matches('}').count()) {
        return Err(ServiceError::invalid("Invalid CSS."));
    }
    if !state.domains.values().any(|domain| domain.pool == id) {
        return Err(ServiceError::invalid(
            "There has to be an existing domain associated with this user pool.",
        ));
    }
    let has_image = body.get("ImageFile").is_some();
    let now = state.now;
    let styles = &mut state.pool_mut(&id)?.resources.styles;
    let created = styles.get(&client).and_then(|style| style.get("CreationDate").cloned());
    let mut style = dated(Object::new(), &id, created.as_ref(), now);
    style.insert("ClientId".to_owned(), json!(client));
    if let Some(css) = css {
        style.insert("CSS".to_owned(), json!(css));
        style.insert("CSSVersion".to_owned(), json!("20231114000000"));
    }
    if has_image {
        style.insert("ImageUrl".to_owned(), json!(format!("https://images.test/{id}/{client}/logo.png")));
    }
    styles.insert(client, style.clone());
    Ok(answer("UICustomization", style))
}

/// A client without a style of its own is answered with the pool's.
pub(super) fn get(state: &mut State, body: &[u8]) -> Answer {
    let body = Body::parse(body, &["UserPoolId", "ClientId"])?;
    let id = body.pool()?;
    let pool = state.pool(&id)?;
    let client = optional(&body, pool, Some(ALL))?;
    let styles = &pool.resources.styles;
    let style = client.and_then(|client| styles.get(&client)).or_else(|| styles.get(ALL));
    Ok(answer("UICustomization", style.cloned().unwrap_or_default()))
}
