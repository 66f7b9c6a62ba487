//! What an object must be before it is written, with the messages of Calico's API.
//!
//! The speaker is laxer: it uses whatever makes sense. Here the rules of the API hold, and what the speaker would leave out
//! is refused too.

mod forms;
mod pool;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde_json::Value;

use super::go_value;
use super::manifest::Given;
use crate::datastore::store::{Store, StoreError};
use crate::resources::{CommunityValue, Kind, NO_AS, Problem, Resource, Severity, prefix};

/// Fields that are wrong, in calicoctl's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Invalid(Vec<Field>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: String,
    value: Option<String>,
    reason: String,
}

impl Field {
    fn new(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: None,
            reason: reason.into(),
        }
    }

    fn with_value(mut self, value: &Value) -> Self {
        self.value = Some(go_value::text(value));
        self
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(value) = &self.value {
            write!(f, " = '{value}'")?;
        }
        write!(f, " ({})", self.reason)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [field] = &self.0[..] {
            return write!(f, "error with field {field}");
        }
        writeln!(f, "error with the following fields:")?;
        self.0
            .iter()
            .try_for_each(|field| writeln!(f, "-  {field}"))
    }
}

impl std::error::Error for Invalid {}

/// What a request must or must not say of an object's bookkeeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Request {
    Create,
    Update,
}

/// Checks an object by itself.
pub(in crate::cli) fn check(given: &Given, request: Request) -> Result<(), Invalid> {
    check_name(given, request)?;
    let mut fields = api_fields(given);
    for field in speaker_fields(given) {
        if !fields.iter().any(|known| replaces(known, &field)) {
            fields.push(field);
        }
    }
    finish(fields)
}

/// What the API refuses of an object and the speaker does not, or not in the same place.
pub(in crate::cli) fn rules_of_the_api(given: &Given) -> Vec<String> {
    if let Err(invalid) = check_name(given, Request::Create) {
        return vec![invalid.to_string()];
    }
    let told = speaker_fields(given);
    let fields = api_fields(given).into_iter();
    let own = fields.filter(|api| !told.iter().any(|own| replaces(api, own)));
    own.map(|field| field.to_string()).collect()
}

fn api_fields(given: &Given) -> Vec<Field> {
    let mut fields = Vec::new();
    let spec = &given.value["spec"];
    match given.kind {
        Kind::BgpPeer => check_peer(spec, &mut fields),
        Kind::BgpConfiguration => check_configuration(&given.name, spec, &mut fields),
        Kind::IpPool => pool::check(spec, &mut fields),
        Kind::BgpFilter => check_filter(spec, &mut fields),
        Kind::Node => check_node(spec, &mut fields),
        Kind::CalicoNodeStatus => check_node_status(spec, &mut fields),
        _ => {}
    }
    forms::check_metadata(&given.value["metadata"], &mut fields);
    forms::check(given.kind, spec, &mut fields);
    fields
}

/// What the speaker would leave out.
fn speaker_fields(given: &Given) -> Vec<Field> {
    let (_, problems) = Resource::from_json_of(given.kind, &given.value);
    let errors = problems
        .iter()
        .filter(|p| p.severity == Severity::Error || p.field_only)
        .filter(|p| !OWN_RULES.contains(&p.reason.as_str()));
    errors.map(field_of).collect()
}

/// Checks an object beside the others of the datastore.
pub(in crate::cli) fn check_references(
    store: &dyn Store,
    given: &Given,
) -> Result<Result<(), Invalid>, StoreError> {
    if given.kind == Kind::IpPool {
        return pool::check_beside(store, given);
    }
    let filters = &given.value["spec"]["filters"];
    let names = match (given.kind, filters.as_array()) {
        (Kind::BgpPeer, Some(names)) if !names.is_empty() => names,
        _ => return Ok(Ok(())),
    };
    let filters = store.list(Kind::BgpFilter)?;
    let known: BTreeSet<_> = filters
        .iter()
        .filter_map(|filter| filter["metadata"]["name"].as_str())
        .collect();
    let missing: Vec<_> = names
        .iter()
        .filter(|name| name.as_str().is_none_or(|name| !known.contains(name)))
        .cloned()
        .collect();
    let field = Field::new("BGPPeer.Spec.Filters", "BGPFilter(s) not found");
    Ok(match missing.is_empty() {
        true => Ok(()),
        false => Err(Invalid(vec![field.with_value(&Value::Array(missing))])),
    })
}

