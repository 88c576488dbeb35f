//! What an answer's message is about. It can hold personal data: only yes or no leaves here.

/// Whether a message says that the pool, not something in it, does not exist.
pub(super) fn is_about_the_pool(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    // A group may be called "user pool"; Cognito's message on a group begins with that word.
    message.contains("user pool") && !message.starts_with("group")
}

/// Whether a message says that an import job lacks its file: "No csv file was uploaded for …".
pub(super) fn is_about_the_file(message: &str) -> bool {
    message.to_ascii_lowercase().contains("csv file")
}

/// Whether a message says that an identity is linked to this very user: "`SourceUser` is
/// already linked to `DestinationUser`". It is no proof: some see it for another's link, too.
pub(super) fn says_already_linked(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("already linked") && message.contains("destinationuser")
}

/// Whether an attribute's name is a word of the message. Cognito writes some as prose, such as
/// "Invalid phone number format." of `phone_number`.
pub(super) fn mentions(message: &str, name: &str) -> bool {
    !name.is_empty() && (has_word(message, name) || has_word(message, &name.replace('_', " ")))
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(is_part) && !continues(after)
    })
}

/// Whether a name goes on: a `:` or `.` is part of it only if more follows ("email: is required").
fn continues(after: &str) -> bool {
    let rest = after.trim_start_matches([':', '.']);
    if rest.len() == after.len() {
        after.starts_with(is_part)
    } else {
        rest.starts_with(char::is_alphanumeric)
    }
}

/// `custom:email` and `e-mail` do not mention `email` and `mail`; nor does an address mention
/// the words it is made of.
fn is_part(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | ':' | '.' | '@' | '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_whole_words_only() {
        for (message, name) in [
            ("Invalid email address format.", "email"),
            ("Attributes did not conform to the schema: custom:tier: must be a number", "custom:tier"),
            ("email: The attribute is required", "email"),
            ("Attribute cannot be updated: email.", "email"),
            ("Invalid phone number format.", "phone_number"),
            ("Type for attribute {birthdate} could not be determined", "birthdate"),
        ] {
            assert!(mentions(message, name), "{message:?} {name:?}");
        }
        for (message, name) in [
            ("custom:email: is required", "email"),
            ("Value at 'userAttributes.1.member.name' failed", "name"),
            ("name@example.test is not valid", "name"),
            ("username is not valid", "name"),
            ("email_verified is not a boolean", "email"),
            ("e-mail", "mail"),
            ("anything", ""),
        ] {
            assert!(!mentions(message, name), "{message:?} {name:?}");
        }
    }

    #[test]
    fn tells_pool_from_group() {
        assert!(is_about_the_pool("User pool us-east-1_x does not exist."));
        assert!(is_about_the_pool("Unable to find user pool us-east-1_x"));
        assert!(!is_about_the_pool("Group not found."));
        assert!(!is_about_the_pool("Group user pool admins not found."));
    }
}
