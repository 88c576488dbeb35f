//! Colours, on a terminal whose owner did not decline them.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _};

pub struct Style {
    colours: bool,
}

impl Style {
    /// See <https://no-color.org>.
    pub fn new() -> Self {
        let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: io::stdout().is_terminal() && !declined }
    }

    pub fn strong<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.paint("1", text)
    }

    pub fn faint<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.paint("36", text)
    }

    pub fn warning<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.paint("33", text)
    }

    pub fn good<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.paint("1;32", text)
    }

    fn paint<'a>(&self, code: &str, text: &'a str) -> Cow<'a, str> {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m").into() } else { text.into() }
    }
}
