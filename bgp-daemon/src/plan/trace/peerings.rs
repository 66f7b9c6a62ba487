//! Why a node has the sessions of a BGPPeer.

use std::collections::BTreeMap;

use crate::resources::{BgpPeerSpec, ResourceSet};

/// For each object that gives a node sessions ([`Peer::resource`](crate::plan::Peer::resource)): whom it selects, for people.
pub(super) fn peerings(resources: &ResourceSet) -> BTreeMap<String, String> {
    let mesh = "nodeToNodeMeshEnabled gives every node a session with every other one";
    let mut all = BTreeMap::from([("node-to-node mesh".to_owned(), mesh.to_owned())]);
    all.extend(resources.bgp_peers().map(|peer| {
        let object = format!("BGPPeer/{}", peer.metadata.name);
        (object, selects(&peer.spec))
    }));
    all
}

fn selects(spec: &BgpPeerSpec) -> String {
    let mut fields = Vec::new();
    fields.extend(spec.node.as_ref().map(|node| format!("node: {node}")));
    let selectors = [
        ("nodeSelector", &spec.node_selector),
        ("peerSelector", &spec.peer_selector),
        ("localWorkloadSelector", &spec.local_workload_selector),
    ];
    fields.extend(selectors.into_iter().filter_map(|(field, selector)| {
        let selector = selector.as_ref()?;
        Some(format!("{field}: {selector}"))
    }));
    match fields.is_empty() {
        true => "gives every node this session".to_owned(),
        false => format!("gives this node this session by {}", fields.join(", ")),
    }
}
