//! Custom resource definitions of our own group's kinds, made from the same types as the JSON schemas.
//!
//! The API server wants structural schemas: one type for each value, no `const`, no closed objects (it drops unknown fields by
//! itself). What is lost by that is checked when the objects are read.

use serde_json::{Map, Value, json};

use crate::resources::{Kind, OWN_VERSION};

/// The definition of a kind of our own group, from the JSON schema of its spec.
pub(super) fn of(kind: Kind, mut spec: Value) -> Value {
    let (group, version) = OWN_VERSION.split_once('/').expect("a constant with both");
    let (name, plural) = (kind.name(), kind.plural());
    make_structural(&mut spec);
    let description = format!(
        "The kind {name} of Calico's API, in the group for clusters without Calico: the same fields with the same meaning."
    );
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": { "kind": name, "listKind": format!("{name}List"), "plural": plural, "singular": name.to_lowercase() },
            "versions": [{
                "name": version,
                "served": true,
                "storage": true,
                "additionalPrinterColumns": columns(kind),
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "description": description,
                    "properties": { "spec": spec },
                }},
            }],
        },
    })
}

/// The columns of `kubectl get`.
fn columns(kind: Kind) -> Vec<Value> {
    let columns: &[(&str, &str, &str)] = match kind {
        Kind::BgpPeer => &[
            ("Peer", "string", ".spec.peerIP"),
            ("AS", "string", ".spec.asNumber"),
            ("Nodes", "string", ".spec.nodeSelector"),
            ("Peers", "string", ".spec.peerSelector"),
        ],
        Kind::BgpConfiguration => &[
            ("AS", "string", ".spec.asNumber"),
            ("Mesh", "boolean", ".spec.nodeToNodeMeshEnabled"),
        ],
        _ => &[],
    };
    let age = ("Age", "date", ".metadata.creationTimestamp");
    let columns = columns.iter().chain([&age]);
    let column = |(name, kind, path): &(&str, &str, &str)| json!({ "name": name, "type": kind, "jsonPath": path });
    columns.map(column).collect()
}

/// Formats that the API server knows.
const FORMATS: [&str; 5] = ["int32", "int64", "date-time", "ipv4", "ipv6"];

fn make_structural(schema: &mut Value) {
    let Value::Object(fields) = schema else {
        return;
    };
    fields.remove("title");
    fields.remove("additionalProperties");
    // Alternatives of formats: the type is beside them.
    fields.remove("anyOf");
    if fields.get("type").is_some_and(Value::is_array) {
        fields.remove("type");
        fields.insert("x-kubernetes-int-or-string".to_owned(), true.into());
    }
    let format = fields.get("format").and_then(Value::as_str);
    if format.is_some_and(|format| !FORMATS.contains(&format)) {
        fields.remove("format");
    }
    if let Some(Value::Array(choices)) = fields.remove("oneOf") {
        fields.extend(one_of(choices));
    }
    if let Some(Value::Object(below)) = fields.get_mut("properties") {
        below.values_mut().for_each(make_structural);
    }
    if let Some(items) = fields.get_mut("items") {
        make_structural(items);
    }
}

/// A choice of words, or of objects with one field each.
fn one_of(choices: Vec<Value>) -> Map<String, Value> {
    let words: Vec<&Value> = choices.iter().filter_map(|it| it.get("const")).collect();
    if words.len() == choices.len() {
        return Map::from_iter([
            ("type".to_owned(), "string".into()),
            ("enum".to_owned(), json!(words)),
        ]);
    }
    let mut properties = Map::new();
    for mut choice in choices {
        let description = choice["description"].take();
        if let Some(Value::Object(own)) = choice.get_mut("properties").map(Value::take) {
            for (name, mut schema) in own {
                schema["description"] = description.clone();
                properties.insert(name, schema);
            }
        }
    }
    Map::from_iter([
        ("type".to_owned(), "object".into()),
        ("properties".to_owned(), properties.into()),
        ("minProperties".to_owned(), 1.into()),
        ("maxProperties".to_owned(), 1.into()),
    ])
}
