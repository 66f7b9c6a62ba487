//! Converts keys and values of etcd to objects of Calico's v3 API, and back. Pure.
//!
//! | key                                                  | value                     |
//! |------------------------------------------------------|---------------------------|
//! | `/calico/resources/v3/projectcalico.org/PLURAL/NAME` | the object                |
//! | `/calico/ipam/v2/host/NODE/ipv4/block/10.0.0.0-26`   | the state of the claim    |
//! | `/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26`  | the block; both also IPv6 |

use ipnet::IpNet;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::api::KeyValue;
use crate::resources::{Kind, ObjectKey, not_json};

const RESOURCES: &str = "/calico/resources/v3/projectcalico.org/";
const AFFINITIES: &str = "/calico/ipam/v2/host/";
const BLOCKS: &str = "/calico/ipam/v2/assignment/";

/// Longest name of an object, octets.
const MAX_NAME: usize = 253;
/// Length of the hash that replaces the rest of a longer name.
const HASH_DIGITS: usize = 16;

/// The key prefix of a kind; for kinds stored per node, optionally that of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyPrefix {
    pub(super) kind: Kind,
    /// The prefix of all keys.
    pub(super) prefix: String,
}

/// An invalid value of a key that names an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadValue {
    pub(super) key: ObjectKey,
    pub(super) reason: String,
}

impl KeyPrefix {
    /// `None` if etcd has no objects of this kind.
    pub(super) fn of(kind: Kind) -> Option<Self> {
        let prefix = match kind {
            Kind::BlockAffinity => AFFINITIES.to_owned(),
            Kind::IpamBlock => BLOCKS.to_owned(),
            kind if kind.is_calico() => format!("{RESOURCES}{}/", kind.plural()),
            _ => return None,
        };
        Some(Self { kind, prefix })
    }

    /// As [`Self::of`], restricted to the claims of one node.
    pub(super) fn of_node(kind: Kind, node: &str) -> Option<Self> {
        let mut place = Self::of(kind)?;
        if kind == Kind::BlockAffinity {
            place.prefix += &format!("{node}/");
        }
        Some(place)
    }

    /// The first key after all with the prefix.
    pub(super) fn end(&self) -> Vec<u8> {
        let mut end = self.prefix.clone().into_bytes();
        // The prefix ends with a slash, so there is no carry.
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        end
    }

    /// The object that a key names; `None` for other keys.
    pub(super) fn object_key(&self, key: &[u8]) -> Option<ObjectKey> {
        self.meaning(key).map(|meaning| meaning.key)
    }

    /// The object of a key, with its version; `None` for other keys.
    pub(super) fn object(&self, entry: &KeyValue) -> Option<Result<Value, BadValue>> {
        let Meaning { key, subject } = self.meaning(&entry.key)?;
        let name = key.name.clone();
        let object = match subject {
            Subject::Resource => resource(self.kind, &name, &entry.value),
            Subject::Affinity { node, cidr } => affinity(&node, cidr, &entry.value),
            Subject::Block(cidr) => block(cidr, &entry.value),
        };
        let version = entry.mod_revision;
        Some(match object {
            Ok(object) => Ok(complete(self.kind, object, &name, version)),
            Err(reason) => {
                let at = String::from_utf8_lossy(&entry.key);
                let reason = format!("the value of {at} {reason}");
                Err(BadValue { key, reason })
            }
        })
    }

    fn meaning(&self, key: &[u8]) -> Option<Meaning> {
        let key = str::from_utf8(key).ok()?;
        if !key.starts_with(&self.prefix) {
            return None;
        }
        let (name, subject) = match self.kind {
            Kind::BlockAffinity => {
                let (node, rest) = key.strip_prefix(AFFINITIES)?.split_once('/')?;
                let cidr = cidr(rest)?;
                let name = affinity_name(node, cidr);
                let node = node.to_owned();
                (name, Subject::Affinity { node, cidr })
            }
            Kind::IpamBlock => {
                let cidr = cidr(key.strip_prefix(BLOCKS)?)?;
                (dashed(&cidr.to_string()), Subject::Block(cidr))
            }
            _ => {
                let name = key.strip_prefix(&self.prefix)?;
                let is_name = !name.is_empty() && !name.contains('/');
                is_name.then(|| (name.to_owned(), Subject::Resource))?
            }
        };
        Some(Meaning {
            key: ObjectKey::cluster(self.kind, name),
            subject,
        })
    }
}

/// The parts of a key.
struct Meaning {
    key: ObjectKey,
    subject: Subject,
}

enum Subject {
    Resource,
    Affinity { node: String, cidr: IpNet },
    Block(IpNet),
}

/// The etcd key of an object that is stored unchanged; `None` if its kind is not, or if the name is invalid.
pub(super) fn resource_key(key: &ObjectKey) -> Option<String> {
    if matches!(key.kind, Kind::BlockAffinity | Kind::IpamBlock) || key.name.contains('/') {
        return None;
    }
    let place = KeyPrefix::of(key.kind)?;
    Some(format!("{}{}", place.prefix, key.name))
}

