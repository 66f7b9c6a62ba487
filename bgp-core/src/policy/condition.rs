//! Conditions on a route.

use std::net::IpAddr;

use super::pattern::Pattern;
use super::prefix_set::PrefixSet;
use super::route::{PeerView, Source};
use crate::types::{Asn, PeerId};
use crate::wire::attribute::{Community, ExtendedCommunity, LargeCommunity, Origin};

/// A condition on a route. `!condition` negates it.
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
    /// The prefix is in the set.
    Prefix(PrefixSet),
    /// The next hop, as a prefix of full length, is in the set. False without a next hop.
    NextHop(PrefixSet),
    /// The policy is evaluated for this peer: the sender on import, the receiver on export. Each peer with this condition in its
    /// export policy has an update group of its own.
    Peer(PeerMatch),
    /// The route was learned from this peer. False for a local route.
    LearnedFrom(PeerMatch),
    /// The kind of source.
    Source(Source),
    /// The outgoing interface matches the pattern, in which `*` matches any characters. A route without an interface has the
    /// empty name.
    Interface(String),
    /// The value of ORIGIN.
    Origin(Origin),
    /// The text of the AS path matches; on export to another AS, the path begins with our AS
    /// ([`RouteView::own_as`](super::RouteView)).
    AsPath(Pattern),
    /// The AS path begins with these; on export to another AS, the path begins with our AS
    /// ([`RouteView::own_as`](super::RouteView)).
    AsPathPrefix(Vec<Asn>),
    /// The originating AS, which is the last one of the path. False if the path is empty or ends with a set.
    OriginAs(Asn),
    /// The route has the community.
    Community(Community),
    /// The text of one of the communities matches.
    CommunityMatching(Pattern),
    /// The route has the large community.
    LargeCommunity(LargeCommunity),
    /// The text of one of the large communities matches.
    LargeCommunityMatching(Pattern),
    /// The route has the extended community.
    ExtCommunity(ExtendedCommunity),
    /// The text of one of the extended communities matches.
    ExtCommunityMatching(Pattern),
    /// MULTI_EXIT_DISC has this value. False without one.
    Med(u32),
    /// MULTI_EXIT_DISC is greater than this. False without one.
    MedAbove(u32),
    /// LOCAL_PREF has this value. False without one.
    LocalPref(u32),
    /// LOCAL_PREF is greater than this. False without one.
    LocalPrefAbove(u32),
    /// The route has an attribute with this type code.
    Attribute(u8),
    /// At least one of these conditions holds.
    Any(Vec<Self>),
    /// The condition does not hold.
    Not(Box<Self>),
}

/// Matches peers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum PeerMatch {
    /// The peer with this number.
    Id(PeerId),
    /// Peers with this address; there are several if one host has peers on several ports.
    Address(IpAddr),
    /// Peers with an address in the set, as a prefix of full length.
    AddressIn(PrefixSet),
    /// Peers in this AS.
    Asn(Asn),
}

impl PeerMatch {
    /// Whether the peer matches.
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
