//! The mesh: every node peers with every other one, unless the mesh is disabled or one of the two reflects routes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bgp_core::types::Family;

use super::bfd;
use super::cluster::{BGP_PORT, Cluster, GLOBAL, NodeView};
use super::model::{Peer, PeerType, PlannedNextHop};
use super::password;
use super::session_rules::{is_passive_towards, restart_seconds, session_name};
use crate::resources::Problem;

/// The sessions of the mesh.
pub(super) fn peers(cluster: &Cluster<'_>, problems: &mut Vec<Problem>) -> Vec<Peer> {
    let global = cluster.global();
    let enabled = global.node_to_node_mesh_enabled;
    let enabled = enabled.unwrap_or(!cluster.environment.standalone);
    if !enabled || cluster.cluster_id().is_some() {
        return Vec::new();
    }
    let object = format!("BGPConfiguration/{GLOBAL}");
    let source = global.node_mesh_password.as_ref();
    let unsigned = !cluster.defaults.require_password();
    let field = "spec.nodeMeshPassword";
    let Ok(password) = password::find(cluster, source, unsigned, &object, field, problems) else {
        return Vec::new();
    };
    let restart_time = global.node_mesh_max_restart_time;
    let graceful_restart_time = restart_seconds(
        restart_time,
        &object,
        "spec.nodeMeshMaxRestartTime",
        problems,
    );
    let mut peers = BTreeMap::new();
    for family in Family::ALL {
        let others = cluster
            .nodes()
            .iter()
            .filter(|(name, _)| **name != cluster.name);
        for (name, peer) in
            others.filter_map(|(name, node)| Some((name, peer(cluster, node, family)?)))
        {
            match peers.entry(peer.address) {
                Entry::Occupied(_) => problems.push(Problem::error(
                    format!("Node/{name}"),
                    format!(
                        "has no session: another node has the same address {}",
                        peer.address
                    ),
                )),
                Entry::Vacant(entry) => drop(entry.insert(Peer {
                    password: password.clone(),
                    graceful_restart_time,
                    ..peer
                })),
            }
        }
    }
    peers.into_values().collect()
}

/// The origin of mesh sessions, shown in place of an object.
pub const MESH: &str = "node-to-node mesh";

/// The session with one node, if both have an address of the family.
fn peer(cluster: &Cluster<'_>, node: &NodeView<'_>, family: Family) -> Option<Peer> {
    let own = cluster.address(family)?;
    let address = node.address(family).filter(|address| *address != own)?;
    if node.cluster_id.is_some() {
        return None;
    }
    let (local_as, peer_as) = (cluster.local_as(), cluster.as_of(node));
    let annotations = &cluster.defaults;
    let mut options = annotations.options(family);
    let is_connected = cluster.is_connected(address);
    options.bfd = bfd::planned(
        annotations.bfd(),
        None,
        is_connected,
        annotations.bfd_strict(),
        || bfd::BfdTimers::DEFAULT,
    );
    Some(Peer {
        name: session_name(PeerType::Mesh, address, None, None),
        kind: PeerType::Mesh,
        family,
        address,
        range: None,
        link: None,
        port: cluster.listen_port_of(node).unwrap_or(BGP_PORT),
        local_as,
        peer_as,
        internal: local_as == peer_as,
        source_address: Some(own),
        passive: cluster
            .defaults
            .passive()
            .unwrap_or_else(|| is_passive_towards(own, address)),
        password: None,
        route_reflector_client: false,
        cluster_id: None,
        next_hop: PlannedNextHop::None,
        ttl_security: None,
        multihop: true,
        graceful_restart: true,
        graceful_restart_time: None,
        keepalive_time: None,
        allowed_local_as: 0,
        import_filters: Vec::new(),
        export_filters: Vec::new(),
        override_priority_below: cluster.normal_priority(family).0,
        options,
        resource: MESH.into(),
    })
}
