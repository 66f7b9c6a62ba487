//! From a JSON value to a typed resource: which type, which field is wrong, which field is not known.
//!
//! Knows nothing of text and lines; a [`Fault`] says at which path something is wrong, and whoever has the text finds
//! the line.

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::fields;
use super::kind::{Kind, ObjectKey};
use super::metadata::Object;
use super::node::KubernetesNode;
use super::problem::{Problem, Severity};
use super::reader::Reader;
use super::set::Resource;
use super::suggest::did_you_mean;
use super::syntax::not_json;

/// How the reason of the warning about a field that is not known here begins.
pub(crate) const UNKNOWN_FIELD: &str = "unknown field";

/// A step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// Something wrong at a path inside an object.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) path: Vec<Step>,
    /// The key is wrong, not the value.
    pub(super) at_key: bool,
    pub(super) reason: String,
    pub(super) severity: Severity,
    /// Nothing but the field, or the entry of a list, is left out.
    pub(super) field_only: bool,
    /// Fields beside this one without which nothing would be wrong with it, or may be.
    depends_on: &'static [&'static str],
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

    /// The field is left out, and the rest of the object used.
    pub(super) fn field_error(field: &str, reason: &str) -> Self {
        Self {
            field_only: true,
            ..Self::error(field, reason)
        }
    }

    /// The object is used all the same.
    pub(super) fn warning(field: &str, reason: &str) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(field, reason)
        }
    }

    /// The same, one key deeper; for keys with dots.
    pub(super) fn below(mut self, key: &str) -> Self {
        self.path.push(Step::Key(key.to_owned()));
        self
    }

    /// The same, and no fault if one of these fields beside it is wrong itself.
    pub(super) fn unless_wrong(mut self, fields: &'static [&'static str]) -> Self {
        self.depends_on = fields;
        self
    }

    /// Only the field, or the entry of a list, is lost; of one that means nothing here, it is a warning.
    fn tolerate(&mut self, unused: &[&str]) {
        self.field_only = true;
        if matches!(self.path.get(1), Some(Step::Key(field)) if unused.contains(&field.as_str())) {
            self.severity = Severity::Warning;
        }
    }

    /// Finds the path in the whole object that is this one in an object without some values.
    fn restore(&mut self, left_out: &[Vec<Step>]) {
        self.path = original(&self.path, left_out);
    }

    /// Whether it may be there only because values were left out: at its own place, or at a field that it depends on.
    fn follows_from(&self, left_out: &[Vec<Step>]) -> bool {
        let (_, around) = self.path.split_last().unwrap_or((&Step::Index(0), &[]));
        let is_needed = |field: &Step| matches!(field, Step::Key(field) if self.depends_on.contains(&field.as_str()));
        left_out.iter().any(|gone| {
            gone.starts_with(&self.path)
                || gone
                    .strip_prefix(around)
                    .is_some_and(|rest| rest.first().is_some_and(is_needed))
        })
    }

    /// The problem of an object that this is.
    pub(super) fn problem(&self, object: impl fmt::Display) -> Problem {
        Problem {
            severity: self.severity,
            field_only: self.field_only,
            ..Problem::error(object, self.reason.as_str()).at_field(self.field())
        }
    }

    /// The path as people write it.
    fn field(&self) -> String {
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

/// What a type demands beyond the types of its fields.
pub(super) trait Check {
    /// What is lost to a value that cannot be read.
    const TOLERANCE: Tolerance = Tolerance::None;

    /// Adds what is wrong.
    fn check(&self, faults: &mut Vec<Fault>);
}

/// How much of an object is lost to a value that cannot be read.
pub(super) enum Tolerance {
    /// All of it: half of what it says would be something else than was meant.
    None,
    /// The field, or the entry of a list: the others stand for themselves.
    PerField {
        /// Fields of `spec` without which the object must not be used.
        vital: &'static [&'static str],
        /// Fields of `spec` that mean nothing to BGP.
        unused: &'static [&'static str],
    },
}

