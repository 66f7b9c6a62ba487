//! Queries about routes by view: what was received, accepted, chosen and told, and why. `page` answers them.

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
    /// Adj-RIB-In before policy: what peers announced, as they announced it.
    Received,
    /// Adj-RIB-In after policy: what import policy made of these routes. Routes that loop, leak, have an impossible next hop or were
    /// rejected by policy are left out.
    Accepted,
    /// Loc-RIB: the best route of each prefix, local ones included.
    Best,
    /// Adj-RIB-Out: what peers are told, as they are told.
    Told,
}

/// Which prefixes a query is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Selection {
    /// All.
    #[default]
    All,
    /// This one.
    Exactly(IpNet),
    /// The longest one that contains this and has routes in the view. An address is a prefix of full length.
    LongestMatch(IpNet),
    /// This one and all that it contains.
    Within(IpNet),
}

impl Selection {
    /// Whether a prefix belongs to it; for the longest match, whether the prefix may be the one.
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
    /// Which set of routes.
    pub view: View,
    /// Of which family.
    pub family: Family,
    /// Only routes that this peer announced or, of [`View::Told`], that it is told. `None`: of all peers.
    pub peer: Option<PeerId>,
    /// Of which prefixes.
    pub selection: Selection,
    /// Also the routes that were candidates for the view and are not in it, each with the reason in [`ViewedRoute::standing`].
    pub left_out: bool,
}

impl Query {
    /// All routes of a view.
    pub const fn new(view: View, family: Family) -> Self {
        Self {
            view,
            family,
            peer: None,
            selection: Selection::All,
            left_out: false,
        }
    }

    /// All routes of a view that belong to a prefix.
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

    /// The same about one peer.
    #[must_use]
    pub const fn of_peer(self, peer: PeerId) -> Self {
        Self {
            peer: Some(peer),
            ..self
        }
    }

    /// The same about other prefixes.
    #[must_use]
    pub const fn select(self, selection: Selection) -> Self {
        Self { selection, ..self }
    }

    /// The same with the routes that are not in the view, and why.
    #[must_use]
    pub const fn with_left_out(self) -> Self {
        Self {
            left_out: true,
            ..self
        }
    }
}

/// Where the next page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(pub(super) u32);

impl Cursor {
    /// The beginning.
    pub const START: Self = Self(0);
}

/// Written and read back as text, for whoever asks over a wire.
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

/// Some answers to a query.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Page {
    /// Routes, those of one prefix next to each other. May be empty though more follow.
    pub routes: Vec<ViewedRoute>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// A route as a view shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ViewedRoute {
    /// Its prefix.
    pub prefix: IpNet,
    /// Where it was learned.
    pub source: RouteSource,
    /// Of [`View::Told`], the peer that is told, or not.
    pub to: Option<PeerId>,
    /// Its path identifier (RFC 7911): the peer's or, in [`View::Told`], ours. 0 where identifiers are not in use.
    pub path_id: PathId,
    /// When it was learned.
    pub since: Instant,
    /// Its attributes: as received, after import policy, or as told. Routes with equal attributes may share them.
    pub attributes: Arc<Attributes>,
    /// Where packets go; `None` for a local route without a gateway.
    pub next_hop: Option<NextHop>,
    /// Compared before anything of BGP; 100 for a route from a peer, unless a policy sets another.
    pub preference: u32,
    /// The cost of the way to its next hop; `None` if there is no way.
    pub igp_metric: Option<u32>,
    /// Its peer is away or restarts, and has not announced it again (RFC 4724 §4.2).
    pub stale: bool,
    /// What became of it, and why.
    pub standing: Standing,
}

impl ViewedRoute {
    /// Whether it came from a peer.
    pub fn peer(&self) -> Option<PeerId> {
        match self.source {
            RouteSource::Peer(peer, _) => Some(peer),
            RouteSource::Local(_) => None,
        }
    }

    /// Whether nothing of the route itself has changed: its source, attributes, next hop and preference are the same. Its age, whether it
    /// is stale, and why it is used or not, may have changed.
    pub fn is_same_route(&self, other: &Self) -> bool {
        (self.prefix, self.source, self.to, self.path_id)
            == (other.prefix, other.source, other.to, other.path_id)
            && (self.next_hop, self.preference) == (other.next_hop, other.preference)
            && (Arc::ptr_eq(&self.attributes, &other.attributes)
                || self.attributes == other.attributes)
    }
}
