//! Why a route is used or not, and why it is advertised to a peer or not.

use std::fmt;

use super::path::{RouteSource, Unusable};

/// A step of the decision process (RFC 4271 §9.1.2.2), in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum DecisionStep {
    /// The preference, compared before all BGP attributes: that of local routes, or one set by a policy.
    Preference,
    /// The next hop is unreachable (RFC 4271 §9.1.2.1).
    Unreachable,
    /// A long-lived stale route, used as the last resort (RFC 9494 §4.2).
    LongLivedStale,
    /// The lower LOCAL_PREF (RFC 4271 §9.1.1).
    LocalPref,
    /// The longer AS path (RFC 4271 §9.1.2.2 a).
    AsPathLength,
    /// The greater ORIGIN (b).
    Origin,
    /// The greater MED, of routes from the same neighbouring AS (c).
    Med,
    /// iBGP, where the other route is from eBGP (d).
    External,
    /// The greater cost to the next hop (e).
    IgpMetric,
    /// The greater BGP identifier, or ORIGINATOR_ID (f; RFC 4456 §9).
    Identifier,
    /// The longer CLUSTER_LIST (RFC 4456 §9).
    ClusterList,
    /// The greater address of the peer (g).
    Address,
    /// The greater path identifier (RFC 7911).
    PathId,
}

impl fmt::Display for DecisionStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preference => "preference",
            Self::Unreachable => "unreachable next hop",
            Self::LongLivedStale => "long-lived stale",
            Self::LocalPref => "LOCAL_PREF",
            Self::AsPathLength => "AS path length",
            Self::Origin => "ORIGIN",
            Self::Med => "MED",
            Self::External => "learned inside the AS",
            Self::IgpMetric => "metric to the next hop",
            Self::Identifier => "BGP identifier",
            Self::ClusterList => "CLUSTER_LIST length",
            Self::Address => "address of the peer",
            Self::PathId => "path identifier",
        })
    }
}

/// Why a used route is not advertised to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Withheld {
    /// The peer is the source of the route (RFC 4271 §9.1.3).
    Source,
    /// The peer is the next hop of the route (RFC 4271 §5.1.3).
    NextHop,
    /// The community NO_ADVERTISE (RFC 1997).
    NoAdvertise,
    /// The community NO_EXPORT or NO_EXPORT_SUBCONFED, towards another AS (RFC 1997).
    NoExport,
    /// A long-lived stale route, and the peer does not support LLGR (RFC 9494 §4.3).
    LongLivedStale,
    /// A route leak: a route with OTC towards a provider, a peer or a route server (RFC 9234 §5).
    RouteLeak,
    /// From iBGP to iBGP without route reflection (RFC 4271 §9.2, RFC 4456 §6).
    Internal,
    /// The export policy rejects the route.
    Policy,
    /// The owner of the local route withholds it from this peer ([`LocalRoute::for_peers`](super::LocalRoute::for_peers)).
    Owner,
    /// There is no next hop that the peer can use.
    NoNextHop,
    /// The attributes do not fit into a message (RFC 4271 §9.2).
    TooLong,
    /// The peer has too much in flight, or the route has just changed: it will be sent soon.
    Waiting,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "the peer announced the route itself",
            Self::NextHop => "the peer is the next hop",
            Self::NoAdvertise => "NO_ADVERTISE",
            Self::NoExport => "NO_EXPORT",
            Self::LongLivedStale => "the peer does not know long-lived stale routes",
            Self::RouteLeak => "the route would leak (OTC)",
            Self::Internal => "from inside the AS to inside the AS without reflection",
            Self::Policy => "the export policy rejects the route",
            Self::Owner => "the owner of the route keeps it from this peer",
            Self::NoNextHop => "no next hop that the peer could use",
            Self::TooLong => "the attributes do not fit into a message",
            Self::Waiting => "waits to be sent",
        })
    }
}

/// The state of a route in a view, and the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Standing {
    /// The best route of its prefix.
    Best,
    /// Another route of the prefix is better.
    Lost {
        /// The step that decided.
        step: DecisionStep,
        /// The source of the better route: the best one, or at [`DecisionStep::Med`] one of the same neighbouring AS.
        against: RouteSource,
    },
    /// The route is unusable.
    Unusable(Unusable),
    /// The next hop is unreachable (RFC 4271 §9.1.2.1).
    Unreachable,
    /// The route has just changed, or decisions are deferred after our own restart.
    Undecided,
    /// The route is advertised to the peer.
    Told,
    /// The route is not advertised to the peer.
    Withheld(Withheld),
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("best"),
            Self::Lost { step, .. } => write!(f, "another is better: {step}"),
            Self::Unusable(why) => write!(f, "unusable: {why}"),
            Self::Unreachable => f.write_str("unusable: no way to the next hop"),
            Self::Undecided => f.write_str("not decided yet"),
            Self::Told => f.write_str("told"),
            Self::Withheld(why) => write!(f, "not told: {why}"),
        }
    }
}
