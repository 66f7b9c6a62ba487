//! Converts Calico's objects between the API server's form and that of Calico's own API. Pure.
//!
//! In the group `crd.projectcalico.org` the user's metadata is packed into one annotation; in `projectcalico.org` the forms are
//! the same.

use serde_json::{Map, Value, json};

use super::client::Group;
use crate::resources::{Kind, OWN_VERSION};

/// The annotation with the user's metadata.
const PACKED: &str = "projectcalico.org/metadata";

/// Fields of `metadata` that Calico's API shows.
const SHOWN: [&str; 5] = [
    "name",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generateName",
];
/// Fields that the user may set.
const OF_USER: [&str; 2] = ["labels", "annotations"];

/// An object of the server, in the form of Calico's API; one of our own group in that of ours.
pub(super) fn shown(kind: Kind, object: &Value) -> Value {
    let held = &object["metadata"];
    let mut metadata: Map<String, Value> = SHOWN
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), held.get(*field)?.clone())))
        .collect();
    let packed = held["annotations"][PACKED].as_str();
    let packed: Value = packed
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    for field in OF_USER {
        let mut all = held[field].as_object().cloned().unwrap_or_default();
        if packed.is_object() {
            all.remove(PACKED);
        }
        all.extend(packed[field].as_object().cloned().unwrap_or_default());
        if !all.is_empty() {
            metadata.insert(field.to_owned(), all.into());
        }
    }
    let mut shown = object.clone();
    if object["apiVersion"] != OWN_VERSION {
        shown["apiVersion"] = kind.api_version().into();
    }
    shown["kind"] = kind.name().into();
    shown["metadata"] = metadata.into();
    shown
}

/// An object of Calico's API in the server's form, with this version if given.
pub(super) fn held(group: Group, object: &Value, version: Option<&str>) -> Value {
    let given = &object["metadata"];
    let mut metadata = json!({"name": given["name"]});
    match group {
        Group::V3 | Group::Own => {
            for field in OF_USER {
                if let Some(value) = given.get(field) {
                    metadata[field] = value.clone();
                }
            }
        }
        Group::Crd => {
            let of_user = OF_USER.iter().filter(|field| !given[**field].is_null());
            let packed: Map<String, Value> = of_user
                .map(|field| ((*field).to_owned(), given[*field].clone()))
                .collect();
            if !packed.is_empty() {
                metadata["annotations"] = json!({PACKED: Value::Object(packed).to_string()});
            }
        }
    }
    if let Some(version) = version {
        metadata["resourceVersion"] = version.into();
    }
    let mut held = object.clone();
    held["apiVersion"] = group.api_version().into();
    held["metadata"] = metadata;
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Value {
        json!({
            "apiVersion": "projectcalico.org/v3", "kind": "BGPPeer",
            "metadata": {"name": "tor", "labels": {"rack": "a"}, "annotations": {"x": "y"}},
            "spec": {"peerIP": "192.0.2.1"},
        })
    }

    /// Promise 1.5.
    #[test]
    fn metadata_of_the_user_is_packed_in_the_older_group() {
        let stored = held(Group::Crd, &peer(), Some("7"));
        assert_eq!(stored["apiVersion"], "crd.projectcalico.org/v1");
        assert_eq!(
            stored["metadata"],
            json!({"name": "tor", "resourceVersion": "7", "annotations": {
                PACKED: r#"{"annotations":{"x":"y"},"labels":{"rack":"a"}}"#}})
        );
        let mut expected = peer();
        expected["metadata"]["resourceVersion"] = "7".into();
        assert_eq!(shown(Kind::BgpPeer, &stored), expected);
    }

    #[test]
    fn metadata_is_as_it_is_in_the_newer_group() {
        let stored = held(Group::V3, &peer(), None);
        assert_eq!(stored, peer());
        assert_eq!(shown(Kind::BgpPeer, &stored), peer());
    }

    #[test]
    fn what_only_the_server_needs_is_not_shown() {
        let mut stored = held(Group::Crd, &peer(), None);
        stored["metadata"]["managedFields"] = json!([]);
        stored["metadata"]["generation"] = 3.into();
        stored["metadata"]["labels"] = json!({"by": "kubectl"});
        let shown = shown(Kind::BgpPeer, &stored);
        assert_eq!(
            shown["metadata"],
            json!({"name": "tor", "labels": {"rack": "a", "by": "kubectl"}, "annotations": {"x": "y"}})
        );
    }
}
