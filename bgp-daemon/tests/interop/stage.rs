//! Shared by most tests of one setting: a node, a router next to it, and the cluster's resources to change.

use std::rc::Rc;

use serde_json::Value;

use crate::lab::Lab;
use crate::lab::capture::Capture;
use crate::lab::cluster::Cluster;
use crate::lab::host::Host;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer, PeerConfig, lab_for, prefix};
use crate::scenario::{NODE_AS, addresses, wait_established};

/// The blocks of the node.
pub(crate) const BLOCKS: [&str; 2] = ["10.244.1.0/26", "fd10:244::/122"];
/// What the router announces.
pub(crate) const TOR_PREFIXES: [&str; 2] = ["172.20.1.0/24", "fd20:1::/64"];

/// A node that is not started yet, and the host of its router.
pub(crate) struct Stage {
    pub(crate) node: Node,
    pub(crate) node_host: Rc<Host>,
    pub(crate) tor_host: Rc<Host>,
    pub(crate) cluster: Cluster,
    /// Last, because all the others live in it.
    pub(crate) lab: Lab,
}

impl Stage {
    /// `None` where one of the kinds is missing: the test is skipped.
    pub(crate) fn open(kinds: &[Kind]) -> Option<Self> {
        let lab = lab_for(kinds)?;
        let tor_host = lab.host("tor", 1);
        let node_host = lab.host("node1", 11);
        let cluster = lab.cluster();
        cluster
            .node(&node_host)
            .bgp_configuration(NODE_AS, false, &[])
            .pool("ipv4", "10.244.0.0/16")
            .pool("ipv6", "fd10:244::/64");
        for block in BLOCKS {
            cluster.block(&node_host, prefix(block));
        }
        Some(Self {
            node: Node::new(&node_host, cluster.directory()),
            node_host,
            tor_host,
            cluster,
            lab,
        })
    }

    /// BGPPeers for both addresses of the router, `tor-ipv4` and `tor-ipv6`, with annotations `bgp-daemon.io/KEY` and more
    /// lines of `spec`. Written again they change.
    pub(crate) fn peering(&self, asn: u32, annotations: &[(&str, &str)], spec: &[&str]) {
        self.peering_with(&self.tor_host, asn, annotations, spec);
    }

    /// The same for another host.
    pub(crate) fn peering_with(
        &self,
        host: &Host,
        asn: u32,
        annotations: &[(&str, &str)],
        spec: &[&str],
    ) {
        for address in addresses(host) {
            let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            let name = format!("{}-{family}", host.name);
            let address = address.to_string();
            let annotations = prefixed(annotations);
            let annotations = annotations.iter().map(|(key, value)| (&**key, *value));
            let annotations: Vec<_> = annotations.collect();
            self.cluster
                .peer_with(&name, &address, asn, &annotations, spec);
        }
    }

    /// The settings of a router with a session for each address of the node, announcing [`TOR_PREFIXES`].
    pub(crate) fn tor_config(&self, asn: u32) -> PeerConfig {
        PeerConfig::on_lan(&self.tor_host, asn, &[(&self.node_host, NODE_AS)])
            .announcing(&TOR_PREFIXES)
    }

    /// Starts both and waits for their sessions.
    pub(crate) fn raise(&mut self, tor: &mut dyn Peer) {
        tor.start();
        self.node.start();
        self.wait_up(tor);
    }

    /// Waits for the sessions between the node and the router.
    pub(crate) fn wait_up(&self, tor: &dyn Peer) {
        wait_established("the node", &self.node, &self.tor_host);
        wait_established("the router", tor, &self.node_host);
    }

    /// Records what passes by the node's port.
    pub(crate) fn capture(&self) -> Capture {
        Capture::start(&self.node_host)
    }
}

/// The JSON output of a peer for its session with each address of the node.
pub(crate) fn described(tor: &dyn Peer, node: &Host) -> [Value; 2] {
    addresses(node).map(|address| {
        let text = tor
            .describe(address)
            .unwrap_or_else(|error| panic!("{error}"));
        let answer: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        match answer.get(address.to_string()) {
            Some(session) => session.clone(), // FRR names the neighbour once more.
            None => answer,
        }
    })
}

fn prefixed<'a>(annotations: &[(&str, &'a str)]) -> Vec<(String, &'a str)> {
    let annotations = annotations.iter();
    annotations
        .map(|(key, value)| (format!("bgp-daemon.io/{key}"), *value))
        .collect()
}
