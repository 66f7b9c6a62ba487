//! Counters of a peer's exchange with the RIB, and of its routes.

use std::ops::AddAssign;

/// Routes of one peer in one family, or local routes with one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RouteCounts {
    /// Announced and not withdrawn, usable or not.
    pub received: usize,
    /// Received routes that were not announced again since the peer restarted or began a refresh.
    pub stale: usize,
    /// Usable routes in the table.
    pub imported: usize,
    /// Advertised and not withdrawn; 0 for local routes.
    pub exported: usize,
    /// Routes that are the best of their prefix.
    pub preferred: usize,
}

impl AddAssign for RouteCounts {
    fn add_assign(&mut self, more: Self) {
        self.received += more.received;
        self.stale += more.stale;
        self.imported += more.imported;
        self.exported += more.exported;
        self.preferred += more.preferred;
    }
}

/// Counters of a peer since its session came up; a graceful restart of the peer does not reset them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PeerStats {
    /// Routes announced by the peer.
    pub import_updates: u64,
    /// Announced routes that import policy rejected.
    pub import_filtered: u64,
    /// Announced routes that were unusable for another reason.
    pub import_invalid: u64,
    /// Announced routes that were present already, with the same attributes after import policy.
    pub import_ignored: u64,
    /// Routes withdrawn by the peer.
    pub import_withdraws: u64,
    /// Withdrawn routes that were not announced before, were rejected, or were unusable.
    pub import_withdraws_ignored: u64,
    /// Routes advertised to the peer.
    pub export_updates: u64,
    /// Routes withheld by a rule of BGP: the peer is their source or next hop, or an RFC forbids it.
    pub export_rejected: u64,
    /// Routes withheld by export policy.
    pub export_filtered: u64,
    /// Routes withdrawn from the peer.
    pub export_withdraws: u64,
    /// Prefixes that lost their last route, whether or not that route was advertised.
    pub export_gone: u64,
}

impl PeerStats {
    pub(super) fn count_kept(&mut self, kept: Kept) {
        self.export_rejected += kept.rejected;
        self.export_filtered += kept.filtered;
        self.export_gone += kept.gone;
    }
}

/// Routes that a group withheld from its members, counted at each evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// By a rule of BGP.
    pub(super) rejected: u64,
    /// By export policy.
    pub(super) filtered: u64,
    /// Prefixes without any route left, whether or not a route was advertised.
    pub(super) gone: u64,
}

impl Kept {
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            rejected: self.rejected - earlier.rejected,
            filtered: self.filtered - earlier.filtered,
            gone: self.gone - earlier.gone,
        }
    }

    /// Counts a withheld route: if BGP `allowed` it, policy withheld it.
    pub(super) fn count(&mut self, allowed: bool) {
        let counter = match allowed {
            true => &mut self.filtered,
            false => &mut self.rejected,
        };
        *counter += 1;
    }
}

/// Counters of routes sent to a peer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) updates: u64,
    pub(super) withdraws: u64,
    pub(super) kept: Kept,
    /// Growth of the number of held routes.
    pub(super) held: i64,
}

impl Told {
    /// Routes and withdrawals sent, and the growth of the number of held routes.
    pub(super) fn sent((updates, withdraws): (u64, u64), held: i64) -> Self {
        Self {
            updates,
            withdraws,
            held,
            kept: Kept::default(),
        }
    }
}
