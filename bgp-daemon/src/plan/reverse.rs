//! The reverse side of peerings between nodes: if node A peers with node B, B must peer with A.

use bgp_core::types::Family;

use super::cluster::{Cluster, NodeView};
use super::peering::{self, Peerings};
use crate::resources::{BgpPeer, PeerAddress, ReversePeering};

/// Adds the reverse side of a BGPPeer, if the BGPPeer names this node as a peer.
pub(super) fn add<'a>(cluster: &Cluster<'a>, resource: &'a BgpPeer, peerings: &mut Peerings<'a>) {
    let spec = &resource.spec;
    let is_manual = spec.reverse_peering == Some(ReversePeering::Manual);
    if is_manual || spec.local_workload_selector.is_some() {
        return;
    }
    let families = families_named(cluster, resource);
    if families.is_empty() {
        return;
    }
    for node in nodes_with_peering(cluster, resource) {
        for peering in peering::of_node(cluster, resource, node, &families) {
            peerings.add_node(peering);
        }
    }
}

/// The families by which a BGPPeer names this node as a peer.
fn families_named(cluster: &Cluster<'_>, resource: &BgpPeer) -> Vec<Family> {
    let Some(me) = &cluster.me else {
        return Vec::new();
    };
    let spec = &resource.spec;
    match (&spec.peer_selector, spec.peer_address()) {
        (Some(selector), _) if selector.matches(&me.labels) => Family::ALL.to_vec(),
        (None, Some(peer)) if is_named(cluster, me, resource, peer) => vec![Family::of(peer.ip)],
        _ => Vec::new(),
    }
}

/// Whether a node has the address, AS and port of a `peerIP`.
fn is_named(
    cluster: &Cluster<'_>,
    node: &NodeView<'_>,
    resource: &BgpPeer,
    PeerAddress { ip, port }: PeerAddress,
) -> bool {
    let asn = peering::as_of_peer(cluster, resource);
    // The global port is compared even if the node has its own, as in the replaced speaker: otherwise the two would disagree on
    // the sessions of a mixed cluster.
    let is_port =
        |configured: Option<u16>| configured.is_none_or(|own| port.is_none_or(|port| port == own));
    peering::is_node_of(cluster, node, ip, asn)
        && is_port(node.listen_port)
        && is_port(cluster.global_listen_port())
}

/// The nodes that have the peering of a BGPPeer.
fn nodes_with_peering<'s, 'a>(
    cluster: &'s Cluster<'a>,
    resource: &'a BgpPeer,
) -> Vec<&'s NodeView<'a>> {
    let spec = &resource.spec;
    match (&spec.node, &spec.node_selector) {
        (Some(name), _) => cluster.nodes().get(name.as_str()).into_iter().collect(),
        (None, Some(selector)) => cluster.selected(selector).map(|(_, node)| node).collect(),
        (None, None) => cluster.nodes().values().collect(),
    }
}
