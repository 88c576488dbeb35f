//! The attributes users of a pool may have, and what their values may be.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::ServiceError;
use crate::names;

/// The type of an attribute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // The names are Amazon's.
pub enum DataType {
    #[default]
    String,
    Number,
    DateTime,
    Boolean,
}

/// One attribute of a pool's schema, shaped as on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SchemaAttribute {
    /// Its name; custom attributes begin with `custom:`.
    pub name: String,
    /// Its type.
    #[serde(default)]
    pub attribute_data_type: DataType,
    /// Amazon's old name for attributes only developers see.
    #[serde(default)]
    pub developer_only_attribute: bool,
    /// Whether it can be changed after the user was created.
    #[serde(default = "yes")]
    pub mutable: bool,
    /// Whether every new user must have it.
    #[serde(default)]
    pub required: bool,
    /// Bounds of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_attribute_constraints: Option<NumberConstraints>,
    /// Bounds of a text's length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string_attribute_constraints: Option<StringConstraints>,
}

fn yes() -> bool {
    true
}

/// Bounds of a number, as decimal text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NumberConstraints {
    /// The least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_value: Option<String>,
    /// The greatest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_value: Option<String>,
}

/// Bounds of a length, as decimal text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StringConstraints {
    /// The least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<String>,
    /// The greatest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<String>,
}

impl SchemaAttribute {
    /// A text of `min` to `max` characters. A name that is no standard
    /// attribute gets the prefix `custom:`.
    pub fn string(name: &str, min: u32, max: u32) -> Self {
        Self {
            string_attribute_constraints: Some(StringConstraints {
                min_length: Some(min.to_string()),
                max_length: Some(max.to_string()),
            }),
            ..Self::typed(name, DataType::String)
        }
    }

    /// A whole number from `min` to `max`.
    pub fn number(name: &str, min: i64, max: i64) -> Self {
        Self {
            number_attribute_constraints: Some(NumberConstraints {
                min_value: Some(min.to_string()),
                max_value: Some(max.to_string()),
            }),
            ..Self::typed(name, DataType::Number)
        }
    }

    /// An attribute of some type without bounds.
    pub fn typed(name: &str, attribute_data_type: DataType) -> Self {
        Self {
            name: full_name(name),
            attribute_data_type,
            developer_only_attribute: false,
            mutable: true,
            required: false,
            number_attribute_constraints: None,
            string_attribute_constraints: None,
        }
    }

    /// The same, required of every user.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same, fixed once the user is created.
    #[must_use]
    pub fn immutable(mut self) -> Self {
        self.mutable = false;
        self
    }

    /// Says what is wrong with a value, if anything is.
    fn check(&self, value: &str) -> Result<(), ServiceError> {
        let fail = |why: &str| Err(ServiceError::schema(format!("{}: {why}", self.name)));
        let length = value.chars().count();
        if length > 2048 {
            return Err(ServiceError::constraint(
                "userAttributes.member.value",
                "Member must have length less than or equal to 2048",
            ));
        }
        match self.attribute_data_type {
            DataType::String => {
                let limits = self.string_attribute_constraints.as_ref();
                let bound = |text: Option<&String>| text.and_then(|text| text.parse::<usize>().ok());
                if bound(limits.and_then(|l| l.min_length.as_ref())).is_some_and(|min| length < min) {
                    return fail("String must be longer than or equal to the minimum length");
                }
                if bound(limits.and_then(|l| l.max_length.as_ref())).is_some_and(|max| length > max) {
                    return fail("String must be no longer than the maximum length");
                }
            }
            DataType::Number => {
                let Ok(number) = value.parse::<i64>() else {
                    return fail("Value is not a number");
                };
                let limits = self.number_attribute_constraints.as_ref();
                let bound = |text: Option<&String>| text.and_then(|text| text.parse::<i64>().ok());
                if bound(limits.and_then(|l| l.min_value.as_ref())).is_some_and(|min| number < min)
                    || bound(limits.and_then(|l| l.max_value.as_ref())).is_some_and(|max| number > max)
                {
                    return fail("Number is out of bounds");
                }
            }
            DataType::Boolean => {
                if !value.eq_ignore_ascii_case("true") && !value.eq_ignore_ascii_case("false") {
                    return fail("Value is neither true nor false");
                }
            }
            DataType::DateTime => {
                if !is_date_time(value) {
                    return fail("Value is not a date");
                }
            }
        }
        match self.name.as_str() {
            "email" if !value.is_empty() && !names::is_email(value) => {
                Err(ServiceError::invalid("Invalid email address format."))
            }
            "phone_number" if !value.is_empty() && !names::is_phone(value) => {
                Err(ServiceError::invalid("Invalid phone number format."))
            }
            _ => Ok(()),
        }
    }
}

