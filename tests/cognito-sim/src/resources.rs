//! What a pool has beside users and groups: as it was made, and answered.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// An object as the service answers it.
pub(crate) type Object = Map<String, Value>;

/// The resources of one pool.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    /// App clients, by id.
    pub(crate) clients: BTreeMap<String, Object>,
    /// Resource servers, by identifier.
    pub(crate) servers: BTreeMap<String, Object>,
    /// Styles of sign-in pages, by client id; the pool's under `ALL`.
    pub(crate) styles: BTreeMap<String, Object>,
    /// Risk configurations, by client id; the pool's under the empty text.
    pub(crate) risks: BTreeMap<String, Object>,
    /// Where logs are delivered to.
    pub(crate) logs: Vec<Value>,
    /// What `SetUserPoolMfaConfig` was told, but for the mode.
    pub(crate) factors: Object,
}

/// A domain; there is one of each name in the whole world.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) pool: String,
    pub(crate) is_custom: bool,
    pub(crate) description: Object,
}
