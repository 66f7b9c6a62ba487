//! What both sides agreed on with their OPENs, as a value.

use std::time::Duration;

use crate::types::{AfiSafi, Asn, Family, PerFamily, RouterId};
use crate::wire::{Capability, Context, Open};

/// What both sides agreed on when a session came up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// How messages are read and written from now on.
    pub context: Context,
    /// The peer's AS number.
    pub peer_as: Asn,
    /// The peer's BGP identifier.
    pub peer_id: RouterId,
    /// Hold time in force; zero is none.
    pub hold_time: Duration,
    /// Interval between KEEPALIVEs; zero is none.
    pub keepalive_time: Duration,
    /// The peer answers ROUTE-REFRESH (RFC 2918).
    pub route_refresh: bool,
    /// How the peer restarts; `None` when graceful restart was not offered by both sides.
    pub graceful_restart: Option<PeerRestart>,
    /// Families that have long-lived stale time offered by the peer, in seconds (RFC 9494), both sides taking part.
    pub long_lived: PerFamily<Option<LongLived>>,
    /// Families of [`SessionConfig::opaque_families`](super::SessionConfig::opaque_families) that both sides offered.
    pub opaque_families: Vec<AfiSafi>,
    /// OPEN as we sent it.
    pub sent_open: Open,
    /// OPEN as the peer sent it.
    pub received_open: Open,
}

impl Negotiated {
    /// Whether the peer knows what the community LLGR_STALE means (RFC 9494 §4.3): it sent capability 71, if only without
    /// families.
    pub fn peer_is_long_lived_aware(&self) -> bool {
        let offered = &self.received_open.capabilities;
        let is_it =
            |capability: &Capability| matches!(capability, Capability::LongLivedGracefulRestart(_));
        offered.iter().any(is_it)
    }

    /// Capabilities of the peer that mean nothing here, with code and value: for an owner that announces some of its own
    /// ([`SessionConfig::extra_capabilities`](super::SessionConfig::extra_capabilities)).
    pub fn unknown_capabilities(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let offered = self.received_open.capabilities.iter();
        let unknown = offered.filter(|capability| capability.is_unknown());
        unknown.filter_map(|capability| {
            if let Capability::Unknown { code, value } = capability {
                Some((*code, &value[..]))
            } else {
                None
            }
        })
    }
}

/// The peer's graceful restart capability, as far as both sides take part (RFC 4724, RFC 8538).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerRestart {
    /// R bit: it has just restarted.
    pub restarting: bool,
    /// Both sides set the N bit: routes survive NOTIFICATIONs too.
    pub notification: bool,
    /// How long its routes are kept after the connection is lost.
    pub restart_time: Duration,
    /// Per family: `None` is not covered; otherwise whether forwarding state survived (F bit).
    pub families: PerFamily<Option<bool>>,
}

/// Long-lived graceful restart of one family (RFC 9494).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LongLived {
    /// F bit.
    pub forwarding_preserved: bool,
    /// How long stale routes may be kept.
    pub stale_time: Duration,
}

/// `value` of each family in use, and the default of the others.
pub(super) fn per_family<T: Default>(
    families: PerFamily<bool>,
    mut value: impl FnMut(Family) -> T,
) -> PerFamily<T> {
    let mut result = PerFamily::default();
    for family in Family::ALL {
        if families[family] {
            result[family] = value(family);
        }
    }
    result
}
