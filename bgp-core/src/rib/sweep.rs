//! Sweeping unused attributes: everything that may refer to attributes is visited and marked; then unmarked sets are dropped,
//! together with unused next hops.
//!
//! A sweep runs in steps between other work, and starts only when enough may have become unused to pay for it. Sets that are
//! looked up or made during the sweep are marked at once. An existing reference only ever moves within its slot (from the
//! Adj-RIB-Out to a lagging member's holdings), and all references of a slot are marked in one step.

use super::tables::Tables;
use crate::steps;
use crate::types::Family;

/// Steps before other work has its turn.
const SLICE: usize = 1 << 16;

/// The progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sweep {
    #[default]
    None,
    /// This slot and the following ones, and all later families, are yet to be visited.
    Mark(Family, u32),
    /// This set and the following ones are yet to be checked.
    Forget(u32),
    /// The octets of this set and the following ones are yet to be compacted.
    Settle(u32),
}

impl Sweep {
    /// Starts a sweep if it pays, or continues one. `idle`: there is no other work.
    pub(super) fn slice(&mut self, tables: &mut Tables, idle: bool) {
        let references = tables.references();
        let store = &mut tables.shared.store;
        if *self == Self::None
            && (store.wants_sweep(references, idle) || (idle && store.take_tidy()))
        {
            self.begin(tables);
        }
        let mut left = SLICE;
        while left > 0 && *self != Self::None {
            *self = self.step(tables, &mut left);
        }
        steps::count(SLICE - left);
    }

    /// Runs a whole sweep, or the rest of one.
    pub(super) fn finish(&mut self, tables: &mut Tables) {
        if *self == Self::None {
            self.begin(tables);
        }
        while *self != Self::None {
            let mut left = SLICE;
            *self = self.step(tables, &mut left);
        }
    }

    /// Whether no sweep is in progress.
    pub(super) fn is_over(&self) -> bool {
        *self == Self::None
    }

    fn begin(&mut self, tables: &mut Tables) {
        tables.forget_rewritten();
        tables.shared.store.begin_sweep();
        *self = Self::Mark(Family::Ipv4Unicast, 0);
    }

    /// Takes up to `left` steps of one kind, and subtracts them.
    fn step(self, tables: &mut Tables, left: &mut usize) -> Self {
        let Tables { shared, ipv4, ipv6 } = tables;
        match self {
            Self::None => Self::None,
            Self::Mark(Family::Ipv4Unicast, from) => {
                match ipv4.mark_attributes(shared, from, left) {
                    Some(next) => Self::Mark(Family::Ipv4Unicast, next),
                    None => Self::Mark(Family::Ipv6Unicast, 0),
                }
            }
            Self::Mark(Family::Ipv6Unicast, from) => {
                if let Some(next) = ipv6.mark_attributes(shared, from, left) {
                    return Self::Mark(Family::Ipv6Unicast, next);
                }
                // Cached results for dropped sets must not apply to new sets with the same numbers.
                tables.forget_rewritten();
                Self::Forget(0)
            }
            Self::Forget(from) => match shared.store.forget_unmarked(from, left) {
                Some(next) => Self::Forget(next),
                None if shared.store.begin_to_settle() => Self::Settle(0),
                None => Self::end(tables),
            },
            Self::Settle(from) => match shared.store.settle(from, left) {
                Some(next) => Self::Settle(next),
                None => Self::end(tables),
            },
        }
    }

    fn end(tables: &mut Tables) -> Self {
        tables.shared.store.end_sweep();
        Self::None
    }
}
