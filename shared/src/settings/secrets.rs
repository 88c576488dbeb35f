//! The secrets of app clients and identity providers: taken out of what Cognito answers, and sealed
//! for one recipient with [age](https://age-encryption.org/v1).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Part, SECRETS, Settings};
use crate::model::Hash;
use crate::{Error, Result};

/// Secrets by part, by what names the item, and by where they are in it (a JSON pointer, RFC 6901).
/// They show nothing of themselves.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secrets(BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>);

impl Secrets {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.values().flat_map(BTreeMap::values).map(BTreeMap::len).sum()
    }

    /// One secret.
    pub fn get(&self, part: Part, name: &str, pointer: &str) -> Option<&str> {
        self.0.get(part.as_str())?.get(name)?.get(pointer).map(String::as_str)
    }

    /// Takes the secrets out of an item. Null stays in the place of each.
    pub(super) fn take_from(&mut self, part: Part, name: &str, item: &mut Value) {
        let found = match part {
            Part::UserPoolClients => secrets_in(item, "", false),
            // Not the mapping of attributes, where a claim may have any name.
            Part::IdentityProviders => match item.get_mut("ProviderDetails") {
                Some(details) => secrets_in(details, "/ProviderDetails", false),
                None => Vec::new(),
            },
            _ => Vec::new(),
        };
        for (pointer, secret) in found {
            let of_part = self.0.entry(part.as_str().to_owned()).or_default();
            of_part.entry(name.to_owned()).or_default().insert(pointer, secret);
        }
    }

    /// As the document keeps them: for whom they are sealed, and by what to know them again.
    pub(super) fn seal(&self, recipient: &Recipient, salt: [u8; 16]) -> Result<Value> {
        let text = serde_json::to_string(self).map_err(|error| Error::not_written(&error))?;
        // The key of each sealing is age's own, from the operating system: no port, for nothing
        // may ever repeat it.
        let sealed = age::encrypt_and_armor(&recipient.key()?, text.as_bytes())
            .map_err(|_| Error::Store { action: "written", cause: "secrets cannot be sealed".to_owned() })?;
        let salt = hex::encode(salt);
        let digest = self.digest(&salt, recipient);
        Ok(json!({ "Recipient": recipient.0, "Salt": salt, "Digest": digest, "Sealed": sealed }))
    }

    /// Whether what was sealed are these, for the same recipient.
    pub(super) fn are_sealed_in(&self, sealed: &Value, recipient: &Recipient) -> bool {
        let salt = sealed["Salt"].as_str().unwrap_or_default();
        sealed["Recipient"] == recipient.0 && sealed["Digest"] == json!(self.digest(salt, recipient))
    }

    /// Salted, so that equal secrets of two pools do not show as equal.
    fn digest(&self, salt: &str, recipient: &Recipient) -> Hash {
        Hash::of(json!([salt, recipient.0, self]).to_string().as_bytes())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.len())
    }
}

impl Settings {
    /// For whom the secrets are sealed, if they are.
    pub fn sealed_for(&self) -> Option<&str> {
        self.0.get(SECRETS)?["Recipient"].as_str()
    }

    /// Opens the sealed secrets. Settings without any give none.
    pub fn open(&self, identity: &Identity) -> Result<Secrets> {
        let Some(secrets) = self.0.get(SECRETS) else { return Ok(Secrets::default()) };
        let damaged = || Error::Corrupted("the sealed secrets of the settings cannot be read".to_owned());
        let sealed = secrets["Sealed"].as_str().ok_or_else(damaged)?;
        let text = identity.keys.iter().find_map(|key| match age::decrypt(key, sealed.as_bytes()) {
            Err(age::DecryptError::NoMatchingKeys) => None,
            opened => Some(opened),
        });
        match text {
            None => Err(Error::Usage(format!(
                "the secrets are sealed for {}, and the identity is another's: name the file of that one's key",
                self.sealed_for().unwrap_or("nobody")
            ))),
            Some(text) => serde_json::from_slice(&text.map_err(|_| damaged())?).map_err(|_| damaged()),
        }
    }
}

/// For whom secrets are sealed: a public key of age, `age1…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient(String);

impl Recipient {
    /// As age knows it.
    pub(crate) fn key(&self) -> Result<age::x25519::Recipient> {
        self.0.parse().map_err(|_| no_recipient())
    }
}

