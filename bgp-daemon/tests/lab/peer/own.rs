//! Our own daemon as a peer like the others, with resources derived from the same [`PeerConfig`].

use std::rc::Rc;

use super::{Neighbor, PeerConfig};
use crate::lab::cluster::Cluster;
use crate::lab::host::Host;
use crate::lab::node::Node;

/// A node of its own cluster, without a mesh, that announces its blocks.
pub(super) fn own(host: &Rc<Host>, config: &PeerConfig) -> Node {
    let cluster = Cluster::create(&host.directory.join("cluster"));
    cluster.node(host).bgp_configuration(config.asn, false, &[]);
    for (index, neighbor) in config.neighbors.iter().enumerate() {
        let Neighbor {
            address,
            asn,
            passive,
            ..
        } = neighbor;
        let passive = if *passive { "true" } else { "false" };
        cluster.peer(
            &format!("neighbor{index}"),
            *address,
            *asn,
            &[("bgp-daemon.io/passive", passive)],
        );
    }
    for prefix in &config.announce {
        cluster.block(host, *prefix);
    }
    Node::new(host, cluster.directory())
}
