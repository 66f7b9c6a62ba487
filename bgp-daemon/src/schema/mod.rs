//! JSON schemas of the documents that a folder takes, for editors and checks: made from the types, with our annotations. And the
//! custom resource definitions of our own group.
//!
//! A schema checks single fields; rules between fields are those of `validate`. Unknown fields are mistakes in Calico's kinds, and
//! are ignored in those of Kubernetes, of which the types have only a part.

mod annotations;
mod definition;
mod tidy;

use serde_json::{Value, json};

use crate::resources::{Kind, schema_of};

/// The meta-schema of all schemas here, the one that editors know best.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The kinds by their names in commands and file names.
pub fn kinds() -> impl Iterator<Item = (String, Kind)> {
    Kind::all().map(|kind| (name_of(kind), kind))
}

fn name_of(kind: Kind) -> String {
    match kind {
        Kind::KubernetesNode => "kubernetesnode".to_owned(),
        kind => kind.name().to_lowercase(),
    }
}

/// The schema of the documents of a kind.
pub fn of_kind(kind: Kind) -> Value {
    let mut schema = documents(kind);
    schema["$schema"] = json!(DRAFT);
    schema
}

/// The schema of documents of any kind: which one, their own fields `apiVersion` and `kind` say.
pub fn of_all() -> Value {
    let choose = |(name, kind): (String, Kind)| {
        let versions = kind.api_versions();
        json!({
            "if": {
                "required": ["apiVersion", "kind"],
                "properties": { "apiVersion": { "enum": versions }, "kind": { "const": kind.name() } },
            },
            "then": { "$ref": format!("#/definitions/{name}") },
        })
    };
    let definitions = kinds().map(|(name, kind)| (name, documents(kind)));
    json!({
        "$schema": DRAFT,
        "title": "A document of bgp-daemon's folder",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "allOf": kinds().map(choose).collect::<Vec<_>>(),
        "definitions": definitions.collect::<serde_json::Map<_, _>>(),
    })
}

/// The custom resource definition of a kind of our own group.
pub fn definition(kind: Kind) -> Value {
    let mut schema = documents(kind);
    definition::of(kind, schema["properties"]["spec"].take())
}

fn documents(kind: Kind) -> Value {
    let mut schema = schema_of(kind);
    tidy::tidy(&mut schema, kind.is_calico());
    schema["title"] = json!(kind.name());
    schema["required"] = json!(["apiVersion", "kind", "metadata"]);
    let fields = &mut schema["properties"];
    fields["apiVersion"] = json!({ "enum": kind.api_versions() });
    fields["kind"] = json!({ "const": kind.name() });
    // What the API server writes, and nobody types.
    if fields.get("status").is_none() {
        fields["status"] = json!(true);
    }
    let metadata = &mut fields["metadata"];
    metadata["required"] = json!(["name"]);
    metadata["properties"]["name"]["minLength"] = json!(1);
    if let Some(known) = annotations::of(kind) {
        metadata["properties"]["annotations"]["properties"] = known;
    }
    schema
}

#[cfg(test)]
mod tests;
