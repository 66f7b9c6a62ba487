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
    /// Adds the community unless it is present.
    AddCommunity(Community),
    /// Removes the community.
    RemoveCommunity(Community),
    /// Removes the communities whose text matches.
    RemoveCommunities(Pattern),
    /// Replaces all communities.
    SetCommunities(Vec<Community>),
    /// Adds the large community unless it is present.
    AddLargeCommunity(LargeCommunity),
    /// Removes the large community.
    RemoveLargeCommunity(LargeCommunity),
    /// Removes the large communities whose text matches.
    RemoveLargeCommunities(Pattern),
    /// Replaces all large communities.
    SetLargeCommunities(Vec<LargeCommunity>),
    /// Adds the extended community unless it is present.
    AddExtCommunity(ExtendedCommunity),
    /// Removes the extended community.
    RemoveExtCommunity(ExtendedCommunity),
    /// Removes the extended communities whose text matches.
    RemoveExtCommunities(Pattern),
    /// Replaces all extended communities.
    SetExtCommunities(Vec<ExtendedCommunity>),
    /// Sets the next hop; on export, regardless of [`NextHopMode`](crate::rib::NextHopMode).
    SetNextHop(NextHopChoice),
    /// Sets ORIGIN.
    SetOrigin(Origin),
    /// Prepends these to the AS path, which then begins with them in this order.
    PrependAsPath(Vec<Asn>),
    /// Replaces an AS number wherever it occurs in the AS path. On export to another AS, our own number is part of the path.
    ReplaceAs {
        /// The number to replace.
        from: Asn,
        /// Its replacement.
        to: Asn,
    },
    /// Sets LOCAL_PREF.
    SetLocalPref(u32),
    /// Sets MULTI_EXIT_DISC.
    SetMed(u32),
    /// Adds to MULTI_EXIT_DISC, up to its largest value. A missing MED counts as 0.
    AddMed(u32),
    /// Subtracts from MULTI_EXIT_DISC, down to 0. A missing MED counts as 0.
    SubtractMed(u32),
    /// Sets a private attribute, replacing one with the same code.
    SetAttribute(UnknownAttribute),
    /// Removes the attribute with this type code, unless it has a field of its own in [`Attributes`](crate::wire::Attributes).
    RemoveAttribute(u8),
    /// Sets the preference, which is compared before all BGP attributes; routes from peers start with 100. No effect on export.
    SetPreference(u32),
}

/// The next hop that a policy sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NextHopChoice {
    /// This address. On export, our own address replaces a next hop that the session cannot carry (RFC 8950 §4) or that is
    /// link-local (RFC 2545 §3).
    Address(NextHop),
    /// Our own address on the connection; no effect on import.
    Own,
    /// The address of the peer that the policy belongs to. On export, no peer is sent a route with itself as next hop.
    Peer,
    /// The next hop in the table, even where our own address would be advertised.
    Unchanged,
}