/// Epoch seconds, or something that starts like `2026-01-31`.
fn is_date_time(value: &str) -> bool {
    let bytes = value.as_bytes();
    let digits = |range: &[u8]| !range.is_empty() && range.iter().all(u8::is_ascii_digit);
    digits(bytes)
        || matches!(bytes.get(..10), Some(date) if digits(&date[..4])
            && date[4] == b'-'
            && digits(&date[5..7])
            && date[7] == b'-'
            && digits(&date[8..]))
}

const STANDARD: &[(&str, DataType)] = &[
    ("sub", DataType::String),
    ("name", DataType::String),
    ("given_name", DataType::String),
    ("family_name", DataType::String),
    ("middle_name", DataType::String),
    ("nickname", DataType::String),
    ("preferred_username", DataType::String),
    ("profile", DataType::String),
    ("picture", DataType::String),
    ("website", DataType::String),
    ("email", DataType::String),
    ("email_verified", DataType::Boolean),
    ("gender", DataType::String),
    ("birthdate", DataType::String),
    ("zoneinfo", DataType::String),
    ("locale", DataType::String),
    ("phone_number", DataType::String),
    ("phone_number_verified", DataType::Boolean),
    ("address", DataType::String),
    ("updated_at", DataType::Number),
    ("identities", DataType::String),
];

fn full_name(name: &str) -> String {
    if name.contains(':') || STANDARD.iter().any(|(standard, _)| *standard == name) {
        name.to_owned()
    } else {
        format!("custom:{name}")
    }
}

fn standard() -> Vec<SchemaAttribute> {
    STANDARD
        .iter()
        .map(|&(name, data_type)| {
            let mut attribute = match (name, data_type) {
                ("birthdate", _) => SchemaAttribute::string(name, 10, 10),
                ("sub", _) => SchemaAttribute::string(name, 1, 2048).required().immutable(),
                ("identities", _) => SchemaAttribute {
                    string_attribute_constraints: Some(StringConstraints::default()),
                    ..SchemaAttribute::typed(name, data_type)
                },
                (_, DataType::String) => SchemaAttribute::string(name, 0, 2048),
                _ => SchemaAttribute::typed(name, data_type),
            };
            if name == "updated_at" {
                attribute.number_attribute_constraints =
                    Some(NumberConstraints { min_value: Some("0".to_owned()), max_value: None });
            }
            attribute
        })
        .collect()
}

/// The schema of one pool. Interns attribute names, so that a user keeps two
/// bytes per name.
#[derive(Debug)]
pub(crate) struct Schema {
    attributes: Vec<SchemaAttribute>,
    names: Vec<Interned>,
    ids: HashMap<String, u16>,
}

#[derive(Debug)]
struct Interned {
    name: String,
    /// `{"Name":"…","Value":"`: what precedes each value in an answer.
    head: Vec<u8>,
    attribute: Option<usize>,
}

impl Schema {
    /// The standard attributes with the given ones added or overridden.
    pub(crate) fn new(overrides: &[SchemaAttribute]) -> Result<Self, ServiceError> {
        let mut attributes = standard();
        for attribute in overrides {
            let mut attribute = attribute.clone();
            attribute.name = full_name(&attribute.name);
            validate(&attribute)?;
            match attributes.iter_mut().find(|known| known.name == attribute.name) {
                Some(known) if known.attribute_data_type != attribute.attribute_data_type => {
                    return Err(ServiceError::invalid(format!(
                        "You can not change AttributeDataType or set developerOnlyAttribute for \
                         standard schema attribute {}",
                        attribute.name
                    )));
                }
                Some(known) => *known = attribute,
                None => attributes.push(attribute),
            }
        }
        if attributes.len() > STANDARD.len() + 50 {
            return Err(ServiceError::invalid("The number of custom attributes exceeds the limit of 50."));
        }
        let mut schema = Self { attributes: Vec::new(), names: Vec::new(), ids: HashMap::new() };
        for (i, attribute) in attributes.iter().enumerate() {
            let id = schema.intern(&attribute.name);
            if let Some(interned) = schema.names.get_mut(usize::from(id)) {
                interned.attribute = Some(i);
            }
        }
        schema.attributes = attributes;
        Ok(schema)
    }

