//! Settings as Cognito answers them, of which anything may be other than documented.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::secrets::is_secret;
use super::{Gathering, Part, Rebuild, Settings, Source};
use crate::fuzz::{config, json, spoiled};

/// A pool that has one of everything.
fn rich() -> Value {
    serde_json::from_str(include_str!("rebuild/tests/rich.json")).unwrap()
}

fn clients() -> Vec<Value> {
    vec![
        json!({"ClientId": "a", "ClientSecret": "shh", "ClientSecrets": ["shh", {"Value": "shh"}], "CallbackURLs": ["u"]}),
        json!({"ProviderName": "Apple", "ProviderDetails": {"client_id": "c", "private_key": "shh", "a/b~password": {"x": ["shh"]}}}),
    ]
}

/// Whether a text is left where a name says that it is secret.
fn has_secret(value: &Value, is_in_secret: bool) -> bool {
    match value {
        Value::String(text) => is_in_secret && !text.is_empty(),
        Value::Array(items) => items.iter().any(|item| has_secret(item, is_in_secret)),
        Value::Object(members) => {
            members.iter().any(|(name, member)| has_secret(member, is_in_secret || is_secret(name)))
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn no_secret_is_left_in_what_is_kept(items in prop::collection::vec(spoiled(clients()), 0..4), one in json()) {
        let mut gathering = Gathering::new(one.clone(), one.clone());
        gathering.put_each(Part::UserPoolClients, items.clone());
        let kept = gathering.seal(None, None, [0; 16]).unwrap();
        prop_assert!(!has_secret(&kept.document()["UserPoolClients"], false));
        let mut gathering = Gathering::new(one.clone(), one.clone());
        gathering.put_each(Part::IdentityProviders, items);
        gathering.put_one(Part::LogDeliveryConfiguration, one);
        let kept = gathering.seal(None, None, [0; 16]).unwrap();
        for provider in kept.document()["IdentityProviders"].as_array().unwrap() {
            prop_assert!(!has_secret(&provider["ProviderDetails"], false));
        }
    }

    /// What makes an equal pool of them is a document of ours, or refused.
    #[test]
    fn no_settings_panic(document in spoiled(vec![rich()]), any in json()) {
        for document in [document, any] {
            let Ok(settings) = serde_json::from_value::<Settings>(document) else { continue };
            let source = Source { pool: "p".to_owned(), run: "r".to_owned(), as_of: "t".to_owned() };
            let rebuild = Rebuild { settings: &settings, source, secrets: None };
            let errors = [rebuild.requests().err(), rebuild.template().err(), settings.pool().err()];
            for error in errors.into_iter().flatten() {
                prop_assert_eq!(error.kind(), "corrupted");
            }
            settings.factors();
            settings.not_saved();
            settings.comparable(&settings.shown(), vec!["UserPool.Name".to_owned()]);
        }
    }
}

/// What is not of the form Cognito documents is as if it were not there.
#[test]
fn a_domain_whose_certificate_is_of_no_form_has_to_be_given_one() {
    let mut document = rich();
    for domain in document["Domains"].as_array_mut().unwrap() {
        domain["CustomDomainConfig"] = json!("odd");
    }
    let settings: Settings = serde_json::from_value(document).unwrap();
    let source = Source { pool: "p".to_owned(), run: "r".to_owned(), as_of: "t".to_owned() };
    let (template, _) = Rebuild { settings: &settings, source, secrets: None }.template().unwrap();
    assert_eq!(template["Parameters"]["CertificateArn"]["Default"], "");
}
