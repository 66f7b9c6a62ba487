//! The kinds of local routes, corresponding to BIRD's protocols.

use std::sync::Arc;

use bgp_core::rib::{LocalRoute, PEER_PREFERENCE};
use bgp_core::wire::{Attributes, NextHop};

/// Own blocks and service addresses.
pub(crate) const STATIC: LocalKind = LocalKind {
    id: 0,
    preference: 200,
};
/// Routes to peers that the plan requires.
pub(crate) const HOST_ROUTE: LocalKind = LocalKind {
    id: 1,
    preference: 200,
};
/// Routes of other programs in the kernel.
pub(crate) const KERNEL: LocalKind = LocalKind {
    id: 2,
    preference: 10,
};
/// Routes to workloads on this node, which Felix writes into the kernel. They are compared with those of peers by priority.
pub(crate) const WORKLOAD: LocalKind = LocalKind {
    id: 2,
    preference: PEER_PREFERENCE,
};
/// Directly connected networks.
pub(crate) const DIRECT: LocalKind = LocalKind {
    id: 3,
    preference: 240,
};

/// A kind of local route, with its number and preference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalKind {
    pub(crate) id: u32,
    pub(crate) preference: u32,
}

impl LocalKind {
    /// A route of this kind.
    pub(crate) fn route(
        self,
        local_pref: u32,
        next_hop: Option<NextHop>,
        interface: Option<Arc<str>>,
    ) -> LocalRoute {
        let attributes = Attributes {
            local_pref: Some(local_pref),
            ..Attributes::default()
        };
        let mut route = LocalRoute::default();
        route.id = self.id;
        route.attributes = attributes;
        route.next_hop = next_hop;
        route.interface = interface;
        route.preference = self.preference;
        route
    }
}