impl FromStr for Recipient {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let key: age::x25519::Recipient = text.trim().parse().map_err(|_| no_recipient())?;
        Ok(Self(key.to_string()))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Without the text: it may be the secret key, given by mistake.
fn no_recipient() -> Error {
    Error::Usage(
        "the recipient is no public key of age: it looks like age1… (`age-keygen` prints it)".to_owned(),
    )
}

/// Who opens sealed secrets: the secret keys of a file that `age-keygen` made.
pub struct Identity {
    keys: Vec<age::x25519::Identity>,
}

impl Identity {
    /// As age knows them.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.keys.iter().map(|key| key as &dyn age::Identity)
    }
}

impl FromStr for Identity {
    type Err = Error;

    /// Reads the lines of such a file. Comments are passed over; errors repeat nothing of it.
    fn from_str(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys: Vec<_> = lines.filter_map(|line| line.parse().ok()).collect();
        if keys.is_empty() {
            let message = "the identity holds no key of age: it is a file that `age-keygen` made, with a line AGE-SECRET-KEY-1…";
            return Err(Error::Usage(message.to_owned()));
        }
        Ok(Self { keys })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// Takes every text whose name, or that of what it is in, says that it is secret, at any depth: what
/// AWS adds will have such a name, too.
fn secrets_in(value: &mut Value, pointer: &str, is_in_secret: bool) -> Vec<(String, String)> {
    let mut found = Vec::new();
    match value {
        Value::String(text) if is_in_secret && !text.is_empty() => {
            found.push((pointer.to_owned(), std::mem::take(text)));
            *value = Value::Null;
        }
        Value::Object(members) => {
            for (name, member) in members {
                let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                found.extend(secrets_in(member, &pointer, is_in_secret || is_secret(name)));
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                found.extend(secrets_in(item, &format!("{pointer}/{at}"), is_in_secret));
            }
        }
        _ => {}
    }
    found
}

/// `ClientSecret` of a client; of a provider's details `client_secret`, and `private_key` of Sign in
/// with Apple (API Reference: `IdentityProviderType`, `CreateIdentityProvider`).
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['_', '-'], "");
    ["secret", "privatekey", "password"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret as _;

    use super::*;
    use crate::settings::Gathering;

    /// A new pair of keys: the text of the secret one, and the public one.
    fn keys() -> (String, Recipient) {
        let key = age::x25519::Identity::generate();
        (key.to_string().expose_secret().to_owned(), key.to_public().to_string().parse().unwrap())
    }

    fn clients() -> Vec<Value> {
        vec![
            json!({"ClientId": "b", "ClientSecret": "shh-client-b"}),
            json!({"ClientId": "a", "ClientName": "public"}),
            json!({"ClientId": "c", "ClientSecret": "", "New": [{"Client-Secret-Value": "shh-deep"}], "PreventSecrets": true}),
        ]
    }

    fn providers() -> Vec<Value> {
        vec![json!({
            "ProviderName": "Apple",
            "ProviderDetails": {"client_id": "c", "client_secret": "shh-provider", "private_key": "shh-key", "a/b~password": "shh-odd"},
            "AttributeMapping": {"custom:secret": "a claim", "password": "another"},
        })]
    }

    fn gathered(recipient: Option<&Recipient>, before: Option<&Settings>, salt: u8) -> Settings {
        let mut gathering = Gathering::new(json!({"Name": "p"}), json!({}));
        gathering.put_each(Part::UserPoolClients, clients());
        gathering.put_each(Part::IdentityProviders, providers());
        gathering.seal(recipient, before, [salt; 16]).unwrap()
    }

    #[test]
    fn secrets_are_taken_out_whoever_is_to_have_them() {
        let (_, recipient) = keys();
        for recipient in [None, Some(&recipient)] {
            let settings = gathered(recipient, None, 1);
            for text in [serde_json::to_string(&settings).unwrap(), format!("{settings:?}")] {
                assert!(!text.contains("shh"), "{text}");
            }
            let clients = settings.part(Part::UserPoolClients).unwrap();
            assert_eq!(clients[1], json!({"ClientId": "b", "ClientSecret": null}));
            assert!(clients[0].get("ClientSecret").is_none(), "it never had one");
            assert_eq!(clients[2]["PreventSecrets"], true);
            let provider = &settings.part(Part::IdentityProviders).unwrap()[0];
            assert_eq!(provider["ProviderDetails"]["client_id"], "c");
            assert_eq!(
                provider["AttributeMapping"],
                providers()[0]["AttributeMapping"],
                "claims are no secrets"
            );
            assert_eq!(settings.sealed_for().is_some(), recipient.is_some());
        }
    }

    #[test]
    fn only_the_recipient_opens_them() {
        let (key, recipient) = keys();
        let settings = gathered(Some(&recipient), None, 1);
        let file = format!("# created: 2026-11-23\n# public key: {recipient}\n\n{key}\n");
        let secrets = settings.open(&file.parse().unwrap()).unwrap();
        assert_eq!(secrets.len(), 5);
        assert_eq!(secrets.get(Part::UserPoolClients, "b", "/ClientSecret"), Some("shh-client-b"));
        let of_provider = |pointer| secrets.get(Part::IdentityProviders, "Apple", pointer);
        assert_eq!(of_provider("/ProviderDetails/private_key"), Some("shh-key"));
        assert_eq!(of_provider("/ProviderDetails/a~1b~0password"), Some("shh-odd"));
        assert_eq!(format!("{secrets:?}"), "Secrets(5)");

        let (other, _) = keys();
        let error = settings.open(&other.parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), "usage");
        assert!(error.to_string().contains(&recipient.to_string()), "{error}");
        let both: Identity = format!("{other}\n{key}").parse().unwrap();
        assert_eq!(settings.open(&both).unwrap(), secrets);
        assert!(gathered(None, None, 1).open(&both).unwrap().is_empty());
    }

