//! Putting the settings together from Cognito's answers.

use serde_json::{Map, Value, json};

use super::secrets::{Recipient, Secrets};
use super::{NOT_SAVED, Part, SECRETS, Settings};
use crate::Result;
use crate::ports::{CallError, Fault};

/// Settings while they are read. No secret gets into them: each is taken out of the answer it came
/// in.
pub struct Gathering {
    settings: Settings,
    secrets: Secrets,
}

impl Gathering {
    /// Begins with the answers of `DescribeUserPool` and `GetUserPoolMfaConfig`.
    pub fn new(user_pool: Value, mfa_config: Value) -> Self {
        Self { settings: Settings::new(user_pool, mfa_config), secrets: Secrets::default() }
    }

    /// Adds a part that is a list, in the order of what names its items.
    pub fn put_each(&mut self, part: Part, items: Vec<Value>) {
        let mut items: Vec<Value> = items.into_iter().map(|item| self.clean(part, item)).collect();
        items.sort_by_cached_key(|item| (name_of(part, item).to_owned(), item.to_string()));
        self.put(part, Value::Array(items));
    }

    /// Adds a part that is one object.
    pub fn put_one(&mut self, part: Part, value: Value) {
        let value = self.clean(part, value);
        self.put(part, value);
    }

    /// Notes that a part cannot be read, or returns the error if that ends the export.
    pub fn refuse(&mut self, part: Part, error: CallError) -> std::result::Result<(), CallError> {
        let code = match &error.fault {
            Fault::AccessDenied => "AccessDeniedException",
            Fault::NotFound => "ResourceNotFoundException",
            Fault::Invalid { code, .. } | Fault::Refused(code) => code.as_str(),
            _ => return Err(error),
        };
        let why = json!({ "Operation": error.operation.as_str(), "Code": code });
        let parts = self.settings.0.entry(NOT_SAVED).or_insert_with(|| Value::Object(Map::new()));
        parts[part.as_str()] = why;
        Ok(())
    }

    /// The settings. Secrets are sealed for `recipient`, if there is one; those sealed `before` are
    /// kept as they are if they are the same, so that unchanged settings are an unchanged record.
    pub fn seal(
        mut self,
        recipient: Option<&Recipient>,
        before: Option<&Settings>,
        salt: [u8; 16],
    ) -> Result<Settings> {
        if let Some(recipient) = recipient.filter(|_| !self.secrets.is_empty()) {
            let before = before.and_then(|settings| settings.0.get(SECRETS));
            let sealed = match before.filter(|before| self.secrets.are_sealed_in(before, recipient)) {
                Some(before) => before.clone(),
                None => self.secrets.seal(recipient, salt)?,
            };
            self.settings.0.insert(SECRETS.to_owned(), sealed);
        }
        Ok(self.settings)
    }

    fn put(&mut self, part: Part, value: Value) {
        self.settings.0.insert(part.as_str().to_owned(), value);
    }

    /// Without secrets and what changes by itself, and with lists in order: those of these parts are
    /// sets, and Cognito promises them in no order.
    fn clean(&mut self, part: Part, mut item: Value) -> Value {
        if let (Part::Domains, Some(domain)) = (part, item.as_object_mut()) {
            // How far Cognito is with it, and which version of its pages it shows.
            domain.remove("Status");
            domain.remove("Version");
        }
        let name = name_of(part, &item).to_owned();
        self.secrets.take_from(part, &name, &mut item);
        sort_lists(&mut item);
        item
    }
}

/// What tells the items of a part apart.
fn name_of(part: Part, item: &Value) -> &str {
    let member = match part {
        Part::IdentityProviders => "ProviderName",
        Part::ResourceServers => "Identifier",
        Part::Domains => "Domain",
        _ => "ClientId",
    };
    item[member].as_str().unwrap_or_default()
}

fn sort_lists(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort_lists);
            items.sort_by_cached_key(Value::to_string);
        }
        Value::Object(members) => members.values_mut().for_each(sort_lists),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Operation;

    fn settings(parts: Vec<(Part, Vec<Value>)>) -> Settings {
        let mut gathering = Gathering::new(json!({"Name": "p"}), json!({}));
        for (part, items) in parts {
            gathering.put_each(part, items);
        }
        gathering.seal(None, None, [0; 16]).unwrap()
    }

    #[test]
    fn the_order_of_answers_does_not_matter() {
        let web =
            json!({"ClientId": "b", "CallbackURLs": ["https://b", "https://a"], "X": [{"n": 2}, {"n": 1}]});
        let machine = json!({"ClientId": "a"});
        let same =
            json!({"ClientId": "b", "CallbackURLs": ["https://a", "https://b"], "X": [{"n": 1}, {"n": 2}]});
        let one = settings(vec![(Part::UserPoolClients, vec![web, machine.clone()])]);
        let other = settings(vec![(Part::UserPoolClients, vec![machine, same])]);
        assert_eq!(one, other);
        assert_eq!(one.part(Part::UserPoolClients).unwrap()[0]["ClientId"], "a");
    }

    #[test]
    fn how_far_cognito_is_with_a_domain_is_no_setting() {
        let domain = |status: &str, version: &str| {
            let described =
                json!({"Domain": "d", "Status": status, "Version": version, "ManagedLoginVersion": 1});
            settings(vec![(Part::Domains, vec![described])])
        };
        assert_eq!(domain("UPDATING", "1"), domain("ACTIVE", "2"));
    }

    #[test]
    fn what_is_refused_is_noted_and_what_may_pass_is_not() {
        let error = |fault| CallError { operation: Operation::ListUserPoolClients, fault };
        let mut gathering = Gathering::new(json!({}), json!({}));
        for (part, fault, code) in [
            (Part::UserPoolClients, Fault::AccessDenied, "AccessDeniedException"),
            (Part::Domains, Fault::Refused("UnknownOperationException".into()), "UnknownOperationException"),
            (Part::ResourceServers, Fault::Invalid { code: "X".into(), attributes: vec![] }, "X"),
        ] {
            gathering.refuse(part, error(fault)).unwrap();
            let noted = gathering.settings.not_saved();
            let noted = noted.iter().find(|noted| noted.part == part.as_str()).unwrap();
            assert_eq!((noted.code.as_str(), noted.operation.as_str()), (code, "ListUserPoolClients"));
        }
        for fault in [
            Fault::Throttled,
            Fault::Limit,
            Fault::Transient("HTTP 500".into()),
            Fault::NoSuchPool,
            Fault::Credentials("c".into()),
        ] {
            assert_eq!(gathering.refuse(Part::Domains, error(fault.clone())), Err(error(fault)));
        }
    }
}
