//! Findings of `lint`.

use std::cmp::Reverse;
use std::fmt;

use serde::Serialize;

use crate::resources::{Loaded, Location, Problem, Severity};

/// A valid setting that is probably wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The kind, such as `filter-unused`.
    pub id: &'static str,
    /// An error prevents something; a warning is about a setting without effect, or with an unexpected one.
    pub severity: Severity,
    /// The object, such as `BGPPeer/tor`.
    pub object: String,
    /// The field, such as `spec.nodeSelector`.
    pub field: Option<String>,
    /// The file of the object.
    pub file: Option<String>,
    /// The line, starting at 1.
    pub line: Option<usize>,
    /// The mistake, in one sentence.
    pub text: String,
    /// How to fix it.
    pub fix: String,
}

impl Finding {
    /// A setting without effect, or with an unexpected one.
    pub(super) fn warning(
        id: &'static str,
        object: impl fmt::Display,
        field: &str,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            id,
            severity: Severity::Warning,
            object: object.to_string(),
            field: Some(field.to_owned()).filter(|field| !field.is_empty()),
            file: None,
            line: None,
            text: text.into(),
            fix: fix.into(),
        }
    }

    /// The finding as an error.
    pub(super) fn into_error(self) -> Self {
        Self {
            severity: Severity::Error,
            ..self
        }
    }

    /// Sets the location in a file.
    pub(super) fn at(mut self, location: Option<&Location>) -> Self {
        self.file = location.map(|location| location.file.clone());
        self.line = location.map(|location| location.line);
        self
    }

    /// Finds the location in a file, unless set.
    pub(super) fn locate(&mut self, loaded: &Loaded) {
        if self.file.is_some() {
            return;
        }
        let problem = Problem::warning(&self.object, "");
        let problem = match &self.field {
            Some(field) => problem.at_field(field.clone()),
            None => problem,
        };
        let located = loaded.located(problem).location;
        self.file = located.as_ref().map(|location| location.file.clone());
        self.line = located.map(|location| location.line);
    }

    fn order(&self) -> impl Ord {
        let place = (self.file.clone(), self.line, self.object.clone());
        (
            Reverse(self.severity),
            place,
            self.id,
            self.field.clone(),
            self.text.clone(),
        )
    }
}

impl PartialOrd for Finding {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Finding {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

/// Three lines: location, mistake, fix.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity} {}: ", self.id)?;
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            write!(f, "{file}:{line}: ")?;
        }
        f.write_str(&self.object)?;
        if let Some(field) = &self.field {
            write!(f, " {field}")?;
        }
        write!(f, "\n  {}\n  fix: {}", self.text, self.fix)
    }
}
