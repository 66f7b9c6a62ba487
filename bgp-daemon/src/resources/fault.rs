//! A fault at a path inside an object.

use std::fmt;

use ipnet::IpNet;

use super::problem::{Problem, Severity};

/// A step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// A fault at a path inside an object.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) path: Vec<Step>,
    /// The key is wrong, not the value.
    pub(super) at_key: bool,
    pub(super) reason: String,
    pub(super) severity: Severity,
    /// Only the field, or the entry of a list, is left out.
    pub(super) field_only: bool,
    /// Sibling fields on which the fault depends: without them there might be none.
    pub(super) depends_on: &'static [&'static str],
}

impl Fault {
    /// The object is left out. `field` is written as `spec.rules[0].cidr`.
    pub(super) fn error(field: &str, reason: &str) -> Self {
        Self {
            path: read_path(field),
            at_key: false,
            reason: reason.to_owned(),
            severity: Severity::Error,
            field_only: false,
            depends_on: &[],
        }
    }

    /// The field is left out; the rest of the object is used.
    pub(super) fn field_error(field: &str, reason: &str) -> Self {
        Self {
            field_only: true,
            ..Self::error(field, reason)
        }
    }

    /// The object is used regardless.
    pub(super) fn warning(field: &str, reason: &str) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(field, reason)
        }
    }

    /// A range with bits set after its length.
    pub(super) fn unmasked(field: &str, cidr: IpNet) -> Option<Self> {
        let reason = || format!("has bits set behind its length; {} is used", cidr.trunc());
        (cidr != cidr.trunc()).then(|| Self::warning(field, &reason()))
    }

    /// The same, one key deeper; for keys with dots.
    pub(super) fn below(mut self, key: &str) -> Self {
        self.path.push(Step::Key(key.to_owned()));
        self
    }

    /// The same, dropped if one of these sibling fields is itself invalid.
    pub(super) fn unless_wrong(mut self, fields: &'static [&'static str]) -> Self {
        self.depends_on = fields;
        self
    }

    /// Only the field, or the entry of a list, is left out; for a field that BGP ignores, it is a warning.
    pub(super) fn tolerate(&mut self, unused: &[&str]) {
        self.field_only = true;
        if matches!(self.path.get(1), Some(Step::Key(field)) if unused.contains(&field.as_str())) {
            self.severity = Severity::Warning;
        }
    }

    /// Translates the path, which is in an object without the left-out values, into one in the whole object.
    pub(super) fn restore(&mut self, left_out: &[Vec<Step>]) {
        self.path = original(&self.path, left_out);
    }

    /// Whether the fault may be caused only by left-out values: at its own path, or at a field that it depends on.
    pub(super) fn follows_from(&self, left_out: &[Vec<Step>]) -> bool {
        let (_, around) = self.path.split_last().unwrap_or((&Step::Index(0), &[]));
        let is_needed = |field: &Step| matches!(field, Step::Key(field) if self.depends_on.contains(&field.as_str()));
        left_out.iter().any(|gone| {
            gone.starts_with(&self.path)
                || gone
                    .strip_prefix(around)
                    .is_some_and(|rest| rest.first().is_some_and(is_needed))
        })
    }

    /// The fault as a problem of an object.
    pub(super) fn problem(&self, object: impl fmt::Display) -> Problem {
        Problem {
            severity: self.severity,
            field_only: self.field_only,
            ..Problem::error(object, self.reason.as_str()).at_field(self.field())
        }
    }

    /// The path as people write it.
    pub(super) fn field(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Index(index) => text.push_str(&format!("[{index}]")),
                Step::Key(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(key);
                }
            }
        }
        text
    }
}

fn read_path(field: &str) -> Vec<Step> {
    field
        .split(['.', '[', ']'])
        .filter(|part| !part.is_empty())
        .map(|part| match part.parse() {
            Ok(index) => Step::Index(index),
            Err(_) => Step::Key(part.to_owned()),
        })
        .collect()
}

/// The path of a value before others were removed from the lists along it.
fn original(path: &[Step], taken_out: &[Vec<Step>]) -> Vec<Step> {
    let mut original: Vec<Step> = Vec::new();
    for step in path {
        let step = match step {
            Step::Key(key) => Step::Key(key.clone()),
            Step::Index(index) => {
                let mut before: Vec<usize> = taken_out
                    .iter()
                    .filter_map(|path| match path.split_last() {
                        Some((Step::Index(at), list)) if *list == original[..] => Some(*at),
                        _ => None,
                    })
                    .collect();
                before.sort_unstable();
                let shift = |index, at| index + usize::from(at <= index);
                Step::Index(before.into_iter().fold(*index, shift))
            }
        };
        original.push(step);
    }
    original
}
