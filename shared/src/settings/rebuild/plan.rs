//! The saved settings as the requests have them, before anything is left out: what both results are
//! made of, and what is left to do by hand after both.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::attributes::schema;
use super::damaged;
use super::hand::Hands;
use crate::Result;
use crate::settings::{Part, Settings, USER_POOL};

pub(super) type Object = Map<String, Value>;

/// What an equal pool is made of.
pub(super) struct Plan {
    /// `CreateUserPool`, but for `MfaConfiguration`.
    pub(super) pool: Object,
    /// `SetUserPoolMfaConfig`.
    pub(super) mfa: Object,
    pub(super) clients: Vec<Object>,
    pub(super) providers: Vec<Object>,
    pub(super) resource_servers: Vec<Object>,
    pub(super) domains: Vec<Domain>,
    pub(super) customizations: Vec<Object>,
    pub(super) risks: Vec<Object>,
    pub(super) log_delivery: Option<Object>,
    pub(super) by_hand: Hands,
}

/// A domain of the pool.
pub(super) struct Domain {
    /// `CreateUserPoolDomain`.
    pub(super) object: Object,
    /// Whether it is one's own, not a prefix of Amazon's.
    pub(super) is_custom: bool,
}

/// What Cognito says of a pool and what a request cannot say.
const READ_ONLY: [&str; 8] =
    ["Arn", "CreationDate", "CustomDomain", "Domain", "Id", "LastModifiedDate", "MfaConfiguration", "Status"];

/// The same of everything in a pool.
const READ_ONLY_OF_PARTS: [&str; 8] = [
    "AWSAccountId",
    "CSSVersion",
    "CloudFrontDistribution",
    "CreationDate",
    "ImageUrl",
    "LastModifiedDate",
    "S3Bucket",
    "UserPoolId",
];

const SES_IDENTITY: &str = "the identity in Amazon SES must be verified and out of the sandbox, and let Cognito send for the new pool";

/// `ClientId` of what is the pool's own, not one client's.
pub(super) const ALL_CLIENTS: &str = "ALL";

impl Plan {
    pub(super) fn of(settings: &Settings) -> Result<Self> {
        let saved =
            settings.0.get(USER_POOL).and_then(Value::as_object).ok_or_else(|| damaged("UserPool"))?;
        let mut plan = Self {
            pool: pool(saved, settings.pool()?.is_case_sensitive()),
            mfa: mfa(settings, saved),
            clients: each(settings, Part::UserPoolClients)?,
            providers: each(settings, Part::IdentityProviders)?,
            resource_servers: each(settings, Part::ResourceServers)?,
            domains: domains(settings, saved)?,
            customizations: each(settings, Part::UiCustomizations)?,
            risks: each(settings, Part::RiskConfigurations)?,
            log_delivery: settings
                .part(Part::LogDeliveryConfiguration)
                .and_then(Value::as_object)
                .map(writable),
            by_hand: Hands::default(),
        };
        plan.not_saved(settings);
        plan.of_the_pool(saved);
        plan.of_domains(settings);
        plan.of_clients();
        plan.of_providers();
        plan.of_parts_of_clients();
        plan.always();
        Ok(plan)
    }

    /// Lists what a format has no place for.
    pub(super) fn left_out(&mut self, paths: Vec<String>, by: &str) {
        for path in paths {
            self.by_hand.add("not_carried", path, format!("{by} does not take it: set it by hand"));
        }
    }

    fn not_saved(&mut self, settings: &Settings) {
        for part in settings.not_saved() {
            let what = format!(
                "not in this run: {} answered {} when it was exported. Make it by hand, or use another run",
                part.operation, part.code
            );
            self.by_hand.add("not_saved", part.part, what);
        }
        if settings.part(Part::UserPoolClients).is_none() && settings.not_saved().is_empty() {
            let what = "not in this run: it was exported by a version that saved UserPool and MfaConfig only. Make them by hand, or use a later run";
            self.by_hand.add("not_saved", "everything but the pool itself", what);
        }
    }

