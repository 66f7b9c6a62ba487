//! The metadata of every object, and the structure that most kinds share.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Name, labels and annotations of an object. Everything else in `metadata` is bookkeeping of the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its namespace; empty for kinds without namespaces.
    pub namespace: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Metadata {
    /// In the API group `crd.projectcalico.org` the user's labels and annotations are packed into one annotation. Unpacks them;
    /// an invalid annotation is left unchanged.
    pub(super) fn unpack(&mut self) {
        let Some(packed) = self.annotations.remove(PACKED) else {
            return;
        };
        match serde_json::from_str::<Packed>(&packed) {
            Ok(packed) => {
                self.labels.extend(packed.labels);
                self.annotations.extend(packed.annotations);
            }
            Err(_) => drop(self.annotations.insert(PACKED.into(), packed)),
        }
    }
}

const PACKED: &str = "projectcalico.org/metadata";

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Packed {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// An object that consists of metadata and a spec.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[schemars(bound = "S: JsonSchema + Default")]
pub struct Object<S> {
    /// The metadata.
    #[serde(default)]
    pub metadata: Metadata,
    /// The spec.
    #[serde(
        default = "S::default",
        bound(deserialize = "S: Deserialize<'de> + Default")
    )]
    pub spec: S,
}

impl<S> Object<S> {
    /// Creates an object from its parts.
    pub fn new(metadata: Metadata, spec: S) -> Self {
        Self { metadata, spec }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 1.5.
    #[test]
    fn packed_metadata_is_unpacked() {
        let mut metadata = Metadata {
            annotations: [(
                PACKED,
                r#"{"labels":{"rack":"a"},"annotations":{"x":"y"},"uid":"1"}"#,
            )]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
            ..Metadata::default()
        };
        metadata.unpack();
        assert_eq!(metadata.labels["rack"], "a");
        assert_eq!(metadata.annotations.len(), 1);
        assert_eq!(metadata.annotations["x"], "y");
    }
}
