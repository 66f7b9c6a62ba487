//! How often a change occurs in a cluster.

use serde::Serialize;

/// How often a change occurs, with an example.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// Number of sessions or routes, on all nodes.
    pub times: usize,
    /// Number of nodes.
    pub nodes: usize,
    /// The first of the nodes.
    pub node: String,
    /// One of its peers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub peer: String,
    /// The node counted last: another change there adds no node.
    #[serde(skip)]
    pub(super) last: String,
}

impl Times {
    /// A change that occurs this often on a node.
    pub(super) fn on(node: &str, peer: &str, times: usize) -> Self {
        Self {
            times,
            nodes: 1,
            node: node.to_owned(),
            peer: peer.to_owned(),
            last: node.to_owned(),
        }
    }

    /// Adds changes on other nodes, or again on the last node. The first node by name is the example.
    pub(super) fn add(&mut self, other: Self) {
        self.times += other.times;
        if self.last != other.last {
            self.nodes += other.nodes;
            self.last = other.last;
        }
        if self.node.is_empty() || (!other.node.is_empty() && other.node < self.node) {
            (self.node, self.peer) = (other.node, other.peer);
        }
    }
}
