//! A policy's view of a route.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::types::{Asn, PeerId};
use crate::wire::NextHop;
use crate::wire::attribute::AttributeView;

/// The direction of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From a peer into the table.
    Import,
    /// From the table to a peer.
    Export,
}

/// The kind of source of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Source {
    /// On this machine.
    Local,
    /// From a peer of another AS (eBGP).
    External,
    /// From a peer in our AS (iBGP).
    Internal,
    /// From a route reflector client (RFC 4456 §6).
    Client,
}

/// A neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PeerView {
    /// The peer's number.
    pub id: PeerId,
    /// Its address.
    pub address: IpAddr,
    /// Its AS number.
    pub asn: Asn,
}

/// A policy's view of a route.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RouteView<'a> {
    /// The direction.
    pub direction: Direction,
    /// The peer that the policy belongs to: the sender on import, the receiver on export. `None` on export if the policy does not
    /// depend on the peer: one evaluation then serves many peers.
    pub peer: Option<PeerView>,
    /// The peer that announced the route; `None` for a local route.
    pub learned_from: Option<PeerView>,
    /// The kind of source.
    pub source: Source,
    /// The prefix.
    pub prefix: IpNet,
    /// The attributes.
    pub attributes: AttributeView<'a>,
    /// The next hop as received, or as an earlier rule set it; `None` for a local route without a gateway. On export this is the
    /// next hop in the table, not yet the one to advertise.
    pub next_hop: Option<NextHop>,
    /// Our own address as next hop, on export.
    pub own_next_hop: Option<NextHop>,
    /// LOCAL_PREF, or the default if the attributes have none.
    pub local_pref: Option<u32>,
    /// The outgoing interface, if known.
    pub interface: Option<&'a str>,
    /// Our AS number, on export to another AS: the policy sees and edits the AS path with this number prepended, although the
    /// attributes do not contain it yet.
    pub own_as: Option<Asn>,
}

impl<'a> RouteView<'a> {
    /// A route without peers, for programs that evaluate a policy themselves.
    ///
    /// ```
    /// use bgp_core::policy::{Decision, Policy, RouteView};
    /// use bgp_core::wire::{AttributeView, Attributes};
    ///
    /// let mut octets = Vec::new();
    /// Attributes::default().encode_canonical(&mut octets);
    /// let route = RouteView::new("192.0.2.0/24".parse()?, AttributeView::new(&octets));
    /// assert_eq!(Policy::REJECT.evaluate(route), Decision::Reject);
    /// # Ok::<(), ipnet::AddrParseError>(())
    /// ```
    pub fn new(prefix: IpNet, attributes: AttributeView<'a>) -> Self {
        Self {
            direction: Direction::Import,
            peer: None,
            learned_from: None,
            source: Source::External,
            prefix,
            attributes,
            next_hop: None,
            own_next_hop: None,
            local_pref: attributes.local_pref(),
            interface: None,
            own_as: None,
        }
    }
}
