//! Errors of templates.

use thiserror::Error;

/// An error of a template, or of its input.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("template: get:{line}: {reason}")]
pub(in crate::cli::resource) struct TemplateError {
    /// Line of the template, starting at 1.
    line: usize,
    reason: String,
}

impl TemplateError {
    pub(super) fn new(line: usize, reason: impl Into<String>) -> Self {
        Self {
            line,
            reason: reason.into(),
        }
    }
}
