//! One peering of a BGPPeer, and the set of peerings of this node.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bgp_core::types::{Asn, Family, RouterId};
use ipnet::IpNet;

use super::cluster::{Cluster, NodeView};
use super::environment::Link;
use crate::resources::BgpPeer;

/// One peering of this node.
#[derive(Clone)]
pub(super) struct Peering<'a> {
    /// The BGPPeer.
    pub(super) resource: &'a BgpPeer,
    pub(super) address: IpAddr,
    /// The link of a link-local address; part of the key.
    pub(super) link: Option<&'a Link>,
    /// The port, once known; part of the key.
    pub(super) port: Option<u16>,
    pub(super) peer_as: Asn,
    /// The peer's cluster ID. Known only for nodes that a selector found, not for addresses.
    pub(super) peer_cluster_id: Option<RouterId>,
    pub(super) target: Target,
}

/// The origin of a peering.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// `peerIP`, and whether it is a node's address.
    Address { is_node: bool },
    /// A node: `peerSelector`, or the other side of a peering.
    Node,
    /// A workload on this node.
    Workload,
    /// The router on a link.
    Link,
    /// Whoever connects from a range.
    Range(IpNet),
}

impl Peering<'_> {
    pub(super) fn link_name(&self) -> Option<&str> {
        self.link.map(|link| link.name.as_str())
    }
}

impl Target {
    pub(super) fn range(self) -> Option<IpNet> {
        match self {
            Self::Range(range) => Some(range),
            _ => None,
        }
    }
}

/// The peerings of this node by address, link and port; the first of several with the same key counts.
#[derive(Default)]
pub(super) struct Peerings<'a> {
    /// Peerings that every node has.
    pub(super) global: BTreeMap<Identity<'a>, Peering<'a>>,
    /// Peerings of this node that are not global.
    pub(super) node: BTreeMap<Identity<'a>, Peering<'a>>,
}

/// What no two peerings share.
type Identity<'a> = (IpAddr, Option<&'a Link>, Option<u16>);

impl<'a> Peerings<'a> {
    pub(super) fn add_global(&mut self, peering: Peering<'a>) {
        let identity = (peering.address, peering.link, peering.port);
        self.global.entry(identity).or_insert(peering);
    }

    pub(super) fn add_node(&mut self, peering: Peering<'a>) {
        let identity = (peering.address, peering.link, peering.port);
        if !self.global.contains_key(&identity) {
            self.node.entry(identity).or_insert(peering);
        }
    }
}

/// Peerings with a node, by its addresses of the given families.
pub(super) fn of_node<'a>(
    cluster: &Cluster<'_>,
    resource: &'a BgpPeer,
    node: &NodeView<'_>,
    families: &[Family],
) -> Vec<Peering<'a>> {
    let addresses = families.iter().filter_map(|family| node.address(*family));
    addresses
        .map(|address| Peering {
            resource,
            address,
            link: None,
            port: cluster.listen_port_of(node),
            peer_as: cluster.as_of(node),
            peer_cluster_id: node.cluster_id,
            target: Target::Node,
        })
        .collect()
}

/// The AS of a `peerIP`: without `asNumber`, the cluster's.
pub(super) fn as_of_peer(cluster: &Cluster<'_>, resource: &BgpPeer) -> Asn {
    let said = resource.spec.as_number;
    said.unwrap_or_else(|| cluster.global_as())
}

/// Whether a node has that address and AS.
pub(super) fn is_node_of(cluster: &Cluster<'_>, node: &NodeView<'_>, ip: IpAddr, asn: Asn) -> bool {
    node.has_address(ip) && cluster.as_of(node) == asn
}

/// Whether a BGPPeer is for every node.
pub(super) fn is_global(peer: &BgpPeer) -> bool {
    peer.spec.node.is_none() && peer.spec.node_selector.is_none()
}

/// Whether a BGPPeer for some nodes is for this one.
pub(super) fn is_on_this_node(cluster: &Cluster<'_>, peer: &BgpPeer) -> bool {
    if let Some(node) = &peer.spec.node {
        return node == cluster.name;
    }
    let labels = cluster.me.as_ref().map(|me| &me.labels);
    let selector = peer.spec.node_selector.as_ref();
    selector
        .zip(labels)
        .is_some_and(|(selector, labels)| selector.matches(labels))
}
