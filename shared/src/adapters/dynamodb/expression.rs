//! DynamoDB's expressions. Many attribute names are reserved words, so every name is written
//! `#name` and stands for the attribute `name`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// A condition, a filter or an update, with the values it speaks of.
#[derive(Clone, Debug, Default)]
pub(super) struct Expression {
    pub(super) text: String,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// Names are written `#name`, values `:name`.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: HashMap::new() }
    }

    /// What `name`, with its colon, stands for.
    pub(super) fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    /// What `name`, with its colon, stands for.
    pub(super) fn with_text(self, name: &str, value: impl Into<String>) -> Self {
        self.with(name, AttributeValue::S(value.into()))
    }

    /// That there is no item with the key of the one written.
    pub(super) fn absent() -> Self {
        Self::new("attribute_not_exists(#pk)")
    }
}

/// The attributes that expressions name.
pub(super) fn names<'a>(texts: impl IntoIterator<Item = &'a str>) -> HashMap<String, String> {
    let mut names = HashMap::new();
    for text in texts {
        for after in text.split('#').skip(1) {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            names.insert(format!("#{}", &after[..end]), after[..end].to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_name_once() {
        let found = names(["#pk = :pk AND begins_with(#sk, :sk)", "#pk", "attribute_exists(#valid_to)", ""]);
        let expected = [("#pk", "pk"), ("#sk", "sk"), ("#valid_to", "valid_to")];
        assert_eq!(found, expected.map(|(name, stands_for)| (name.to_owned(), stands_for.to_owned())).into());
    }
}
