//! Identity providers of a pool, and the identities users have there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::ServiceError;
use crate::names;
use crate::time::{Millis, seconds};

/// Identity providers a pool may have ("Quotas in Amazon Cognito").
pub(crate) const MAX_PROVIDERS: usize = 300;
/// Identities that may be linked to one user.
pub(crate) const MAX_LINKS: usize = 5;
/// What a link is made by where the provider's own id is meant.
pub(crate) const SUBJECT: &str = "Cognito_Subject";

/// The kind of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // The names are Amazon's.
pub enum ProviderType {
    Facebook,
    Google,
    LoginWithAmazon,
    SignInWithApple,
    #[serde(rename = "SAML")]
    Saml,
    #[serde(rename = "OIDC")]
    Oidc,
}

impl ProviderType {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Facebook, Self::Google, Self::LoginWithAmazon, Self::SignInWithApple, Self::Saml, Self::Oidc];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Facebook => "Facebook",
            Self::Google => "Google",
            Self::LoginWithAmazon => "LoginWithAmazon",
            Self::SignInWithApple => "SignInWithApple",
            Self::Saml => "SAML",
            Self::Oidc => "OIDC",
        }
    }

    /// Whether there can be only one in a pool, named like its kind.
    pub(crate) fn social(self) -> bool {
        !matches!(self, Self::Saml | Self::Oidc)
    }

    fn details(self) -> Details {
        const CLIENT: &[&str] = &["client_id", "client_secret", "authorize_scopes"];
        const URLS: &[&str] = &["attributes_url", "authorize_url", "token_url"];
        match self {
            Self::Facebook => Details {
                required: CLIENT,
                optional: &[URLS, &["api_version"]],
                filled: &[
                    ("api_version", "v17.0"),
                    ("attributes_url", "https://graph.facebook.com/v17.0/me?fields="),
                    ("attributes_url_add_attributes", "true"),
                    ("authorize_url", "https://www.facebook.com/v17.0/dialog/oauth"),
                    ("token_request_method", "GET"),
                    ("token_url", "https://graph.facebook.com/v17.0/oauth/access_token"),
                ],
                subject: Some("id"),
            },
            Self::Google => Details {
                required: CLIENT,
                optional: &[URLS],
                filled: &[
                    ("attributes_url", "https://people.googleapis.com/v1/people/me?personFields="),
                    ("attributes_url_add_attributes", "true"),
                    ("authorize_url", "https://accounts.google.com/o/oauth2/v2/auth"),
                    ("oidc_issuer", "https://accounts.google.com"),
                    ("token_request_method", "POST"),
                    ("token_url", "https://www.googleapis.com/oauth2/v4/token"),
                ],
                subject: Some("sub"),
            },
            Self::LoginWithAmazon => Details {
                required: CLIENT,
                optional: &[URLS],
                filled: &[
                    ("attributes_url", "https://api.amazon.com/user/profile"),
                    ("attributes_url_add_attributes", "false"),
                    ("authorize_url", "https://www.amazon.com/ap/oa"),
                    ("token_request_method", "POST"),
                    ("token_url", "https://api.amazon.com/auth/o2/token"),
                ],
                subject: Some("user_id"),
            },
            Self::SignInWithApple => Details {
                required: &["client_id", "team_id", "key_id", "private_key", "authorize_scopes"],
                optional: &[URLS],
                filled: &[
                    ("attributes_url_add_attributes", "false"),
                    ("authorize_url", "https://appleid.apple.com/auth/authorize"),
                    ("oidc_issuer", "https://appleid.apple.com"),
                    ("token_request_method", "POST"),
                    ("token_url", "https://appleid.apple.com/auth/token"),
                ],
                subject: Some("sub"),
            },
            Self::Oidc => Details {
                required: &["client_id", "oidc_issuer", "authorize_scopes", "attributes_request_method"],
                optional: &[URLS, &["client_secret", "jwks_uri"]],
                filled: &[("attributes_url_add_attributes", "false")],
                subject: Some("sub"),
            },
            Self::Saml => Details {
                required: &[],
                optional: &[
                    &["MetadataURL", "MetadataFile", "IDPInit", "IDPSignout", "EncryptedResponses"],
                    &["RequestSigningAlgorithm"],
                ],
                filled: &[
                    ("SLORedirectBindingURI", "https://idp.example.com/slo"),
                    ("SSORedirectBindingURI", "https://idp.example.com/sso"),
                ],
                subject: None,
            },
        }
    }
}

