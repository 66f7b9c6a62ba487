//! Work on all paths of a table, in slices: no input may walk the whole table at once.
//!
//! One cursor goes round the slots as long as there is work. New work joins at the cursor's position and is done when the cursor
//! returns there; repeating the same request only extends it for another round. A path that arrives while its peer's paths are
//! imported again is imported with the new settings anyway.

use std::collections::BTreeMap;

use super::adj_in::AdjIn;
use super::bitset::BitSet;
use super::next_hop::NextHopId;
use super::path::Path;
use super::shared::Shared;
use crate::types::{PeerId, Prefix};

/// Slots and paths visited in one slice.
const WALK_SLICE: u64 = if cfg!(test) { 3 } else { 1 << 15 };

/// The cost of importing a path again, in visited paths.
const IMPORT_STEPS: u64 = 8;

/// Rounds of the cursor, and its position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    round: u64,
    at: u32,
}

/// Pending work on the paths of one family. Each item ends when the cursor reaches its position.
#[derive(Debug, Default)]
pub(super) struct Walk {
    cursor: Position,
    /// Peers whose paths are imported again.
    imports: BTreeMap<PeerId, Position>,
    /// Next hops whose path has changed.
    next_hops: BitSet,
    next_hops_until: Option<Position>,
    /// Everything is decided and advertised again.
    tell_until: Option<Position>,
}

impl Walk {
    fn once_round(&self) -> Position {
        Position {
            round: self.cursor.round + 1,
            ..self.cursor
        }
    }

    /// Requests the import of a peer's paths again.
    pub(super) fn import_again(&mut self, peer: PeerId) {
        self.imports.insert(peer, self.once_round());
    }

    /// The peer no longer exists.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.imports.remove(&peer);
    }

    /// Requests a visit of all paths that use a next hop.
    pub(super) fn next_hop(&mut self, NextHopId(id): NextHopId) {
        self.next_hops.insert(id);
        self.next_hops_until = Some(self.once_round());
    }

    /// Requests that everything is decided and advertised again.
    pub(super) fn tell(&mut self) {
        self.tell_until = Some(self.once_round());
    }

    fn is_needed<P>(&self, paths: &AdjIn<P>) -> bool {
        paths.dead > 0
            || !self.imports.is_empty()
            || self.next_hops_until.is_some()
            || self.tell_until.is_some()
    }

    /// Removes finished work.
    fn strike_out(&mut self) {
        let cursor = self.cursor;
        let is_over = |until: &mut Position| *until <= cursor;
        self.imports.retain(|_, until| *until > cursor);
        self.tell_until.take_if(is_over);
        if self.next_hops_until.take_if(is_over).is_some() {
            self.next_hops = BitSet::default();
        }
    }

    /// Visits a slice of the table, if there is work; a smaller one if many slots are already waiting for a decision. Returns
    /// whether there was work.
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

    /// Does all pending work at once.
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
        // Importing removes or adds no path: it replaces in place, unless the path must not be kept.
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
