//! Node: Calico's own, and the Kubernetes one, which keeps Calico's settings in annotations. Both become one type.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bgp_core::types::Asn;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::check::Check;
use super::fault::Fault;
use super::metadata::Metadata;
use super::reading::from_json_text;
use super::scalar::{self, Scalar};
use super::value_schema;

/// A node of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Node {
    /// The metadata.
    pub metadata: Metadata,
    /// The spec.
    pub spec: NodeSpec,
    /// The status.
    pub status: NodeStatus,
}

/// The spec of a [`Node`]. Field names and meaning are those of Calico's API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub struct NodeSpec {
    pub bgp: Option<NodeBgp>,
    #[serde(rename = "ipv4VXLANTunnelAddr", deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Ipv4Addr>")]
    pub ipv4_vxlan_tunnel_addr: Option<Ipv4Addr>,
    #[serde(rename = "vxlanTunnelMACAddr")]
    pub vxlan_tunnel_mac_addr: Option<String>,
    #[serde(rename = "ipv6VXLANTunnelAddr", deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Ipv6Addr>")]
    pub ipv6_vxlan_tunnel_addr: Option<Ipv6Addr>,
    #[serde(rename = "vxlanTunnelMACAddrV6")]
    pub vxlan_tunnel_mac_addr_v6: Option<String>,
    pub orch_refs: Vec<OrchRef>,
    pub wireguard: Option<WireguardSpec>,
    pub addresses: Vec<NodeAddress>,
    pub interfaces: Vec<NodeInterface>,
    /// Kubernetes' Node only: no new pods are scheduled on it (`kubectl cordon`, `kubectl drain`).
    #[serde(skip)]
    pub cordoned: bool,
    /// Kubernetes' Node only: the keys of its taints.
    #[serde(skip)]
    pub taints: Vec<String>,
}

/// The BGP settings of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeBgp {
    /// Its AS; default is the cluster's.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Asn>")]
    pub as_number: Option<Asn>,
    /// Its IPv4 address and network; without it, no IPv4.
    #[serde(rename = "ipv4Address", deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Ipv4Net>")]
    pub ipv4_address: Option<Ipv4Net>,
    /// Its IPv6 address and network; without it, no IPv6.
    #[serde(rename = "ipv6Address", deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Ipv6Net>")]
    pub ipv6_address: Option<Ipv6Net>,
    /// The address of `tunl0`.
    #[serde(rename = "ipv4IPIPTunnelAddr", deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Ipv4Addr>")]
    pub ipv4_ipip_tunnel_addr: Option<Ipv4Addr>,
    /// The cluster ID of a route reflector.
    #[serde(
        rename = "routeReflectorClusterID",
        deserialize_with = "scalar::optional"
    )]
    #[schemars(schema_with = "value_schema::one::<Ipv4Addr>")]
    pub route_reflector_cluster_id: Option<Ipv4Addr>,
}

/// The node's name in its orchestrator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub struct OrchRef {
    pub node_name: String,
    pub orchestrator: String,
}

/// Addresses of the WireGuard devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub struct WireguardSpec {
    #[serde(rename = "interfaceIPv4Address", deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Ipv4Addr>")]
    pub interface_ipv4_address: Option<Ipv4Addr>,
    #[serde(rename = "interfaceIPv6Address", deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Ipv6Addr>")]
    pub interface_ipv6_address: Option<Ipv6Addr>,
}

/// An address of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub struct NodeAddress {
    pub address: String,
    #[serde(rename = "type")]
    pub kind: Option<NodeAddressType>,
}

/// The kind of a node's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum NodeAddressType {
    CalicoNodeIP,
    InternalIP,
    ExternalIP,
}

/// An interface of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub struct NodeInterface {
    pub name: String,
    pub addresses: Vec<String>,
}

/// The status of a [`Node`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub struct NodeStatus {
    pub wireguard_public_key: Option<String>,
    #[serde(rename = "wireguardPublicKeyV6")]
    pub wireguard_public_key_v6: Option<String>,
    #[serde(rename = "podCIDRs", deserialize_with = "scalar::list")]
    #[schemars(schema_with = "value_schema::many::<IpNet>")]
    pub pod_cidrs: Vec<IpNet>,
}

impl Node {
    /// The addresses of its WireGuard devices, IPv4 and IPv6.
    pub fn wireguard_addresses(&self) -> (Option<IpAddr>, Option<IpAddr>) {
        let wireguard = self.spec.wireguard.as_ref();
        (
            wireguard
                .and_then(|w| w.interface_ipv4_address)
                .map(IpAddr::V4),
            wireguard
                .and_then(|w| w.interface_ipv6_address)
                .map(IpAddr::V6),
        )
    }

    /// Its first address of type `InternalIP` in each family.
    pub fn internal_addresses(&self) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
        let all = self.spec.addresses.iter();
        let internal = all.filter(|it| it.kind == Some(NodeAddressType::InternalIP));
        let mut found = (None, None);
        for address in internal.filter_map(|it| it.address.parse().ok()) {
            match address {
                IpAddr::V4(ip) => drop(found.0.get_or_insert(ip)),
                IpAddr::V6(ip) => drop(found.1.get_or_insert(ip)),
            }
        }
        found
    }
}

