//! Path attributes (RFC 4271 §5): the table of what is known, the typed form for edits, the canonical form at rest.
//!
//! | form              | for what                                       | where           |
//! |-------------------|------------------------------------------------|-----------------|
//! | as received       | checked against the table, never kept          | `wire::update`  |
//! | [`AttributeView`] | tables, comparing, sending                     | `canonical.rs`  |
//! | [`Attributes`]    | building a route, editing it in a policy, JSON | here            |
//!
//! Next hops are no attributes here: they come with each set of routes, see [`Reachable`](super::Reachable).

mod as4;
pub mod as_path;
mod canonical;
pub mod community;
mod table;
mod usual;

use std::fmt;

use crate::types::{Asn, RouterId};

pub(super) use as_path::from_two_octet;
pub(super) use as4::{merge, put_two_octet};
pub(super) use community::{has_repetitions, without_repetitions};
pub(super) use table::{Scopes, Spec, Wrong, carried_flags, flag, name, spec, subcode};
pub(super) use usual::{Usual, usual};

pub use as_path::{AsPath, AsPathView};
pub use canonical::{AttributeView, RawAttribute};
pub use community::{Community, ExtendedCommunity, LargeCommunity};
pub use table::ErrorAction;

pub(super) use canonical::{put, put_flags};

/// Type codes (RFC 4271 §5 and its registry).
#[expect(missing_docs, reason = "the names are the registry's own")]
pub mod code {
    pub const ORIGIN: u8 = 1;
    pub const AS_PATH: u8 = 2;
    pub const NEXT_HOP: u8 = 3;
    pub const MED: u8 = 4;
    pub const LOCAL_PREF: u8 = 5;
    pub const ATOMIC_AGGREGATE: u8 = 6;
    pub const AGGREGATOR: u8 = 7;
    pub const COMMUNITIES: u8 = 8;
    pub const ORIGINATOR_ID: u8 = 9;
    pub const CLUSTER_LIST: u8 = 10;
    pub const MP_REACH_NLRI: u8 = 14;
    pub const MP_UNREACH_NLRI: u8 = 15;
    pub const EXT_COMMUNITIES: u8 = 16;
    pub const AS4_PATH: u8 = 17;
    pub const AS4_AGGREGATOR: u8 = 18;
    pub const IPV6_EXT_COMMUNITIES: u8 = 25;
    pub const AIGP: u8 = 26;
    pub const LARGE_COMMUNITY: u8 = 32;
    pub const OTC: u8 = 35;
}

/// ORIGIN (RFC 4271 §5.1.1), ordered as the decision process prefers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
#[expect(missing_docs, reason = "the names are the RFC's own")]
pub enum Origin {
    #[default]
    Igp = 0,
    Egp = 1,
    Incomplete = 2,
}

impl Origin {
    fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            0 => Some(Self::Igp),
            1 => Some(Self::Egp),
            2 => Some(Self::Incomplete),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Igp => "IGP",
            Self::Egp => "EGP",
            Self::Incomplete => "incomplete",
        })
    }
}

/// AGGREGATOR (RFC 4271 §5.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Aggregator {
    /// Who formed the aggregate.
    pub asn: Asn,
    /// Its identifier.
    pub router_id: RouterId,
}

impl Aggregator {
    fn from_octets(octets: [u8; 8]) -> Self {
        let [a, b, c, d, router_id @ ..] = octets;
        Self {
            asn: Asn(u32::from_be_bytes([a, b, c, d])),
            router_id: RouterId::from_bits(u32::from_be_bytes(router_id)),
        }
    }
}

/// An attribute that is carried on as it came (RFC 4271 §5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UnknownAttribute {
    /// Its type code.
    pub code: u8,
    /// Its flags; the extended length bit is not kept.
    pub flags: u8,
    /// Its value.
    #[cfg_attr(feature = "serde", serde(with = "super::text"))]
    pub value: Box<[u8]>,
}

/// The attributes of a route but for its next hop, as a value to build and to edit. Tables keep the canonical form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default)
)]
pub struct Attributes {
    /// Type 1.
    pub origin: Origin,
    /// Type 2, in four-octet form.
    pub as_path: AsPath,
    /// Type 4.
    pub med: Option<u32>,
    /// Type 5.
    pub local_pref: Option<u32>,
    /// Type 6.
    pub atomic_aggregate: bool,
    /// Type 7.
    pub aggregator: Option<Aggregator>,
    /// Type 8, in the order received.
    pub communities: Vec<Community>,
    /// Type 9.
    pub originator_id: Option<RouterId>,
    /// Type 10.
    pub cluster_list: Vec<RouterId>,
    /// Type 16.
    pub ext_communities: Vec<ExtendedCommunity>,
    /// Type 32.
    pub large_communities: Vec<LargeCommunity>,
    /// Type 35 (RFC 9234).
    pub otc: Option<Asn>,
    /// Codes of those above that came with the partial bit, ascending. Nobody may clear it (RFC 4271 §5), and only types
    /// 7, 8, 16, 32 and 35 can have it.
    pub partial: Vec<u8>,
    /// All others that are carried on, ascending by code. In another order they mean the same, and are encoded the same.
    pub unknown: Vec<UnknownAttribute>,
}

/// Name and value of each attribute that is there.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "origin {}, as-path [{}]", self.origin, self.as_path)?;
        option(f, "med", self.med)?;
        option(f, "local-pref", self.local_pref)?;
        f.write_str(if self.atomic_aggregate {
            ", atomic-aggregate"
        } else {
            ""
        })?;
        if let Some(Aggregator { asn, router_id }) = self.aggregator {
            write!(f, ", aggregator {asn} {router_id}")?;
        }
        list(f, "communities", &self.communities)?;
        option(f, "originator-id", self.originator_id)?;
        list(f, "cluster-list", &self.cluster_list)?;
        list(f, "ext-communities", &self.ext_communities)?;
        list(f, "large-communities", &self.large_communities)?;
        option(f, "otc", self.otc)?;
        self.unknown.iter().try_for_each(|attribute| {
            let UnknownAttribute { code, flags, value } = attribute;
            write!(
                f,
                ", attribute {code} flags {flags:02x} {}",
                super::text::Hex(value)
            )
        })
    }
}

fn option<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    value: Option<T>,
) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, ", {name} {value}"))
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, items: &[T]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    write!(f, ", {name}")?;
    items.iter().try_for_each(|item| write!(f, " {item}"))
}