/// What the details of a kind may say.
struct Details {
    required: &'static [&'static str],
    optional: &'static [&'static [&'static str]],
    /// What the service adds by itself, unless told otherwise.
    filled: &'static [(&'static str, &'static str)],
    /// The claim that becomes the username, if no mapping says otherwise.
    subject: Option<&'static str>,
}

impl Details {
    fn knows(&self, key: &str) -> bool {
        let mut optional = self.optional.iter().flat_map(|keys| keys.iter());
        self.required.contains(&key)
            || optional.any(|known| *known == key)
            || self.filled.iter().any(|(known, _)| *known == key)
    }
}

/// An identity provider, shaped as on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityProvider {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub provider_type: ProviderType,
    /// Endpoints, credentials and the like.
    pub details: BTreeMap<String, String>,
    /// Attributes of the pool, and the provider's claims they are taken from.
    pub attribute_mapping: BTreeMap<String, String>,
    /// Other names it can be chosen by.
    pub idp_identifiers: Vec<String>,
    /// Levels of authentication, and what the provider calls them.
    pub acr_mapping: BTreeMap<String, String>,
    /// When it was created; 0 means now, when adding.
    pub created: Millis,
}

impl IdentityProvider {
    /// A provider with made-up details.
    pub fn new(name: impl Into<String>, provider_type: ProviderType) -> Self {
        let mut details: BTreeMap<String, String> = provider_type
            .details()
            .required
            .iter()
            .map(|key| ((*key).to_owned(), format!("example-{key}")))
            .collect();
        if provider_type == ProviderType::Saml {
            details.insert("MetadataURL".to_owned(), "https://idp.example.com/metadata".to_owned());
        }
        Self {
            name: name.into(),
            provider_type,
            details,
            attribute_mapping: BTreeMap::new(),
            idp_identifiers: Vec::new(),
            acr_mapping: BTreeMap::new(),
            created: 0,
        }
    }

    /// A social provider, which is named like its kind.
    pub fn social(provider_type: ProviderType) -> Self {
        Self::new(provider_type.name(), provider_type)
    }

    /// The same with one more attribute taken from a claim.
    #[must_use]
    pub fn mapping(mut self, attribute: impl Into<String>, claim: impl Into<String>) -> Self {
        self.attribute_mapping.insert(attribute.into(), claim.into());
        self
    }

    /// Checks what a request asks for.
    pub(crate) fn validate(&self) -> Result<(), ServiceError> {
        names::provider_name(&self.name)?;
        let kind = self.provider_type.name();
        if self.provider_type.social() && self.name != kind {
            return Err(ServiceError::invalid(format!("The provider name of {kind} must be {kind}.")));
        }
        let known = self.provider_type.details();
        if let Some(key) = known.required.iter().find(|key| !self.details.contains_key(**key)) {
            return Err(ServiceError::invalid(format!("The provider details lack {key}.")));
        }
        if !self.details.keys().all(|key| known.knows(key)) {
            return Err(ServiceError::invalid(format!("Unknown provider details for {kind}.")));
        }
        let metadata = ["MetadataURL", "MetadataFile"].iter().filter(|key| self.details.contains_key(**key));
        if self.provider_type == ProviderType::Saml && metadata.count() != 1 {
            return Err(ServiceError::invalid("Either MetadataURL or MetadataFile must be given."));
        }
        let levels = ["Level1", "Level2", "Level3", "Level4"];
        let acr_fits = self.provider_type == ProviderType::Oidc
            && self.acr_mapping.keys().all(|level| levels.contains(&level.as_str()));
        if !self.acr_mapping.is_empty() && !acr_fits {
            return Err(ServiceError::invalid("Only OIDC providers map ACR values, of Level1 to Level4."));
        }
        if self.idp_identifiers.len() > 50 {
            return Err(ServiceError::constraint("idpIdentifiers", "Member must have at most 50 members"));
        }
        self.idp_identifiers.iter().try_for_each(|identifier| names::idp_identifier(identifier))
    }

