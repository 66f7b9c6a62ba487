//! What policies see of a route.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::types::{Asn, PeerId};
use crate::wire::NextHop;
use crate::wire::attribute::AttributeView;

/// Which way a route goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From a peer into the table.
    Import,
    /// From the table to a peer.
    Export,
}

/// Where a route was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Source {
    /// On this machine.
    Local,
    /// From a peer of another AS (eBGP).
    External,
    /// From a peer of our AS (iBGP).
    Internal,
    /// From a peer of our AS for which we reflect (RFC 4456 §6).
    Client,
}

/// A neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PeerView {
    /// The number by which its owner knows it.
    pub id: PeerId,
    /// Its address.
    pub address: IpAddr,
    /// Its AS number.
    pub asn: Asn,
}

/// What a policy sees of a route.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RouteView<'a> {
    /// Which way the route goes.
    pub direction: Direction,
    /// The peer that the policy belongs to: it announced the route, or is to be told of it. `None` on export, if nothing in the
    /// policy looks at the peer: then one evaluation serves many of them.
    pub peer: Option<PeerView>,
    /// The peer that announced the route; `None` for a local one.
    pub learned_from: Option<PeerView>,
    /// Where the route was learned.
    pub source: Source,
    /// Its prefix.
    pub prefix: IpNet,
    /// Its attributes.
    pub attributes: AttributeView<'a>,
    /// Its next hop, as received or as an earlier rule set it; `None` for a local route without a gateway. On export, rules see
    /// the next hop of the table, not yet the one that the peer is told.
    pub next_hop: Option<NextHop>,
    /// Our own address as next hop, on export.
    pub own_next_hop: Option<NextHop>,
    /// Its LOCAL_PREF; where the attributes have none, the default.
    pub local_pref: Option<u32>,
    /// The interface it leaves by, as far as known.
    pub interface: Option<&'a str>,
    /// Our AS number, on export to another AS: the policy sees and edits the AS path with this number in front, though the
    /// attributes are still without it.
    pub own_as: Option<Asn>,
}

impl<'a> RouteView<'a> {
    /// A route received from nobody in particular; for programs that evaluate a policy themselves.
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