/// Checks what may not change when an object takes the place of another.
pub(in crate::cli) fn check_change(given: &Given, stored: &Value) -> Result<(), Invalid> {
    match given.kind {
        Kind::IpPool => pool::check_change(&stored["spec"], &given.value["spec"]),
        _ => Ok(()),
    }
}

/// A new object has no version yet.
pub(in crate::cli) fn check_no_version(given: &Given) -> Result<(), Invalid> {
    let version = &given.value["metadata"]["resourceVersion"];
    match version.as_str() {
        None | Some("") => Ok(()),
        Some(_) => {
            let reason = "field must not be set for a Create request";
            let field = Field::new("Metadata.ResourceVersion", reason);
            Err(Invalid(vec![field.with_value(version)]))
        }
    }
}

fn finish(fields: Vec<Field>) -> Result<(), Invalid> {
    match fields.is_empty() {
        true => Ok(()),
        false => Err(Invalid(fields)),
    }
}

fn check_name(given: &Given, request: Request) -> Result<(), Invalid> {
    let name = &given.name;
    let reason = match (name.is_empty(), request) {
        (true, Request::Create) => "field must be set for a Create request",
        (true, Request::Update) => "field must be set for an Update request",
        (false, _) if is_subdomain(name) => return Ok(()),
        (false, _) => {
            "name must consist of at most 253 lower case alphanumeric characters, '-' or '.', \
             and each of its labels must start and end with an alphanumeric character"
        }
    };
    let field = Field::new("Metadata.Name", reason).with_value(&name.as_str().into());
    Err(Invalid(vec![field]))
}

/// A DNS subdomain as Kubernetes wants it (RFC 1123).
fn is_subdomain(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Whether a field says something; for the API, empty text and zero are as good as nothing.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_u64() != Some(0),
        Value::String(text) => !text.is_empty() && text != "0",
        Value::Array(items) => !items.is_empty(),
        Value::Object(_) => true,
    }
}

const MISMATCHED_FAMILIES: &str = "ReachableBy and PeerIP address family mismatched";

/// The rules of a BGPPeer that the speaker does not need.
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

/// An address, perhaps with a port.
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
        // `false` and 0 are settings here; an empty list is none.
        if !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty()) {
            let name = format!("BGPConfiguration.Spec.{field}");
            let reason = format!("Cannot set {word} on a non default BGP Configuration.");
            fields.push(Field::new(name, reason));
        }
    }
}

const BAD_COMMUNITY: &str = "invalid community value or format used.";
const BAD_CIDR: &str = "invalid CIDR value.";

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

/// What a rule of a filter may do with a route before it is accepted.
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

/// Rules of the speaker that the API does not have.
const OWN_RULES: [&str; 1] = [NO_AS];

/// Rules of the API that the speaker has too. There they stand at a field, in the API at the object that has it.
const RULES: [&str; 8] = [
    "node and nodeSelector cannot both be set",
    "peerIP and peerSelector cannot both be set",
    "peerIP must be empty when localWorkloadSelector is set",
    "peerSelector must be empty when localWorkloadSelector is set",
    "asNumber is required when localWorkloadSelector is set",
    "cidr and matchOperator must both be set or both be empty",
    "cidr is required when prefixLength is set",
    "operations may only be used with action Accept",
];

fn field_of(problem: &Problem) -> Field {
    let path = problem.field.as_deref().unwrap_or("spec");
    let is_rule = RULES.contains(&problem.reason.as_str());
    let name = match path.rsplit_once('.') {
        Some((object, _)) if is_rule && !path.ends_with(']') => object,
        _ => path,
    };
    Field::new(name, problem.reason.as_str())
}