    fn of_the_pool(&mut self, saved: &Object) {
        self.of_triggers(saved.get("LambdaConfig").and_then(Value::as_object));
        if let Some(arn) = saved.get("KeyConfiguration").and_then(|key| key["KmsKeyArn"].as_str()) {
            self.by_hand.add("key", arn, "the pool's own key: it must be in the new pool's Region");
        }
        if let Some(arn) = saved.get("EmailConfiguration").and_then(|email| email["SourceArn"].as_str()) {
            self.by_hand.add("email", arn, SES_IDENTITY);
        }
        let sms = saved.get("SmsConfiguration").unwrap_or(&Value::Null);
        for arn in [&sms["SnsCallerArn"], &sms["EumsSms"]["CallerArn"]].into_iter().filter_map(Value::as_str)
        {
            self.by_hand.add("sms", arn, "the role must let Cognito assume it for the new pool, with the same external id, and the account must be out of the SMS sandbox");
        }
        let arns = self.log_delivery.iter().flat_map(arns_in).collect::<Vec<_>>();
        for arn in arns {
            self.by_hand.add(
                "log_destination",
                arn,
                "the destination must be in the new pool's account and Region, and let Cognito deliver to it",
            );
        }
        if let Some(id) =
            self.mfa.get("WebAuthnConfiguration").and_then(|config| config["RelyingPartyId"].as_str())
        {
            self.by_hand.add("domain", id, "the relying party of passkeys: it must be a domain of the new pool, or of your application. Passkeys themselves are not restored");
        }
        let tags = saved.get("UserPoolTags").and_then(Value::as_object);
        for name in tags.into_iter().flat_map(Object::keys).filter(|name| is_of_aws(name)) {
            self.by_hand.add(
                "not_carried",
                format!("UserPool.UserPoolTags.{name}"),
                "a tag of AWS's own: nobody else can set it",
            );
        }
    }

    fn of_triggers(&mut self, triggers: Option<&Object>) {
        let mut by_function: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in triggers.into_iter().flatten() {
            let arn = value["LambdaArn"].as_str().or(value.as_str()).unwrap_or_default();
            if name == "KMSKeyID" {
                self.by_hand.add("key", arn, "the key of custom senders: it must be in the new pool's Region, and let the functions and Cognito use it");
            } else {
                by_function.entry(arn).or_default().push(name);
            }
        }
        for (arn, triggers) in by_function {
            let what = format!(
                "{}: let cognito-idp.amazonaws.com invoke the function for the new pool (aws lambda add-permission); it must be in the pool's Region and account. Triggers run for users who are restored, too: leave them away until then unless you want that",
                triggers.join(", ")
            );
            self.by_hand.add("lambda", arn, what);
        }
    }

    fn of_domains(&mut self, settings: &Settings) {
        let mut found = Vec::new();
        for domain in &self.domains {
            let name = domain.object.get("Domain").and_then(Value::as_str).unwrap_or_default();
            let arn =
                domain.object.get("CustomDomainConfig").and_then(|config| config["CertificateArn"].as_str());
            let free = "it belongs to the old pool until it is deleted there (aws cognito-idp delete-user-pool-domain): only then can the new pool have it";
            let what = if domain.is_custom {
                format!("{free}; its DNS record then has to name the new pool's CloudFront distribution")
            } else {
                free.to_owned()
            };
            found.push(("domain", name.to_owned(), what));
            if let Some(arn) = arn {
                found.push((
                    "certificate",
                    arn.to_owned(),
                    "the certificate must be in us-east-1, in the new pool's account".to_owned(),
                ));
            }
        }
        if !self.domains.is_empty() {
            let what = "branding of managed login and terms of use are not saved: make them again for each app client";
            found.push(("branding", String::new(), what.to_owned()));
        }
        let images = settings.part(Part::UiCustomizations).and_then(Value::as_array).into_iter().flatten();
        for image in images.filter_map(|ui| ui["ImageUrl"].as_str()) {
            found.push(("branding", image.to_owned(), "the logo is not saved: load it while the old pool is there, and set it with set-ui-customization".to_owned()));
        }
        for (matter, subject, what) in found {
            self.by_hand.add(matter, subject, what);
        }
    }

    fn of_clients(&mut self) {
        for client in &self.clients {
            let (name, id) = (text(client, "ClientName"), text(client, "ClientId"));
            self.by_hand.add(
                "application",
                format!("{name} ({id})"),
                "the app client gets a new id: configure it in the application",
            );
            for arn in
                client.get("AnalyticsConfiguration").and_then(Value::as_object).into_iter().flat_map(arns_in)
            {
                self.by_hand.add(
                    "analytics",
                    arn,
                    "of Amazon Pinpoint's analytics: it must be in the new pool's account",
                );
            }
        }
    }

    fn of_providers(&mut self) {
        for provider in &self.providers {
            let what = match text(provider, "ProviderType") {
                "SAML" => {
                    "register the new pool with the provider: its audience is urn:amazon:cognito:sp:<new pool id>, its assertions go to the new domain (/saml2/idpresponse), its signing and encryption certificates are new"
                }
                _ => "register the new domain with the provider (/oauth2/idpresponse)",
            };
            self.by_hand.add("identity_provider", text(provider, "ProviderName"), what);
        }
    }

    /// What belongs to one client, and where mails of a risk come from.
    fn of_parts_of_clients(&mut self) {
        for risk in &self.risks {
            let notify =
                risk.get("AccountTakeoverRiskConfiguration").map(|risk| &risk["NotifyConfiguration"]);
            if let Some(arn) = notify.and_then(|notify| notify["SourceArn"].as_str()) {
                self.by_hand.add("email", arn, SES_IDENTITY);
            }
        }
    }

