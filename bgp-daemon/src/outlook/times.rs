//! How often something happens in a cluster.

use serde::Serialize;

/// How often something happens, and where for example.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// To so many sessions or routes, of all nodes.
    pub times: usize,
    /// On so many nodes.
    pub nodes: usize,
    /// The first of the nodes.
    pub node: String,
    /// One of its peers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub peer: String,
    /// The node that was counted last: what happens there again counts no other node.
    #[serde(skip)]
    pub(super) last: String,
}

impl Times {
    /// Something that happens so often on a node.
    pub(super) fn on(node: &str, peer: &str, times: usize) -> Self {
        Self {
            times,
            nodes: 1,
            node: node.to_owned(),
            peer: peer.to_owned(),
            last: node.to_owned(),
        }
    }

    /// Adds what happens on other nodes, or again on the node that came last. The first node by name is the example.
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
