//! The template for CloudFormation that makes an equal pool.
//!
//! It is JSON, and no saved text goes through an intrinsic function, so `${…}` stays what it is. What
//! CloudFormation would still read as more than text is left out, and listed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Source;
use super::plan::{ALL_CLIENTS, Object, Plan, text};
use super::providers;
use super::shape::{self, Members, pick};
use crate::settings::{Part, Secrets};

/// CloudFormation's quotas (User Guide, "Understand CloudFormation quotas").
const MOST_RESOURCES: usize = 500;
const MOST_PARAMETERS: usize = 200;
const MOST_OUTPUTS: usize = 200;
const LARGEST_BODY: usize = 51_200;
const LARGEST_TEMPLATE: usize = 1_000_000;

/// The most attributes a pool is created with (API Reference, `CreateUserPool`).
const MOST_ATTRIBUTES: usize = 50;

const POOL: &str = "UserPool";

pub(super) fn template(plan: &mut Plan, source: &Source, secrets: Option<&Secrets>) -> Value {
    let mut template = Template::default();
    template.pool(plan);
    let servers: Vec<_> = plan.resource_servers.iter().filter_map(|server| template.server(server)).collect();
    let providers: Vec<_> =
        plan.providers.iter().filter_map(|provider| template.provider(provider, secrets)).collect();
    for client in &plan.clients {
        template.client(client, &servers, &providers);
    }
    template.domains(plan);
    for customization in &plan.customizations {
        template.customization(customization);
    }
    for risk in &plan.risks {
        template.risk(risk);
    }
    if let Some(delivery) = &plan.log_delivery {
        template.log_delivery(delivery);
    }
    template.finish(plan, source)
}

/// A resource that others name, and what they name it by.
struct Named {
    id: String,
    name: String,
}

#[derive(Default)]
struct Template {
    parameters: Object,
    conditions: Object,
    resources: Object,
    outputs: Object,
    /// Parameters by the ARN they stand for: one that is used twice is asked for once.
    arns: BTreeMap<String, String>,
    /// The resources of clients by their old ids.
    clients: BTreeMap<String, String>,
    left_out: Vec<String>,
    unsafe_texts: Vec<String>,
    asked: Vec<(String, String)>,
    generated: Vec<String>,
}

impl Template {
    fn pool(&mut self, plan: &Plan) {
        let mut pool = plan.pool.clone();
        if let Some(name) = pool.remove("PoolName") {
            pool.insert("UserPoolName".to_owned(), name);
        }
        let mut properties = self.picked(&pool, shape::USER_POOL, "UserPool");
        let mfa = self.picked(&plan.mfa, shape::SET_USER_POOL_MFA_CONFIG, "MfaConfig");
        self.mfa(&mfa, &mut properties);
        if let Some(triggers) = properties.get_mut("LambdaConfig").and_then(Value::as_object_mut) {
            for (name, trigger) in triggers {
                match name.as_str() {
                    "KMSKeyID" => self.replace_arn(trigger, "CustomSenderKeyArn", "Key of custom senders."),
                    _ => self.trigger(name, trigger),
                }
            }
        }
        if let Some(email) =
            properties.get_mut("EmailConfiguration").and_then(|email| email.get_mut("SourceArn"))
        {
            self.replace_arn(email, "EmailIdentityArn", "Identity in Amazon SES that mails come from.");
        }
        if let Some(sms) = properties.get_mut("SmsConfiguration").and_then(|sms| sms.get_mut("SnsCallerArn"))
        {
            self.replace_arn(sms, "SmsRoleArn", "Role by which Cognito sends text messages.");
        }
        self.add(POOL, "AWS::Cognito::UserPool", properties);
        for (name, value, description) in [
            ("UserPoolId", json!({ "Ref": POOL }), "Id of the new pool."),
            ("UserPoolArn", json!({ "Fn::GetAtt": [POOL, "Arn"] }), "ARN of the new pool."),
            ("Issuer", json!({ "Fn::GetAtt": [POOL, "ProviderURL"] }), "Issuer of its tokens."),
        ] {
            self.outputs.insert(name.to_owned(), json!({ "Description": description, "Value": value }));
        }
    }

