//! Forgetting attributes that nothing refers to any more: everything that may refer to some is walked through and marked, then
//! what is not marked goes, and next hops with it that no attributes have.
//!
//! It goes on in steps between other work, and begins only when as much may have been left since the last one as pays for it.
//! What is looked up or made meanwhile is marked at once; a reference that was there before only ever moves within its slot
//! (from the Adj-RIB-Out to what a lagging member holds), and all that a slot refers to is marked in one step.

use std::ops::Range;

use super::attributes::AttrStore;
use super::family::FamilyRib;
use super::group::Group;
use super::{Rib, Shared};
use crate::steps;
use crate::types::{Family, Prefix};

/// Steps that are taken before other work has its turn.
const SLICE: usize = 1 << 16;

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sweep {
    #[default]
    None,
    /// Slots of the family from this one on have to be looked at, and all families behind it.
    Mark(Family, u32),
    /// Sets from this one on may have to go.
    Forget(u32),
    /// The octets of sets from this one on may have to be moved together.
    Settle(u32),
}

impl Rib {
    /// Begins a sweep if it pays, or goes on with one. `idle`: nothing else is to be done.
    pub(super) fn sweep_slice(&mut self, idle: bool) {
        let references = self.ipv4.references() + self.ipv6.references();
        let store = &mut self.shared.store;
        if self.sweep == Sweep::None
            && (store.wants_sweep(references, idle) || (idle && store.take_tidy()))
        {
            self.begin_sweep();
        }
        let mut left = SLICE;
        while left > 0 && self.sweep != Sweep::None {
            self.sweep = self.sweep_step(&mut left);
        }
        steps::count(SLICE - left);
    }

    /// A whole sweep at once, or what is left of one.
    pub(super) fn sweep_all(&mut self) {
        if self.sweep == Sweep::None {
            self.begin_sweep();
        }
        while self.sweep != Sweep::None {
            let mut left = SLICE;
            self.sweep = self.sweep_step(&mut left);
        }
    }

    fn begin_sweep(&mut self) {
        self.ipv4.forget_rewritten();
        self.ipv6.forget_rewritten();
        self.shared.store.begin_sweep();
        self.sweep = Sweep::Mark(Family::Ipv4Unicast, 0);
    }

    /// Takes up to `left` steps of one kind, and them off it.
    fn sweep_step(&mut self, left: &mut usize) -> Sweep {
        let store = &mut self.shared.store;
        match self.sweep {
            Sweep::None => Sweep::None,
            Sweep::Mark(Family::Ipv4Unicast, from) => {
                match self.ipv4.mark_attributes(&mut self.shared, from, left) {
                    Some(next) => Sweep::Mark(Family::Ipv4Unicast, next),
                    None => Sweep::Mark(Family::Ipv6Unicast, 0),
                }
            }
            Sweep::Mark(Family::Ipv6Unicast, from) => {
                if let Some(next) = self.ipv6.mark_attributes(&mut self.shared, from, left) {
                    return Sweep::Mark(Family::Ipv6Unicast, next);
                }
                // What is remembered of attributes that go now must not be said of those that get their numbers.
                self.ipv4.forget_rewritten();
                self.ipv6.forget_rewritten();
                Sweep::Forget(0)
            }
            Sweep::Forget(from) => match store.forget_unmarked(from, left) {
                Some(next) => Sweep::Forget(next),
                None if store.begin_to_settle() => Sweep::Settle(0),
                None => self.end_sweep(),
            },
            Sweep::Settle(from) => match store.settle(from, left) {
                Some(next) => Sweep::Settle(next),
                None => self.end_sweep(),
            },
        }
    }

    fn end_sweep(&mut self) -> Sweep {
        self.shared.store.end_sweep();
        Sweep::None
    }
}

impl<P: Prefix> FamilyRib<P> {
    /// About how many references to attributes there may be.
    fn references(&self) -> usize {
        (1 + self.groups.len()) * self.table.end() as usize
    }

    /// Marks the attributes that slots from one on refer to; tells where to go on.
    fn mark_attributes(&self, shared: &mut Shared, from: u32, left: &mut usize) -> Option<u32> {
        let each = 1 + self.groups.len();
        let count = u32::try_from(left.div_ceil(each)).unwrap_or(u32::MAX);
        let end = from.saturating_add(count).min(self.table.end());
        let store = &mut shared.store;
        for at in from..end {
            for path in self.table[at].paths.as_slice() {
                store.mark(path.attrs);
                store.mark(path.received);
            }
        }
        for group in self.groups.iter().flatten() {
            group.mark_attributes(store, from..end);
        }
        *left = left.saturating_sub(each * (end - from) as usize);
        (end < self.table.end()).then_some(end)
    }
}

impl Group {
    fn mark_attributes(&self, store: &mut AttrStore, slots: Range<u32>) {
        for at in slots.clone() {
            for entry in self.entries(at) {
                store.mark(entry.attrs);
            }
        }
        for lag in self.members.iter().filter_map(|member| member.lag.as_ref()) {
            lag.mark_attributes(store, slots.clone());
        }
    }
}
