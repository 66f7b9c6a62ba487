//! Decodes a JSON value into a typed resource, and runs the checks of its type.
//!
//! Independent of text and lines: a [`Fault`] has a path, and the reader of the text finds the line.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::check::{Check, Tolerance};
use super::fault::Fault;
use super::kind::{Kind, ObjectKey};
use super::node::KubernetesNode;
use super::problem::{Problem, Severity};
use super::reading::Reading;
use super::set::Resource;

/// The result of decoding a value.
pub(super) struct Decoded {
    /// The resource, unless a fault is an error of the whole object.
    pub(super) resource: Option<Resource>,
    pub(super) faults: Vec<Fault>,
}

/// The key of an object, as far as it can be read from a value that may be invalid otherwise.
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

/// Why an object has no name.
pub(super) fn nameless(value: &Value) -> &'static str {
    match &value["metadata"]["name"] {
        Value::Null | Value::String(_) => "is required",
        Value::Bool(_) | Value::Number(_) => "expected a text; put it in quotes",
        Value::Array(_) | Value::Object(_) => "expected a text",
    }
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
        Kind::BfdConfiguration => typed(kind, value, Resource::BfdConfiguration),
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
        // Faults of the other fields do not matter.
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

/// The value as a Go program would see it: null is absent, and inside `spec` so is an empty string.
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
    /// Builds a resource from an object as an API server or etcd stores it. Returns the resource with warnings, or the errors
    /// that make it unusable; for an unknown kind, neither.
    pub fn from_json(value: &Value) -> (Option<Self>, Vec<Problem>) {
        let text = |name: &str| value[name].as_str().unwrap_or_default();
        match Kind::from_document(text("apiVersion"), text("kind")) {
            Some(kind) => Self::from_json_of(kind, value),
            None => (None, Vec::new()),
        }
    }

    /// The same for an object without a kind, such as an item of a list.
    pub fn from_json_of(kind: Kind, value: &Value) -> (Option<Self>, Vec<Problem>) {
        let Some(key) = key_of(value, kind) else {
            let problem = Problem::error(kind.name(), nameless(value));
            return (None, vec![problem.at_field("metadata.name")]);
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
