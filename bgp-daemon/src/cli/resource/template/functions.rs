//! The functions of templates: those of Go that make sense for objects, and calicoctl's own.

use std::cmp::Ordering;

use serde_json::Value;

use crate::cli::resource::go_value::{is_true, join, text};

/// Inputs of functions other than their arguments.
pub(super) struct Surroundings<'a> {
    /// The AS number of the cluster.
    pub(super) as_number: &'a dyn Fn() -> String,
}

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    And,
    Or,
    Not,
    Len,
    Index,
    Print,
    Println,
    Printf,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Join,
    JoinAndTruncate,
    Config,
}

const NAMES: [(&str, Function); 17] = [
    ("and", Function::And),
    ("or", Function::Or),
    ("not", Function::Not),
    ("len", Function::Len),
    ("index", Function::Index),
    ("print", Function::Print),
    ("println", Function::Println),
    ("printf", Function::Printf),
    ("eq", Function::Eq),
    ("ne", Function::Ne),
    ("lt", Function::Lt),
    ("le", Function::Le),
    ("gt", Function::Gt),
    ("ge", Function::Ge),
    ("join", Function::Join),
    ("joinAndTruncate", Function::JoinAndTruncate),
    ("config", Function::Config),
];

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        let mut names = NAMES.iter();
        let found = names.find(|(known, _)| *known == name);
        found.map(|(_, function)| *function)
    }

    /// Whether the last of these arguments determines the result.
    pub(super) fn is_decided(self, arguments: &[Value]) -> bool {
        match (self, arguments.last()) {
            (Self::And, Some(last)) => !is_true(last),
            (Self::Or, Some(last)) => is_true(last),
            _ => false,
        }
    }

    pub(super) fn call(
        self,
        arguments: &[Value],
        surroundings: &Surroundings<'_>,
    ) -> Result<Value, String> {
        match (self, arguments) {
            (Self::And | Self::Or, [.., last]) => Ok(last.clone()),
            (Self::Not, [value]) => Ok((!is_true(value)).into()),
            (Self::Len, [value]) => length(value),
            (Self::Index, [value, keys @ ..]) => index(value, keys),
            (Self::Print, values) => Ok(print(values).into()),
            (Self::Println, values) => {
                let values: Vec<_> = values.iter().map(text).collect();
                Ok(format!("{}\n", values.join(" ")).into())
            }
            (Self::Printf, [format, values @ ..]) => {
                let format = format.as_str().ok_or("printf needs a format")?;
                Ok(printf(format, values).into())
            }
            (Self::Eq, [one, others @ ..]) if !others.is_empty() => {
                let mut equal = false;
                for other in others {
                    equal |= are_equal(one, other)?;
                }
                Ok(equal.into())
            }
            (Self::Ne, [one, other]) => Ok((!are_equal(one, other)?).into()),
            (Self::Lt, [one, other]) => Ok(compare(one, other)?.is_lt().into()),
            (Self::Le, [one, other]) => Ok(compare(one, other)?.is_le().into()),
            (Self::Gt, [one, other]) => Ok(compare(one, other)?.is_gt().into()),
            (Self::Ge, [one, other]) => Ok(compare(one, other)?.is_ge().into()),
            (Self::Join, [items, separator]) => Ok(join(items, &text(separator), 0).into()),
            (Self::JoinAndTruncate, [items, separator, limit]) => {
                let limit = limit.as_u64().and_then(|limit| usize::try_from(limit).ok());
                let limit = limit.ok_or("joinAndTruncate needs a length")?;
                Ok(join(items, &text(separator), limit).into())
            }
            (Self::Config, [name]) if text(name).eq_ignore_ascii_case("asnumber") => {
                Ok((surroundings.as_number)().into())
            }
            (Self::Config, [name]) => Err(format!("unhandled config type {}", text(name))),
            (function, arguments) => Err(format!(
                "wrong number of args for {}: got {}",
                function.name(),
                arguments.len()
            )),
        }
    }

    fn name(self) -> &'static str {
        let mut names = NAMES.iter();
        let found = names.find(|(_, function)| *function == self);
        found.map_or("", |(name, _)| name)
    }
}

fn length(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        Value::Null => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of {}", text(other))),
    };
    Ok(length.into())
}

fn index(value: &Value, keys: &[Value]) -> Result<Value, String> {
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::Array(items), Value::Number(number)) => {
                let at = number.as_u64().and_then(|at| usize::try_from(at).ok());
                let item = at.and_then(|at| items.get(at));
                item.cloned()
                    .ok_or_else(|| format!("error calling index: index out of range: {number}"))?
            }
            // A missing key of a map gives an empty text, as for labels and annotations.
            (Value::Object(fields), Value::String(key)) => {
                fields.get(key).cloned().unwrap_or_else(|| "".into())
            }
            (Value::Null, _) => return Err("error calling index: index of untyped nil".to_owned()),
            (value, key) => {
                let (value, key) = (text(value), text(key));
                return Err(format!(
                    "error calling index: can't index {value} with {key}"
                ));
            }
        };
    }
    Ok(value)
}

