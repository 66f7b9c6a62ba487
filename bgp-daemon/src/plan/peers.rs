//! Peerings from BGPPeers, before they become sessions: whom each one means, and which of several for the same
//! address counts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bgp_core::types::{Asn, Family, RouterId};

use super::cluster::{Cluster, NodeView};
use super::reverse;
use crate::resources::{BgpPeer, PeerAddress, Problem};

/// A peering that this node has.
#[derive(Clone)]
pub(super) struct Peering<'a> {
    /// The BGPPeer.
    pub(super) resource: &'a BgpPeer,
    pub(super) address: IpAddr,
    /// The port, once known; part of the identity.
    pub(super) port: Option<u16>,
    pub(super) peer_as: Asn,
    /// The peer's cluster ID. Only known of nodes that were selected, not of addresses.
    pub(super) peer_cluster_id: Option<RouterId>,
    pub(super) target: Target,
}

/// What a peering was made from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// `peerIP`; whether that is a node's address.
    Address { is_node: bool },
    /// A node: `peerSelector`, or the other side of a peering.
    Node,
    /// A workload on this node.
    Workload,
}

/// The peerings of this node by address and port; of several with the same the first one counts.
#[derive(Default)]
pub(super) struct Peerings<'a> {
    /// Those that every node has.
    pub(super) global: BTreeMap<(IpAddr, Option<u16>), Peering<'a>>,
    /// Those of this node, without those that are global too.
    pub(super) node: BTreeMap<(IpAddr, Option<u16>), Peering<'a>>,
}

impl<'a> Peerings<'a> {
    fn add_global(&mut self, peering: Peering<'a>) {
        let identity = (peering.address, peering.port);
        self.global.entry(identity).or_insert(peering);
    }

    pub(super) fn add_node(&mut self, peering: Peering<'a>) {
        let identity = (peering.address, peering.port);
        if !self.global.contains_key(&identity) {
            self.node.entry(identity).or_insert(peering);
        }
    }
}

/// All peerings of this node: global ones, then its own, then the other sides of those of other nodes; by the names
/// of their BGPPeers, so that the same one counts every time.
pub(super) fn peerings<'a>(cluster: &Cluster<'a>, problems: &mut Vec<Problem>) -> Peerings<'a> {
    let mut peerings = Peerings::default();
    let all = || cluster.resources.bgp_peers();
    for resource in all().filter(|peer| is_global(peer)) {
        candidates(cluster, resource)
            .into_iter()
            .for_each(|peering| peerings.add_global(peering));
    }
    for resource in all().filter(|peer| !is_global(peer) && is_on_this_node(cluster, peer)) {
        candidates(cluster, resource)
            .into_iter()
            .for_each(|peering| peerings.add_node(peering));
    }
    for resource in all() {
        reverse::add(cluster, resource, &mut peerings);
    }
    for workload in &cluster.environment.workloads {
        if cluster.resources.bgp_peer(&workload.peer_name).is_none() {
            let reason = "does not exist, but a local workload is to peer by it";
            problems.push(Problem::warning(
                format!("BGPPeer/{}", workload.peer_name),
                reason,
            ));
        }
    }
    peerings
}

fn is_global(peer: &BgpPeer) -> bool {
    peer.spec.node.is_none() && peer.spec.node_selector.is_none()
}

/// Whether a BGPPeer that is for some nodes is for this one.
fn is_on_this_node(cluster: &Cluster<'_>, peer: &BgpPeer) -> bool {
    if let Some(node) = &peer.spec.node {
        return node == cluster.name;
    }
    let labels = cluster.me.as_ref().map(|me| &me.labels);
    let selector = peer.spec.node_selector.as_ref();
    selector
        .zip(labels)
        .is_some_and(|(selector, labels)| selector.matches(labels))
}

/// Whom a BGPPeer means, seen from this node.
fn candidates<'a>(cluster: &Cluster<'a>, resource: &'a BgpPeer) -> Vec<Peering<'a>> {
    let spec = &resource.spec;
    if spec.local_workload_selector.is_some() {
        return workloads(cluster, resource);
    }
    if let Some(selector) = &spec.peer_selector {
        let nodes = cluster.selected(selector);
        return nodes
            .flat_map(|(_, node)| of_node(cluster, resource, node, &Family::ALL))
            .collect();
    }
    spec.peer_ip
        .map(|peer| of_address(cluster, resource, peer))
        .into_iter()
        .collect()
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
            port: cluster.listen_port_of(node),
            peer_as: cluster.as_of(node),
            peer_cluster_id: node.cluster_id,
            target: Target::Node,
        })
        .collect()
}

fn of_address<'a>(cluster: &Cluster<'_>, resource: &'a BgpPeer, peer: PeerAddress) -> Peering<'a> {
    let peer_as = as_of_peer(cluster, resource);
    // Without a port, a node of that address and AS is asked for its own.
    let port = peer.port.or_else(|| {
        let node = cluster
            .nodes
            .values()
            .find(|node| is_node_of(cluster, node, peer.ip, peer_as))?;
        cluster.listen_port_of(node)
    });
    Peering {
        resource,
        address: peer.ip,
        port,
        peer_as,
        peer_cluster_id: None,
        target: Target::Address {
            is_node: cluster.nodes.values().any(|node| node.has_address(peer.ip)),
        },
    }
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

fn workloads<'a>(cluster: &Cluster<'_>, resource: &'a BgpPeer) -> Vec<Peering<'a>> {
    let selected = cluster.environment.workloads.iter();
    let selected = selected.filter(|workload| workload.peer_name == resource.metadata.name);
    selected
        .flat_map(|workload| [workload.ipv4.map(IpAddr::V4), workload.ipv6.map(IpAddr::V6)])
        .flatten()
        .map(|address| Peering {
            resource,
            address,
            port: None,
            peer_as: resource.spec.as_number.unwrap_or_default(),
            peer_cluster_id: None,
            target: Target::Workload,
        })
        .collect()
}