    /// CloudFormation has members of its own for `SetUserPoolMfaConfig`.
    fn mfa(&mut self, mfa: &Object, properties: &mut Object) {
        let of = |part: &str, member: &str| mfa.get(part).and_then(|part| part.get(member)).cloned();
        let mode = mfa.get("MfaConfiguration").cloned().unwrap_or_else(|| json!("OFF"));
        let uses_token = of("SoftwareTokenMfaConfiguration", "Enabled") == Some(json!(true));
        let factors = [
            ("SMS_MFA", mfa.contains_key("SmsMfaConfiguration")),
            ("SOFTWARE_TOKEN_MFA", uses_token),
            ("EMAIL_OTP", mfa.contains_key("EmailMfaConfiguration")),
        ];
        let enabled: Vec<_> = factors.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name).collect();
        if mode != "OFF" && !enabled.is_empty() {
            properties.insert("EnabledMfas".to_owned(), json!(enabled));
        }
        properties.insert("MfaConfiguration".to_owned(), mode);
        for (name, value) in [
            ("EmailAuthenticationMessage", of("EmailMfaConfiguration", "Message")),
            ("EmailAuthenticationSubject", of("EmailMfaConfiguration", "Subject")),
            ("SmsAuthenticationMessage", of("SmsMfaConfiguration", "SmsAuthenticationMessage")),
            ("WebAuthnRelyingPartyID", of("WebAuthnConfiguration", "RelyingPartyId")),
            ("WebAuthnUserVerification", of("WebAuthnConfiguration", "UserVerification")),
        ] {
            if let Some(value) = value {
                properties.insert(name.to_owned(), value);
            }
        }
        if of("WebAuthnConfiguration", "FactorConfiguration").is_some() {
            self.left_out.push("MfaConfig.WebAuthnConfiguration.FactorConfiguration".to_owned());
        }
    }

    /// A trigger is left away if its parameter is given as empty: while users are restored, say.
    fn trigger(&mut self, name: &str, trigger: &mut Value) {
        let arn = trigger["LambdaArn"].as_str().or(trigger.as_str()).unwrap_or_default().to_owned();
        let description = format!(
            "Function of the trigger {name}. It must allow Cognito to invoke it for the new pool. Empty for none."
        );
        // The old member and the new one of the same trigger must name the same function.
        let parameter = format!("{}FunctionArn", name.trim_end_matches("Config"));
        self.parameters.entry(parameter.clone()).or_insert_with(|| {
            json!({ "Type": "String", "Default": arn, "AllowedPattern": "^(arn:.+)?$", "Description": description })
        });
        self.conditions.insert(format!("Has{parameter}"), not_empty(&parameter));
        let value = match trigger.get_mut("LambdaArn") {
            Some(arn) => {
                *arn = json!({ "Ref": parameter });
                trigger.take()
            }
            None => json!({ "Ref": parameter }),
        };
        *trigger = json!({ "Fn::If": [format!("Has{parameter}"), value, { "Ref": "AWS::NoValue" }] });
    }

    fn server(&mut self, server: &Object) -> Option<Named> {
        let mut properties = self.picked(server, shape::RESOURCE_SERVER, "ResourceServers");
        // Without what names it, it is none; why that is left out is listed.
        properties.get("Identifier")?;
        properties.insert("UserPoolId".to_owned(), of_pool());
        let name = text(server, "Identifier").to_owned();
        let id = self.unused("ResourceServer", &name);
        self.add(&id, "AWS::Cognito::UserPoolResourceServer", properties);
        Some(Named { id, name })
    }

    fn provider(&mut self, provider: &Object, secrets: Option<&Secrets>) -> Option<Named> {
        let name = text(provider, "ProviderName").to_owned();
        let id = self.unused("IdentityProvider", &name);
        let mut provider = provider.clone();
        let asked = providers::secrets(&provider);
        provider.insert("ProviderDetails".to_owned(), Value::Object(providers::details(&provider)));
        let mut properties = self.picked(&provider, shape::IDENTITY_PROVIDER, "IdentityProviders");
        properties.get("ProviderName")?;
        for secret in asked {
            let known =
                secrets.and_then(|all| all.get(Part::IdentityProviders, &name, &providers::pointer(&secret)));
            let parameter = self.unused(&id, &secret);
            let mut declared = json!({ "Type": "String", "NoEcho": true, "MinLength": 1,
                "Description": format!("{secret} of the identity provider {name}.") });
            match known {
                Some(known) => declared["Default"] = json!(known),
                None => self.asked.push((name.clone(), format!("give parameter {parameter}"))),
            }
            self.parameters.insert(parameter.clone(), declared);
            if let Some(details) = properties.get_mut("ProviderDetails").and_then(Value::as_object_mut) {
                details.insert(secret, json!({ "Ref": parameter }));
            }
        }
        properties.insert("UserPoolId".to_owned(), of_pool());
        self.add(&id, "AWS::Cognito::UserPoolIdentityProvider", properties);
        Some(Named { id, name })
    }

    fn client(&mut self, client: &Object, servers: &[Named], providers: &[Named]) {
        let (name, old) = (text(client, "ClientName").to_owned(), text(client, "ClientId").to_owned());
        let mut made = client.clone();
        made.remove("ClientId");
        if made.remove("ClientSecret").is_some() {
            made.insert("GenerateSecret".to_owned(), json!(true));
            self.generated.push(name.clone());
        }
        let mut properties = self.picked(&made, shape::USER_POOL_CLIENT, "UserPoolClients");
        if let Some(analytics) = properties.get_mut("AnalyticsConfiguration") {
            for (member, parameter) in
                [("ApplicationArn", "AnalyticsApplicationArn"), ("RoleArn", "AnalyticsRoleArn")]
            {
                if let Some(arn) = analytics.get_mut(member) {
                    self.replace_arn(arn, parameter, "Of Amazon Pinpoint's analytics.");
                }
            }
        }
        properties.insert("UserPoolId".to_owned(), of_pool());
        let id = self.unused("Client", &name);
        self.add(&id, "AWS::Cognito::UserPoolClient", properties);
        self.depend(&id, &needed(client, servers, providers));
        let description = format!("New id of the app client {name}, before {old}.");
        self.outputs.insert(format!("{id}Id"), json!({ "Description": description, "Value": { "Ref": id } }));
        self.clients.insert(old, id);
    }

    fn domains(&mut self, plan: &Plan) {
        for domain in &plan.domains {
            let (id, parameter, description) = if domain.is_custom {
                ("CustomDomain", "CustomDomainName", "Domain of one's own for sign-in pages")
            } else {
                ("Domain", "DomainPrefix", "Prefix of the domain of sign-in pages")
            };
            let before = text(&domain.object, "Domain");
            let description = format!(
                "{description}, before {before}. Empty for none: the old pool must give it up first."
            );
            self.parameters.insert(
                parameter.to_owned(),
                json!({ "Type": "String", "Default": "", "Description": description }),
            );
            let condition = format!("Has{id}");
            self.conditions.insert(condition.clone(), not_empty(parameter));
            let mut properties = self.picked(&domain.object, shape::USER_POOL_DOMAIN, "Domains");
            if domain.is_custom {
                self.certificate(&mut properties);
            }
            properties.insert("Domain".to_owned(), json!({ "Ref": parameter }));
            properties.insert("UserPoolId".to_owned(), of_pool());
            self.add(id, "AWS::Cognito::UserPoolDomain", properties);
            self.resources[id]["Condition"] = json!(condition);
        }
    }

    /// A domain of one's own has one. If only its name was saved, the certificate has to be given.
    fn certificate(&mut self, domain: &mut Object) {
        let config = domain.entry("CustomDomainConfig").or_insert_with(|| json!({}));
        if !config.is_object() {
            *config = json!({});
        }
        let arn = config["CertificateArn"].as_str().unwrap_or_default();
        let description = "Certificate of the domain of one's own, in us-east-1.";
        let parameter = self.parameter(arn, "CertificateArn", "^(arn:.+)?$", description);
        config["CertificateArn"] = json!({ "Ref": parameter });
    }

    /// Sign-in pages are customised where there is a domain to show them.
    fn customization(&mut self, customization: &Object) {
        // Without one there is nothing to customise, and no such thing is saved.
        if !["CustomDomain", "Domain"].iter().any(|id| self.resources.contains_key(*id)) {
            return self.left_out.push("UICustomizations".to_owned());
        }
        let Some((id, properties)) =
            self.of_client(customization, shape::UI_CUSTOMIZATION, "UICustomization")
        else {
            return;
        };
        let domains = ["CustomDomain", "Domain"].into_iter().filter(|id| self.resources.contains_key(*id));
        let domains: Vec<&str> = domains.collect();
        self.add(&id, "AWS::Cognito::UserPoolUICustomizationAttachment", properties);
        let resource = &mut self.resources[&id];
        if let [only] = domains.as_slice() {
            resource["Condition"] = json!(format!("Has{only}"));
            resource["DependsOn"] = json!([only]);
            return;
        }
        // A resource cannot depend on one that may not be made, but its metadata may name it.
        let made = |id: &&str| json!({ "Fn::If": [format!("Has{id}"), { "Ref": id }, ""] });
        resource["Condition"] = json!("HasAnyDomain");
        resource["Metadata"] = json!({ "After": domains.iter().map(made).collect::<Vec<_>>() });
        let any: Vec<Value> = domains.iter().map(|id| json!({ "Condition": format!("Has{id}") })).collect();
        self.conditions.insert("HasAnyDomain".to_owned(), json!({ "Fn::Or": any }));
    }

    fn risk(&mut self, risk: &Object) {
        let Some((id, mut properties)) = self.of_client(risk, shape::RISK_CONFIGURATION, "RiskConfiguration")
        else {
            return;
        };
        let notify = properties
            .get_mut("AccountTakeoverRiskConfiguration")
            .and_then(|risk| risk.get_mut("NotifyConfiguration"));
        if let Some(arn) = notify.and_then(|notify| notify.get_mut("SourceArn")) {
            self.replace_arn(arn, "EmailIdentityArn", "Identity in Amazon SES that mails come from.");
        }
        self.add(&id, "AWS::Cognito::UserPoolRiskConfigurationAttachment", properties);
    }

    fn log_delivery(&mut self, delivery: &Object) {
        let mut properties = self.picked(delivery, shape::LOG_DELIVERY, "LogDeliveryConfiguration");
        for log in properties.get_mut("LogConfigurations").and_then(Value::as_array_mut).into_iter().flatten()
        {
            for (to, member) in [
                ("CloudWatchLogsConfiguration", "LogGroupArn"),
                ("FirehoseConfiguration", "StreamArn"),
                ("S3Configuration", "BucketArn"),
            ] {
                if let Some(arn) = log.get_mut(to).and_then(|to| to.get_mut(member)) {
                    self.replace_arn(arn, &format!("Log{member}"), "Where logs are delivered to.");
                }
            }
        }
        properties.insert("UserPoolId".to_owned(), of_pool());
        self.add("LogDelivery", "AWS::Cognito::LogDeliveryConfiguration", properties);
    }

    /// What is the whole pool's, or one client's: its logical id and properties. None if no such
    /// client was saved.
    fn of_client(&mut self, object: &Object, members: Members, kind: &str) -> Option<(String, Object)> {
        let old = text(object, "ClientId");
        let is_of_pool = old.is_empty() || old == ALL_CLIENTS;
        let client = self.clients.get(old).cloned();
        if !is_of_pool && client.is_none() {
            self.left_out.push(format!("{kind}s.{old}"));
            return None;
        }
        let mut properties = self.picked(object, members, &format!("{kind}s"));
        let of = client.as_ref().map_or_else(|| json!(ALL_CLIENTS), |client| json!({ "Ref": client }));
        properties.insert("ClientId".to_owned(), of);
        properties.insert("UserPoolId".to_owned(), of_pool());
        let id = self.unused(kind, client.as_deref().unwrap_or("Default"));
        Some((id, properties))
    }

    /// The properties CloudFormation has, of texts that it takes for no more than that.
    fn picked(&mut self, object: &Object, members: Members, path: &str) -> Object {
        let mut picked = pick(object, members, path, &mut self.left_out);
        self.only_text(&mut picked, path);
        picked
    }

    /// A dynamic reference is resolved wherever it stands, and cannot be quoted; an object with a
    /// member named like a function is one.
    fn only_text(&mut self, object: &mut Object, path: &str) {
        object.retain(|name, value| {
            let path = format!("{path}.{name}");
            let is_text = name != "Ref" && !name.starts_with("Fn::") && self.is_text(value, &path);
            if !is_text {
                self.unsafe_texts.push(path);
            }
            is_text
        });
    }

    fn is_text(&mut self, value: &mut Value, path: &str) -> bool {
        match value {
            Value::String(text) => !text.contains("{{resolve:"),
            Value::Array(items) => {
                let count = items.len();
                items.retain_mut(|item| self.is_text(item, path));
                if items.len() < count {
                    self.unsafe_texts.push(path.to_owned());
                }
                true
            }
            Value::Object(members) => {
                self.only_text(members, path);
                true
            }
            _ => true,
        }
    }

    fn replace_arn(&mut self, value: &mut Value, parameter: &str, description: &str) {
        if let Some(arn) = value.as_str().filter(|arn| arn.starts_with("arn:")) {
            let name = self.parameter(arn, parameter, "^arn:.+$", description);
            *value = json!({ "Ref": name });
        }
    }

    /// The parameter that stands for an ARN; its default is what the old pool has.
    fn parameter(&mut self, arn: &str, name: &str, pattern: &str, description: &str) -> String {
        if let Some(known) = self.arns.get(arn) {
            return known.clone();
        }
        let name = self.unused(name, "");
        let declared = json!({ "Type": "String", "Default": arn, "AllowedPattern": pattern, "Description": description });
        self.parameters.insert(name.clone(), declared);
        self.arns.insert(arn.to_owned(), name.clone());
        name
    }

    /// Nothing is deleted with the stack, but for what a deployment made that did not come to its
    /// end.
    fn add(&mut self, id: &str, kind: &str, properties: Object) {
        let properties = Value::Object(properties);
        self.resources.insert(
            id.to_owned(),
            json!({
                "Type": kind,
                "DeletionPolicy": "RetainExceptOnCreate",
                "UpdateReplacePolicy": "Retain",
                "Properties": properties,
            }),
        );
    }

    fn depend(&mut self, id: &str, on: &[String]) {
        if !on.is_empty() {
            self.resources[id]["DependsOn"] = json!(on);
        }
    }

    /// A logical id of letters and digits that is in use nowhere.
    fn unused(&self, kind: &str, name: &str) -> String {
        let words = name.split(|c: char| !c.is_ascii_alphanumeric());
        let capital =
            |word: &str| word.chars().next().map(|first| first.to_ascii_uppercase().to_string() + &word[1..]);
        let name: String =
            words.filter_map(capital).flat_map(|word| word.chars().collect::<Vec<_>>()).take(100).collect();
        let is_free = |id: &String| !self.resources.contains_key(id) && !self.parameters.contains_key(id);
        let plain = format!("{kind}{name}");
        let numbered = (2..).map(|number| format!("{kind}{name}{number}"));
        std::iter::once(plain).chain(numbered).find(is_free).unwrap_or_default()
    }

    fn finish(self, plan: &mut Plan, source: &Source) -> Value {
        let Self {
            parameters, conditions, resources, outputs, left_out, unsafe_texts, asked, generated, ..
        } = self;
        for (provider, what) in asked {
            plan.by_hand.add("secret", provider, what);
        }
        for client in generated {
            plan.by_hand.add("secret", client, "CloudFormation has a new secret generated: configure it in the application. To keep the old one, use --format json with --with-secrets");
        }
        plan.left_out(left_out, "CloudFormation");
        for path in unsafe_texts {
            plan.by_hand.add("not_carried", path, "CloudFormation would read it as a reference or a function, not as text: set it by hand, or use --format json");
        }
        let description = format!(
            "An equal of the Cognito user pool {} as of run {}, without its users.",
            source.pool, source.run
        );
        let mut template = json!({ "AWSTemplateFormatVersion": "2010-09-09", "Description": description });
        for (name, part) in [
            ("Parameters", parameters),
            ("Conditions", conditions),
            ("Resources", resources),
            ("Outputs", outputs),
        ] {
            if !part.is_empty() {
                template[name] = Value::Object(part);
            }
        }
        limits(&mut template, plan);
        template
    }
}

