//! Snapshots of routes.

use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::types::{Asn, RouterId};
use bgp_core::wire::attribute::{
    Aggregator, Community, ExtendedCommunity, LargeCommunity, Origin, UnknownAttribute,
};
use bgp_speaker::forwarding::NextHops;
use ipnet::IpNet;
use jiff::Timestamp;

/// A route, for `show route`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSnapshot {
    /// The prefix.
    pub prefix: IpNet,
    /// The next hops: one row is printed for each.
    pub next_hops: NextHops,
    /// Name of the [`ProtocolSnapshot`](super::ProtocolSnapshot) that the route comes from.
    pub protocol: Arc<str>,
    /// When it was learned.
    pub since: Timestamp,
    /// The sender, if it is not the gateway.
    pub from: Option<IpAddr>,
    /// It is the best for its prefix.
    pub primary: bool,
    /// It is the best, but the kernel refused it.
    pub refused: bool,
    /// Preference, compared before all BGP attributes.
    pub preference: u32,
    /// Fields of BGP routes only; `None` for routes of the kernel, of interfaces and our own.
    pub bgp: Option<BgpRouteSnapshot>,
    /// BGP attributes, if requested with [`RouteQuery::all`](crate::control::command::RouteQuery::all): those of a BGP route, and
    /// those with which any route is announced.
    pub attributes: Option<Box<BgpAttributes>>,
}

/// Fields of a BGP route only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BgpRouteSnapshot {
    /// Cost to the next hop.
    pub igp_metric: IgpMetric,
    /// ORIGIN.
    pub origin: Origin,
    /// The last AS of AS_PATH, which originated the route; `None` if the path is empty.
    pub origin_as: Option<Asn>,
}

/// Cost to a BGP next hop (RFC 4271 §9.1.2.2 e).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgpMetric {
    /// No lookup was needed: the next hop is on a connected network.
    Direct,
    /// The cost of the route to it.
    Known(u32),
    /// The route to it has no cost.
    Unknown,
    /// There is no route to it.
    Unresolvable,
}

/// All attributes of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BgpAttributes {
    /// ORIGIN.
    pub origin: Origin,
    /// AS_PATH: numbers separated by blanks, sets in braces, confederation segments in parentheses.
    pub as_path: String,
    /// NEXT_HOP, with the link-local address second if there is one.
    pub next_hop: Vec<IpAddr>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR.
    pub aggregator: Option<Aggregator>,
    /// COMMUNITIES.
    pub communities: Vec<Community>,
    /// ORIGINATOR_ID.
    pub originator_id: Option<RouterId>,
    /// CLUSTER_LIST.
    pub cluster_list: Vec<RouterId>,
    /// EXTENDED COMMUNITIES.
    pub ext_communities: Vec<ExtendedCommunity>,
    /// LARGE_COMMUNITY.
    pub large_communities: Vec<LargeCommunity>,
    /// OTC (RFC 9234).
    pub otc: Option<Asn>,
    /// Attributes that are passed on as received.
    pub unknown: Vec<UnknownAttribute>,
}