impl Check for Node {
    fn check(&self, faults: &mut Vec<Fault>) {
        if self.spec.bgp == Some(NodeBgp::default()) {
            faults.push(Fault::warning(
                "spec.bgp",
                "is empty: the node has no address for BGP",
            ));
        }
    }
}

/// The Kubernetes Node, limited to the fields relevant for BGP.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct KubernetesNode {
    metadata: Metadata,
    spec: KubernetesNodeSpec,
    status: KubernetesNodeStatus,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct KubernetesNodeStatus {
    /// Its addresses. Those of type `InternalIP` are used in clusters without Calico.
    addresses: Vec<KubernetesNodeAddress>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct KubernetesNodeAddress {
    address: String,
    #[serde(rename = "type")]
    kind: String,
}

impl KubernetesNodeStatus {
    /// The addresses with which the nodes reach each other.
    fn internal(self) -> Vec<NodeAddress> {
        let internal = self
            .addresses
            .into_iter()
            .filter(|it| it.kind == "InternalIP");
        let internal = internal.map(|it| NodeAddress {
            address: it.address,
            kind: Some(NodeAddressType::InternalIP),
        });
        internal.collect()
    }
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct KubernetesNodeSpec {
    #[serde(rename = "podCIDR", deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<IpNet>")]
    pod_cidr: Option<IpNet>,
    #[serde(rename = "podCIDRs", deserialize_with = "scalar::list")]
    #[schemars(schema_with = "value_schema::many::<IpNet>")]
    pod_cidrs: Vec<IpNet>,
    unschedulable: bool,
    taints: Vec<Taint>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Taint {
    key: String,
}

/// The taint of a cordoned node.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

impl KubernetesNodeSpec {
    fn is_cordoned(&self) -> bool {
        self.unschedulable || self.taints.iter().any(|taint| taint.key == UNSCHEDULABLE)
    }
}

impl KubernetesNode {
    /// Converts to Calico's Node. Annotations that cannot be read count as absent, with a warning.
    pub(super) fn into_node(self, faults: &mut Vec<Fault>) -> Node {
        let mut annotations = Annotations {
            all: &self.metadata.annotations,
            faults,
        };
        let bgp = NodeBgp {
            as_number: annotations.scalar("ASNumber"),
            ipv4_address: annotations.scalar("IPv4Address"),
            ipv6_address: annotations.scalar("IPv6Address"),
            ipv4_ipip_tunnel_addr: annotations.scalar("IPv4IPIPTunnelAddr"),
            route_reflector_cluster_id: annotations.scalar("RouteReflectorClusterID"),
        };
        let wireguard = WireguardSpec {
            interface_ipv4_address: annotations.scalar("IPv4WireguardInterfaceAddr"),
            interface_ipv6_address: annotations.scalar("IPv6WireguardInterfaceAddr"),
        };
        let spec = NodeSpec {
            bgp: (bgp != NodeBgp::default()).then_some(bgp),
            ipv4_vxlan_tunnel_addr: annotations.scalar("IPv4VXLANTunnelAddr"),
            vxlan_tunnel_mac_addr: annotations.text("VXLANTunnelMACAddr"),
            ipv6_vxlan_tunnel_addr: annotations.scalar("IPv6VXLANTunnelAddr"),
            vxlan_tunnel_mac_addr_v6: annotations.text("VXLANTunnelMACAddrV6"),
            orch_refs: vec![OrchRef {
                node_name: self.metadata.name.clone(),
                orchestrator: "k8s".into(),
            }],
            wireguard: (wireguard != WireguardSpec::default()).then_some(wireguard),
            addresses: self.status.internal(),
            interfaces: annotations.json("Interfaces").unwrap_or_default(),
            cordoned: self.spec.is_cordoned(),
            taints: (self.spec.taints.into_iter())
                .map(|taint| taint.key)
                .collect(),
        };
        let status = NodeStatus {
            wireguard_public_key: annotations.text("WireguardPublicKey"),
            wireguard_public_key_v6: annotations.text("WireguardPublicKeyV6"),
            pod_cidrs: match self.spec.pod_cidrs.is_empty() {
                true => self.spec.pod_cidr.into_iter().collect(),
                false => self.spec.pod_cidrs,
            },
        };
        let calico_labels: BTreeMap<String, String> =
            annotations.json("labels").unwrap_or_default();
        let calico_annotations: BTreeMap<String, String> =
            annotations.json("annotations").unwrap_or_default();
        let mut metadata = self.metadata;
        // Kubernetes' labels win over Calico's with the same key.
        for (key, value) in calico_labels {
            metadata.labels.entry(key).or_insert(value);
        }
        for (key, value) in calico_annotations {
            metadata.annotations.entry(key).or_insert(value);
        }
        Node {
            metadata,
            spec,
            status,
        }
    }
}

/// Calico's annotations of a Kubernetes node.
struct Annotations<'a> {
    all: &'a BTreeMap<String, String>,
    faults: &'a mut Vec<Fault>,
}

impl Annotations<'_> {
    fn text(&self, name: &str) -> Option<String> {
        let text = self.all.get(&format!("projectcalico.org/{name}"))?;
        (!text.is_empty()).then(|| text.clone())
    }

    fn scalar<T: Scalar>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        let value = T::from_text(&text);
        if value.is_none() {
            self.ignore(
                name,
                &format!("is ignored: `{text}` is not {}", T::EXPECTED),
            );
        }
        value
    }

    fn json<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        from_json_text(&text)
            .map_err(|reason| self.ignore(name, &format!("is ignored: {reason}")))
            .ok()
    }

    fn ignore(&mut self, name: &str, reason: &str) {
        let fault = Fault::warning("metadata.annotations", reason);
        self.faults
            .push(fault.below(&format!("projectcalico.org/{name}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{Parsed, Resource, Severity, parse};

    fn node(parsed: &Parsed) -> &Node {
        match parsed.documents[0].resource.as_ref() {
            Resource::KubernetesNode(node) => node,
            other => panic!("{other:?}"),
        }
    }

    /// Promise 1.4.
    #[test]
    fn a_kubernetes_node_brings_its_settings_in_annotations() {
        let parsed = parse(
            "nodes.yaml",
            r#"
apiVersion: v1
kind: Node
metadata:
  name: worker-1
  labels: {rack: from-kubernetes}
  annotations:
    projectcalico.org/IPv4Address: 172.16.0.9/20
    projectcalico.org/IPv6Address: fd00::9
    projectcalico.org/ASNumber: "1.10"
    projectcalico.org/RouteReflectorClusterID: 10.0.0.1
    projectcalico.org/IPv4WireguardInterfaceAddr: 192.168.7.1
    projectcalico.org/labels: '{"rack":"from-calico","zone":"b"}'
    projectcalico.org/Interfaces: '[{"name":"eth0","addresses":["172.16.0.9"]}]'
spec:
  podCIDR: 10.8.1.0/24
  podCIDRs: [10.8.1.0/24, fd08:1::/64]
  taints: [{key: x, effect: NoSchedule}]
status:
  capacity: {cpu: 4}
  addresses:
    - {type: Hostname, address: worker-1}
    - {type: ExternalIP, address: 192.0.2.9}
    - {type: InternalIP, address: 172.16.0.9}
    - {type: InternalIP, address: 172.17.0.9}
    - {type: InternalIP, address: "fd00::9"}
"#,
        );
        assert_eq!(parsed.problems, []);
        let node = node(&parsed);
        let bgp = node.spec.bgp.as_ref().expect("bgp");
        assert_eq!(bgp.ipv4_address, "172.16.0.9/20".parse().ok());
        assert_eq!(bgp.ipv6_address, "fd00::9/128".parse().ok());
        assert_eq!(bgp.as_number, Some(Asn(65546)));
        assert_eq!(bgp.route_reflector_cluster_id, "10.0.0.1".parse().ok());
        assert_eq!(node.wireguard_addresses().0, "192.168.7.1".parse().ok());
        assert_eq!(node.metadata.labels["rack"], "from-kubernetes");
        assert_eq!(node.metadata.labels["zone"], "b");
        assert_eq!(node.status.pod_cidrs.len(), 2);
        assert_eq!(node.spec.interfaces[0].name, "eth0");
        let internal = ("172.16.0.9".parse().ok(), "fd00::9".parse().ok());
        assert_eq!(node.internal_addresses(), internal);
    }

    /// Promise 16.11.
    #[test]
    fn a_kubernetes_node_is_cordoned_by_its_field_or_its_taint() {
        for (spec, cordoned) in [
            ("{unschedulable: true}", true),
            ("{unschedulable: false}", false),
            (
                "{taints: [{key: node.kubernetes.io/unschedulable, effect: NoSchedule}]}",
                true,
            ),
            (
                "{taints: [{key: node.kubernetes.io/not-ready, effect: NoExecute}]}",
                false,
            ),
        ] {
            let text =
                format!("{{apiVersion: v1, kind: Node, metadata: {{name: node}}, spec: {spec}}}");
            let parsed = parse("nodes.yaml", &text);
            assert_eq!(parsed.problems, []);
            assert_eq!(node(&parsed).spec.cordoned, cordoned, "{spec}");
        }
    }

    /// Promises 1.4, 1.15.
    #[test]
    fn an_annotation_that_cannot_be_read_counts_as_absent() {
        let parsed = parse(
            "nodes.yaml",
            "apiVersion: v1\nkind: Node\nmetadata:\n  name: worker-1\n  annotations:\n    projectcalico.org/ASNumber: many\n    projectcalico.org/IPv4Address: 10.0.0.1/24\n",
        );
        let bgp = node(&parsed).spec.bgp.clone().expect("bgp");
        assert_eq!((bgp.as_number, bgp.ipv4_address.is_some()), (None, true));
        let [problem] = &parsed.problems[..] else {
            panic!("{:?}", parsed.problems)
        };
        assert_eq!(problem.severity, Severity::Warning);
        assert_eq!(problem.location.as_ref().map(|l| l.line), Some(6));
    }
}
