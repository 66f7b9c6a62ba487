//! Questions about a route.

use std::net::IpAddr;

use super::pattern::Pattern;
use super::prefix_set::PrefixSet;
use super::route::{PeerView, Source};
use crate::types::{Asn, PeerId};
use crate::wire::attribute::{Community, ExtendedCommunity, LargeCommunity, Origin};

/// A question about a route. `!condition` is the opposite.
///
/// ```
/// use bgp_core::policy::{Condition, PrefixMatch, PrefixSet, Source};
///
/// let customers: PrefixSet = [PrefixMatch::within("198.51.100.0/22".parse()?).le(24)].into_iter().collect();
/// let conditions = [
///     Condition::Prefix(customers),
///     Condition::AsPath("^65001( 65001)*$".parse()?),
///     !Condition::Source(Source::Local),
/// ];
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Condition {
    /// Its prefix is in the set.
    Prefix(PrefixSet),
    /// Its next hop is in the set, as a prefix of full length. False if it has none.
    NextHop(PrefixSet),
    /// The policy is used for this peer: the one that announced the route, on import, or that is to be told of it, on export. Peers
    /// whose export policy asks this are told each by itself, at the cost of one update group for each.
    Peer(PeerMatch),
    /// It was learned from this peer. False for a local route.
    LearnedFrom(PeerMatch),
    /// Where it was learned.
    Source(Source),
    /// The interface that it leaves by matches the pattern; `*` stands for any run of characters. A route without one has the
    /// empty name.
    Interface(String),
    /// Its ORIGIN.
    Origin(Origin),
    /// The text of its AS path matches; on export to another AS, ours is the first ([`RouteView::own_as`](super::RouteView)).
    AsPath(Pattern),
    /// Its AS path begins with these; on export to another AS, ours is the first ([`RouteView::own_as`](super::RouteView)).
    AsPathPrefix(Vec<Asn>),
    /// The AS that originated it: the last one of its path. False if the path is empty or ends in a set.
    OriginAs(Asn),
    /// It carries the community.
    Community(Community),
    /// The text of one of its communities matches.
    CommunityMatching(Pattern),
    /// It carries the large community.
    LargeCommunity(LargeCommunity),
    /// The text of one of its large communities matches.
    LargeCommunityMatching(Pattern),
    /// It carries the extended community.
    ExtCommunity(ExtendedCommunity),
    /// The text of one of its extended communities matches.
    ExtCommunityMatching(Pattern),
    /// Its MULTI_EXIT_DISC is exactly this. False if it has none.
    Med(u32),
    /// Its MULTI_EXIT_DISC is greater than this. False if it has none.
    MedAbove(u32),
    /// Its LOCAL_PREF is exactly this. False if it has none.
    LocalPref(u32),
    /// Its LOCAL_PREF is greater than this. False if it has none.
    LocalPrefAbove(u32),
    /// It carries an attribute with this type code.
    Attribute(u8),
    /// At least one of these holds.
    Any(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
}

/// Which peers are meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum PeerMatch {
    /// The one with this number.
    Id(PeerId),
    /// Those with this address: more than one where several ports of a machine are spoken to.
    Address(IpAddr),
    /// Those whose address is in the set, as a prefix of full length.
    AddressIn(PrefixSet),
    /// Those of this AS.
    Asn(Asn),
}

impl PeerMatch {
    /// Whether this peer is meant.
    pub fn contains(&self, peer: PeerView) -> bool {
        match self {
            Self::Id(id) => peer.id == *id,
            Self::Address(address) => peer.address == *address,
            Self::AddressIn(set) => set.contains(peer.address.into()),
            Self::Asn(asn) => peer.asn == *asn,
        }
    }
}

impl std::ops::Not for Condition {
    type Output = Self;

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}
