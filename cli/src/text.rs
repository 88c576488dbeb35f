//! Text for people: numbers, times, and values that must not drive the terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character could move the cursor, hide text or turn its direction.
fn drives_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// The text with such characters escaped as Rust writes them.
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.contains(drives_terminal) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| {
        if drives_terminal(c) { c.escape_default().to_string() } else { c.to_string() }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

/// The same JSON, with such characters written as `\u….`: they can only be inside strings, and
/// none is beyond the basic plane.
pub fn safe_json(json: &str) -> Cow<'_, str> {
    if !json.contains(|c: char| c > '~' && drives_terminal(c)) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if c > '~' && drives_terminal(c) {
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// `12,345`.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 user`, `2 users`; the word must make its plural with an s.
pub fn count(number: u64, word: &str) -> String {
    format!("{} {word}{}", self::number(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_drives_a_terminal_and_nothing_else() {
        assert_eq!(safe("Łukasz 👍 \"x\" \\"), "Łukasz 👍 \"x\" \\");
        assert_eq!(safe("a\u{1b}[31m\nb\u{9b}\u{202e}c"), "a\\u{1b}[31m\\nb\\u{9b}\\u{202e}c");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"a": "\u{9b}2J \u{7f}\u{202e}é\n"});
        let line = safe_json(&value.to_string()).into_owned();
        assert!(!line.contains(drives_terminal), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }

    #[test]
    fn numbers_read_plainly() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(count(1, "user"), "1 user");
    }
}