    fn always(&mut self) {
        self.by_hand.add("application", "", "the new pool has an id, an issuer URL and signing keys of its own: configure them wherever tokens are verified or the pool is named (API Gateway, load balancers, AppSync, identity pools, policies)");
        self.by_hand.add("waf", "", "if a web ACL of AWS WAF protected the old pool, associate one with the new pool: Cognito does not say");
    }
}

pub(super) fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// `CreateUserPool`, in its words.
fn pool(saved: &Object, is_case_sensitive: bool) -> Object {
    let mut pool = saved.clone();
    pool.retain(|name, value| !READ_ONLY.contains(&name.as_str()) && !value.is_null());
    if let Some(name) = pool.remove("Name") {
        pool.insert("PoolName".to_owned(), name);
    }
    let attributes = pool.remove("SchemaAttributes");
    let schema = schema(attributes.as_ref().and_then(Value::as_array).map_or(&[], Vec::as_slice));
    if !schema.is_empty() {
        pool.insert("Schema".to_owned(), Value::Array(schema));
    }
    // Said outright: its default has changed over time.
    pool.insert("UsernameConfiguration".to_owned(), json!({ "CaseSensitive": is_case_sensitive }));
    without_duplicates(&mut pool);
    if let Some(tags) = pool.get_mut("UserPoolTags").and_then(Value::as_object_mut) {
        tags.retain(|name, _| !is_of_aws(name));
    }
    pool
}

/// Takes away what is there twice, and is refused so: Cognito answers both an old member and the one
/// that has replaced it.
fn without_duplicates(pool: &mut Object) {
    let has = |pool: &Object, path: &str| {
        let mut parts = path.split('.');
        let first = parts.next().and_then(|name| pool.get(name));
        parts.fold(first, |value, name| value?.get(name)).is_some()
    };
    if has(pool, "Policies.PasswordPolicy.TemporaryPasswordValidityDays")
        && let Some(config) = pool.get_mut("AdminCreateUserConfig").and_then(Value::as_object_mut)
    {
        config.remove("UnusedAccountValidityDays");
    }
    for (old, new) in [
        ("EmailVerificationMessage", "VerificationMessageTemplate.EmailMessage"),
        ("EmailVerificationSubject", "VerificationMessageTemplate.EmailSubject"),
        ("SmsVerificationMessage", "VerificationMessageTemplate.SmsMessage"),
    ] {
        if has(pool, new) {
            pool.remove(old);
        }
    }
}

/// Tags that begin so cannot be set (Developer Guide, "Tagging resources").
fn is_of_aws(tag: &str) -> bool {
    tag.to_ascii_lowercase().starts_with("aws:")
}

/// `SetUserPoolMfaConfig`: if its answer was not saved, what the pool itself says.
fn mfa(settings: &Settings, saved: &Object) -> Object {
    let config = settings.part(Part::MfaConfig).and_then(Value::as_object).map(writable);
    config.unwrap_or_else(|| {
        let mode = saved.get("MfaConfiguration").map(|mode| ("MfaConfiguration".to_owned(), mode.clone()));
        mode.into_iter().collect()
    })
}

fn each(settings: &Settings, part: Part) -> Result<Vec<Object>> {
    let items = settings.part(part).map_or(Some(&[][..]), |items| items.as_array().map(Vec::as_slice));
    let objects = items.into_iter().flatten().map(|item| item.as_object().map(writable));
    let objects: Option<Vec<Object>> = objects.collect();
    objects.filter(|_| items.is_some()).ok_or_else(|| damaged(part.as_str()))
}

fn writable(object: &Object) -> Object {
    let mut object = object.clone();
    object.retain(|name, _| !READ_ONLY_OF_PARTS.contains(&name.as_str()));
    object
}

/// The pool's domains: what was described of them, or their names alone.
fn domains(settings: &Settings, saved: &Object) -> Result<Vec<Domain>> {
    let described = each(settings, Part::Domains)?;
    let of = |member: &str| {
        let name = saved.get(member)?.as_str()?;
        let object = described.iter().find(|domain| text(domain, "Domain") == name).cloned();
        let named = || [("Domain".to_owned(), json!(name))].into_iter().collect();
        Some(Domain { object: object.unwrap_or_else(named), is_custom: member == "CustomDomain" })
    };
    Ok(["Domain", "CustomDomain"].into_iter().filter_map(of).collect())
}

/// Every ARN in an object, at any depth.
fn arns_in(object: &Object) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) if text.starts_with("arn:") => found.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(members) => members.values().for_each(|member| collect(member, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    object.values().for_each(|member| collect(member, &mut found));
    found
}
