//! Reads as much of a value as possible as a type, and collects every value in it that cannot be read.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fault::{Fault, Step};
use super::fields;
use super::problem::Severity;
use super::reader::Reader;
use super::suggest::did_you_mean;
use super::syntax::not_json;

/// The beginning of the warning about an unknown field.
pub(crate) const UNKNOWN_FIELD: &str = "unknown field";

/// Decodes any type from a value; `None` if a field is invalid. An unknown field is a warning.
pub(super) fn typed_fields<T: DeserializeOwned>(
    value: &Value,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let mut read = Reading::of(value, false);
    faults.append(&mut read.faults);
    read.object.filter(|_| read.left_out.is_empty())
}

/// Reads JSON text, such as that of an annotation; unknown fields are ignored.
///
/// # Errors
///
/// One sentence without a subject.
pub(crate) fn from_json_text<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    read_once(&value, false)
        .map(|(object, _)| object)
        .map_err(|fault| match fault.field() {
            field if field.is_empty() => fault.reason,
            field => format!("{field}: {}", fault.reason),
        })
}

/// The readable part of a value, and the faults of the rest.
pub(super) struct Reading<T> {
    pub(super) object: Option<T>,
    pub(super) faults: Vec<Fault>,
    /// Paths of values that were left out.
    pub(super) left_out: Vec<Vec<Step>>,
}

/// Most invalid values reported for one object, so that thousands of them cost no more than a few.
const MAX_WRONG_VALUES: usize = 100;

impl<T: DeserializeOwned> Reading<T> {
    /// Finds every invalid value: leaves it out, and reads the rest again.
    pub(super) fn of(value: &Value, is_secret: bool) -> Self {
        let mut read = Self {
            object: None,
            faults: Vec::new(),
            left_out: Vec::new(),
        };
        let mut rest = Cow::Borrowed(value);
        while read.faults.len() < MAX_WRONG_VALUES {
            let mut wrong = match read_once(&rest, is_secret) {
                Err(wrong) => wrong,
                Ok((object, mut unknown)) => {
                    let faults = unknown.iter_mut();
                    faults.for_each(|fault| fault.restore(&read.left_out));
                    read.faults.append(&mut unknown);
                    read.object = Some(object);
                    break;
                }
            };
            let path = wrong.path.clone();
            wrong.restore(&read.left_out);
            // Fields missing because of an invalid value have been reported already.
            if !read
                .left_out
                .iter()
                .any(|gone| gone.starts_with(&wrong.path))
            {
                read.faults.push(wrong.clone());
            }
            let cut = (1..=path.len())
                .rev()
                .find(|len| remove(rest.to_mut(), &path[..*len]));
            let Some(cut) = cut else {
                read.left_out.push(Vec::new());
                break;
            };
            read.left_out.push(wrong.path[..cut].to_vec());
        }
        read
    }

    /// The same, but an invalid value removes only its field or its entry in a list.
    pub(super) fn tolerated(mut self, value: &Value, vital: &[&str], unused: &[&str]) -> Self {
        let mut rest = value.clone();
        let mut cuts = Vec::new();
        let wrong = self
            .faults
            .iter_mut()
            .filter(|fault| fault.severity == Severity::Error);
        for fault in wrong {
            let Some(cut) = removable(&fault.path, vital, false) else {
                return self;
            };
            fault.tolerate(unused);
            cuts.push(fault.path[..cut].to_vec());
        }
        cuts.sort_unstable();
        cuts.dedup();
        for cut in cuts.iter().rev() {
            remove(&mut rest, cut);
        }
        // Values beyond the number that is reported one by one.
        self.object = loop {
            let (mut fault, path) = match read_once(&rest, false) {
                Ok((object, _)) => break Some(object),
                Err(fault) => (fault.clone(), fault.path),
            };
            let cut = removable(&path, vital, true).filter(|cut| remove(&mut rest, &path[..*cut]));
            let Some(cut) = cut else {
                self.faults.push(fault);
                break None;
            };
            fault.restore(&cuts);
            fault.tolerate(unused);
            cuts.push(fault.path[..cut].to_vec());
            self.faults.push(fault);
        };
        self.left_out = cuts;
        self
    }
}

