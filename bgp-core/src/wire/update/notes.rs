//! The result of decoding an UPDATE: the position of each part in the message, and its faults.

use std::net::Ipv4Addr;

use super::fault::Fault;
use super::kept::Kept;
use super::sections::Span;
use crate::types::{AfiSafi, Family, PerFamily};
use crate::wire::attribute::{AsPath, code};

/// The result of decoding a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::wire) struct Notes {
    /// Fields of the message, if their family is used; otherwise empty.
    pub(super) withdrawn: Span,
    pub(super) nlri: Span,
    pub(super) next_hop: Option<Ipv4Addr>,
    pub(super) mp_reach: Option<MpReach>,
    pub(super) mp_unreach: Option<(Family, Span)>,
    pub(super) kept: Kept,
    pub(super) rare: Option<Box<Rare>>,
    pub(super) path_ids: PerFamily<bool>,
    pub(super) treat_as_withdraw: bool,
    pub(super) end_of_rib: Option<Family>,
}

impl Notes {
    /// An empty result.
    pub(super) fn none(path_ids: PerFamily<bool>) -> Self {
        Self {
            withdrawn: Span::default(),
            nlri: Span::default(),
            next_hop: None,
            mp_reach: None,
            mp_unreach: None,
            kept: Kept::none(),
            rare: None,
            path_ids,
            treat_as_withdraw: false,
            end_of_rib: None,
        }
    }
}

impl Notes {
    /// Routes of families that are not routed here, withdrawals first.
    pub(super) fn opaque(&self) -> Opaque {
        let rare = self.rare.as_deref();
        rare.map(|rare| rare.opaque).unwrap_or_default()
    }
}

/// MP_REACH_NLRI of a used family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MpReach {
    pub(super) family: Family,
    /// Empty if the next hop is unusable; the routes are then treated as withdrawn.
    pub(super) next_hop: Span,
    pub(super) nlri: Span,
}

/// Parts that few UPDATEs have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rare {
    pub(super) translated: Option<Translated>,
    pub(super) opaque: Opaque,
    pub(super) faults: Vec<Fault>,
}

/// Positions of routes of families that are not routed here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Opaque {
    /// Family, next hop and NLRI.
    pub(super) reach: Option<(AfiSafi, Span, Span)>,
    /// Family and NLRI.
    pub(super) unreach: Option<(AfiSafi, Span)>,
}

/// The merged attributes of a peer with two-octet AS numbers (RFC 6793 §4.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) as_path: AsPath,
    /// Empty if there is none.
    pub(super) aggregator: Vec<u8>,
    /// The received paths, for finding loops.
    pub(super) received: [AsPath; 2],
}

impl Translated {
    pub(super) fn value(&self, code: u8) -> &[u8] {
        if code == code::AS_PATH {
            self.as_path.view().octets()
        } else {
            &self.aggregator
        }
    }
}
