//! The Node of Kubernetes as Calico's Node, for commands that read nodes.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::resources::{Kind, Node, NodeBgp, Resource};

/// Its name, and what Calico's API would show of it. `None` if it cannot be read.
pub(super) fn calico_view(object: &Value) -> Option<(String, Value)> {
    let (resource, _) = Resource::from_json_of(Kind::KubernetesNode, object);
    let Resource::KubernetesNode(node) = resource? else {
        return None;
    };
    let mut metadata = object["metadata"].clone();
    if !node.metadata.labels.is_empty() {
        metadata["labels"] = json!(node.metadata.labels);
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

/// The fields of an object that are there.
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
