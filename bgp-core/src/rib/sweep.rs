//! Forgetting attributes that nothing refers to any more: everything that may refer to some is walked through and marked, then
//! what is not marked goes, and next hops with it that no attributes have.
//!
//! It goes on in steps between other work, and begins only when as much may have been left since the last one as pays for it.
//! What is looked up or made meanwhile is marked at once; a reference that was there before only ever moves within its slot
//! (from the Adj-RIB-Out to what a lagging member holds), and all that a slot refers to is marked in one step.

use super::tables::Tables;
use crate::steps;
use crate::types::Family;

/// Steps that are taken before other work has its turn.
const SLICE: usize = 1 << 16;

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sweep {
    #[default]
    None,
    /// Slots of the family from this one on have to be looked at, and all families after it.
    Mark(Family, u32),
    /// Sets from this one on may have to go.
    Forget(u32),
    /// The octets of sets from this one on may have to be moved together.
    Settle(u32),
}

impl Sweep {
    /// Begins a sweep if it pays, or goes on with one. `idle`: nothing else is to be done.
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

    /// A whole sweep at once, or what is left of one.
    pub(super) fn finish(&mut self, tables: &mut Tables) {
        if *self == Self::None {
            self.begin(tables);
        }
        while *self != Self::None {
            let mut left = SLICE;
            *self = self.step(tables, &mut left);
        }
    }

    /// Whether there is nothing to go on with.
    pub(super) fn is_over(&self) -> bool {
        *self == Self::None
    }

    fn begin(&mut self, tables: &mut Tables) {
        tables.forget_rewritten();
        tables.shared.store.begin_sweep();
        *self = Self::Mark(Family::Ipv4Unicast, 0);
    }

    /// Takes up to `left` steps of one kind, and them off it.
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
                // What is remembered of attributes that go now must not be said of those that get their numbers.
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