/// Blanks separate only two values that are both not text.
fn print(values: &[Value]) -> String {
    let mut out = String::new();
    for (at, value) in values.iter().enumerate() {
        let is_text = |value: &Value| value.is_string();
        if at > 0 && !is_text(value) && !is_text(&values[at - 1]) {
            out.push(' ');
        }
        out.push_str(&text(value));
    }
    out
}

fn are_equal(one: &Value, other: &Value) -> Result<bool, String> {
    match (one, other) {
        (Value::Null, _) | (_, Value::Null) => Ok(one.is_null() && other.is_null()),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Number(_), Value::Number(_)) | (Value::String(_), Value::String(_)) => {
            Ok(compare(one, other)?.is_eq())
        }
        _ => Err(INCOMPATIBLE.to_owned()),
    }
}

const INCOMPATIBLE: &str = "incompatible types for comparison";

fn compare(one: &Value, other: &Value) -> Result<Ordering, String> {
    match (one, other) {
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => {
            let whole = a.as_i64().zip(b.as_i64()).map(|(a, b)| a.cmp(&b));
            let ordering = whole.or_else(|| a.as_f64()?.partial_cmp(&b.as_f64()?));
            ordering.ok_or_else(|| INCOMPATIBLE.to_owned())
        }
        _ => Err(INCOMPATIBLE.to_owned()),
    }
}

/// Go's `Sprintf` with the verbs `v s q d t f x` and `%`, flags `-` and `0`, width and precision.
fn printf(format: &str, values: &[Value]) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let (spec, after) = Spec::read(&rest[at + 1..]);
        rest = after;
        match spec.verb {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match values.next() {
                Some(value) => out.push_str(&spec.pad(&spec.format(verb, value))),
                None => out.push_str(&format!("%!{verb}(MISSING)")),
            },
        }
    }
    out.push_str(rest);
    let extra: Vec<_> = values.map(text).collect();
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

#[derive(Default)]
struct Spec {
    left: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    verb: Option<char>,
}

/// Limit of the width of a field, as protection against memory exhaustion.
const MAX_WIDTH: usize = 10_000;

impl Spec {
    fn read(text: &str) -> (Self, &str) {
        let mut spec = Self::default();
        let mut rest = text;
        while let Some(flag) = rest.chars().next().filter(|c| "-0+ #".contains(*c)) {
            spec.left |= flag == '-';
            spec.zeros |= flag == '0';
            rest = &rest[1..];
        }
        (spec.width, rest) = number(rest);
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) = number(after);
            spec.precision = Some(precision);
            rest = after;
        }
        let mut characters = rest.chars();
        spec.verb = characters.next();
        (spec, characters.as_str())
    }

    fn format(&self, verb: char, value: &Value) -> String {
        let precision = self.precision;
        match (verb, value) {
            ('v', _) => text(value),
            ('s', Value::String(text)) => match precision {
                Some(length) => text.chars().take(length).collect(),
                None => text.clone(),
            },
            ('s', Value::Array(_) | Value::Object(_)) => text(value),
            ('q', Value::String(_)) => value.to_string(),
            ('d', Value::Number(number)) if !number.is_f64() => number.to_string(),
            ('t', Value::Bool(_)) => text(value),
            ('f', Value::Number(number)) if number.is_f64() => {
                let number = number.as_f64().unwrap_or_default();
                format!("{number:.*}", precision.unwrap_or(6))
            }
            ('x', Value::Number(number)) if number.as_u64().is_some() => {
                format!("{:x}", number.as_u64().unwrap_or_default())
            }
            ('x', Value::String(text)) => text.bytes().map(|b| format!("{b:02x}")).collect(),
            (verb, value) => format!("%!{verb}({})", text(value)),
        }
    }

    fn pad(&self, text: &str) -> String {
        let width = self.width;
        match (self.left, self.zeros) {
            (true, _) => format!("{text:<width$}"),
            (false, true) => {
                let missing = width.saturating_sub(text.chars().count());
                let (sign, digits) = match text.strip_prefix('-') {
                    Some(digits) => ("-", digits),
                    None => ("", text),
                };
                format!("{sign}{}{digits}", "0".repeat(missing))
            }
            (false, false) => format!("{text:>width$}"),
        }
    }
}

fn number(text: &str) -> (usize, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number = text[..end].parse().unwrap_or(0);
    (usize::min(number, MAX_WIDTH), &text[end..])
}
