//! The Node of Kubernetes as Calico's Node, for commands that read and change nodes.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::resources::{Kind, Node, NodeBgp, Resource};

/// Its name, and its form in Calico's API. `None` if it cannot be read.
pub(super) fn calico_view(object: &Value) -> Option<(String, Value)> {
    let (resource, _) = Resource::from_json_of(Kind::KubernetesNode, object);
    let Resource::KubernetesNode(node) = resource? else {
        return None;
    };
    let mut metadata = object["metadata"].clone();
    if !node.metadata.labels.is_empty() {
        metadata["labels"] = json!(node.metadata.labels);
    }
    if let Some(fields) = metadata.as_object_mut() {
        fields.remove("annotations");
        let mut annotations = node.metadata.annotations.clone();
        annotations.retain(|name, _| !is_calicos(name));
        if !annotations.is_empty() {
            fields.insert("annotations".to_owned(), json!(annotations));
        }
    }
    let view = json!({
        "apiVersion": Kind::Node.api_version(),
        "kind": Kind::Node.name(),
        "metadata": metadata,
        "spec": spec(&node),
        "status": status(&node),
    });
    Some((node.metadata.name, view))
}

/// Prefix of Calico's annotations.
const PREFIX: &str = "projectcalico.org/";

/// The annotations that are fields of Calico's Node.
const FIELDS: [(&str, &str); 12] = [
    ("ASNumber", "/spec/bgp/asNumber"),
    ("IPv4Address", "/spec/bgp/ipv4Address"),
    ("IPv6Address", "/spec/bgp/ipv6Address"),
    ("IPv4IPIPTunnelAddr", "/spec/bgp/ipv4IPIPTunnelAddr"),
    (
        "RouteReflectorClusterID",
        "/spec/bgp/routeReflectorClusterID",
    ),
    ("IPv4VXLANTunnelAddr", "/spec/ipv4VXLANTunnelAddr"),
    ("VXLANTunnelMACAddr", "/spec/vxlanTunnelMACAddr"),
    ("IPv6VXLANTunnelAddr", "/spec/ipv6VXLANTunnelAddr"),
    ("VXLANTunnelMACAddrV6", "/spec/vxlanTunnelMACAddrV6"),
    (
        "IPv4WireguardInterfaceAddr",
        "/spec/wireguard/interfaceIPv4Address",
    ),
    (
        "IPv6WireguardInterfaceAddr",
        "/spec/wireguard/interfaceIPv6Address",
    ),
    ("Interfaces", "/spec/interfaces"),
];

/// Maps of labels and annotations that only Calico knows.
const MAPS: [&str; 2] = ["labels", "annotations"];

/// Fields of the status, which only the node itself sets.
const STATUS: [&str; 2] = ["WireguardPublicKey", "WireguardPublicKeyV6"];

fn is_calicos(annotation: &str) -> bool {
    let Some(name) = annotation.strip_prefix(PREFIX) else {
        return false;
    };
    FIELDS.iter().any(|(known, _)| *known == name) || MAPS.contains(&name) || STATUS.contains(&name)
}

/// Applies the changed Calico view of a Node of Kubernetes. Differences go into annotations: each field into its own, and labels
/// and annotations that Kubernetes does not have into one each. Values of Kubernetes itself stay.
pub(super) fn changed(object: &Value, wanted: &Value) -> Option<Value> {
    let (_, view) = calico_view(object)?;
    let mut metadata = object["metadata"].as_object()?.clone();
    let mut annotations = map_of(&object["metadata"]["annotations"]);
    for (name, path) in FIELDS {
        let new = wanted.pointer(path);
        if view.pointer(path) != new {
            set(&mut annotations, name, new.map(written));
        }
    }
    for field in MAPS {
        let of_kubernetes = &object["metadata"][field];
        let own = |all: &Value| {
            let mut own = map_of(&all["metadata"][field]);
            own.retain(|name, _| of_kubernetes[name].is_null() && !is_calicos(name));
            own
        };
        let new = own(wanted);
        if own(&view) != new {
            set(&mut annotations, field, Some(written(&Value::Object(new))));
        }
    }
    match annotations.is_empty() {
        true => drop(metadata.remove("annotations")),
        false => drop(metadata.insert("annotations".to_owned(), annotations.into())),
    }
    let mut object = object.clone();
    object["metadata"] = metadata.into();
    Some(object)
}

fn map_of(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// As the text of an annotation; empty for an empty value.
fn written(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => String::new(),
        Value::Object(fields) if fields.is_empty() => String::new(),
        other => other.to_string(),
    }
}

fn set(annotations: &mut Map<String, Value>, name: &str, text: Option<String>) {
    let name = format!("{PREFIX}{name}");
    match text.filter(|text| !text.is_empty()) {
        Some(text) => drop(annotations.insert(name, text.into())),
        None => drop(annotations.remove(&name)),
    }
}

fn spec(node: &Node) -> Value {
    let spec = &node.spec;
    let references = spec.orch_refs.iter().map(|reference| {
        json!({"nodeName": reference.node_name, "orchestrator": reference.orchestrator})
    });
    let interfaces = spec
        .interfaces
        .iter()
        .map(|interface| json!({"name": interface.name, "addresses": interface.addresses}));
    let mut fields = Fields::default();
    fields.add("bgp", spec.bgp.as_ref().map(bgp));
    fields.add("ipv4VXLANTunnelAddr", spec.ipv4_vxlan_tunnel_addr);
    fields.add("vxlanTunnelMACAddr", spec.vxlan_tunnel_mac_addr.as_ref());
    fields.add("ipv6VXLANTunnelAddr", spec.ipv6_vxlan_tunnel_addr);
    fields.add(
        "vxlanTunnelMACAddrV6",
        spec.vxlan_tunnel_mac_addr_v6.as_ref(),
    );
    fields.add("orchRefs", Some(references.collect::<Value>()));
    fields.add("interfaces", Some(interfaces.collect::<Value>()));
    fields.add(
        "wireguard",
        spec.wireguard.as_ref().map(|wireguard| {
            let mut fields = Fields::default();
            fields.add("interfaceIPv4Address", wireguard.interface_ipv4_address);
            fields.add("interfaceIPv6Address", wireguard.interface_ipv6_address);
            fields.into_value()
        }),
    );
    fields.into_value()
}

fn bgp(bgp: &NodeBgp) -> Value {
    let mut fields = Fields::default();
    fields.add("asNumber", bgp.as_number);
    fields.add("ipv4Address", bgp.ipv4_address);
    fields.add("ipv6Address", bgp.ipv6_address);
    fields.add("ipv4IPIPTunnelAddr", bgp.ipv4_ipip_tunnel_addr);
    fields.add("routeReflectorClusterID", bgp.route_reflector_cluster_id);
    fields.into_value()
}

fn status(node: &Node) -> Value {
    let mut fields = Fields::default();
    let status = &node.status;
    fields.add("wireguardPublicKey", status.wireguard_public_key.as_ref());
    fields.add(
        "wireguardPublicKeyV6",
        status.wireguard_public_key_v6.as_ref(),
    );
    fields.add("podCIDRs", Some(&status.pod_cidrs));
    fields.into_value()
}

/// The present fields of an object.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, name: &str, value: Option<impl Serialize>) {
        let value = value.map_or(Value::Null, |value| json!(value));
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            self.0.insert(name.to_owned(), value);
        }
    }

    fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}