    #[test]
    fn unchanged_secrets_stay_sealed_as_they_are() {
        let (_, recipient) = keys();
        let first = gathered(Some(&recipient), None, 1);
        let second = gathered(Some(&recipient), Some(&first), 2);
        assert_eq!(first, second, "with another salt at hand");
        assert_ne!(first, gathered(Some(&recipient), None, 1), "sealing is never the same twice");

        let (_, other) = keys();
        let third = gathered(Some(&other), Some(&first), 2);
        assert_eq!(third.sealed_for(), Some(other.to_string().as_str()));
        assert!(gathered(None, Some(&first), 2).sealed_for().is_none());
        let mut gathering = Gathering::new(json!({"Name": "p"}), json!({}));
        gathering.put_each(Part::UserPoolClients, clients());
        let fewer = gathering.seal(Some(&recipient), Some(&first), [2; 16]).unwrap();
        assert_ne!(fewer.document()[SECRETS], first.document()[SECRETS]);
    }

    #[test]
    fn what_is_shown_leaves_the_sealed_text_out() {
        let (_, recipient) = keys();
        let shown = serde_json::to_string(&gathered(Some(&recipient), None, 1).shown()).unwrap();
        assert!(shown.contains(&recipient.to_string()));
        assert!(!shown.contains("AGE ENCRYPTED") && !shown.contains("Digest") && !shown.contains("Salt"));
    }

    #[test]
    fn damage_is_no_usage() {
        let (key, recipient) = keys();
        let mut document = serde_json::to_value(gathered(Some(&recipient), None, 1)).unwrap();
        let sealed = document[SECRETS]["Sealed"].as_str().unwrap().to_owned();
        let cut: String = sealed.lines().filter(|line| !line.starts_with("-----END")).collect();
        for broken in [json!("no age"), json!(cut), Value::Null] {
            document[SECRETS]["Sealed"] = broken;
            let settings: Settings = serde_json::from_value(document.clone()).unwrap();
            assert_eq!(settings.open(&key.parse().unwrap()).unwrap_err().kind(), "corrupted");
        }
    }

    #[test]
    fn a_key_given_in_the_wrong_place_is_not_repeated() {
        let (key, recipient) = keys();
        let error = key.parse::<Recipient>().unwrap_err();
        assert_eq!(error.kind(), "usage");
        assert!(!error.to_string().contains(&key), "{error}");
        let error = recipient.to_string().parse::<Identity>().unwrap_err();
        assert!(error.to_string().contains("AGE-SECRET-KEY-1") && error.kind() == "usage");
        let error = format!("{key}x").parse::<Identity>().unwrap_err();
        assert!(!error.to_string().contains(&key), "{error}");
        assert_eq!(format!("{:?}", key.parse::<Identity>().unwrap()), "Identity");
        assert!(
            "age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e"
                .parse::<Recipient>()
                .is_err()
        );
        assert_eq!(format!(" {recipient}\n").parse::<Recipient>().unwrap(), recipient);
    }
}
