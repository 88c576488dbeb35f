//! The filter of `ListUsers`: `attribute = "value"` or `attribute ^= "value"`.

use crate::error::ServiceError;
use crate::names;
use crate::schema::Schema;
use crate::user::User;

/// What a filter looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Sub,
    Username,
    UserStatus,
    Enabled,
    Attribute(&'static str),
}

/// A filter, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) subject: Subject,
    pub(crate) prefix: bool,
    pub(crate) value: String,
}

impl Filter {
    /// Understands a filter. An empty one means no filter.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, ServiceError> {
        names::length("filter", text, 0, 256)?;
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let refuse = || ServiceError::invalid("Error while parsing filter.");
        let end =
            text.find(|c: char| c.is_whitespace() || matches!(c, '=' | '^' | '"')).ok_or_else(refuse)?;
        let (name, rest) = text.split_at(end);
        let rest = rest.trim_start();
        let (prefix, rest) = match (rest.strip_prefix("^="), rest.strip_prefix('=')) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(refuse()),
        };
        let value = quoted(rest.trim_start()).ok_or_else(refuse)?;
        Ok(Some(Self {
            subject: subject(name)
                .ok_or_else(|| ServiceError::invalid(format!("Invalid search attribute: {name}")))?,
            prefix,
            value,
        }))
    }

    pub(crate) fn matches(&self, user: &User, schema: &Schema) -> bool {
        let (actual, ignore_case) = match self.subject {
            Subject::Sub => (&*user.sub, false),
            Subject::Username => (user.username(), false),
            // Documented as case-insensitive, unlike all the others.
            Subject::UserStatus => (user.status.name(), true),
            Subject::Enabled => (if user.enabled { "Enabled" } else { "Disabled" }, false),
            Subject::Attribute(name) => {
                let Some(value) = schema.id(name).and_then(|id| user.value(id)) else {
                    return false;
                };
                (value, false)
            }
        };
        let same = |actual: &str| {
            if ignore_case { actual.eq_ignore_ascii_case(&self.value) } else { actual == self.value }
        };
        if self.prefix { actual.get(..self.value.len()).is_some_and(same) } else { same(actual) }
    }
}

fn subject(name: &str) -> Option<Subject> {
    Some(match name {
        "sub" => Subject::Sub,
        "username" => Subject::Username,
        "cognito:user_status" => Subject::UserStatus,
        "status" => Subject::Enabled,
        "email" => Subject::Attribute("email"),
        "phone_number" => Subject::Attribute("phone_number"),
        "name" => Subject::Attribute("name"),
        "given_name" => Subject::Attribute("given_name"),
        "family_name" => Subject::Attribute("family_name"),
        "preferred_username" => Subject::Attribute("preferred_username"),
        _ => return None,
    })
}

/// The text between quotes, if that is all there is.
fn quoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut rest = inner.chars();
    loop {
        match rest.next()? {
            '"' => break,
            '\\' => match rest.next()? {
                escaped @ ('"' | '\\') => value.push(escaped),
                _ => return None,
            },
            plain => value.push(plain),
        }
    }
    rest.as_str().is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_grammar() {
        let parsed = |text: &str| Filter::parse(text).ok().flatten();
        let filter = parsed(r#" family_name  ^= "a\"b\\c" "#).expect("valid");
        assert_eq!(filter.subject, Subject::Attribute("family_name"));
        assert!(filter.prefix);
        assert_eq!(filter.value, "a\"b\\c");
        assert!(parsed(r#"sub="x""#).is_some());
        assert_eq!(Filter::parse(""), Ok(None));
        for bad in [
            "email",
            "email = x",
            r#"email == "x""#,
            r#"email != "x""#,
            r#"email = "x"#,
            r#"email = "x" and name = "y""#,
            r#"email = "\x""#,
            r#"custom:x = "y""#,
            r#"Email = "y""#,
            r#"= "y""#,
            &format!(r#"email = "{}""#, "x".repeat(250)),
        ] {
            let error = Filter::parse(bad).expect_err(bad);
            assert_eq!(error.code, "InvalidParameterException", "{bad}");
        }
    }
}
