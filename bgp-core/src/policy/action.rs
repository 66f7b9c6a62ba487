//! Changes of a route.

use super::pattern::Pattern;
use crate::types::Asn;
use crate::wire::NextHop;
use crate::wire::attribute::{
    Community, ExtendedCommunity, LargeCommunity, Origin, UnknownAttribute,
};

/// A change of a route.
///
/// ```
/// use bgp_core::policy::Action;
/// use bgp_core::wire::attribute::Community;
///
/// let actions = [
///     Action::RemoveCommunities("^65000:".parse()?),
///     Action::AddCommunity(Community::NO_EXPORT),
///     Action::AddMed(100),
/// ];
/// # Ok::<(), bgp_core::policy::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Action {
    /// Adds the community if it is not there.
    AddCommunity(Community),
    /// Removes the community.
    RemoveCommunity(Community),
    /// Removes the communities whose text matches.
    RemoveCommunities(Pattern),
    /// Replaces all communities.
    SetCommunities(Vec<Community>),
    /// Adds the large community if it is not there.
    AddLargeCommunity(LargeCommunity),
    /// Removes the large community.
    RemoveLargeCommunity(LargeCommunity),
    /// Removes the large communities whose text matches.
    RemoveLargeCommunities(Pattern),
    /// Replaces all large communities.
    SetLargeCommunities(Vec<LargeCommunity>),
    /// Adds the extended community if it is not there.
    AddExtCommunity(ExtendedCommunity),
    /// Removes the extended community.
    RemoveExtCommunity(ExtendedCommunity),
    /// Removes the extended communities whose text matches.
    RemoveExtCommunities(Pattern),
    /// Replaces all extended communities.
    SetExtCommunities(Vec<ExtendedCommunity>),
    /// Sets the next hop; on export, whatever [`NextHopMode`](crate::rib::NextHopMode) says.
    SetNextHop(NextHopChoice),
    /// Sets ORIGIN.
    SetOrigin(Origin),
    /// Puts these in front of the AS path: it then begins with them, in this order.
    PrependAsPath(Vec<Asn>),
    /// Puts another AS number in each place where one stands in the AS path; on export to another AS, our own is one of them.
    ReplaceAs {
        /// The number that stands there.
        from: Asn,
        /// The number that takes its place.
        to: Asn,
    },
    /// Sets LOCAL_PREF.
    SetLocalPref(u32),
    /// Sets MULTI_EXIT_DISC.
    SetMed(u32),
    /// Adds to MULTI_EXIT_DISC, up to its largest value. None counts as 0.
    AddMed(u32),
    /// Subtracts from MULTI_EXIT_DISC, down to 0. None counts as 0.
    SubtractMed(u32),
    /// Adds an attribute of the embedder's own, in the place of one with the same code.
    SetAttribute(UnknownAttribute),
    /// Removes the attribute with this type code, if it is one that has no field in [`Attributes`](crate::wire::Attributes).
    RemoveAttribute(u8),
    /// Sets the preference that is compared before anything of BGP; routes from peers start with 100. Without effect on export.
    SetPreference(u32),
}

/// A next hop that a policy sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NextHopChoice {
    /// This one. On export, one that the session cannot carry (RFC 8950 §4) or that means something on one link only
    /// (RFC 2545 §3) becomes our own address.
    Address(NextHop),
    /// Our own address on the connection; without effect on import.
    Own,
    /// The address of the peer that the policy belongs to. On export no peer is told a route whose next hop it is itself.
    Peer,
    /// As it is in the table: on export, also where our own address would be told.
    Unchanged,
}
