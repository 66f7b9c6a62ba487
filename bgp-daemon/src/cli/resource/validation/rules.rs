//! Rules of Calico's API for the fields of an object that the speaker lacks.

use std::net::IpAddr;

use serde_json::Value;

use super::field::Field;
use super::values::is_set;
use crate::resources::{CommunityValue, Kind, prefix};

/// The rules of a kind other than IPPool.
pub(super) fn check(kind: Kind, name: &str, spec: &Value, fields: &mut Vec<Field>) {
    match kind {
        Kind::BgpPeer => check_peer(spec, fields),
        Kind::BgpConfiguration => check_configuration(name, spec, fields),
        Kind::BgpFilter => check_filter(spec, fields),
        Kind::Node => check_node(spec, fields),
        Kind::CalicoNodeStatus => check_node_status(spec, fields),
        _ => {}
    }
}

pub(super) const MISMATCHED_FAMILIES: &str = "ReachableBy and PeerIP address family mismatched";

/// Rules for a BGPPeer that the speaker lacks.
fn check_peer(spec: &Value, fields: &mut Vec<Field>) {
    let set = |name: &str| is_set(&spec[name]);
    let mut refuse = |reason: &str| fields.push(Field::new("spec", reason));
    if set("peerSelector") && set("asNumber") {
        refuse("asNumber must be empty when peerSelector is set");
    }
    if set("reachableBy") && !set("peerIP") {
        refuse("reachableBy must be empty when peerIP is empty");
    }
    if set("keepOriginalNextHop") && set("nextHopMode") {
        refuse(
            "keepOriginalNextHop and nextHopMode cannot both be set; keepOriginalNextHop is deprecated, use nextHopMode instead",
        );
    }
    let gateway = &spec["reachableBy"];
    if let (Some(peer), Some(via)) = (address(&spec["peerIP"]), address(gateway))
        && peer.is_ipv4() != via.is_ipv4()
    {
        fields.push(Field::new("ReachableBy", MISMATCHED_FAMILIES).with_value(gateway));
    }
}

/// An address with an optional port.
fn address(value: &Value) -> Option<IpAddr> {
    let text = value.as_str()?;
    let with_port = || text.parse().map(|socket: std::net::SocketAddr| socket.ip());
    text.parse().or_else(|_| with_port()).ok()
}

/// Fields that only `BGPConfiguration/default` may have: their keys, and their names in messages.
const DEFAULT_ONLY: [(&str, &str, &str); 7] = [
    (
        "nodeToNodeMeshEnabled",
        "NodeToNodeMeshEnabled",
        "nodeToNodeMeshEnabled",
    ),
    ("asNumber", "ASNumber", "ASNumber"),
    (
        "serviceLoadBalancerIPs",
        "ServiceLoadBalancerIPs",
        "ServiceLoadBalancerIPs",
    ),
    (
        "serviceExternalIPs",
        "ServiceExternalIPs",
        "ServiceExternalIPs",
    ),
    (
        "serviceClusterIPs",
        "ServiceClusterIPs",
        "ServiceClusterIPs",
    ),
    ("nodeMeshPassword", "NodeMeshPassword", "nodeMeshPassword"),
    (
        "nodeMeshMaxRestartTime",
        "NodeMeshMaxRestartTime",
        "nodeMeshMaxRestartTime",
    ),
];

fn check_configuration(name: &str, spec: &Value, fields: &mut Vec<Field>) {
    if spec["nodeToNodeMeshEnabled"] == Value::Bool(false) {
        for key in ["nodeMeshPassword", "nodeMeshMaxRestartTime"] {
            if is_set(&spec[key]) {
                let reason = format!("{key} cannot be set when nodeToNodeMeshEnabled is false");
                fields.push(Field::new("spec", reason));
            }
        }
    }
    check_communities(spec, fields);
    if name == "default" {
        return;
    }
    for (key, field, word) in DEFAULT_ONLY {
        let value = &spec[key];
        // `false` and 0 are settings here; an empty list is not.
        if !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty()) {
            let name = format!("BGPConfiguration.Spec.{field}");
            let reason = format!("Cannot set {word} on a non default BGP Configuration.");
            fields.push(Field::new(name, reason));
        }
    }
}

pub(super) const BAD_COMMUNITY: &str = "invalid community value or format used.";

pub(super) const BAD_CIDR: &str = "invalid CIDR value.";

fn check_communities(spec: &Value, fields: &mut Vec<Field>) {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (communities, advertisements) = (
        list(&spec["communities"]),
        list(&spec["prefixAdvertisements"]),
    );
    if !communities.is_empty() && advertisements.is_empty() {
        let reason = "communities are defined but not used in prefixAdvertisements";
        fields.push(Field::new("spec", reason));
    }
    let is_community = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        text.parse::<CommunityValue>().is_ok()
    };
    for value in communities.iter().map(|community| &community["value"]) {
        if !is_community(value) {
            let field = Field::new("Spec.Communities[].Value", BAD_COMMUNITY);
            fields.push(field.with_value(value));
        }
    }
    for advertisement in &advertisements {
        let cidr = &advertisement["cidr"];
        let text = cidr.as_str().unwrap_or_default();
        if prefix(text).is_none() {
            let field = Field::new("Spec.PrefixAdvertisements[].CIDR", BAD_CIDR);
            fields.push(field.with_value(cidr));
        }
        for used in list(&advertisement["communities"]) {
            let is_defined = communities.iter().any(|known| known["name"] == used);
            if !is_defined && !is_community(&used) {
                let name = "Spec.PrefixAdvertisements[].Communities[]";
                let reason = "community used is invalid or not defined.";
                fields.push(Field::new(name, reason).with_value(&used));
            }
        }
    }
}

/// Most operations of a filter rule.
const MAX_OPERATIONS: usize = 10;

fn check_filter(spec: &Value, fields: &mut Vec<Field>) {
    for list in ["importV4", "importV6", "exportV4", "exportV6"] {
        let rules = spec[list].as_array().map_or(&[][..], Vec::as_slice);
        for (at, rule) in rules.iter().enumerate() {
            let operations = rule["operations"].as_array().map_or(0, Vec::len);
            if operations > MAX_OPERATIONS {
                let reason = format!("expected at most {MAX_OPERATIONS} operations");
                fields.push(Field::new(format!("spec.{list}[{at}].operations"), reason));
            }
        }
    }
}

fn check_node(spec: &Value, fields: &mut Vec<Field>) {
    let bgp = spec["bgp"].as_object();
    if bgp.is_some_and(|bgp| !bgp.values().any(is_set)) {
        fields.push(Field::new("spec.bgp", "must not be empty"));
    }
}

fn check_node_status(spec: &Value, fields: &mut Vec<Field>) {
    let classes = spec["classes"].as_array().map_or(&[][..], Vec::as_slice);
    if classes.is_empty() {
        fields.push(Field::new("spec.classes", "is required"));
    }
    if (1..classes.len()).any(|at| classes[..at].contains(&classes[at])) {
        let field = Field::new("spec.classes", "must not name a class twice");
        fields.push(field.with_value(&spec["classes"]));
    }
    if spec["updatePeriodSeconds"].is_null() {
        fields.push(Field::new("spec.updatePeriodSeconds", "is required"));
    }
}
