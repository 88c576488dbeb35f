use super::capture::Capture;
use super::fault::Sent;
use super::{CognitoDirectory, convert};
use crate::ports::{CallError, RawAnswer, SettingsCall};

/// The most clients or identity providers on a page (API Reference: `ListUserPoolClients`,
/// `ListIdentityProviders`).
const PAGE: i32 = 60;

/// The most resource servers on a page (API Reference: `ListResourceServers`).
const RESOURCE_SERVERS: i32 = 50;

impl CognitoDirectory {
    /// [`crate::ports::Directory::read_settings`].
    pub(super) async fn settings(&self, call: &SettingsCall) -> Result<RawAnswer, CallError> {
        let (client, id, capture) = (&self.client, self.id(), Capture::default());
        let sent = Sent::page(call.operation(), token(call));
        let next = convert::present(token(call).map(ToOwned::to_owned));
        // Every operation is a type of its own: what they have in common can only be written so.
        macro_rules! send {
            ($call:expr) => {{
                let call = $call.customize().interceptor(capture.clone());
                call.send().await.map(drop).map_err(|error| sent.error(&error))
            }};
        }
        match call {
            SettingsCall::Clients(_) => {
                let call = client.list_user_pool_clients().user_pool_id(id).max_results(PAGE);
                send!(call.set_next_token(next))
            }
            SettingsCall::Client(of) => {
                send!(client.describe_user_pool_client().user_pool_id(id).client_id(of))
            }
            SettingsCall::IdentityProviders(_) => {
                let call = client.list_identity_providers().user_pool_id(id).max_results(PAGE);
                send!(call.set_next_token(next))
            }
            SettingsCall::IdentityProvider(of) => {
                send!(client.describe_identity_provider().user_pool_id(id).provider_name(of))
            }
            SettingsCall::ResourceServers(_) => {
                let call = client.list_resource_servers().user_pool_id(id).max_results(RESOURCE_SERVERS);
                send!(call.set_next_token(next))
            }
            SettingsCall::Domain(of) => send!(client.describe_user_pool_domain().domain(of)),
            SettingsCall::UiCustomization(of) => {
                send!(client.get_ui_customization().user_pool_id(id).set_client_id(of.clone()))
            }
            SettingsCall::RiskConfiguration(of) => {
                send!(client.describe_risk_configuration().user_pool_id(id).set_client_id(of.clone()))
            }
            SettingsCall::LogDelivery => send!(client.get_log_delivery_configuration().user_pool_id(id)),
        }?;
        capture
            .json()
            .filter(serde_json::Value::is_object)
            .map(RawAnswer::new)
            .ok_or_else(|| sent.unreadable())
    }
}

fn token(call: &SettingsCall) -> Option<&str> {
    match call {
        SettingsCall::Clients(token)
        | SettingsCall::IdentityProviders(token)
        | SettingsCall::ResourceServers(token) => token.as_deref(),
        _ => None,
    }
}
