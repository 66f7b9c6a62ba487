//! Peerings from BGPPeers, before they become sessions: the peers of each BGPPeer, and which of several for the same address
//! counts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bgp_core::types::Family;

use super::annotations::Annotations;
use super::cluster::Cluster;
use super::peering::{
    Peering, Peerings, Target, as_of_peer, is_global, is_node_of, is_on_this_node, of_node,
};
use super::reverse;
use super::searches;
use crate::resources::{BgpPeer, PeerAddress, Problem};

/// All peerings of this node: global ones, then its own, then the reverse ones of other nodes' peerings; ordered by the names of
/// their BGPPeers, so that the result is the same every time.
pub(super) fn peerings<'a>(
    cluster: &Cluster<'a>,
    annotations: &BTreeMap<&str, Annotations>,
    problems: &mut Vec<Problem>,
) -> Peerings<'a> {
    let mut peerings = Peerings::default();
    let all = || cluster.resources.bgp_peers();
    let whom = |resource: &BgpPeer| annotations[resource.metadata.name.as_str()].whom();
    let found = |resource| searches::found(cluster, resource, whom(resource));
    for resource in all().filter(|peer| is_global(peer)) {
        candidates(cluster, resource)
            .into_iter()
            .chain(found(resource))
            .for_each(|peering| peerings.add_global(peering));
    }
    for resource in all().filter(|peer| !is_global(peer) && is_on_this_node(cluster, peer)) {
        candidates(cluster, resource)
            .into_iter()
            .chain(found(resource))
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

/// The peers of a BGPPeer, seen from this node.
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
    spec.peer_address()
        .map(|peer| of_address(cluster, resource, peer))
        .into_iter()
        .collect()
}

fn of_address<'a>(cluster: &Cluster<'_>, resource: &'a BgpPeer, peer: PeerAddress) -> Peering<'a> {
    let peer_as = as_of_peer(cluster, resource);
    // Without a port, the port of a node with that address and AS is used.
    let port = peer.port.or_else(|| {
        let mut nodes = cluster.nodes_at(peer.ip);
        let node = nodes.find(|node| is_node_of(cluster, node, peer.ip, peer_as))?;
        cluster.listen_port_of(node)
    });
    Peering {
        resource,
        address: peer.ip,
        link: None,
        port,
        peer_as,
        peer_cluster_id: None,
        target: Target::Address {
            is_node: cluster.nodes_at(peer.ip).next().is_some(),
        },
    }
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
            link: None,
            port: None,
            peer_as: resource.spec.as_number.unwrap_or_default(),
            peer_cluster_id: None,
            target: Target::Workload,
        })
        .collect()
}
