//! What is to be done to all paths of a table, a slice at a time: no input is worth a walk of the whole table in one go.
//!
//! One cursor goes round the slots as long as anything is wanted. What is wanted meanwhile joins in where the cursor is and has
//! had its turn when the cursor is back there; wanting the same again only makes it stay for another round. A path that comes
//! while the paths of its peer are imported again is imported by the new settings anyway.

use std::collections::BTreeMap;

use super::adj_in::AdjIn;
use super::bitset::BitSet;
use super::next_hop::NextHopId;
use super::path::Path;
use super::shared::Shared;
use crate::types::{PeerId, Prefix};

/// Slots and paths that are looked at in one go.
const WALK_SLICE: u64 = if cfg!(test) { 3 } else { 1 << 15 };

/// To import a path again is as much work as to look at so many.
const IMPORT_STEPS: u64 = 8;

/// How often the cursor has been round, and where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    round: u64,
    at: u32,
}

/// What is wanted of the paths of one family. Each stays until the cursor is where the position says.
#[derive(Debug, Default)]
pub(super) struct Walk {
    cursor: Position,
    /// Peers whose paths are imported again.
    imports: BTreeMap<PeerId, Position>,
    /// Next hops to which the way has changed.
    next_hops: BitSet,
    next_hops_until: Option<Position>,
    /// Everything is decided and told anew.
    tell_until: Option<Position>,
}

impl Walk {
    fn once_round(&self) -> Position {
        Position {
            round: self.cursor.round + 1,
            ..self.cursor
        }
    }

    /// The paths of a peer are to be imported again.
    pub(super) fn import_again(&mut self, peer: PeerId) {
        self.imports.insert(peer, self.once_round());
    }

    /// There is no such peer any more.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.imports.remove(&peer);
    }

    /// What depends on a next hop is to be looked at.
    pub(super) fn next_hop(&mut self, NextHopId(id): NextHopId) {
        self.next_hops.insert(id);
        self.next_hops_until = Some(self.once_round());
    }

    /// Everything is to be decided and told anew.
    pub(super) fn tell(&mut self) {
        self.tell_until = Some(self.once_round());
    }

    fn is_needed<P>(&self, paths: &AdjIn<P>) -> bool {
        paths.dead > 0
            || !self.imports.is_empty()
            || self.next_hops_until.is_some()
            || self.tell_until.is_some()
    }

    /// Strikes out what has had its turn.
    fn strike_out(&mut self) {
        let cursor = self.cursor;
        let is_over = |until: &mut Position| *until <= cursor;
        self.imports.retain(|_, until| *until > cursor);
        self.tell_until.take_if(is_over);
        if self.next_hops_until.take_if(is_over).is_some() {
            self.next_hops = BitSet::default();
        }
    }

    /// Looks at a slice of the table, if anything is wanted of it; less if so many slots are waiting to be decided then.
    /// Answers whether there was anything to do.
    pub(super) fn slice<P: Prefix>(
        &mut self,
        shared: &mut Shared,
        paths: &mut AdjIn<P>,
        enough: usize,
    ) -> bool {
        let mut steps = 0;
        while self.is_needed(paths) && steps < WALK_SLICE && paths.changed.len() < enough {
            let Position { round, at } = self.cursor;
            if at < paths.table.end() {
                steps += self.visit(shared, paths, at);
                self.cursor.at += 1;
            } else {
                self.cursor = Position {
                    round: round + 1,
                    at: 0,
                };
                self.strike_out();
            }
        }
        self.strike_out();
        shared.steps += steps;
        steps > 0
    }

    /// All that is wanted, at once.
    pub(super) fn finish<P: Prefix>(&mut self, shared: &mut Shared, paths: &mut AdjIn<P>) {
        while self.is_needed(paths) {
            self.slice(shared, paths, usize::MAX);
        }
    }

    fn visit<P: Prefix>(&self, shared: &mut Shared, paths: &mut AdjIn<P>, at: u32) -> u64 {
        let count = paths.table[at].paths.as_slice().len();
        if count == 0 {
            return 1;
        }
        paths.remove_dead_at(shared, at);
        if self.tell_until.is_some() {
            paths.mark_changed(at);
        }
        let mut steps = 1 + count as u64;
        if self.imports.is_empty() && self.next_hops_until.is_none() {
            return steps;
        }
        // An import takes no path out and puts none in but in the same place, unless it is one that nobody wants to keep.
        for path in paths.table[at].paths.as_slice().to_vec() {
            let rerouted = self.is_rerouted(shared, &path);
            if rerouted {
                paths.mark_changed(at);
            }
            if self.imports.contains_key(&path.peer)
                || (rerouted && shared.looks_at_interfaces(path.peer))
            {
                paths.import_again(shared, at, path);
                steps += IMPORT_STEPS;
            }
        }
        steps
    }

    fn is_rerouted(&self, shared: &Shared, path: &Path) -> bool {
        self.next_hops_until.is_some()
            && shared
                .store
                .tracked(path.attrs)
                .is_some_and(|NextHopId(id)| self.next_hops.contains(id))
    }
}
