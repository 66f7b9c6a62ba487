//! Documents of Calico's first API (`apiVersion: v1`, `kind: bgpPeer`), turned into v3 ones.
//!
//! Their kinds begin with a lower-case letter, which distinguishes `node` from the Kubernetes Node.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bgp_core::types::Asn;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::Fault;
use super::kind::Kind;
use super::reading::typed_fields;
use super::scalar;

/// A kind of the first API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OldKind {
    BgpPeer,
    IpPool,
    Node,
    Profile,
}

impl OldKind {
    pub(super) fn from_document(api_version: &str, kind: &str) -> Option<Self> {
        match (api_version, kind) {
            ("v1", "bgpPeer") => Some(Self::BgpPeer),
            ("v1", "ipPool") => Some(Self::IpPool),
            ("v1", "node") => Some(Self::Node),
            ("v1", "profile") => Some(Self::Profile),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BgpPeer => "bgpPeer",
            Self::IpPool => "ipPool",
            Self::Node => "node",
            Self::Profile => "profile",
        }
    }
}

/// The v3 document with the same meaning.
pub(super) fn convert(
    old: OldKind,
    value: &Value,
    faults: &mut Vec<Fault>,
) -> Option<(Kind, Value)> {
    match old {
        OldKind::BgpPeer => Some((
            Kind::BgpPeer,
            bgp_peer(typed_fields(value, faults)?, faults)?,
        )),
        OldKind::IpPool => Some((Kind::IpPool, ip_pool(typed_fields(value, faults)?))),
        OldKind::Node => Some((Kind::Node, node(typed_fields(value, faults)?))),
        OldKind::Profile => Some((Kind::Profile, profile(typed_fields(value, faults)?))),
    }
}

#[derive(Deserialize)]
struct OldBgpPeer {
    metadata: OldBgpPeerMetadata,
    spec: OldBgpPeerSpec,
}

#[derive(Deserialize)]
struct OldBgpPeerMetadata {
    scope: Scope,
    #[serde(default)]
    node: String,
    #[serde(rename = "peerIP", deserialize_with = "scalar::required")]
    peer_ip: IpAddr,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scope {
    Global,
    Node,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldBgpPeerSpec {
    #[serde(deserialize_with = "scalar::required")]
    as_number: Asn,
}

fn bgp_peer(old: OldBgpPeer, faults: &mut Vec<Fault>) -> Option<Value> {
    let address = address_name(old.metadata.peer_ip);
    let node = node_name(&old.metadata.node);
    let (name, node) = match (old.metadata.scope, node.is_empty()) {
        (Scope::Global, true) => (address, None),
        (Scope::Node, false) => (format!("{node}.{address}"), Some(node)),
        (Scope::Global, false) => {
            let reason = "no BGP Peer node name should be specified when scope is global";
            faults.push(Fault::error("metadata.node", reason));
            return None;
        }
        (Scope::Node, true) => {
            faults.push(Fault::error(
                "metadata.node",
                "is required when scope is node",
            ));
            return None;
        }
    };
    Some(document(
        Kind::BgpPeer,
        &name,
        json!({"node": node, "peerIP": old.metadata.peer_ip, "asNumber": old.spec.as_number}),
    ))
}

#[derive(Deserialize)]
struct OldIpPool {
    metadata: OldIpPoolMetadata,
    #[serde(default)]
    spec: OldIpPoolSpec,
}

#[derive(Deserialize)]
struct OldIpPoolMetadata {
    #[serde(deserialize_with = "scalar::required")]
    cidr: IpNet,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct OldIpPoolSpec {
    ipip: OldIpip,
    nat_outgoing: bool,
    disabled: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OldIpip {
    enabled: bool,
    mode: OldIpipMode,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OldIpipMode {
    #[default]
    Always,
    CrossSubnet,
}

fn ip_pool(old: OldIpPool) -> Value {
    let cidr = old.metadata.cidr.trunc();
    let mode = match (old.spec.ipip.enabled, old.spec.ipip.mode) {
        (true, OldIpipMode::CrossSubnet) => "CrossSubnet",
        (true, OldIpipMode::Always) => "Always",
        (false, _) => "Never",
    };
    let name = format!("{}-{}", address_name(cidr.addr()), cidr.prefix_len());
    document(
        Kind::IpPool,
        &name,
        json!({
            "cidr": cidr,
            "ipipMode": mode,
            "natOutgoing": old.spec.nat_outgoing,
            "disabled": old.spec.disabled,
        }),
    )
}

#[derive(Deserialize)]
struct OldNode {
    metadata: OldName,
    #[serde(default)]
    spec: OldNodeSpec,
}

#[derive(Deserialize)]
struct OldName {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OldNodeSpec {
    bgp: Option<OldNodeBgp>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OldNodeBgp {
    #[serde(deserialize_with = "scalar::optional")]
    as_number: Option<Asn>,
    #[serde(rename = "ipv4Address", deserialize_with = "scalar::optional")]
    ipv4_address: Option<Ipv4Net>,
    #[serde(rename = "ipv6Address", deserialize_with = "scalar::optional")]
    ipv6_address: Option<Ipv6Net>,
}

fn node(old: OldNode) -> Value {
    let bgp = old.spec.bgp.map(|bgp| {
        json!({
            "asNumber": bgp.as_number,
            "ipv4Address": bgp.ipv4_address,
            "ipv6Address": bgp.ipv6_address,
        })
    });
    document(
        Kind::Node,
        &node_name(&old.metadata.name),
        json!({"bgp": bgp}),
    )
}

#[derive(Deserialize)]
struct OldProfile {
    metadata: OldProfileMetadata,
    #[serde(default)]
    spec: OldProfileSpec,
}

#[derive(Deserialize)]
struct OldProfileMetadata {
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OldProfileSpec {
    ingress: Vec<Value>,
    egress: Vec<Value>,
}

fn profile(old: OldProfile) -> Value {
    let mut labels = old.metadata.labels;
    labels.extend(
        old.metadata
            .tags
            .into_iter()
            .map(|tag| (tag, String::new())),
    );
    document(
        Kind::Profile,
        &node_name(&old.metadata.name),
        json!({"labelsToApply": labels, "ingress": old.spec.ingress, "egress": old.spec.egress}),
    )
}

fn document(kind: Kind, name: &str, mut spec: Value) -> Value {
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
    }
    json!({
        "apiVersion": kind.api_version(),
        "kind": kind.name(),
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// An address as part of a name: `1-2-3-4`, or eight groups of four hexadecimal digits.
fn address_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.octets().map(|octet| octet.to_string()).join("-"),
        IpAddr::V6(v6) => v6.segments().map(|group| format!("{group:04x}")).join("-"),
    }
}

/// A name that v3 allows: lower case, other characters replaced by `-`, only letters and digits at the ends.
fn node_name(name: &str) -> String {
    let lower = name.to_lowercase();
    let valid = |c: char| match c {
        'a'..='z' | '0'..='9' | '.' | '-' => c,
        _ => '-',
    };
    let name: String = lower.chars().map(valid).collect();
    name.trim_matches(['-', '.']).to_owned()
}
