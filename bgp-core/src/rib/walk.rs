//! What is to be done to all paths of a table, a slice at a time: no input is worth a walk of the whole table in one go.
//!
//! One cursor goes round the slots as long as anything is wanted. What is wanted meanwhile joins in where the cursor is and has
//! had its turn when the cursor is back there; wanting the same again only makes it stay for another round. A path that comes
//! while its peer is judged again is judged by the new settings anyway.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Shared;
use super::bitset::BitSet;
use super::family::FamilyRib;
use super::next_hop::NextHopId;
use super::table::Path;
use crate::types::{PeerId, Prefix};
use crate::wire::attribute::Community;

/// Slots and paths that are looked at in one go.
const WALK_SLICE: u64 = if cfg!(test) { 3 } else { 1 << 15 };

/// To judge a path is as much work as to look at so many.
const JUDGEMENT: u64 = 8;

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
    /// Paths that are in the table though their peers do not stand by them any more.
    dead: u64,
    /// Peers whose paths are judged anew.
    judge: BTreeMap<PeerId, Position>,
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

    /// The paths of a peer are to be judged anew.
    pub(super) fn judge(&mut self, peer: PeerId) {
        self.judge.insert(peer, self.once_round());
    }

    /// There is no such peer any more.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.judge.remove(&peer);
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

    pub(super) fn add_dead(&mut self, paths: u32) {
        self.dead += u64::from(paths);
    }

    pub(super) fn remove_dead(&mut self) {
        self.dead -= 1;
    }

    /// Whether dead paths are still in the table.
    pub(super) fn has_dead(&self) -> bool {
        self.dead > 0
    }

    fn is_needed(&self) -> bool {
        self.dead > 0
            || !self.judge.is_empty()
            || self.next_hops_until.is_some()
            || self.tell_until.is_some()
    }

    /// Strikes out what has had its turn.
    fn strike_out(&mut self) {
        let cursor = self.cursor;
        let is_over = |until: &mut Position| *until <= cursor;
        self.judge.retain(|_, until| *until > cursor);
        self.tell_until.take_if(is_over);
        if self.next_hops_until.take_if(is_over).is_some() {
            self.next_hops = BitSet::default();
        }
    }
}

impl<P: Prefix> FamilyRib<P> {
    /// Looks at a slice of the table, if anything is wanted of it; less if so many slots are waiting to be decided then.
    pub(super) fn walk(&mut self, shared: &mut Shared, enough: usize) -> bool {
        let mut steps = 0;
        while self.walk.is_needed() && steps < WALK_SLICE && self.changed.len() < enough {
            let Position { round, at } = self.walk.cursor;
            if at < self.table.end() {
                steps += self.visit(shared, at);
                self.walk.cursor.at += 1;
            } else {
                self.walk.cursor = Position {
                    round: round + 1,
                    at: 0,
                };
                self.walk.strike_out();
            }
        }
        self.walk.strike_out();
        shared.steps += steps;
        steps > 0
    }

    /// All that is wanted, at once.
    pub(super) fn walk_to_the_end(&mut self, shared: &mut Shared) {
        while self.walk.is_needed() {
            self.walk(shared, usize::MAX);
        }
    }

    fn visit(&mut self, shared: &mut Shared, at: u32) -> u64 {
        let count = self.table[at].paths.as_slice().len();
        if count == 0 {
            return 1;
        }
        if self.walk.dead > 0 {
            let is_dead = |shared: &Shared, path: &Path| shared.peers.is_dead(P::FAMILY, path);
            self.remove_at(shared, at, is_dead);
        }
        if self.walk.tell_until.is_some() {
            self.mark_changed(at);
        }
        let mut steps = 1 + count as u64;
        if self.walk.judge.is_empty() && self.walk.next_hops_until.is_none() {
            return steps;
        }
        // Judging takes no path out and puts none in but in the same place, unless it is one that nobody wants to keep.
        for path in self.table[at].paths.as_slice().to_vec() {
            let rerouted = self.is_rerouted(shared, &path);
            if rerouted {
                self.mark_changed(at);
            }
            if self.walk.judge.contains_key(&path.peer)
                || (rerouted && shared.looks_at_interfaces(path.peer))
            {
                self.judge_again(shared, at, path);
                steps += JUDGEMENT;
            }
        }
        steps
    }

    fn is_rerouted(&self, shared: &Shared, path: &Path) -> bool {
        self.walk.next_hops_until.is_some()
            && shared
                .store
                .tracked(path.attrs)
                .is_some_and(|NextHopId(id)| self.walk.next_hops.contains(id))
    }

    fn judge_again(&mut self, shared: &mut Shared, at: u32, path: Path) {
        let Some(peer) = shared.peers.find(path.peer) else {
            return;
        };
        let config = Arc::clone(&peer.config);
        let judged = shared.judge_again(path, self.table[at].prefix, &config);
        // RFC 9494 §4.2: some must not become the last resort.
        let unwanted = shared.is_last_resort::<P>(&judged)
            && shared.store[judged.attrs].has(Community::NO_LLGR);
        if unwanted {
            let is_it = |_: &Shared, other: &Path| {
                other.peer == path.peer && other.remote_id == path.remote_id
            };
            self.remove_at(shared, at, is_it);
        } else {
            self.put(shared, at, judged);
        }
    }
}

impl Shared {
    fn looks_at_interfaces(&self, peer: PeerId) -> bool {
        let peer = self.peers.find(peer);
        peer.is_some_and(|peer| peer.config.import.looks_at_interfaces())
    }
}