    pub(crate) fn attributes(&self) -> &[SchemaAttribute] {
        &self.attributes
    }

    /// The number of a name; a name outside the schema gets one too, because
    /// tests may give users attributes that no request could.
    pub(crate) fn intern(&mut self, name: &str) -> u16 {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        let mut head = b"{\"Name\":".to_vec();
        crate::json::write_str(&mut head, name);
        head.extend_from_slice(b",\"Value\":\"");
        self.names.push(Interned { name: name.to_owned(), head, attribute: None });
        self.ids.insert(name.to_owned(), id);
        id
    }

    pub(crate) fn id(&self, name: &str) -> Option<u16> {
        self.ids.get(name).copied()
    }

    pub(crate) fn name(&self, id: u16) -> &str {
        self.names.get(usize::from(id)).map_or("", |interned| &interned.name)
    }

    pub(crate) fn head(&self, id: u16) -> &[u8] {
        self.names.get(usize::from(id)).map_or(b"{\"Name\":\"\",\"Value\":\"", |interned| &interned.head)
    }

    fn attribute(&self, name: &str) -> Option<&SchemaAttribute> {
        let interned = self.names.get(usize::from(self.id(name)?))?;
        self.attributes.get(interned.attribute?)
    }

    /// Checks attributes a request wants to set. `creating` allows immutable
    /// ones and insists on values; an update may blank a value to remove it.
    pub(crate) fn check(&self, attributes: &[(String, String)], creating: bool) -> Result<(), ServiceError> {
        for (i, (name, value)) in attributes.iter().enumerate() {
            names::attribute_name(name)?;
            if attributes[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(ServiceError::invalid(format!("Duplicate attribute in request: {name}")));
            }
            if matches!(name.as_str(), "sub" | "identities") || name.starts_with("cognito:") {
                return Err(ServiceError::schema(format!("{name}: Attribute cannot be set by a request")));
            }
            let Some(attribute) = self.attribute(name) else {
                return Err(ServiceError::schema(format!(
                    "Type for attribute {{{name}}} could not be determined"
                )));
            };
            if !creating && !attribute.mutable {
                return Err(ServiceError::invalid(format!("user.{name}: Attribute cannot be updated.")));
            }
            if !creating && value.is_empty() {
                if attribute.required {
                    return Err(ServiceError::schema(format!("{name}: The attribute is required")));
                }
                continue;
            }
            attribute.check(value)?;
        }
        Ok(())
    }

    /// Checks that every required attribute is among these.
    pub(crate) fn check_required(&self, attributes: &[(String, String)]) -> Result<(), ServiceError> {
        let missing = self.attributes.iter().find(|attribute| {
            attribute.required
                && attribute.name != "sub"
                && !attributes.iter().any(|(name, value)| *name == attribute.name && !value.is_empty())
        });
        match missing {
            Some(attribute) => {
                Err(ServiceError::schema(format!("{}: The attribute is required", attribute.name)))
            }
            None => Ok(()),
        }
    }
}

fn validate(attribute: &SchemaAttribute) -> Result<(), ServiceError> {
    let custom = attribute.name.strip_prefix("custom:");
    let bare = custom.or(attribute.name.strip_prefix("dev:custom:")).unwrap_or(&attribute.name);
    names::length("schema.member.name", bare, 1, 20)
        .or_else(|error| if custom.is_some() { Err(error) } else { Ok(()) })?;
    if custom.is_some() && attribute.required {
        return Err(ServiceError::invalid("Required custom attributes are not supported currently."));
    }
    Ok(())
}
