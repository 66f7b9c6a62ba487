//! What is wrong with a template.

use thiserror::Error;

/// What is wrong with a template, or with the objects it was given.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("template: get:{line}: {reason}")]
pub(in crate::cli::resource) struct TemplateError {
    /// Line of the template, from 1.
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
