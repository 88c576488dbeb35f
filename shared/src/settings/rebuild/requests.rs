//! The requests that make an equal pool, as `aws cognito-idp … --cli-input-json` takes them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::plan::{ALL_CLIENTS, Domain, Object, Plan, text};
use super::providers;
use super::shape::{self, Members, pick};
use crate::settings::{Part, Secrets};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// The operation, in AWS's words.
    pub operation: &'static str,
    /// The command of the AWS CLI.
    pub command: &'static str,
    /// The request, but for what earlier answers and a person fill in.
    pub input: Value,
    /// Members to fill in from answers to earlier requests.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fill: BTreeMap<&'static str, Filled>,
    /// Members that a person has to fill in: secrets, mostly. Paths, with dots.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ask: Vec<String>,
}

/// Where a member is filled in from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Filled {
    /// The request, by its place in the list, from 0.
    pub request: usize,
    /// The member of its answer, a path with dots.
    pub member: &'static str,
}

/// The most attributes a pool can be created with; more are added after (API Reference,
/// `CreateUserPool`).
const MOST_AT_ONCE: usize = 50;

/// The most attributes that are added at once (API Reference, `AddCustomAttributes`).
const MOST_ADDED: usize = 25;

pub(super) fn requests(plan: &mut Plan, secrets: Option<&Secrets>) -> Vec<Request> {
    let mut list = List { requests: Vec::new(), left_out: Vec::new(), clients: BTreeMap::new() };
    list.pool(plan);
    for server in &plan.resource_servers {
        list.add("CreateResourceServer", server, shape::RESOURCE_SERVER, "ResourceServers");
    }
    for provider in &plan.providers {
        list.provider(provider, secrets);
    }
    for client in &plan.clients {
        list.client(client, secrets);
    }
    let risks: Vec<_> =
        plan.risks.iter().map(|risk| ("SetRiskConfiguration", risk, shape::RISK_CONFIGURATION)).collect();
    for (operation, object, members) in risks {
        list.of_client(operation, object, members, "RiskConfigurations", false);
    }
    if let Some(delivery) = &plan.log_delivery {
        list.add("SetLogDeliveryConfiguration", delivery, shape::LOG_DELIVERY, "LogDeliveryConfiguration");
    }
    // Last: a domain can be refused as long as the old pool has it.
    for domain in &plan.domains {
        list.domain(domain);
    }
    for customization in &plan.customizations {
        list.of_client(
            "SetUICustomization",
            customization,
            shape::UI_CUSTOMIZATION,
            "UICustomizations",
            true,
        );
    }
    let List { requests, left_out, .. } = list;
    for request in requests.iter().filter(|request| !request.ask.is_empty()) {
        if let Some(provider) = request.input["ProviderName"].as_str() {
            plan.by_hand.add("secret", provider, format!("fill in {}", request.ask.join(", ")));
        }
    }
    for client in requests.iter().filter(|request| request.input["GenerateSecret"] == true) {
        let name = client.input["ClientName"].as_str().unwrap_or_default();
        plan.by_hand.add("secret", name, "Cognito generates a new secret: configure it in the application");
    }
    plan.left_out(left_out, "the API of this version of the tool");
    requests
}

struct List {
    requests: Vec<Request>,
    left_out: Vec<String>,
    /// Which request makes the client of an old id.
    clients: BTreeMap<String, usize>,
}

impl List {
    fn push(&mut self, operation: &'static str, input: Object) -> &mut Request {
        let of_pool = Filled { request: 0, member: "UserPool.Id" };
        let fill = if self.requests.is_empty() { BTreeMap::new() } else { [("UserPoolId", of_pool)].into() };
        let at = self.requests.len();
        self.requests.push(Request {
            operation,
            command: command(operation),
            input: Value::Object(input),
            fill,
            ask: Vec::new(),
        });
        &mut self.requests[at]
    }

    fn add(
        &mut self,
        operation: &'static str,
        object: &Object,
        members: Members,
        path: &str,
    ) -> &mut Request {
        let input = pick(object, members, path, &mut self.left_out);
        self.push(operation, input)
    }