/// Whether a field in the API's words says what the speaker says in its own.
fn replaces(api: &Field, own: &Field) -> bool {
    match api.reason.as_str() {
        MISMATCHED_FAMILIES => own.name == "spec.reachableBy",
        BAD_COMMUNITY => own.name.starts_with("spec.communities"),
        BAD_CIDR => own.name.starts_with("spec.prefixAdvertisements"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(kind: Kind, name: &str, spec: Value) -> String {
        let value = json!({
            "apiVersion": kind.api_version(),
            "kind": kind.name(),
            "metadata": {"name": name},
            "spec": spec,
        });
        let given = Given::from_value(kind, value).expect("its fields are known");
        match check(&given, Request::Create) {
            Ok(()) => String::new(),
            Err(invalid) => invalid.to_string(),
        }
    }

    /// Promise 17.6.
    #[test]
    fn peers_by_the_rules_of_the_api() {
        #[rustfmt::skip]
        let cases = [
            (json!({"peerIP": "192.0.2.1", "asNumber": 64512}), ""),
            (json!({"peerSelector": "has(rr)"}), ""),
            (json!({"peerIP": "192.0.2.1"}), ""),
            (json!({"peerIP": "192.0.2.1", "asNumber": 0}), ""),
            (json!({"node": "a", "nodeSelector": "all()", "peerSelector": "all()"}), "spec (node and nodeSelector cannot both be set)"),
            (json!({"peerIP": "192.0.2.1", "asNumber": 1, "peerSelector": "all()"}), "the following fields:\n-  spec (asNumber must be empty when peerSelector is set)\n-  spec (peerIP and peerSelector cannot both be set)\n"),
            (json!({"peerSelector": "all()", "asNumber": "1.10"}), "spec (asNumber must be empty when peerSelector is set)"),
            (json!({"peerIP": "192.0.2.1", "localWorkloadSelector": "all()", "asNumber": 1}), "spec (peerIP must be empty when localWorkloadSelector is set)"),
            (json!({"peerSelector": "all()", "localWorkloadSelector": "all()"}), "the following fields:\n-  spec (peerSelector must be empty when localWorkloadSelector is set)\n-  spec (asNumber is required when localWorkloadSelector is set)\n"),
            (json!({"peerSelector": "all()", "reachableBy": "192.0.2.1"}), "spec (reachableBy must be empty when peerIP is empty)"),
            (json!({"peerSelector": "all()", "keepOriginalNextHop": true, "nextHopMode": "Keep"}), "spec (keepOriginalNextHop and nextHopMode cannot both be set; keepOriginalNextHop is deprecated, use nextHopMode instead)"),
            (json!({"peerIP": "[fd00::1]:1790", "asNumber": 1, "reachableBy": "192.0.2.1"}), "ReachableBy = '192.0.2.1' (ReachableBy and PeerIP address family mismatched)"),
            (json!({"peerIP": "10.0.0.300", "asNumber": 1}), "spec.peerIP (expected an address, or an address and a port as 10.0.0.1:1790 or [fd00::1]:1790, found \"10.0.0.300\")"),
        ];
        for (spec, expected) in cases {
            let expected = match expected {
                "" => String::new(),
                text if text.starts_with("the") => format!("error with {text}"),
                text => format!("error with field {text}"),
            };
            assert_eq!(said(Kind::BgpPeer, "tor", spec), expected);
        }
    }

    /// Promise 17.6.
    #[test]
    fn configurations_by_the_rules_of_the_api() {
        #[rustfmt::skip]
        let cases = [
            ("default", json!({"asNumber": 64512, "nodeToNodeMeshEnabled": false}), ""),
            ("node.a", json!({"logSeverityScreen": "Debug", "serviceClusterIPs": []}), ""),
            ("node.a", json!({"asNumber": 64512}), "BGPConfiguration.Spec.ASNumber (Cannot set ASNumber on a non default BGP Configuration.)"),
            ("node.a", json!({"nodeToNodeMeshEnabled": false}), "BGPConfiguration.Spec.NodeToNodeMeshEnabled (Cannot set nodeToNodeMeshEnabled on a non default BGP Configuration.)"),
            ("node.a", json!({"nodeMeshMaxRestartTime": "2m"}), "BGPConfiguration.Spec.NodeMeshMaxRestartTime (Cannot set nodeMeshMaxRestartTime on a non default BGP Configuration.)"),
            ("default", json!({"nodeToNodeMeshEnabled": false, "nodeMeshPassword": {"secretKeyRef": {"name": "a", "key": "b"}}}), "spec (nodeMeshPassword cannot be set when nodeToNodeMeshEnabled is false)"),
            ("default", json!({"communities": [{"name": "a", "value": "1:2"}]}), "spec (communities are defined but not used in prefixAdvertisements)"),
            ("default", json!({"communities": [{"name": "a", "value": "1:70000"}], "prefixAdvertisements": [{"cidr": "10.0.0.0/8", "communities": ["a"]}]}), "Spec.Communities[].Value = '1:70000' (invalid community value or format used.)"),
            ("default", json!({"programClusterRoutes": "EnabledIPIPOnly", "ignoredInterfaces": ["eth*"]}), ""),
            ("default", json!({"programClusterRoutes": "Foo"}), "spec.programClusterRoutes (expected Enabled, EnabledIPIPOnly, Disabled or EnabledNoEncapOnly, found \"Foo\")"),
            ("default", json!({"ignoredInterfaces": ["eth0", "*"]}), "spec.ignoredInterfaces[1] (expected 1 to 15 letters, digits or _ . * - and not only *)"),
            ("default", json!({"localWorkloadPeeringIPV4": "fd00::1"}), "spec.localWorkloadPeeringIPV4 (expected an IPv4 address, found \"fd00::1\")"),
            ("default", json!({"prefixAdvertisements": [{"cidr": "10/8", "communities": ["1:2"]}]}), "Spec.PrefixAdvertisements[].CIDR = '10/8' (invalid CIDR value.)"),
            ("default", json!({"prefixAdvertisements": [{"cidr": "10.0.0.0/8", "communities": ["a"]}]}), "Spec.PrefixAdvertisements[].Communities[] = 'a' (community used is invalid or not defined.)"),
        ];
        for (name, spec, expected) in cases {
            let prefix = if expected.is_empty() {
                ""
            } else {
                "error with field "
            };
            let expected = format!("{prefix}{expected}");
            assert_eq!(said(Kind::BgpConfiguration, name, spec), expected);
        }
    }

    /// Promise 17.6.
    #[test]
    fn filters_by_the_rules_of_the_api() {
        #[rustfmt::skip]
        let cases = [
            (json!({"action": "Accept", "cidr": "10.0.0.0/8"}), "spec.importV4[0] (cidr and matchOperator must both be set or both be empty)"),
            (json!({"action": "Accept", "prefixLength": {"min": 8}}), "spec.importV4[0] (cidr is required when prefixLength is set)"),
            (json!({"action": "Accept", "operations": vec![json!({"addCommunity": {"value": "1:2"}}); 11]}), "spec.importV4[0].operations (expected at most 10 operations)"),
            (json!({"action": "Reject", "operations": [{"addCommunity": {"value": "1:2"}}]}), "spec.importV4[0] (operations may only be used with action Accept)"),
        ];
        for (rule, expected) in cases {
            let said = said(Kind::BgpFilter, "f", json!({"importV4": [rule]}));
            assert_eq!(said, format!("error with field {expected}"));
        }
    }

    /// Promise 17.6.
    #[test]
    fn nodes_and_requests_for_status_by_the_rules_of_the_api() {
        #[rustfmt::skip]
        let cases = [
            (Kind::Node, json!({}), ""),
            (Kind::Node, json!({"bgp": {"asNumber": 64512}}), ""),
            (Kind::Node, json!({"bgp": {}}), "field spec.bgp (must not be empty)"),
            (Kind::Node, json!({"bgp": {"ipv4Address": ""}}), "field spec.bgp (must not be empty)"),
            (Kind::CalicoNodeStatus, json!({"node": "a", "classes": ["BGP", "Agent"], "updatePeriodSeconds": 0}), ""),
            (Kind::CalicoNodeStatus, json!({"node": "a", "updatePeriodSeconds": 1}), "field spec.classes (is required)"),
            (Kind::CalicoNodeStatus, json!({"node": "a", "classes": ["BGP", "Agent", "BGP"], "updatePeriodSeconds": 1}), "field spec.classes = '[BGP Agent BGP]' (must not name a class twice)"),
            (Kind::CalicoNodeStatus, json!({"node": "a", "classes": ["BGP"]}), "field spec.updatePeriodSeconds (is required)"),
        ];
        for (kind, spec, expected) in cases {
            let expected = match expected {
                "" => String::new(),
                text => format!("error with {text}"),
            };
            assert_eq!(said(kind, "a", spec), expected);
        }
    }

    #[test]
    fn names_are_dns_subdomains() {
        let long = "a".repeat(254);
        for (name, good) in [
            ("tor-1.rack", true),
            ("", false),
            ("Tor", false),
            ("a..b", false),
            ("-a", false),
            ("a/b", false),
            (long.as_str(), false),
        ] {
            let said = said(Kind::BgpPeer, name, json!({"peerSelector": "all()"}));
            assert_eq!(said.is_empty(), good, "{name}: {said}");
            let prefix = format!("error with field Metadata.Name = '{name}' (");
            assert!(good || said.starts_with(&prefix), "{said}");
        }
    }
}
