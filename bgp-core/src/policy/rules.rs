//! The rules of a policy, as plain data.

use super::prefix_set::PrefixSet;
use crate::types::Asn;
use crate::wire::attribute::{Community, LargeCommunity};

/// What happens to a route in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "lowercase")
)]
pub enum Verdict {
    /// It is used.
    Accept,
    /// It is not.
    Reject,
}

/// Rules in order; the first one that decides ends the evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Policy {
    /// Tried one after the other.
    pub rules: Vec<Rule>,
    /// What happens when none decided.
    pub default: Verdict,
}

/// If all conditions hold, does its actions, then decides or lets the next rule go on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Rule {
    /// Where it comes from, for whoever asks why a route was rejected; for example `BGPFilter/no-default rule 2`.
    pub origin: String,
    /// All of them must hold; none is always true.
    pub conditions: Vec<Condition>,
    /// Done in order.
    pub actions: Vec<Action>,
    /// Ends the evaluation, if there is one.
    pub verdict: Option<Verdict>,
}

/// A question about a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Condition {
    /// Its prefix is in the set.
    Prefix(PrefixSet),
    /// Where it was learned.
    Source(Source),
    /// The interface that it leaves by matches the pattern; `*` stands for any run of characters. A route without one has the
    /// empty name.
    Interface(String),
    /// It carries the community.
    Community(Community),
    /// It carries the large community.
    LargeCommunity(LargeCommunity),
    /// Its AS path begins with these; on the way to another AS, ours is the first ([`RouteView::own_as`](super::RouteView::own_as)).
    AsPathPrefix(Vec<Asn>),
    /// Its LOCAL_PREF is exactly this. False if it has none.
    LocalPref(u32),
    /// Its LOCAL_PREF is greater than this. False if it has none.
    LocalPrefAbove(u32),
    /// The opposite.
    Not(Box<Self>),
}

/// Where a route was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Source {
    /// By BGP, from a peer.
    Peer,
    /// On this machine.
    Local,
}

/// A change of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Action {
    /// Adds the community if it is not there.
    AddCommunity(Community),
    /// Adds the large community if it is not there.
    AddLargeCommunity(LargeCommunity),
    /// Puts these in front of the AS path: it then begins with them, in this order.
    PrependAsPath(Vec<Asn>),
    /// Sets LOCAL_PREF.
    SetLocalPref(u32),
    /// Sets MULTI_EXIT_DISC.
    SetMed(u32),
    /// Sets the preference that is compared before anything of BGP; routes from peers start with 100.
    SetPreference(u32),
}

impl Policy {
    /// Accepts everything unchanged.
    pub const ACCEPT: Self = Self {
        rules: Vec::new(),
        default: Verdict::Accept,
    };
    /// Rejects everything: what an eBGP session without a policy has (RFC 8212 §3).
    pub const REJECT: Self = Self {
        rules: Vec::new(),
        default: Verdict::Reject,
    };
}
