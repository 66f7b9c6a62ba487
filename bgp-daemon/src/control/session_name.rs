//! The information in the name of a BGP session: the kind of peer, and its address.
//!
//! `Mesh_172_17_8_102`, `Global_2001_db8__1_port_1790`, `Node_…`, and `Local_Workload_…`, which readers do not show.

use bgp_core::types::Family;

const LOCAL_WORKLOAD: &str = "Local_Workload_";

/// The kind of peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerType {
    /// A peer of every node.
    Global,
    /// A peer of some nodes.
    Node,
    /// Another node of the mesh.
    Mesh,
}

impl PeerType {
    /// The name in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Node => "node",
            Self::Mesh => "mesh",
        }
    }

    /// The name in the table of `node status`.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Node => "node specific",
            Self::Mesh => "node-to-node mesh",
        }
    }
}

/// Parses a name: the type, and the address as shown, including a port (`192.0.2.2.port.1790`) or a link (`fe80::1%eth1`). `None` if it is not the name of a
/// session that is shown.
pub fn parse(name: &str, family: Family) -> Option<(PeerType, String)> {
    let (word, rest) = name.split_once('_')?;
    let peer_type = match word {
        "Global" => PeerType::Global,
        "Node" => PeerType::Node,
        "Mesh" => PeerType::Mesh,
        _ => return None,
    };
    let separator = match family {
        Family::Ipv4Unicast => ".",
        Family::Ipv6Unicast => ":",
    };
    let (address, link) = match rest.split_once("_dev_") {
        Some((address, link)) => (address, format!("%{link}")),
        None => (rest, String::new()),
    };
    let shown = || address.replace('_', separator) + &link;
    (!rest.is_empty()).then(|| (peer_type, shown()))
}

/// Whether it is the session of a workload on this node.
pub fn is_local_workload(name: &str) -> bool {
    name.starts_with(LOCAL_WORKLOAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 5.18.
    #[test]
    fn names_say_type_and_address() {
        use Family::{Ipv4Unicast, Ipv6Unicast};
        let of = |name, family| parse(name, family).map(|(t, address)| (t.words(), address));
        assert_eq!(
            of("Mesh_172_17_8_102", Ipv4Unicast),
            Some(("node-to-node mesh", "172.17.8.102".to_owned()))
        );
        assert_eq!(
            of("Node_2001_db8__1_port_1790", Ipv6Unicast),
            Some(("node specific", "2001:db8::1:port:1790".to_owned()))
        );
        assert_eq!(
            of("Mesh___1", Ipv6Unicast),
            Some(("node-to-node mesh", "::1".to_owned()))
        );
        assert_eq!(
            of("Node_fe80__1_dev_eth1", Ipv6Unicast),
            Some(("node specific", "fe80::1%eth1".to_owned()))
        );
        for other in [
            "Local_Workload_10_65_0_2",
            "Mesh_",
            "Mesh",
            "kernel1",
            "mesh_1",
        ] {
            assert_eq!(of(other, Ipv4Unicast), None, "{other}");
        }
    }
}