impl<S: Check> Check for Object<S> {
    const TOLERANCE: Tolerance = S::TOLERANCE;

    fn check(&self, faults: &mut Vec<Fault>) {
        self.spec.check(faults);
    }
}

/// What became of a value.
pub(super) struct Decoded {
    /// The resource, unless one of the faults is an error of the whole object.
    pub(super) resource: Option<Resource>,
    pub(super) faults: Vec<Fault>,
}

/// The key of an object, as far as it can be told from a value that may be wrong elsewhere.
pub(crate) fn key_of(value: &Value, kind: Kind) -> Option<ObjectKey> {
    let metadata = &value["metadata"];
    let namespace = match (kind.is_namespaced(), metadata["namespace"].as_str()) {
        (false, _) => "",
        (true, Some(namespace)) if !namespace.is_empty() => namespace,
        (true, _) => "default",
    };
    Some(ObjectKey {
        kind,
        namespace: namespace.to_owned(),
        name: metadata["name"]
            .as_str()
            .filter(|name| !name.is_empty())?
            .to_owned(),
    })
}

/// Decodes an object of a kind.
pub(super) fn decode(kind: Kind, value: &Value) -> Decoded {
    let value = &without_empty(value);
    match kind {
        Kind::BgpConfiguration => typed(kind, value, Resource::BgpConfiguration),
        Kind::BgpPeer => typed(kind, value, Resource::BgpPeer),
        Kind::BgpFilter => typed(kind, value, Resource::BgpFilter),
        Kind::Node => typed(kind, value, Resource::Node),
        Kind::KubernetesNode => kubernetes_node(value),
        Kind::IpPool => typed(kind, value, Resource::IpPool),
        Kind::IpReservation => typed(kind, value, Resource::IpReservation),
        Kind::BlockAffinity => typed(kind, value, Resource::BlockAffinity),
        Kind::IpamBlock => typed(kind, value, Resource::IpamBlock),
        Kind::Service => typed(kind, value, Resource::Service),
        Kind::EndpointSlice => typed(kind, value, Resource::EndpointSlice),
        Kind::Secret => typed(kind, value, Resource::Secret),
        Kind::CalicoNodeStatus => typed(kind, value, Resource::CalicoNodeStatus),
        Kind::Profile => typed(kind, value, Resource::Profile),
    }
}

fn typed<T: DeserializeOwned + Check>(
    kind: Kind,
    value: &Value,
    wrap: fn(T) -> Resource,
) -> Decoded {
    let mut read = Reading::<T>::of(value, kind == Kind::Secret);
    if let Tolerance::PerField { vital, unused } = T::TOLERANCE
        && !read.left_out.is_empty()
    {
        read = read.tolerated(value, vital, unused);
    }
    let Reading {
        object,
        mut faults,
        left_out,
    } = read;
    if !kind.is_calico() || kind == Kind::IpamBlock {
        // Their other fields are none of our business.
        faults.retain(|fault| fault.severity == Severity::Error);
    }
    if let Some(object) = &object {
        let mut found = Vec::new();
        object.check(&mut found);
        found.iter_mut().for_each(|fault| fault.restore(&left_out));
        found.retain(|fault| !fault.follows_from(&left_out));
        faults.append(&mut found);
    }
    finish(object.map(wrap), faults)
}

fn kubernetes_node(value: &Value) -> Decoded {
    let Reading {
        object, mut faults, ..
    } = Reading::<KubernetesNode>::of(value, false);
    faults.retain(|fault| fault.severity == Severity::Error);
    let node = object.map(|node| node.into_node(&mut faults));
    finish(node.map(Resource::KubernetesNode), faults)
}

