//! Limits of a change for a pipeline, such as `max-withdrawn=10%,max-restarts=1,default-route=never`.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::totals::{Count, Totals};
use crate::resources::did_you_mean;

/// Limits of a change. Reaching a limit is allowed.
///
/// ```
/// use bgp_daemon::outlook::{Guard, Totals};
///
/// let guard: Guard = "max-withdrawn=10%,default-route=never".parse()?;
/// let mut totals = Totals::default();
/// (totals.withdrawn.found, totals.withdrawn.of) = (11, 100);
/// let exceeded = guard.exceeded_by(&totals);
/// assert_eq!(exceeded[0].to_string(), "max-withdrawn=10%: routes withdrawn: 11 of 100 (11 %)");
/// # Ok::<(), bgp_daemon::outlook::GuardError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Guard(Vec<(Subject, Limit)>);

/// The subject of a limit.
#[derive(Clone, Copy, Debug)]
struct Subject {
    name: &'static str,
    /// The counted items.
    text: &'static str,
    count: fn(&Totals) -> Count,
    /// Whether percentages make sense.
    has_share: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    AtMost(usize),
    /// Percentage of the number before.
    Share(f64),
    Never,
}

/// The limit without a number.
const DEFAULT_ROUTE: Subject = Subject {
    name: "default-route",
    text: "default routes that change",
    count: |totals| Count {
        found: totals.default_routes,
        of: 0,
    },
    has_share: false,
};

const COUNTED: [Subject; 8] = [
    shared("max-withdrawn", "routes withdrawn", |it| it.withdrawn),
    shared("max-announced", "routes announced", |it| it.announced),
    shared("max-changed", "routes changed", |it| it.changed),
    shared("max-restarts", "sessions restarted", |it| it.restarted),
    shared("max-removed", "sessions removed", |it| it.removed),
    shared("max-added", "sessions added", |it| it.added),
    shared("max-nodes", "nodes that change", |it| it.nodes),
    Subject {
        name: "max-problems",
        text: "new problems",
        count: |totals| Count {
            found: totals.problems,
            of: 0,
        },
        has_share: false,
    },
];

const fn shared(name: &'static str, text: &'static str, count: fn(&Totals) -> Count) -> Subject {
    Subject {
        name,
        text,
        count,
        has_share: true,
    }
}

/// An exceeded limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exceeded {
    /// The limit as it was set, such as `max-restarts=1`.
    pub limit: String,
    /// The number of items.
    pub found: usize,
    /// The total; 0 if meaningless.
    pub of: usize,
    /// The items, as text.
    pub text: String,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.limit, self.text)
    }
}

/// Why a text is not a list of limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// Not `name=value`.
    #[error("--guard: expected name=value, found {0:?}")]
    Form(String),
    /// The limit is unknown.
    #[error("--guard: {name:?} is no limit{hint}; known are {known}")]
    Unknown {
        /// The name.
        name: String,
        /// A similar name.
        hint: String,
        /// All names.
        known: String,
    },
    /// The value does not fit the limit.
    #[error("--guard: {name}: expected {expected}, found {value:?}")]
    Value {
        /// The limit.
        name: &'static str,
        /// The allowed values.
        expected: &'static str,
        /// The value found.
        value: String,
    },
    /// A limit is set twice.
    #[error("--guard: {0} is there twice")]
    Twice(&'static str),
}

impl FromStr for Guard {
    type Err = GuardError;

    fn from_str(text: &str) -> Result<Self, GuardError> {
        let mut limits: Vec<(Subject, Limit)> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (subject, limit) = limit(part)?;
            if limits.iter().any(|(other, _)| other.name == subject.name) {
                return Err(GuardError::Twice(subject.name));
            }
            limits.push((subject, limit));
        }
        Ok(Self(limits))
    }
}

impl Guard {
    /// The exceeded limits, in the order in which they were set.
    pub fn exceeded_by(&self, totals: &Totals) -> Vec<Exceeded> {
        let judged = self.0.iter().map(|(subject, limit)| {
            let count = (subject.count)(totals);
            let too_much = match limit {
                Limit::AtMost(most) => count.found > *most,
                Limit::Share(percent) => share(count) > *percent,
                Limit::Never => count.found > 0,
            };
            too_much.then(|| subject.exceeded(*limit, count))
        });
        judged.flatten().collect()
    }
}

impl Subject {
    fn exceeded(&self, limit: Limit, count: Count) -> Exceeded {
        let Count { found, of } = count;
        let what = self.text;
        let text = match self.has_share {
            true if of > 0 => format!("{what}: {found} of {of} ({} %)", rounded(share(count))),
            _ => format!("{what}: {found}"),
        };
        let limit = match limit {
            Limit::AtMost(most) => most.to_string(),
            Limit::Share(percent) => format!("{percent}%"),
            Limit::Never => "never".to_owned(),
        };
        Exceeded {
            limit: format!("{}={limit}", self.name),
            found,
            of,
            text,
        }
    }
}

/// The percentage. Something of nothing is everything.
fn share(count: Count) -> f64 {
    match count {
        Count { found: 0, .. } => 0.0,
        Count { of: 0, .. } => 100.0,
        Count { found, of } => found as f64 * 100.0 / of as f64,
    }
}

fn rounded(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

fn limit(text: &str) -> Result<(Subject, Limit), GuardError> {
    let parts = text.split_once('=');
    let (name, value) = parts.ok_or_else(|| GuardError::Form(text.to_owned()))?;
    let (name, value) = (name.trim(), value.trim());
    let all = || COUNTED.iter().chain([&DEFAULT_ROUTE]);
    let Some(subject) = all().find(|subject| subject.name == name) else {
        let known: Vec<&str> = all().map(|subject| subject.name).collect();
        return Err(GuardError::Unknown {
            name: name.to_owned(),
            hint: did_you_mean(name, known.iter().copied()),
            known: known.join(", "),
        });
    };
    let wrong = |expected| GuardError::Value {
        name: subject.name,
        expected,
        value: value.to_owned(),
    };
    let limit = match value.strip_suffix('%') {
        _ if subject.name == DEFAULT_ROUTE.name => match value {
            "never" => Limit::Never,
            _ => return Err(wrong("never")),
        },
        Some(percent) if subject.has_share => {
            let is_plain = percent.chars().all(|c| c.is_ascii_digit() || c == '.');
            let percent = percent.parse::<f64>().ok().filter(|_| is_plain);
            let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
            Limit::Share(percent.ok_or_else(|| wrong("a number, or a percentage from 0% to 100%"))?)
        }
        Some(_) => return Err(wrong("a number")),
        None => {
            let is_plain = value.chars().all(|c| c.is_ascii_digit());
            let most = value.parse().ok().filter(|_| is_plain);
            let expected = match subject.has_share {
                true => "a number, or a percentage from 0% to 100%",
                false => "a number",
            };
            Limit::AtMost(most.ok_or_else(|| wrong(expected))?)
        }
    };
    Ok((*subject, limit))
}

#[cfg(test)]
mod tests;
