//! Invalid fields, with calicoctl's messages.

use std::fmt;

use serde_json::Value;

use crate::cli::resource::go_value;

/// Invalid fields, with calicoctl's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Invalid(pub(super) Vec<Field>);

/// An invalid field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Field {
    pub(super) name: String,
    value: Option<String>,
    pub(super) reason: String,
}

impl Field {
    pub(super) fn new(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: None,
            reason: reason.into(),
        }
    }

    pub(super) fn with_value(mut self, value: &Value) -> Self {
        self.value = Some(go_value::text(value));
        self
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(value) = &self.value {
            write!(f, " = '{value}'")?;
        }
        write!(f, " ({})", self.reason)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [field] = &self.0[..] {
            return write!(f, "error with field {field}");
        }
        writeln!(f, "error with the following fields:")?;
        self.0
            .iter()
            .try_for_each(|field| writeln!(f, "-  {field}"))
    }
}

impl std::error::Error for Invalid {}

/// Ends a check.
pub(super) fn finish(fields: Vec<Field>) -> Result<(), Invalid> {
    match fields.is_empty() {
        true => Ok(()),
        false => Err(Invalid(fields)),
    }
}