fn finish(mut resource: Option<Resource>, faults: Vec<Fault>) -> Decoded {
    if let Some(resource) = &mut resource {
        let namespaced = resource.kind().is_namespaced();
        let metadata = resource.metadata_mut();
        metadata.unpack();
        if namespaced && metadata.namespace.is_empty() {
            "default".clone_into(&mut metadata.namespace);
        }
    }
    let broken = faults
        .iter()
        .any(|fault| fault.severity == Severity::Error && !fault.field_only);
    Decoded {
        resource: resource.filter(|_| !broken),
        faults,
    }
}

/// Decodes any type from a value; `None` if a field is wrong. One that is not known is a warning.
pub(super) fn typed_fields<T: DeserializeOwned>(
    value: &Value,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let mut read = Reading::of(value, false);
    faults.append(&mut read.faults);
    read.object.filter(|_| read.left_out.is_empty())
}

/// Reads a text of JSON, such as that of an annotation; fields that are not known do not matter.
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

/// What can be read of a value, and what is wrong with the rest.
struct Reading<T> {
    object: Option<T>,
    faults: Vec<Fault>,
    /// Where values were that are not in the object.
    left_out: Vec<Vec<Step>>,
}

/// So many wrong values are told of one object, so that thousands of them cost no more than a few.
const MAX_WRONG_VALUES: usize = 100;

impl<T: DeserializeOwned> Reading<T> {
    /// Finds every wrong value: each one is left out, and the rest read again.
    fn of(value: &Value, is_secret: bool) -> Self {
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
            // A field that is missing because it was wrong has been told.
            if !read.left_out.contains(&wrong.path) {
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

    /// The same, where wrong values cost no more than the field, or entry of a list, that they are in.
    fn tolerated(mut self, value: &Value, vital: &[&str], unused: &[&str]) -> Self {
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
        // What is beyond the number of values that are told one by one.
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

/// Reads a value; returns it with its unknown fields, or the first value that is wrong.
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

/// How many steps lead to what is taken out because of a wrong value: to the entry of a list around it, or to the field of
/// `spec`, or to the label or annotation.
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

/// Takes a value out; `false` if it is not there.
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

/// The path that led to a value before others were taken out of the lists on the way.
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

/// Fields beside the specification belong to the API server, except at the top.
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

/// The value as a Go program would see it: null is absent, and inside `spec` so is empty text.
fn without_empty(value: &Value) -> Value {
    let mut value = prune(value, false);
    if let Value::Object(object) = &mut value
        && let Some(spec) = object.get_mut("spec")
    {
        *spec = prune(spec, true);
    }
    value
}

fn prune(value: &Value, empty_text: bool) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.iter().filter(|(_, field)| {
                !(field.is_null() || empty_text && field.as_str() == Some(""))
            });
            Value::Object(
                kept.map(|(key, field)| (key.clone(), prune(field, empty_text)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => items.iter().map(|item| prune(item, empty_text)).collect(),
        other => other.clone(),
    }
}

impl Resource {
    /// Builds a resource from an object as an API server or etcd holds it. Returns it with warnings, or the errors
    /// because of which it must be left out; of a kind that is not known here, neither.
    pub fn from_json(value: &Value) -> (Option<Self>, Vec<Problem>) {
        let text = |name: &str| value[name].as_str().unwrap_or_default();
        match Kind::from_document(text("apiVersion"), text("kind")) {
            Some(kind) => Self::from_json_of(kind, value),
            None => (None, Vec::new()),
        }
    }

    /// The same for an object that does not say its kind, such as an item of a list.
    pub fn from_json_of(kind: Kind, value: &Value) -> (Option<Self>, Vec<Problem>) {
        let Some(key) = key_of(value, kind) else {
            let problem = Problem::error(kind.name(), "metadata.name is required");
            return (None, vec![problem]);
        };
        let decoded = decode(kind, value);
        let problems = decoded
            .faults
            .iter()
            .map(|fault| fault.problem(&key))
            .collect();
        (decoded.resource, problems)
    }
}
