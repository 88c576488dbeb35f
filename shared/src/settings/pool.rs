//! What a restore has to know of the pool it reads from or writes to.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The part of `UserPoolType` that decides what a pool can take.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PoolSettings {
    /// The pool's name.
    pub name: Option<String>,
    /// Standard and custom attributes.
    pub schema_attributes: Vec<SchemaAttribute>,
    /// `email`, `phone_number`: what users sign in with instead of a username.
    pub username_attributes: Vec<String>,
    /// `email`, `phone_number`, `preferred_username`: what users may sign in with besides.
    pub alias_attributes: Vec<String>,
    /// `email`, `phone_number`: what Cognito verifies when users sign up.
    pub auto_verified_attributes: Vec<String>,
    /// Whether names that differ in case differ.
    pub username_configuration: UsernameConfiguration,
    /// Policies, of which the password's matters here.
    pub policies: Policies,
    /// `OFF`, `ON` or `OPTIONAL`.
    pub mfa_configuration: Option<String>,
    /// Lambda triggers by name; values are ARNs or objects with ARNs.
    pub lambda_config: Map<String, Value>,
}

impl PoolSettings {
    /// The attribute of that name, in the form users carry it (`custom:…`, `dev:…` included).
    pub fn attribute(&self, name: &str) -> Option<&SchemaAttribute> {
        self.schema_attributes.iter().find(|attribute| attribute.name == name)
    }

    /// Whether users sign in by e-mail address or phone number, so that Cognito makes up the
    /// username.
    pub fn makes_usernames(&self) -> bool {
        !self.username_attributes.is_empty()
    }

    /// Whether usernames that differ in case only are different users. Pools made before the
    /// setting existed have none, and are case sensitive (`UsernameConfigurationType`).
    pub fn is_case_sensitive(&self) -> bool {
        self.username_configuration.case_sensitive.unwrap_or(true)
    }
}

/// `UsernameConfigurationType`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UsernameConfiguration {
    /// Whether names that differ in case differ.
    pub case_sensitive: Option<bool>,
}

/// `UserPoolPolicyType`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Policies {
    /// What a password must hold.
    pub password_policy: PasswordPolicy,
}

/// `PasswordPolicyType`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PasswordPolicy {
    /// The fewest characters, 6 to 99.
    pub minimum_length: Option<u32>,
}

/// `SchemaAttributeType`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SchemaAttribute {
    /// Its name as users carry it.
    pub name: String,
    /// `String`, `Number`, `DateTime` or `Boolean`.
    pub attribute_data_type: String,
    /// Whether it can be changed once set.
    pub mutable: Option<bool>,
    /// Whether every user must have it.
    pub required: Option<bool>,
    /// Bounds of a `Number`.
    pub number_attribute_constraints: NumberConstraints,
    /// Bounds of a `String`.
    pub string_attribute_constraints: StringConstraints,
}

/// `NumberAttributeConstraintsType`; the bounds are numbers written as text.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NumberConstraints {
    /// The smallest value.
    pub min_value: Option<String>,
    /// The largest value.
    pub max_value: Option<String>,
}

/// `StringAttributeConstraintsType`; the bounds are numbers written as text.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct StringConstraints {
    /// The fewest characters.
    pub min_length: Option<String>,
    /// The most characters.
    pub max_length: Option<String>,
}
