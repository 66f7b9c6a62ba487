//! Queries about routes by view: received, accepted, best and advertised routes, with reasons. Answered by `page`.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;

use super::path::RouteSource;
use super::reason::Standing;
use crate::types::{Family, PathId, PeerId};
use crate::wire::{Attributes, NextHop};

/// A set of routes (RFC 4271 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum View {
    /// Adj-RIB-In before policy: the routes as peers announced them.
    Received,
    /// Adj-RIB-In after policy: the routes as import policy changed them, without unusable and rejected ones.
    Accepted,
    /// Loc-RIB: the best route of each prefix, including local ones.
    Best,
    /// Adj-RIB-Out: the routes as advertised to peers.
    Told,
}

/// The prefixes of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Selection {
    /// All prefixes.
    #[default]
    All,
    /// This prefix.
    Exactly(IpNet),
    /// The longest prefix that contains this one and has routes in the view. An address is a prefix of full length.
    LongestMatch(IpNet),
    /// This prefix and all longer ones inside it.
    Within(IpNet),
}

impl Selection {
    /// Whether a prefix is selected; for the longest match, whether it is a candidate.
    pub fn may_include(&self, prefix: IpNet) -> bool {
        match self {
            Self::All => true,
            Self::Exactly(net) => net.trunc() == prefix,
            Self::LongestMatch(net) => prefix.contains(net),
            Self::Within(net) => net.trunc().contains(&prefix),
        }
    }
}

/// A query about routes: see [`Rib::ask`](super::Rib::ask).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Query {
    /// The view.
    pub view: View,
    /// The family.
    pub family: Family,
    /// Only routes from this peer or, in [`View::Told`], routes to this peer. `None` is all peers.
    pub peer: Option<PeerId>,
    /// The prefixes.
    pub selection: Selection,
    /// Include candidates that are not in the view, with the reason in [`ViewedRoute::standing`].
    pub left_out: bool,
}

impl Query {
    /// A query for all routes of a view.
    pub const fn new(view: View, family: Family) -> Self {
        Self {
            view,
            family,
            peer: None,
            selection: Selection::All,
            left_out: false,
        }
    }

    /// A query for a prefix in a view.
    ///
    /// ```
    /// use bgp_core::rib::{Query, View};
    /// use bgp_core::types::PeerId;
    ///
    /// // Why is the peer with number 3 not told of this prefix?
    /// let why = Query::about(View::Told, "198.51.100.0/24".parse()?).of_peer(PeerId(3)).with_left_out();
    /// # Ok::<(), ipnet::AddrParseError>(())
    /// ```
    pub fn about(view: View, prefix: IpNet) -> Self {
        Self::new(view, Family::of(prefix.addr())).select(Selection::Exactly(prefix))
    }

    /// Restricts the query to one peer.
    #[must_use]
    pub const fn of_peer(self, peer: PeerId) -> Self {
        Self {
            peer: Some(peer),
            ..self
        }
    }

    /// Selects other prefixes.
    #[must_use]
    pub const fn select(self, selection: Selection) -> Self {
        Self { selection, ..self }
    }

    /// Includes routes that are not in the view, with the reason.
    #[must_use]
    pub const fn with_left_out(self) -> Self {
        Self {
            left_out: true,
            ..self
        }
    }
}

/// The start of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(pub(super) u32);

impl Cursor {
    /// The first page.
    pub const START: Self = Self(0);
}

/// The text form, which can be parsed back.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cursor {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A page of answers to a query.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Page {
    /// Routes; those of one prefix are adjacent. May be empty even if more pages follow.
    pub routes: Vec<ViewedRoute>,
    /// The next page; `None` at the end.
    pub next: Option<Cursor>,
}

/// A route in a view.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ViewedRoute {
    /// The prefix.
    pub prefix: IpNet,
    /// The source.
    pub source: RouteSource,
    /// In [`View::Told`], the receiving peer.
    pub to: Option<PeerId>,
    /// Path identifier (RFC 7911): the peer's or, in [`View::Told`], ours. 0 if identifiers are not in use.
    pub path_id: PathId,
    /// When it was learned.
    pub since: Instant,
    /// The attributes as received, after import policy, or as advertised. Routes with equal attributes may share them.
    pub attributes: Arc<Attributes>,
    /// The next hop; `None` for a local route without a gateway.
    pub next_hop: Option<NextHop>,
    /// Compared before all BGP attributes; 100 for a route from a peer, unless a policy sets another value.
    pub preference: u32,
    /// The cost of the path to the next hop; `None` if unreachable.
    pub igp_metric: Option<u32>,
    /// The peer is away or restarts, and has not announced the route again (RFC 4724 §4.2).
    pub stale: bool,
    /// The state of the route, and the reason.
    pub standing: Standing,
}

impl ViewedRoute {
    /// The peer that announced the route.
    pub fn peer(&self) -> Option<PeerId> {
        match self.source {
            RouteSource::Peer(peer, _) => Some(peer),
            RouteSource::Local(_) => None,
        }
    }

    /// Whether the route itself is unchanged: its source, attributes, next hop and preference are the same. Its age, staleness
    /// and standing may differ.
    pub fn is_same_route(&self, other: &Self) -> bool {
        (self.prefix, self.source, self.to, self.path_id)
            == (other.prefix, other.source, other.to, other.path_id)
            && (self.next_hop, self.preference) == (other.next_hop, other.preference)
            && (Arc::ptr_eq(&self.attributes, &other.attributes)
                || self.attributes == other.attributes)
    }
}