/// What CloudFormation refuses for its size.
fn limits(template: &mut Value, plan: &mut Plan) {
    let count = |template: &Value, part: &str| template[part].as_object().map_or(0, Object::len);
    if count(template, "Outputs") > MOST_OUTPUTS
        && let Some(outputs) = template["Outputs"].as_object_mut()
    {
        outputs.retain(|name, _| !name.starts_with("Client"));
        plan.by_hand.add("limit", "Outputs", "a template has at most 200 outputs: the ids of app clients are none of them. List them with list-user-pool-clients");
    }
    for (part, most) in [("Resources", MOST_RESOURCES), ("Parameters", MOST_PARAMETERS)] {
        if count(template, part) > most {
            plan.by_hand.add("limit", part, format!("a template has at most {most}: use --format json"));
        }
    }
    let attributes = template["Resources"][POOL]["Properties"]["Schema"].as_array().map_or(0, Vec::len);
    if attributes > MOST_ATTRIBUTES {
        plan.by_hand.add(
            "limit",
            "Schema",
            "a pool is created with at most 50 attributes: use --format json, which adds the others",
        );
    }
    let size = serde_json::to_string_pretty(template).map_or(0, |text| text.len());
    if size > LARGEST_TEMPLATE {
        plan.by_hand.add("limit", "", "a template has at most 1 MB: use --format json");
    } else if size > LARGEST_BODY {
        plan.by_hand.add("limit", "", "the template is larger than 51,200 bytes: deploy it with --s3-bucket");
    }
}

/// What must be there before a client can name it.
fn needed(client: &Object, servers: &[Named], providers: &[Named]) -> Vec<String> {
    let texts = |member: &str| {
        let list = client.get(member).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let (scopes, supported) = (texts("AllowedOAuthScopes"), texts("SupportedIdentityProviders"));
    let is_of = |scope: &String, server: &Named| {
        scope.strip_prefix(server.name.as_str()).is_some_and(|rest| rest.starts_with('/'))
    };
    let servers = servers.iter().filter(|server| scopes.iter().any(|scope| is_of(scope, server)));
    let providers = providers.iter().filter(|provider| supported.contains(&provider.name));
    servers.chain(providers).map(|named| named.id.clone()).collect()
}

fn of_pool() -> Value {
    json!({ "Ref": POOL })
}

fn not_empty(parameter: &str) -> Value {
    json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": parameter }, ""] }] })
}