/// Reads a value; returns it with its unknown fields, or the first invalid value.
fn read_once<T: DeserializeOwned>(
    value: &Value,
    is_secret: bool,
) -> Result<(T, Vec<Fault>), Fault> {
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(Reader(value), &mut track);
    let mut unknown = Vec::new();
    let result = serde_ignored::deserialize(tracked, |path| unknown.push(ignored_steps(&path)));
    match result {
        Ok(object) => {
            let ours = unknown.into_iter().filter(|path| is_ours(path));
            Ok((object, ours.map(unknown_field::<T>).collect()))
        }
        Err(wrong) => {
            let mut path = tracked_steps(&track.path());
            path.extend(wrong.missing.map(|field| Step::Key(field.to_owned())));
            let reason = match is_secret {
                true => wrong.reason_without_value(),
                false => wrong.reason(),
            };
            Err(Fault {
                path,
                ..Fault::error("", &reason)
            })
        }
    }
}

fn unknown_field<T: DeserializeOwned>(path: Vec<Step>) -> Fault {
    let hint = match path.split_last() {
        Some((Step::Key(name), parent)) => {
            did_you_mean(name, fields::known::<T>(parent).iter().copied())
        }
        _ => String::new(),
    };
    Fault {
        path,
        at_key: true,
        ..Fault::warning("", &format!("{UNKNOWN_FIELD}{hint}"))
    }
}

/// The length of the path to remove because of an invalid value: to the enclosing entry of a list, to the field of `spec`, or to
/// the label or annotation.
fn removable(path: &[Step], vital: &[&str], whole_field: bool) -> Option<usize> {
    let [Step::Key(part), rest @ ..] = path else {
        return None;
    };
    match (part.as_str(), rest) {
        ("spec", [Step::Key(field), ..]) if !vital.contains(&field.as_str()) => {
            let entry = path.iter().rposition(|step| matches!(step, Step::Index(_)));
            Some(entry.filter(|_| !whole_field).map_or(2, |at| at + 1))
        }
        ("metadata", [Step::Key(_), Step::Key(_)]) => Some(if whole_field { 2 } else { 3 }),
        _ => None,
    }
}

/// Removes a value; `false` if it does not exist.
fn remove(value: &mut Value, path: &[Step]) -> bool {
    let Some((last, parents)) = path.split_last() else {
        return false;
    };
    let parent = parents.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    });
    match (last, parent) {
        (Step::Key(key), Some(Value::Object(fields))) => fields.remove(key).is_some(),
        (Step::Index(index), Some(Value::Array(items))) if *index < items.len() => {
            items.remove(*index);
            true
        }
        _ => false,
    }
}

/// Fields outside the spec belong to the API server, except at the top.
fn is_ours(path: &[Step]) -> bool {
    let Some(Step::Key(first)) = path.first() else {
        return false;
    };
    let bookkeeping = matches!(
        first.as_str(),
        "metadata" | "status" | "apiVersion" | "kind"
    );
    !bookkeeping
}

fn tracked_steps(path: &serde_path_to_error::Path) -> Vec<Step> {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { variant } => Some(Step::Key(variant.clone())),
            Segment::Unknown => None,
        })
        .collect()
}

fn ignored_steps(path: &serde_ignored::Path<'_>) -> Vec<Step> {
    use serde_ignored::Path;
    let (parent, step) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(Step::Index(*index))),
        Path::Map { parent, key } => (parent, Some(Step::Key(key.clone()))),
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => (parent, None),
    };
    let mut steps = ignored_steps(parent);
    steps.extend(step);
    steps
}
