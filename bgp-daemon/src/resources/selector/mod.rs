//! Calico's selector language: questions about labels, such as `rack == 'a' && !has(storage)`.
//!
//! ```text
//! expression  = conjunction { "||" conjunction }
//! conjunction = term { "&&" term }
//! term        = { "!" } ( "(" expression ")" | "all()" | "global()" | "has(" label ")" | label operator )
//! operator    = "==" text | "!=" text | "in" set | "not in" set
//!             | "contains" text | "starts with" text | "ends with" text
//! set         = "{" [ text { "," text } ] "}"
//! ```
//!
//! Text is quoted with `'` or `"` and has no escapes. An empty selector selects everything. `!=` and `not in` hold for
//! objects without the label; the others need it.

mod parser;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Serialize, Serializer};

pub use parser::SelectorError;

/// A selector, with the text that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    text: String,
    expression: Expression,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    All,
    Global,
    Has(String),
    Equal(String, String),
    NotEqual(String, String),
    In(String, BTreeSet<String>),
    NotIn(String, BTreeSet<String>),
    Contains(String, String),
    StartsWith(String, String),
    EndsWith(String, String),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

/// Calico puts the namespace of a namespaced object into this label; `global()` asks for its absence.
const NAMESPACE_LABEL: &str = "projectcalico.org/namespace";

impl Selector {
    /// Reads a selector. The error tells what was expected and where.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        Ok(Self {
            text: text.to_owned(),
            expression: parser::parse(text)?,
        })
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.expression.holds(labels)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Expression {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value_is = |label: &String, question: &dyn Fn(&str) -> bool| {
            labels.get(label).is_some_and(|value| question(value))
        };
        match self {
            Self::All => true,
            Self::Global => !labels.contains_key(NAMESPACE_LABEL),
            Self::Has(label) => labels.contains_key(label),
            Self::Equal(label, text) => value_is(label, &|value| value == text),
            Self::NotEqual(label, text) => !value_is(label, &|value| value == text),
            Self::In(label, set) => value_is(label, &|value| set.contains(value)),
            Self::NotIn(label, set) => !value_is(label, &|value| set.contains(value)),
            Self::Contains(label, text) => value_is(label, &|value| value.contains(text)),
            Self::StartsWith(label, text) => value_is(label, &|value| value.starts_with(text)),
            Self::EndsWith(label, text) => value_is(label, &|value| value.ends_with(text)),
            Self::Not(expression) => !expression.holds(labels),
            Self::And(all) => all.iter().all(|expression| expression.holds(labels)),
            Self::Or(any) => any.iter().any(|expression| expression.holds(labels)),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
