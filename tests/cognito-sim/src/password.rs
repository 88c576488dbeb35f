//! What a password must look like.

use serde::{Deserialize, Serialize};

use crate::error::ServiceError;

/// The symbols Cognito counts as special characters. A space counts too,
/// except at either end.
pub const SYMBOLS: &str = "^$*.[]{}()?\"!@#%&/\\,><':;|_~`=+- ";

/// A pool's password policy, with the service's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(clippy::struct_excessive_bools)] // As the service models it.
pub struct PasswordPolicy {
    /// The fewest characters, 6 to 99.
    pub minimum_length: u32,
    /// At least one of A to Z.
    pub require_uppercase: bool,
    /// At least one of a to z.
    pub require_lowercase: bool,
    /// At least one digit.
    pub require_numbers: bool,
    /// At least one of [`SYMBOLS`].
    pub require_symbols: bool,
    /// How many days a temporary password lives.
    pub temporary_password_validity_days: u32,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            minimum_length: 8,
            require_uppercase: true,
            require_lowercase: true,
            require_numbers: true,
            require_symbols: true,
            temporary_password_validity_days: 7,
        }
    }
}

impl PasswordPolicy {
    /// Checks the policy itself, as `CreateUserPool` does.
    pub(crate) fn validate(&self) -> Result<(), ServiceError> {
        if !(6..=99).contains(&self.minimum_length) || self.temporary_password_validity_days > 365 {
            return Err(ServiceError::constraint(
                "policies.passwordPolicy",
                "MinimumLength must be 6 to 99, TemporaryPasswordValidityDays 0 to 365",
            ));
        }
        Ok(())
    }

    /// Checks one password.
    pub(crate) fn check(&self, password: &str) -> Result<(), ServiceError> {
        let length = password.chars().count();
        // The model's own constraints come first and have their own error.
        if length > 256 {
            return Err(ServiceError::constraint(
                "password",
                "Member must have length less than or equal to 256",
            ));
        }
        let at_end = |c: Option<char>| c.is_none_or(char::is_whitespace);
        if at_end(password.chars().next()) || at_end(password.chars().next_back()) {
            return Err(ServiceError::constraint(
                "password",
                r"Member must satisfy regular expression pattern: ^[\S]+.*[\S]+$",
            ));
        }
        let has = |wanted: fn(&char) -> bool| password.chars().any(|c| wanted(&c));
        let refuse = |why: &str| {
            Err(ServiceError::new(
                "InvalidPasswordException",
                format!("Password did not conform with policy: {why}"),
            ))
        };
        if length < self.minimum_length as usize {
            return refuse("Password not long enough");
        }
        if self.require_uppercase && !has(char::is_ascii_uppercase) {
            return refuse("Password must have uppercase characters");
        }
        if self.require_lowercase && !has(char::is_ascii_lowercase) {
            return refuse("Password must have lowercase characters");
        }
        if self.require_numbers && !has(char::is_ascii_digit) {
            return refuse("Password must have numeric characters");
        }
        if self.require_symbols && !has(|c| SYMBOLS.contains(*c)) {
            return refuse("Password must have symbol characters");
        }
        if !password.chars().all(|c| c.is_ascii_alphanumeric() || SYMBOLS.contains(c)) {
            return refuse("Password must only have letters, numbers and symbols");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_refuses_on_its_own() {
        let policy = PasswordPolicy::default();
        assert!(policy.check("Abcdef1!").is_ok());
        assert!(policy.check("Abcdef1 x").is_ok(), "a space is a symbol");
        for bad in ["Abcde1!", "abcdef1!", "ABCDEF1!", "Abcdefg!", "Abcdefg1", "Abcdef1!é", "Abcdef1€"] {
            let error = policy.check(bad).expect_err(bad);
            assert_eq!(error.code, "InvalidPasswordException", "{bad}");
        }
        let long = format!("Ab1!{}", "x".repeat(252));
        assert!(policy.check(&long).is_ok());
        for bad in [" Abcdef1!", "Abcdef1! ", "", &format!("{long}x")] {
            let error = policy.check(bad).expect_err(bad);
            assert_eq!(error.code, "InvalidParameterException", "{bad}");
        }
    }

    #[test]
    fn a_rule_switched_off_does_not_refuse() {
        let policy = PasswordPolicy {
            minimum_length: 6,
            require_uppercase: false,
            require_lowercase: false,
            require_numbers: false,
            require_symbols: false,
            ..PasswordPolicy::default()
        };
        for good in ["abcdef", "ABCDEF", "123456", "!!!!!!"] {
            assert!(policy.check(good).is_ok(), "{good}");
        }
    }
}
