//! Calico's selector language: conditions on labels, such as `rack == 'a' && !has(storage)`.
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
//! Text is quoted with `'` or `"` and has no escapes. An empty selector selects everything. `!=` and `not in` also hold for
//! objects without the label; the other operators require it.

mod expression;
mod parser;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use expression::Expression;
pub use parser::SelectorError;

/// A selector, with its original text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    text: String,
    expression: Expression,
}

impl Selector {
    /// Reads a selector. The error says what was expected, and where.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        Ok(Self {
            text: text.to_owned(),
            expression: parser::parse(text)?,
        })
    }

    /// Whether it selects an object with these labels.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.expression.holds(labels)
    }

    /// The original text.
    pub fn as_str(&self) -> &str {
        &self.text
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
