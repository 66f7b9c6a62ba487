//! The expressions of a selector.

use std::collections::{BTreeMap, BTreeSet};

/// The label into which Calico puts the namespace of an object; `global()` tests its absence.
pub(super) const NAMESPACE_LABEL: &str = "projectcalico.org/namespace";

/// A condition on labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
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

impl Expression {
    /// Whether it holds for these labels.
    pub(super) fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
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
