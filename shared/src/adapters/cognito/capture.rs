use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_cognitoidentityprovider::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::Value;

/// Keeps the answer of one call as it came, so that settings this SDK does not know yet are
/// not lost. Give a clone to the call, then ask for [`Capture::json`].
#[derive(Clone, Default)]
pub(super) struct Capture(Arc<Mutex<Option<Value>>>);

impl Capture {
    /// The answer, if one came and was JSON.
    pub(super) fn json(&self) -> Option<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The answer can hold secrets.
impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Capture")
    }
}

#[dyn_dispatch_hint]
impl Intercept for Capture {
    fn name(&self) -> &'static str {
        "Capture"
    }

    // Not earlier: only deserialization reads the body into memory.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = serde_json::from_slice(body).ok();
        Ok(())
    }
}