    /// Adds what the service adds to a new provider.
    pub(crate) fn complete(mut self, now: Millis) -> Self {
        let known = self.provider_type.details();
        for (key, value) in known.filled {
            self.details.entry((*key).to_owned()).or_insert_with(|| (*value).to_owned());
        }
        if let Some(subject) = known.subject {
            self.attribute_mapping.entry("username".to_owned()).or_insert_with(|| subject.to_owned());
        }
        if self.details.get("EncryptedResponses").is_some_and(|value| value == "true") {
            self.details.insert("ActiveEncryptionCertificate".to_owned(), "MIIB-example".to_owned());
        }
        if self.created == 0 {
            self.created = now;
        }
        self
    }

    /// The provider as answers describe it.
    pub(crate) fn describe(&self, pool: &str) -> Value {
        let mut details = self.details.clone();
        // Apple's key is the one secret that never comes back.
        details.remove("private_key");
        let mut value = json!({
            "UserPoolId": pool,
            "ProviderName": self.name,
            "ProviderType": self.provider_type,
            "ProviderDetails": details,
            "AttributeMapping": self.attribute_mapping,
            "IdpIdentifiers": self.idp_identifiers,
            "LastModifiedDate": seconds(self.created),
            "CreationDate": seconds(self.created),
        });
        if !self.acr_mapping.is_empty() {
            value["AcrMapping"] = json!(self.acr_mapping);
        }
        value
    }

    /// The line of a listing.
    pub(crate) fn summary(&self) -> Value {
        json!({
            "ProviderName": self.name,
            "ProviderType": self.provider_type,
            "LastModifiedDate": seconds(self.created),
            "CreationDate": seconds(self.created),
        })
    }

    /// What users who came from this provider are called.
    pub(crate) fn username(&self, id: &str) -> String {
        if self.provider_type.social() {
            format!("{}_{id}", self.name.to_lowercase())
        } else {
            format!("{}_{id}", self.name)
        }
    }
}

/// An identity as the attribute `identities` keeps it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) provider_name: &'a str,
    pub(crate) provider_type: ProviderType,
    pub(crate) issuer: Option<&'a str>,
    /// Whether the user came from there, rather than was linked to it.
    pub(crate) primary: bool,
    pub(crate) date_created: Millis,
}

impl<'a> Identity<'a> {
    /// An identity that is linked to a user.
    pub(crate) fn linked(
        provider: &'a str,
        provider_type: ProviderType,
        user_id: &'a str,
        at: Millis,
    ) -> Self {
        Self {
            user_id,
            provider_name: provider,
            provider_type,
            issuer: None,
            primary: false,
            date_created: at,
        }
    }

    /// The attribute's value with this identity added to what it was.
    pub(crate) fn append(&self, before: Option<&str>) -> String {
        // Strings and numbers: it always can be JSON.
        let identity = serde_json::to_string(self).unwrap_or_default();
        let others = before
            .and_then(|text| text.trim().strip_prefix('['))
            .and_then(|text| text.strip_suffix(']'))
            .filter(|text| !text.trim().is_empty());
        match others {
            Some(others) => format!("[{others},{identity}]"),
            None => format!("[{identity}]"),
        }
    }
}

/// Provider and id of every identity in the attribute's value.
pub(crate) fn identities(value: &str) -> Vec<(Box<str>, Box<str>)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Key {
        provider_name: Box<str>,
        user_id: Box<str>,
    }
    // Tests may give a user anything: what cannot be read links nothing.
    serde_json::from_str::<Vec<Key>>(value)
        .unwrap_or_default()
        .into_iter()
        .map(|key| (key.provider_name, key.user_id))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_written_as_cognito_does() {
        let first = Identity::linked("Google", ProviderType::Google, "1\"2", 1_605_522_871_216);
        let text = first.append(None);
        assert_eq!(
            text,
            r#"[{"userId":"1\"2","providerName":"Google","providerType":"Google","issuer":null,"primary":false,"dateCreated":1605522871216}]"#
        );
        let second = Identity::linked("Corp", ProviderType::Saml, "x", 5);
        let both = second.append(Some(&text));
        let known = identities(&both);
        assert_eq!(known, [("Google".into(), "1\"2".into()), ("Corp".into(), "x".into())]);
        assert_eq!(second.append(Some("[]")), second.append(None));
        assert!(identities("nothing").is_empty());
    }
}
