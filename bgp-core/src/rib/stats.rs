//! Counters: what happened between a peer and the RIB, and how many routes there are.

use std::ops::AddAssign;

/// Routes of one peer in one family, or of one kind of local routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RouteCounts {
    /// Announced by it and not withdrawn, used or not.
    pub received: usize,
    /// Of those, the ones that it has not announced again since it restarted, or began to announce everything again.
    pub stale: usize,
    /// In the table and usable.
    pub imported: usize,
    /// Told to it and not withdrawn; nobody tells local routes anything.
    pub exported: usize,
    /// Used: the best of their prefixes.
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

/// What happened between a neighbour and the RIB since its session came up; a graceful restart of it does not begin anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PeerStats {
    /// Routes it announced.
    pub import_updates: u64,
    /// Of those, the ones that import policy rejected.
    pub import_filtered: u64,
    /// Of those, the ones that could not be used for another reason.
    pub import_invalid: u64,
    /// Of those, the ones that were there already, with the same attributes after import policy.
    pub import_ignored: u64,
    /// Routes it withdrew.
    pub import_withdraws: u64,
    /// Of those, the ones that it had not announced, and the ones that were rejected or could not be used.
    pub import_withdraws_ignored: u64,
    /// Routes that it was told.
    pub export_updates: u64,
    /// Routes that a rule of BGP kept from it: it told them to us, is their next hop, or must not have them by RFC.
    pub export_rejected: u64,
    /// Routes that export policy kept from it.
    pub export_filtered: u64,
    /// Routes that it was told are gone.
    pub export_withdraws: u64,
    /// Prefixes that lost their last route, whether it had been told of that one or not.
    pub export_gone: u64,
}

impl PeerStats {
    pub(super) fn count_kept(&mut self, kept: Kept) {
        self.export_rejected += kept.rejected;
        self.export_filtered += kept.filtered;
        self.export_gone += kept.gone;
    }
}

/// What a group has not told its members, counted each time a route was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// By a rule of BGP.
    pub(super) rejected: u64,
    /// By export policy.
    pub(super) filtered: u64,
    /// Prefixes without any route left: some were told of them, some had not been told that there was one.
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

    /// One that BGP allows to be told is kept by policy.
    pub(super) fn count(&mut self, allowed: bool) {
        let counter = match allowed {
            true => &mut self.filtered,
            false => &mut self.rejected,
        };
        *counter += 1;
    }
}

/// What became of routes on their way to a peer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) updates: u64,
    pub(super) withdraws: u64,
    pub(super) kept: Kept,
    /// Routes that it holds more than before.
    pub(super) held: i64,
}

impl Told {
    /// Updates and withdrawals that were sent, and how many more routes it holds then.
    pub(super) fn sent((updates, withdraws): (u64, u64), held: i64) -> Self {
        Self {
            updates,
            withdraws,
            held,
            kept: Kept::default(),
        }
    }
}
