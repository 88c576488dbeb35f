//! The second factors of a user.

use crate::json::write_str;

/// A second factor that needs nothing but a verified address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MfaFactor {
    /// A code by text message.
    Sms,
    /// A code by e-mail.
    Email,
}

impl MfaFactor {
    /// Every factor.
    pub const ALL: [Self; 2] = [Self::Sms, Self::Email];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sms => "SMS_MFA",
            Self::Email => "EMAIL_OTP",
        }
    }

    /// The attribute the code is sent to.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Sms => "phone_number",
            Self::Email => "email",
        }
    }
}

/// Which second factors a user has, and which one is asked for first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserMfa {
    /// Whether codes come by text message.
    pub sms: bool,
    /// Whether codes come by e-mail.
    pub email: bool,
    /// The one that is preferred, if any is.
    pub preferred: Option<MfaFactor>,
}

impl UserMfa {
    /// Whether the user has a factor.
    pub fn has(self, factor: MfaFactor) -> bool {
        match factor {
            MfaFactor::Sms => self.sms,
            MfaFactor::Email => self.email,
        }
    }

    pub(crate) fn set(&mut self, factor: MfaFactor, enabled: bool, preferred: bool) {
        match factor {
            MfaFactor::Sms => self.sms = enabled,
            MfaFactor::Email => self.email = enabled,
        }
        if preferred {
            self.preferred = Some(factor);
        } else if self.preferred == Some(factor) {
            self.preferred = None;
        }
    }

    /// Writes what every answer about a user says: text messages only.
    pub(crate) fn write_options(self, out: &mut Vec<u8>) {
        if self.sms {
            out.extend_from_slice(
                br#","MFAOptions":[{"DeliveryMedium":"SMS","AttributeName":"phone_number"}]"#,
            );
        }
    }

    /// Writes what only `AdminGetUser` says.
    pub(crate) fn write_settings(self, out: &mut Vec<u8>) {
        let names: Vec<&str> =
            MfaFactor::ALL.into_iter().filter(|&factor| self.has(factor)).map(MfaFactor::name).collect();
        if !names.is_empty() {
            // Names without anything to escape.
            out.extend_from_slice(
                format!(r#","UserMFASettingList":["{}"]"#, names.join(r#"",""#)).as_bytes(),
            );
        }
        if let Some(factor) = self.preferred {
            out.extend_from_slice(b",\"PreferredMfaSetting\":");
            write_str(out, factor.name());
        }
    }
}
