//! Values of attributes that are neither paths nor communities.

use std::fmt;

use crate::types::{Asn, RouterId};

/// ORIGIN (RFC 4271 §5.1.1), in the order of preference of the decision process.
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
    pub(super) fn from_octet(octet: u8) -> Option<Self> {
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
    /// The AS that formed the aggregate.
    pub asn: Asn,
    /// The BGP identifier of the speaker that formed it.
    pub router_id: RouterId,
}

impl Aggregator {
    pub(super) fn from_octets(octets: [u8; 8]) -> Self {
        let [a, b, c, d, router_id @ ..] = octets;
        Self {
            asn: Asn(u32::from_be_bytes([a, b, c, d])),
            router_id: RouterId::from_bits(u32::from_be_bytes(router_id)),
        }
    }
}
