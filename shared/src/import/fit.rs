//! What a pool can take: the rules of creating one user in it, without asking it.

use std::collections::BTreeMap;

use crate::model::User;
use crate::ports::{ImportOptions, NewUser};
use crate::settings::{PoolSettings, SchemaAttribute};

/// Attributes that only Cognito sets.
pub(super) fn is_set_by_cognito(name: &str) -> bool {
    name == "sub" || name == "identities" || name.starts_with("cognito:")
}

/// The new pool's settings and the operator's wishes.
pub(super) struct Fit {
    pub target: PoolSettings,
    pub options: ImportOptions,
}

/// Why users who come from an identity provider are not restored.
pub(super) const FEDERATED: &str =
    "comes from an identity provider: no API can create such a user; Cognito does when they next sign in";

impl Fit {
    pub fn new(target: PoolSettings, options: ImportOptions) -> Self {
        Self { target, options }
    }

    /// What the user is created with, or why that is impossible.
    pub fn new_user(&self, user: &User) -> Result<NewUser, String> {
        if user.is_federated() {
            return Err(FEDERATED.to_owned());
        }
        Ok(NewUser { username: self.sign_in_name(user)?, attributes: self.attributes(user) })
    }

    /// The attributes the user will have.
    pub fn attributes(&self, user: &User) -> BTreeMap<String, String> {
        let kept = user.attributes.iter().filter(|(name, _)| self.keeps(name));
        let mut attributes: BTreeMap<String, String> =
            kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(name) = &self.options.old_sub_attribute {
            attributes.insert(name.clone(), user.sub.clone());
        }
        attributes
    }

    /// Whether an attribute is restored at all.
    pub fn keeps(&self, name: &str) -> bool {
        !is_set_by_cognito(name) && !self.options.drop_attributes.iter().any(|dropped| dropped == name)
    }

    /// The name the user is created under: in a pool that makes usernames itself, the address
    /// or number they sign in with.
    fn sign_in_name(&self, user: &User) -> Result<String, String> {
        if !self.target.makes_usernames() {
            return Ok(user.username.clone());
        }
        let takes = |name: &&str| self.target.username_attributes.iter().any(|taken| taken == name);
        let value = |name: &str| user.attributes.get(name).filter(|value| !value.is_empty());
        ["email", "phone_number"].iter().copied().filter(takes).find_map(value).cloned().ok_or_else(|| {
            format!(
                "has no {}, which the new pool signs in with",
                self.target.username_attributes.join(" or ")
            )
        })
    }

    /// What of a user the pool's schema will not accept, one short sentence each, without values.
    pub fn objections(&self, attributes: &BTreeMap<String, String>) -> Vec<String> {
        let mut found: Vec<String> = attributes
            .iter()
            .filter_map(|(name, value)| {
                let attribute = self.target.attribute(name)?;
                Some(format!("{name} {}", objection(attribute, value)?))
            })
            .collect();
        let required =
            self.target.schema_attributes.iter().filter(|attribute| attribute.required == Some(true));
        let missing =
            required.filter(|attribute| attribute.name != "sub" && !attributes.contains_key(&attribute.name));
        found.extend(missing.map(|attribute| format!("{} is required and missing", attribute.name)));
        found
    }
}

/// Why a value does not fit an attribute, if it does not.
fn objection(attribute: &SchemaAttribute, value: &str) -> Option<&'static str> {
    let bound = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
    match attribute.attribute_data_type.as_str() {
        "Number" => {
            let Ok(number) = value.parse::<f64>() else { return Some("is not a number") };
            let limits = &attribute.number_attribute_constraints;
            let outside = bound(&limits.min_value).is_some_and(|least| number < least)
                || bound(&limits.max_value).is_some_and(|most| number > most);
            outside.then_some("is out of range")
        }
        "Boolean" => (!matches!(value, "true" | "false")).then_some("is not true or false"),
        "String" => {
            #[allow(clippy::cast_precision_loss)] // attributes have at most 2,048 characters
            let length = value.chars().count() as f64;
            let limits = &attribute.string_attribute_constraints;
            if bound(&limits.min_length).is_some_and(|least| length < least) {
                return Some("is too short");
            }
            bound(&limits.max_length).is_some_and(|most| length > most).then_some("is too long")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    fn fit(pool: serde_json::Value, options: ImportOptions) -> Fit {
        Fit::new(PoolSettings::deserialize(pool).unwrap(), options)
    }

    fn user(status: &str, attributes: &[(&str, &str)]) -> User {
        User {
            sub: "old-sub".into(),
            username: "ann".into(),
            attributes: attributes.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            enabled: true,
            status: status.into(),
            created_at: None,
            modified_at: None,
            mfa_options: Vec::new(),
        }
    }

    #[test]
    fn signs_in_with_what_the_new_pool_takes() {
        let emails = fit(json!({"UsernameAttributes": ["email"]}), ImportOptions::default());
        let created = emails.new_user(&user("CONFIRMED", &[("email", "a@example.com")])).unwrap();
        assert_eq!(created.username, "a@example.com");
        assert!(emails.new_user(&user("CONFIRMED", &[("phone_number", "+1")])).is_err());
        let both = fit(json!({"UsernameAttributes": ["phone_number", "email"]}), ImportOptions::default());
        assert_eq!(both.new_user(&user("CONFIRMED", &[("phone_number", "+1")])).unwrap().username, "+1");
        let names = fit(json!({}), ImportOptions::default());
        assert_eq!(names.new_user(&user("CONFIRMED", &[])).unwrap().username, "ann");
        assert_eq!(names.new_user(&user("EXTERNAL_PROVIDER", &[])), Err(FEDERATED.to_owned()));
    }

    #[test]
    fn leaves_out_what_cannot_or_shall_not_be_set_and_keeps_the_old_sub() {
        let options = ImportOptions {
            drop_attributes: vec!["custom:x".into()],
            old_sub_attribute: Some("custom:old".into()),
        };
        let attributes =
            [("identities", "[]"), ("cognito:mfa_enabled", "true"), ("custom:x", "1"), ("name", "Ann")];
        let created = fit(json!({}), options).new_user(&user("CONFIRMED", &attributes)).unwrap();
        let expected =
            BTreeMap::from([("name".into(), "Ann".into()), ("custom:old".into(), "old-sub".into())]);
        assert_eq!(created.attributes, expected);
    }

    #[test]
    fn objects_to_values_the_schema_does_not_take() {
        let pool = json!({"SchemaAttributes": [
            {"Name": "custom:n", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MaxValue": "9"}},
            {"Name": "custom:s", "AttributeDataType": "String", "StringAttributeConstraints": {"MaxLength": "2"}},
            {"Name": "email", "AttributeDataType": "String", "Required": true},
        ]});
        let attributes = [("custom:n", "10"), ("custom:s", "éé"), ("name", "any")];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(
            fit(pool, ImportOptions::default()).objections(&attributes),
            ["custom:n is out of range", "email is required and missing"]
        );
    }
}
