//! Why a line is no command.

use std::fmt;

/// A line that is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What was wrong with it.
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
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "syntax error, {}", self.reason)
    }
}

impl std::error::Error for SyntaxError {}