    fn pool(&mut self, plan: &Plan) {
        let mut pool = plan.pool.clone();
        let mut later = Vec::new();
        if let Some(schema) = pool.get_mut("Schema").and_then(Value::as_array_mut) {
            // Standard attributes can be told about only here: they go first.
            schema.sort_by_key(|attribute| attribute.get("DeveloperOnlyAttribute").is_some());
            later = schema.split_off(schema.len().min(MOST_AT_ONCE));
        }
        self.add("CreateUserPool", &pool, shape::CREATE_USER_POOL, "UserPool");
        for attributes in later.chunks(MOST_ADDED) {
            let input = [("CustomAttributes".to_owned(), json!(attributes))].into_iter().collect();
            self.push("AddCustomAttributes", input);
        }
        // A new pool has no second factor.
        let is_default = plan.mfa.iter().all(|(name, value)| name == "MfaConfiguration" && value == "OFF");
        if !is_default {
            self.add("SetUserPoolMfaConfig", &plan.mfa, shape::SET_USER_POOL_MFA_CONFIG, "MfaConfig");
        }
    }

    fn provider(&mut self, provider: &Object, secrets: Option<&Secrets>) {
        let mut provider = provider.clone();
        let mut ask = Vec::new();
        let mut details = providers::details(&provider);
        for name in providers::secrets(&provider) {
            let (of, pointer) = (text(&provider, "ProviderName"), providers::pointer(&name));
            match secrets.and_then(|all| all.get(Part::IdentityProviders, of, &pointer)) {
                Some(secret) => drop(details.insert(name, json!(secret))),
                None => ask.push(format!("ProviderDetails.{name}")),
            }
        }
        provider.insert("ProviderDetails".to_owned(), Value::Object(details));
        self.add("CreateIdentityProvider", &provider, shape::CREATE_IDENTITY_PROVIDER, "IdentityProviders")
            .ask = ask;
    }

    fn client(&mut self, client: &Object, secrets: Option<&Secrets>) {
        let mut made = client.clone();
        let id = text(client, "ClientId").to_owned();
        made.remove("ClientId");
        if made.remove("ClientSecret").is_some() {
            match secrets.and_then(|all| all.get(Part::UserPoolClients, &id, "/ClientSecret")) {
                Some(secret) => made.insert("ClientSecret".to_owned(), json!(secret)),
                None => made.insert("GenerateSecret".to_owned(), json!(true)),
            };
        }
        self.clients.insert(id, self.requests.len());
        self.add("CreateUserPoolClient", &made, shape::CREATE_USER_POOL_CLIENT, "UserPoolClients");
    }

    fn domain(&mut self, domain: &Domain) {
        let request =
            self.add("CreateUserPoolDomain", &domain.object, shape::CREATE_USER_POOL_DOMAIN, "Domains");
        // If only its name was saved.
        if domain.is_custom && request.input["CustomDomainConfig"]["CertificateArn"].is_null() {
            request.ask.push("CustomDomainConfig.CertificateArn".to_owned());
        }
    }

    /// What is the whole pool's, or one client's. `names_all`: whether the pool's is asked for by name.
    fn of_client(
        &mut self,
        operation: &'static str,
        object: &Object,
        members: Members,
        path: &str,
        names_all: bool,
    ) {
        let mut object = object.clone();
        let id = text(&object, "ClientId").to_owned();
        let is_of_pool = id.is_empty() || id == ALL_CLIENTS;
        object.remove("ClientId");
        if is_of_pool && names_all {
            object.insert("ClientId".to_owned(), json!(ALL_CLIENTS));
        }
        let made_by = self.clients.get(&id).copied();
        if !is_of_pool && made_by.is_none() {
            self.left_out.push(format!("{path}.{id}"));
            return;
        }
        let request = self.add(operation, &object, members, path);
        if let Some(made_by) = made_by {
            let of_client = Filled { request: made_by, member: "UserPoolClient.ClientId" };
            request.fill.insert("ClientId", of_client);
        }
    }
}

fn command(operation: &str) -> &'static str {
    match operation {
        "CreateUserPool" => "create-user-pool",
        "AddCustomAttributes" => "add-custom-attributes",
        "SetUserPoolMfaConfig" => "set-user-pool-mfa-config",
        "CreateResourceServer" => "create-resource-server",
        "CreateIdentityProvider" => "create-identity-provider",
        "CreateUserPoolClient" => "create-user-pool-client",
        "SetRiskConfiguration" => "set-risk-configuration",
        "SetLogDeliveryConfiguration" => "set-log-delivery-configuration",
        "CreateUserPoolDomain" => "create-user-pool-domain",
        _ => "set-ui-customization",
    }
}
