//! Identity providers: what of their details can be set, and what is secret.

use serde_json::Value;

use super::plan::{Object, text};

/// The details a provider can be made with: not those that Cognito finds out itself, and not the
/// secrets (API Reference, `CreateIdentityProvider`: requests and answers by type of provider).
pub(super) fn details(provider: &Object) -> Object {
    let derived: &[&str] = match text(provider, "ProviderType") {
        "SAML" => &["ActiveEncryptionCertificate", "SLORedirectBindingURI", "SSORedirectBindingURI"],
        "OIDC" => &["attributes_url_add_attributes"],
        _ => &[
            "attributes_url",
            "attributes_url_add_attributes",
            "authorize_url",
            "oidc_issuer",
            "token_request_method",
            "token_url",
        ],
    };
    let mut details = saved(provider).cloned().unwrap_or_default();
    details.retain(|name, value| !value.is_null() && !derived.contains(&name.as_str()));
    details
}

/// The names of the details that are secret: each that was taken out, and the key of Sign in with
/// Apple, which Cognito never answers.
pub(super) fn secrets(provider: &Object) -> Vec<String> {
    let taken_out = saved(provider).into_iter().flatten().filter(|(_, value)| value.is_null());
    let mut names: Vec<String> = taken_out.map(|(name, _)| name.clone()).collect();
    let key = "private_key";
    if text(provider, "ProviderType") == "SignInWithApple" && !names.iter().any(|name| name == key) {
        names.push(key.to_owned());
    }
    names
}

fn saved(provider: &Object) -> Option<&Object> {
    provider.get("ProviderDetails").and_then(Value::as_object)
}

/// Where a secret is in its provider, as a JSON pointer.
pub(super) fn pointer(name: &str) -> String {
    format!("/ProviderDetails/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Of another kind of provider, Cognito finds these out itself.
    #[test]
    fn a_provider_by_oidc_keeps_what_it_was_made_with() {
        let provider = json!({ "ProviderType": "OIDC", "ProviderDetails": {
            "client_id": "id", "oidc_issuer": "https://issuer.example", "authorize_url": "https://issuer.example/authorize",
            "attributes_url_add_attributes": "false", "client_secret": null,
        } });
        let details = details(provider.as_object().unwrap());
        let names: Vec<&String> = details.keys().collect();
        assert_eq!(names, ["authorize_url", "client_id", "oidc_issuer"]);
    }
}
