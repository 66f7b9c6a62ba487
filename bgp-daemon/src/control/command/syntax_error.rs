//! Syntax errors of command lines.

use std::fmt;

/// A syntax error of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The reason.
    reason: String,
}

impl SyntaxError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }

    pub(super) fn unexpected(text: &str) -> Self {
        Self::new(format!("unexpected `{text}`"))
    }

    pub(super) fn no_choice(word: &str, choices: &[&str]) -> Self {
        let choices = choices.join(", ");
        Self::new(format!("unexpected `{word}`: there are {choices}"))
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "syntax error, {}", self.reason)
    }
}

impl std::error::Error for SyntaxError {}