/// The stored form of an object, without its version and empty fields.
pub(super) fn stored(key: &ObjectKey, object: &Value) -> Vec<u8> {
    let mut object = object.clone();
    name(key.kind, &mut object, &key.name);
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
        metadata.retain(|_, field| !field.is_null());
    }
    object.to_string().into_bytes()
}

/// The object with its name, which comes from the key, and its version.
pub(super) fn complete(kind: Kind, mut object: Value, object_name: &str, version: i64) -> Value {
    name(kind, &mut object, object_name);
    object["metadata"]["resourceVersion"] = version.to_string().into();
    object
}

fn name(kind: Kind, object: &mut Value, name: &str) {
    object["apiVersion"] = kind.api_version().into();
    object["kind"] = kind.name().into();
    if !object["metadata"].is_object() {
        object["metadata"] = Value::Object(Map::new());
    }
    object["metadata"]["name"] = name.into();
}

fn resource(kind: Kind, name: &str, value: &[u8]) -> Result<Value, String> {
    let object: Value = serde_json::from_slice(value).map_err(|error| not_json(&error))?;
    match object {
        Value::Object(_) => Ok(object),
        _ => Err(format!(
            "is no object, where {} {name} should be",
            kind.name()
        )),
    }
}

fn affinity(node: &str, cidr: IpNet, value: &[u8]) -> Result<Value, String> {
    // Older versions wrote an empty value for a confirmed claim.
    let claim: Value = match value.trim_ascii() {
        [] => json!({}),
        value => serde_json::from_slice(value).map_err(|error| not_json(&error))?,
    };
    if !claim.is_object() {
        return Err("is no object, where a claim should be".to_owned());
    }
    let or = |field: &str, default: Value| match &claim[field] {
        Value::Null => default,
        given => given.clone(),
    };
    Ok(json!({"spec": {
        "state": or("state", "confirmed".into()),
        "node": node,
        "type": "host",
        "cidr": cidr,
        "deleted": or("deleted", false.into()),
    }}))
}

fn block(cidr: IpNet, value: &[u8]) -> Result<Value, String> {
    let mut spec: Value = serde_json::from_slice(value).map_err(|error| not_json(&error))?;
    if !spec.is_object() {
        return Err("is no object, where a block should be".to_owned());
    }
    spec["cidr"] = cidr.to_string().into();
    Ok(json!({ "spec": spec }))
}

/// Parses `ipv4/block/10.0.0.0-26`, or the same for IPv6.
fn cidr(text: &str) -> Option<IpNet> {
    let text = match text.strip_prefix("ipv4/block/") {
        Some(text) => text,
        None => text.strip_prefix("ipv6/block/")?,
    };
    let (address, length) = text.rsplit_once('-')?;
    format!("{address}/{length}").parse().ok()
}

/// Calico's name of a claim in Kubernetes: the node, and the block with dashes.
fn affinity_name(node: &str, cidr: IpNet) -> String {
    let name = format!("{node}-{}", dashed(&cidr.to_string()));
    if name.len() <= MAX_NAME {
        return name;
    }
    let hash: String = Sha256::digest(name.as_bytes())
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .take(HASH_DIGITS / 2)
        .collect();
    let kept: String = name.chars().take(MAX_NAME - HASH_DIGITS - 1).collect();
    format!("{kept}-{hash}")
}

