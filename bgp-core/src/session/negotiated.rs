//! The result of a negotiation.

use std::time::Duration;

use crate::types::{AfiSafi, Asn, Family, PerFamily, RouterId};
use crate::wire::{Capability, Context, Open};

/// The negotiated properties of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// How messages are encoded and decoded.
    pub context: Context,
    /// The peer's AS number.
    pub peer_as: Asn,
    /// The peer's BGP identifier.
    pub peer_id: RouterId,
    /// Hold time; zero means none.
    pub hold_time: Duration,
    /// Interval between KEEPALIVEs; zero means none.
    pub keepalive_time: Duration,
    /// The peer supports ROUTE-REFRESH (RFC 2918).
    pub route_refresh: bool,
    /// The peer's graceful restart; `None` unless both sides offered it.
    pub graceful_restart: Option<PeerRestart>,
    /// The peer's long-lived graceful restart, in families where both sides take part (RFC 9494).
    pub long_lived: PerFamily<Option<LongLived>>,
    /// Families of [`SessionConfig::opaque_families`](super::SessionConfig::opaque_families) that both sides offered.
    pub opaque_families: Vec<AfiSafi>,
    /// The OPEN that we sent.
    pub sent_open: Open,
    /// The OPEN that the peer sent.
    pub received_open: Open,
}

impl Negotiated {
    /// Whether the peer supports LLGR_STALE (RFC 9494 §4.3): it sent capability 71, possibly without families.
    pub fn peer_is_long_lived_aware(&self) -> bool {
        let offered = &self.received_open.capabilities;
        let is_it =
            |capability: &Capability| matches!(capability, Capability::LongLivedGracefulRestart(_));
        offered.iter().any(is_it)
    }

    /// The peer's capabilities that are unknown here, with code and value, for owners with
    /// [`SessionConfig::extra_capabilities`](super::SessionConfig::extra_capabilities).
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
    /// R bit: the peer has just restarted.
    pub restarting: bool,
    /// Both sides set the N bit: routes survive NOTIFICATIONs too.
    pub notification: bool,
    /// How long to keep its routes after the loss of the connection.
    pub restart_time: Duration,
    /// Per family: `None` if not covered, otherwise whether forwarding state was preserved (F bit).
    pub families: PerFamily<Option<bool>>,
}

/// Long-lived graceful restart of one family (RFC 9494).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LongLived {
    /// F bit: forwarding state was preserved.
    pub forwarding_preserved: bool,
    /// How long stale routes may be kept.
    pub stale_time: Duration,
}

/// `value` for each family in use, and the default for the others.
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
