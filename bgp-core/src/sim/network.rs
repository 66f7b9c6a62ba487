//! A network as plain data: speakers, sessions and their settings. Speakers are configured from it, and the model computes its
//! stable state from it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::filter::Filter;
use crate::rib::{NextHopMode, PeerKind};
use crate::types::Role;
use crate::types::{Asn, Family, PeerId, RouterId};

/// All speakers and all sessions.
#[derive(Clone, Debug)]
pub struct Network {
    /// All speakers, identified by their index.
    pub nodes: Vec<NodeSpec>,
    /// All sessions; two speakers have at most one.
    pub links: Vec<LinkSpec>,
    /// Settings of all sessions.
    pub terms: Terms,
    /// Link and side of each pair of neighbours, in both orders.
    ends: BTreeMap<(usize, usize), (usize, usize)>,
}

/// A speaker.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// The AS.
    pub asn: Asn,
    /// The identifier.
    pub router_id: RouterId,
    /// The cluster ID, if it is not the identifier.
    pub cluster_id: Option<RouterId>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct LinkSpec {
    /// The configuration of each side.
    pub ends: [EndSpec; 2],
}

/// What a speaker has configured for a neighbour.
#[derive(Clone, Debug)]
pub struct EndSpec {
    /// The speaker with this configuration.
    pub node: usize,
    /// The relation to the neighbour.
    pub kind: PeerKind,
    /// Never dials.
    pub passive: bool,
    /// Proposed hold time in seconds.
    pub hold_time: u16,
    /// How often the own AS may occur in a path.
    pub allowed_local_as: u32,
    /// The next hop to advertise.
    pub next_hop_mode: NextHopMode,
    /// The role towards the neighbour.
    pub role: Option<Role>,
    /// Import policy.
    pub import: Vec<Filter>,
    /// Export policy.
    pub export: Vec<Filter>,
}

/// Settings of all sessions.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Address family of the connections.
    pub transport: Family,
    /// Families in use.
    pub families: Vec<Family>,
    /// Restart time in seconds of graceful restart, if it is offered.
    pub restart_time: Option<u16>,
    /// Graceful restart over NOTIFICATIONs (RFC 8538).
    pub notification_restart: bool,
    /// Additional paths in both directions.
    pub add_path: bool,
    /// Messages up to 65535 octets.
    pub extended_messages: bool,
    /// Longest delay before the first attempt to connect.
    pub connect_delay: Duration,
    /// Interval between attempts to connect.
    pub connect_retry_time: Duration,
    /// Shortest and longest time in Idle.
    pub idle_hold: (Duration, Duration),
    /// Speakers resolve next hops; the cost is zero, or as `metrics` says.
    pub resolve_next_hops: bool,
    /// Paths to next hops have different costs.
    pub metrics: bool,
}

impl Network {
    /// A network of these speakers and sessions.
    pub fn new(nodes: Vec<NodeSpec>, links: Vec<LinkSpec>, terms: Terms) -> Self {
        let mut ends = BTreeMap::new();
        for (link, spec) in links.iter().enumerate() {
            let [one, other] = spec.nodes();
            ends.insert((one, other), (link, 0));
            ends.insert((other, one), (link, 1));
        }
        Self {
            nodes,
            links,
            terms,
            ends,
        }
    }

    /// The configuration of `node` for `peer`.
    pub(super) fn end(&self, node: usize, peer: usize) -> Option<&EndSpec> {
        let (link, side) = self.find(node, peer)?;
        Some(&self.links[link].ends[side])
    }

    /// The session between two speakers, and the side of the first one.
    pub(super) fn find(&self, node: usize, peer: usize) -> Option<(usize, usize)> {
        self.ends.get(&(node, peer)).copied()
    }

    /// All neighbours of a speaker.
    pub(super) fn neighbours(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.ends
            .range((node, 0)..=(node, usize::MAX))
            .map(|((_, peer), _)| *peer)
    }

    /// The address of a speaker's connections.
    pub(super) fn address(&self, node: usize) -> IpAddr {
        address(node, self.terms.transport)
    }

    /// The own next hop that a speaker advertises.
    pub(super) fn own_next_hop(&self, node: usize, family: Family) -> IpAddr {
        if self.carries_ipv4_over_ipv6() {
            address(node, Family::Ipv6Unicast)
        } else {
            address(node, family)
        }
    }

    /// IPv4 routes have IPv6 next hops (RFC 8950).
    pub(super) fn carries_ipv4_over_ipv6(&self) -> bool {
        self.terms.transport == Family::Ipv6Unicast
    }

    /// The cost of the path from a speaker to a next hop.
    pub(super) fn metric(&self, node: usize, next_hop: IpAddr) -> u32 {
        let owner = owner_of(next_hop);
        match owner.filter(|_| self.terms.metrics && self.terms.resolve_next_hops) {
            Some(owner) => u32::try_from((node * 7 + owner * 5) % 4).unwrap_or_default(),
            None => 0,
        }
    }
}

impl LinkSpec {
    /// The speakers at both ends.
    pub(super) fn nodes(&self) -> [usize; 2] {
        [self.ends[0].node, self.ends[1].node]
    }
}

/// The address of a speaker.
pub(super) fn address(node: usize, family: Family) -> IpAddr {
    let number = u16::try_from(node + 1).unwrap_or(u16::MAX);
    let [high, low] = number.to_be_bytes();
    match family {
        Family::Ipv4Unicast => Ipv4Addr::new(10, 1, high, low).into(),
        Family::Ipv6Unicast => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number).into(),
    }
}

/// The owner of an address made by [`address`].
fn owner_of(address: IpAddr) -> Option<usize> {
    let number = match address {
        IpAddr::V4(address) => address.to_bits() & 0xffff,
        IpAddr::V6(address) => u32::from(address.segments()[7]),
    };
    usize::try_from(number).ok()?.checked_sub(1)
}

/// The number of a neighbour: its index in the network.
pub(super) fn peer_id(node: usize) -> PeerId {
    PeerId(u32::try_from(node).unwrap_or(u32::MAX))
}

/// The neighbour with a number.
pub(super) fn node_of(peer: PeerId) -> usize {
    peer.0 as usize
}