fn dashed(cidr: &str) -> String {
    cidr.replace(['.', ':', '/'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Resource;

    fn entry(key: &str, value: &str) -> KeyValue {
        KeyValue {
            key: key.into(),
            mod_revision: 7,
            value: value.into(),
        }
    }

    fn place(kind: Kind) -> KeyPrefix {
        KeyPrefix::of(kind).expect("etcd holds them")
    }

    fn object(kind: Kind, key: &str, value: &str) -> Value {
        let object = place(kind).object(&entry(key, value));
        object.expect("it is one").expect("it is right")
    }

    /// Promise 19.1.
    #[test]
    fn a_resource_has_the_name_of_its_key() {
        let key = "/calico/resources/v3/projectcalico.org/bgppeers/tor";
        let value = r#"{"kind": "BGPPeer", "metadata": {"name": "other", "uid": "u"}, "spec": {"asNumber": 65001}}"#;
        assert_eq!(
            object(Kind::BgpPeer, key, value),
            json!({
                "apiVersion": "projectcalico.org/v3",
                "kind": "BGPPeer",
                "metadata": {"name": "tor", "uid": "u", "resourceVersion": "7"},
                "spec": {"asNumber": 65001},
            })
        );
    }

    /// Promise 19.1.
    #[test]
    fn other_keys_are_no_objects() {
        for (kind, key) in [
            (
                Kind::BgpPeer,
                "/calico/resources/v3/projectcalico.org/bgppeers/",
            ),
            (
                Kind::BgpPeer,
                "/calico/resources/v3/projectcalico.org/bgppeers/a/b",
            ),
            (
                Kind::BgpPeer,
                "/calico/resources/v3/projectcalico.org/nodes/a",
            ),
            (
                Kind::BlockAffinity,
                "/calico/ipam/v2/host/a/ipv4/block/nonsense",
            ),
            (Kind::BlockAffinity, "/calico/ipam/v2/host/a"),
            (
                Kind::BlockAffinity,
                "/calico/ipam/v2/virtual/lb/ipv4/block/10.0.0.0-26",
            ),
            (
                Kind::IpamBlock,
                "/calico/ipam/v2/assignment/ipv4/block/10.0.0.0",
            ),
        ] {
            assert_eq!(place(kind).object(&entry(key, "{}")), None, "{key}");
        }
        assert_eq!(KeyPrefix::of(Kind::Service), None);
        assert_eq!(KeyPrefix::of(Kind::KubernetesNode), None);
    }

    /// Promise 19.2.
    #[test]
    fn claims_become_block_affinities() {
        let of = |key: &str, value: &str| {
            let object = object(Kind::BlockAffinity, key, value);
            (object["metadata"]["name"].clone(), object["spec"].clone())
        };
        let (name, spec) = of("/calico/ipam/v2/host/node1/ipv4/block/10.244.1.0-26", "");
        assert_eq!(name, "node1-10-244-1-0-26");
        let confirmed = json!({"state": "confirmed", "node": "node1", "type": "host",
                               "cidr": "10.244.1.0/26", "deleted": false});
        assert_eq!(spec, confirmed);
        let (name, spec) = of(
            "/calico/ipam/v2/host/node1/ipv6/block/fd10:244::-122",
            r#"{"state": "pendingDeletion", "deleted": true}"#,
        );
        assert_eq!(name, "node1-fd10-244---122");
        assert_eq!(spec["cidr"], "fd10:244::/122");
        assert_eq!(
            (&spec["state"], &spec["deleted"]),
            (&json!("pendingDeletion"), &json!(true))
        );
    }

    /// Promise 19.2.
    #[test]
    fn only_the_claims_of_one_node_are_asked_for() {
        let own = KeyPrefix::of_node(Kind::BlockAffinity, "node1").expect("etcd holds them");
        assert_eq!(own.prefix, "/calico/ipam/v2/host/node1/");
        assert_eq!(own.end(), b"/calico/ipam/v2/host/node10");
        let key = |node: &str| format!("/calico/ipam/v2/host/{node}/ipv4/block/10.0.0.0-26");
        assert!(own.object_key(key("node1").as_bytes()).is_some());
        assert!(own.object_key(key("node10").as_bytes()).is_none());
    }

    /// Promise 19.3.
    #[test]
    fn a_value_that_is_no_object_is_the_problem_of_its_key() {
        for value in [&b"\xff\xfe"[..], b"", b"[]", b"{\"spec\": "] {
            let key = "/calico/resources/v3/projectcalico.org/bgppeers/tor";
            let entry = KeyValue {
                value: value.to_vec(),
                ..entry(key, "")
            };
            let object = place(Kind::BgpPeer)
                .object(&entry)
                .expect("a key of a peer");
            let bad = object.expect_err("it is no object");
            assert_eq!(bad.key, ObjectKey::cluster(Kind::BgpPeer, "tor"));
            assert!(bad.reason.contains(key), "{}", bad.reason);
        }
    }

    #[test]
    fn blocks_are_read_as_ipam_writes_them() {
        let key = "/calico/ipam/v2/assignment/ipv4/block/10.244.1.0-26";
        let value = r#"{"cidr": "10.244.1.0/26", "affinity": "host:node1", "allocations": [0, null],
                        "attributes": [{"handle_id": "h", "secondary": {"pod": "p"}}]}"#;
        let object = object(Kind::IpamBlock, key, value);
        assert_eq!(object["metadata"]["name"], "10-244-1-0-26");
        let (resource, problems) = Resource::from_json(&object);
        assert!(
            matches!(resource, Some(Resource::IpamBlock(_))),
            "{problems:?}"
        );
    }

    /// Promise 19.4.
    #[test]
    fn the_version_is_never_stored() {
        let key = ObjectKey::cluster(Kind::BgpPeer, "tor");
        let object = json!({"metadata": {"name": "tor", "uid": "u", "resourceVersion": "7", "labels": null}, "spec": {}});
        let stored: Value = serde_json::from_slice(&stored(&key, &object)).expect("JSON");
        assert_eq!(stored["metadata"], json!({"name": "tor", "uid": "u"}));
        assert_eq!(stored["kind"], "BGPPeer");
    }

    #[test]
    fn long_names_stay_apart() {
        let (node, cidr) = ("n".repeat(250), ["10.0.0.0/26", "10.0.0.64/26"]);
        let names = cidr.map(|cidr| affinity_name(&node, cidr.parse().expect("a block")));
        assert!(names.iter().all(|name| name.len() == MAX_NAME));
        assert_ne!(names[0], names[1]);
    }
}
