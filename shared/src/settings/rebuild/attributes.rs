//! From the attributes of a pool to the schema that makes them.

use serde_json::{Map, Value, json};

/// What every pool has, with its bounds of a length (API Reference, `SchemaAttributeType`; Developer
/// Guide, "Working with user attributes"). None of them is required, all can be changed.
const STANDARD: [(&str, &str, Bounds); 19] = [
    ("address", "String", TEXT),
    ("birthdate", "String", Some(("10", "10"))),
    ("email", "String", TEXT),
    ("email_verified", "Boolean", None),
    ("family_name", "String", TEXT),
    ("gender", "String", TEXT),
    ("given_name", "String", TEXT),
    ("locale", "String", TEXT),
    ("middle_name", "String", TEXT),
    ("name", "String", TEXT),
    ("nickname", "String", TEXT),
    ("phone_number", "String", TEXT),
    ("phone_number_verified", "Boolean", None),
    ("picture", "String", TEXT),
    ("preferred_username", "String", TEXT),
    ("profile", "String", TEXT),
    ("updated_at", "Number", None),
    ("website", "String", TEXT),
    ("zoneinfo", "String", TEXT),
];

/// Of a length: the least and the most.
type Bounds = Option<(&'static str, &'static str)>;

const TEXT: Bounds = Some(("0", "2048"));

/// Cognito's own: no request can name them.
const CANNOT_BE_MADE: [&str; 2] = ["sub", "identities"];

/// The `Schema` that makes these attributes: custom ones without their prefix, standard ones only
/// where they differ from what every pool has.
pub(super) fn schema(attributes: &[Value]) -> Vec<Value> {
    attributes.iter().filter_map(|attribute| attribute.as_object()).filter_map(made).collect()
}

fn made(attribute: &Map<String, Value>) -> Option<Value> {
    let name = attribute.get("Name")?.as_str()?;
    let mut made = attribute.clone();
    // Empty bounds are none, and a request must not have them.
    made.retain(|_, value| value.as_object().is_none_or(|bounds| !bounds.is_empty()));
    let plain = name.strip_prefix("dev:").unwrap_or(name);
    if let Some(custom) = plain.strip_prefix("custom:") {
        made.insert("Name".to_owned(), json!(custom));
        return Some(Value::Object(made));
    }
    // Of a standard attribute it is never set, and cannot be.
    made.remove("DeveloperOnlyAttribute");
    let differs = standard(name).is_none_or(|standard| standard != made);
    (differs && !CANNOT_BE_MADE.contains(&name)).then_some(Value::Object(made))
}

/// A standard attribute as every pool has it.
fn standard(name: &str) -> Option<Map<String, Value>> {
    let (_, data_type, length) = STANDARD.iter().find(|(known, ..)| *known == name)?;
    let mut attribute =
        json!({ "Name": name, "AttributeDataType": data_type, "Mutable": true, "Required": false });
    if let Some((min, max)) = length {
        attribute["StringAttributeConstraints"] = json!({ "MinLength": min, "MaxLength": max });
    }
    if name == "updated_at" {
        attribute["NumberAttributeConstraints"] = json!({ "MinValue": "0" });
    }
    attribute.as_object().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_attributes_lose_their_prefix_and_standard_ones_stay_only_if_they_differ() {
        let text = json!({"MinLength": "0", "MaxLength": "2048"});
        let attribute = |name: &str, required: bool, bounds: &Value| {
            json!({"Name": name, "AttributeDataType": "String", "DeveloperOnlyAttribute": false, "Mutable": true,
                   "Required": required, "StringAttributeConstraints": bounds})
        };
        let saved = [
            attribute("sub", true, &json!({"MinLength": "1", "MaxLength": "2048"})),
            attribute("identities", false, &json!({})),
            attribute("name", false, &text),
            attribute("email", true, &text),
            attribute("gender", false, &json!({"MinLength": "1", "MaxLength": "9"})),
            attribute("custom:tier", false, &json!({})),
            attribute("custom:custom:odd", false, &text),
            json!({"Name": "dev:custom:old", "AttributeDataType": "Number", "DeveloperOnlyAttribute": true}),
            json!({"Name": "updated_at", "AttributeDataType": "Number", "DeveloperOnlyAttribute": false,
                   "Mutable": true, "Required": false, "NumberAttributeConstraints": {"MinValue": "0"}}),
        ];
        let made = schema(&saved);
        let names: Vec<_> = made.iter().map(|attribute| attribute["Name"].as_str().unwrap()).collect();
        assert_eq!(names, ["email", "gender", "tier", "custom:odd", "old"]);
        assert_eq!(
            made[0],
            json!({"Name": "email", "AttributeDataType": "String", "Mutable": true, "Required": true,
                   "StringAttributeConstraints": text})
        );
        assert!(made[2].get("StringAttributeConstraints").is_none());
        assert_eq!(made[4]["DeveloperOnlyAttribute"], true);
    }
}
