//! A network as plain data: who is there, who speaks to whom, and how. Speakers are configured from it, and the model computes
//! its stable state from it.

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
    /// Every speaker; named by its place.
    pub nodes: Vec<NodeSpec>,
    /// Every session; two speakers have at most one.
    pub links: Vec<LinkSpec>,
    /// What is the same for all sessions.
    pub terms: Terms,
    /// Link and side of each pair of neighbours, by both.
    ends: BTreeMap<(usize, usize), (usize, usize)>,
}

/// A speaker.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Its AS.
    pub asn: Asn,
    /// Its identifier.
    pub router_id: RouterId,
    /// Its cluster, if it is not named by the identifier.
    pub cluster_id: Option<RouterId>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct LinkSpec {
    /// What each side has configured for the other.
    pub ends: [EndSpec; 2],
}

/// What a speaker has configured for a neighbour.
#[derive(Clone, Debug)]
pub struct EndSpec {
    /// Whose configuration this is.
    pub node: usize,
    /// What the neighbour is to it.
    pub kind: PeerKind,
    /// Never dials.
    pub passive: bool,
    /// Proposed hold time in seconds.
    pub hold_time: u16,
    /// How often its own AS may be in a path.
    pub allowed_local_as: u32,
    /// Which next hop the neighbour is told.
    pub next_hop_mode: NextHopMode,
    /// Its role towards the neighbour.
    pub role: Option<Role>,
    /// What it makes of received routes.
    pub import: Vec<Filter>,
    /// What it makes of routes before they are told.
    pub export: Vec<Filter>,
}

/// What is the same for all sessions.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The family of the addresses that connections are made between.
    pub transport: Family,
    /// Families that are exchanged.
    pub families: Vec<Family>,
    /// Restart time in seconds of graceful restart, if it is offered.
    pub restart_time: Option<u16>,
    /// Graceful restart over NOTIFICATIONs (RFC 8538).
    pub notification_restart: bool,
    /// Additional paths in both directions.
    pub add_path: bool,
    /// Messages up to 65535 octets.
    pub extended_messages: bool,
    /// Longest wait before the first try to connect.
    pub connect_delay: Duration,
    /// Interval between tries to connect.
    pub connect_retry_time: Duration,
    /// Shortest and longest stay in Idle.
    pub idle_hold: (Duration, Duration),
    /// The speakers ask for the way to next hops; what it costs is zero, or as `metrics` says.
    pub resolve_next_hops: bool,
    /// Ways to next hops cost different amounts.
    pub metrics: bool,
}

impl Network {
    /// The network of these speakers and sessions.
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

    /// What `node` has configured for `peer`.
    pub(super) fn end(&self, node: usize, peer: usize) -> Option<&EndSpec> {
        let (link, side) = self.find(node, peer)?;
        Some(&self.links[link].ends[side])
    }

    /// The session between two speakers, and the side of the first one.
    pub(super) fn find(&self, node: usize, peer: usize) -> Option<(usize, usize)> {
        self.ends.get(&(node, peer)).copied()
    }

    /// Every neighbour of a speaker.
    pub(super) fn neighbours(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.ends
            .range((node, 0)..=(node, usize::MAX))
            .map(|((_, peer), _)| *peer)
    }

    /// The address that a speaker's connections end at.
    pub(super) fn address(&self, node: usize) -> IpAddr {
        address(node, self.terms.transport)
    }

    /// What a speaker tells others as its own next hop.
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

    /// The cost of the way from a speaker to a next hop.
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

/// Whose address it is, if [`address`] made it.
fn owner_of(address: IpAddr) -> Option<usize> {
    let number = match address {
        IpAddr::V4(address) => address.to_bits() & 0xffff,
        IpAddr::V6(address) => u32::from(address.segments()[7]),
    };
    usize::try_from(number).ok()?.checked_sub(1)
}

/// How every speaker numbers its neighbours: by their place in the network.
pub(super) fn peer_id(node: usize) -> PeerId {
    PeerId(u32::try_from(node).unwrap_or(u32::MAX))
}

/// The neighbour of that number.
pub(super) fn node_of(peer: PeerId) -> usize {
    peer.0 as usize
}
