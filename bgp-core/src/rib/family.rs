//! The RIB of one family: Adj-RIB-In, the best paths (Loc-RIB), and the update groups with their Adj-RIB-Out.
//!
//! Changes only mark slots. [`FamilyRib::work`] processes a slice of them: it chooses the best path of each, updates forwarding,
//! and lets every group advertise the changes.

use std::time::Instant;

use super::adj_in::AdjIn;
use super::adj_out::Entry;
use super::decision::Ranking;
use super::event::Output;
use super::few::Few;
use super::forwarded::{Forwarded, forward_route};
use super::groups::Groups;
use super::hash::SeededHash;
use super::locals::Variants;
use super::path::Path;
use super::shared::Shared;
use super::stale::{KeepStale, Preserved, Stale};
use super::stats::PeerStats;
use super::table::Slot;
use super::walk::Walk;
use crate::types::{PeerId, Prefix};

/// Changed slots processed before outputs are handed out. Tests use small slices.
const FLUSH_SLICE: usize = if cfg!(test) { 3 } else { 4096 };

/// Octets of an index entry, including its share of free entries.
const INDEX: usize = 2 * size_of::<u32>();

/// All routes of one family.
#[derive(Debug)]
pub(crate) struct FamilyRib<P> {
    pub(super) paths: AdjIn<P>,
    pub(super) groups: Groups,
    /// The last forwarding route of each slot.
    pub(super) forwarded: Forwarded,
    /// Pending work on all paths.
    pub(super) walk: Walk,
}

impl<P: Prefix> FamilyRib<P> {
    pub(super) fn new(hash: SeededHash) -> Self {
        Self {
            paths: AdjIn::new(hash),
            groups: Groups::default(),
            forwarded: Forwarded::default(),
            walk: Walk::default(),
        }
    }

    /// Processes one slice; returns whether there was any work. While `deferred`, nothing is decided.
    pub(super) fn work(&mut self, shared: &mut Shared, deferred: bool) -> bool {
        if deferred {
            let walked = self.walk.slice(shared, &mut self.paths, usize::MAX);
            self.tell_watchers(shared, &[]);
            return walked;
        }
        let groups = self.groups.iter().count();
        let limit = (8 * FLUSH_SLICE / groups.max(1)).clamp(FLUSH_SLICE.div_ceil(16), FLUSH_SLICE);
        let walked = self.walk.slice(shared, &mut self.paths, limit);
        let mut from = 0;
        for at in self.groups.left.take_slice(&mut from, FLUSH_SLICE) {
            if self.paths.table[at].paths.is_empty() {
                self.paths.mark_changed(at);
            }
        }
        let count = limit.min(self.paths.changed.len());
        let slice: Vec<u32> = self.paths.changed.drain(..count).collect();
        let mut gone = 0;
        for at in &slice {
            gone += u64::from(self.choose(shared, *at));
        }
        let settled = self.paths.changed.is_empty();
        let mut told = Vec::new();
        for group in self.groups.iter_mut() {
            group.exporter.kept.gone += gone;
            told.extend(group.flush(shared, &self.paths.table, &slice, limit));
            told.extend(group.catch_up(shared, &self.paths.table, settled));
        }
        shared.steps += (count + told.len()) as u64;
        let worked = walked || count > 0 || !told.is_empty() || !self.groups.left.is_empty();
        // Before slots are released and reused for other prefixes.
        self.tell_watchers(shared, &slice);
        self.tell_watchers(shared, &told);
        for at in slice.into_iter().chain(told) {
            self.release_if_unused(at);
        }
        worked
    }

    /// Reports the prefixes of processed or changed slots, if anybody watches.
    fn tell_watchers(&mut self, shared: &mut Shared, worked_on: &[u32]) {
        let Some(touched) = &mut self.paths.touched else {
            return;
        };
        touched.extend(worked_on);
        touched.sort_unstable();
        touched.dedup();
        let prefixes = touched.drain(..).map(|at| self.paths.table[at].prefix);
        let outputs = prefixes.map(|prefix| Output::Changed(prefix.into()));
        shared.outputs.extend(outputs);
    }

    /// Starts or stops reporting changes.
    pub(super) fn watch(&mut self, watched: bool) {
        self.paths.touched = watched.then(|| self.paths.touched.take().unwrap_or_default());
    }

    /// Moves the best path to the front; returns whether the last best path is gone.
    fn choose(&mut self, shared: &mut Shared, at: u32) -> bool {
        let slot = &mut self.paths.table[at];
        slot.dirty = false;
        let was = slot.best().copied();
        let ranking = Ranking::of(shared, P::FAMILY);
        let best = ranking.best(slot.paths.as_slice());
        slot.chosen = best.is_some();
        let gone = slot.known && !slot.chosen;
        slot.known = slot.chosen;
        if let Some(best) = best {
            self.paths.table.put_first(at, best);
        }
        let is = self.paths.table[at].best().copied();
        let source = |path: &Path| (path.peer, path.remote_id);
        if was.as_ref().map(source) != is.as_ref().map(source) {
            for (path, more) in [(was, -1), (is, 1)] {
                if let Some(path) = path {
                    self.paths.count_preferred(shared, path, more);
                }
            }
        }
        if shared.config.forwarding {
            let route = forward_route(shared, &self.paths.table[at]);
            if self.forwarded.replace(at, route.as_ref()) {
                shared.outputs.push_back(Output::Forward {
                    prefix: self.paths.table[at].prefix.into(),
                    route,
                });
            }
        }
        gone
    }

    /// Releases a slot once no group needs it for a pending withdrawal.
    fn release_if_unused(&mut self, at: u32) {
        let slot = &self.paths.table[at];
        if slot.dirty || !slot.paths.as_slice().is_empty() {
            return;
        }
        if !self.groups.refer_to(at) {
            self.paths.table.release(at);
        }
    }

    /// Moves a peer into the matching group, if there is one.
    pub(super) fn regroup(&mut self, shared: &mut Shared, id: PeerId) {
        self.groups.regroup(shared, &self.paths.table, id);
    }

    /// Evaluates and advertises all routes to a peer again.
    pub(super) fn tell_peer_again(&mut self, shared: &Shared, id: PeerId) {
        let end = self.paths.table.end();
        self.groups.tell_peer_again::<P>(shared, end, id);
    }

    pub(super) fn forget_peer(&mut self, shared: &mut Shared, id: PeerId) {
        self.groups.leave::<P>(shared, id);
        self.walk.forget(id);
        self.bury_all(shared, id);
    }

    /// Marks all paths of a peer as dead. They are not used from now on, and are removed by the walk.
    pub(super) fn bury_all(&mut self, shared: &mut Shared, id: PeerId) {
        self.begin_epoch(shared, id);
        self.paths.bury_stale(shared, id);
    }

    /// Marks all current paths of a peer as stale.
    pub(super) fn begin_epoch(&mut self, shared: &mut Shared, id: PeerId) {
        let begun = |shared: &mut Shared| {
            let peer = shared.peers.find_mut(id);
            peer.is_none_or(|peer| peer.families[P::FAMILY].begin_epoch())
        };
        if !begun(shared) {
            // All epoch numbers are in use: the oldest paths are removed now.
            self.paths.bury_stale(shared, id);
            self.walk.finish(shared, &mut self.paths);
            begun(shared);
        }
    }

    /// Imports every received route of a peer again.
    pub(super) fn import_again(&mut self, shared: &Shared, id: PeerId) {
        let peer = shared.peers.find(id);
        if peer.is_some_and(|peer| peer.families[P::FAMILY].paths > 0) {
            self.walk.import_again(id);
        }
    }

    /// Processes every path again, after a change of something other than paths that exports depend on.
    pub(super) fn tell_again(&mut self) {
        self.groups.forget_rewritten();
        if self.paths.prefixes > 0 {
            self.walk.tell();
        }
    }

    /// A session ended: the peer's paths are removed, or stay as stale for a time.
    pub(super) fn peer_down(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        id: PeerId,
        keep: Option<KeepStale>,
    ) {
        self.groups.leave::<P>(shared, id);
        let Some(keep) = keep else {
            self.bury_all(shared, id);
            return;
        };
        let stale = shared
            .peers
            .find(id)
            .and_then(|peer| peer.families[P::FAMILY].stale);
        if !keep.again && stale.is_some_and(Stale::is_restart) {
            // RFC 4724 §4.2: paths that were not repeated since the previous restart.
            self.paths.bury_stale(shared, id);
        }
        self.begin_epoch(shared, id);
        if let Some(peer) = shared.peers.find_mut(id) {
            peer.families[P::FAMILY].stale = Some(Stale::away(now, keep));
        }
    }

    /// A session came up. Stale paths are removed unless the peer preserved its forwarding state. Without stale routes this is
    /// not a restart, and counters start again.
    pub(super) fn peer_back(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        id: PeerId,
        preserved: Preserved,
    ) {
        let Some(peer) = shared.peers.find_mut(id) else {
            return;
        };
        let state = &mut peer.families[P::FAMILY];
        let Some(stale) = state.stale else {
            state.stats = PeerStats::default();
            return;
        };
        state.stale = stale.back(now, preserved);
        if state.stale.is_none() {
            self.paths.bury_stale(shared, id);
        }
    }

    /// Removes the paths that the peer has not announced since they became stale.
    pub(super) fn sweep_stale(&mut self, shared: &mut Shared, id: PeerId) {
        let peer = shared.peers.find(id);
        if peer.is_some_and(|peer| peer.families[P::FAMILY].stale.is_some()) {
            self.paths.bury_stale(shared, id);
        }
    }

    /// Handles the deadline of stale paths.
    pub(super) fn expire_stale(&mut self, shared: &mut Shared, now: Instant) {
        let due: Vec<(PeerId, Stale)> = shared
            .peers
            .iter()
            .filter_map(|(id, peer)| Some((id, peer.families[P::FAMILY].stale?)))
            .filter(|(_, stale)| stale.until <= now)
            .collect();
        for (id, stale) in due {
            let Some(next) = stale.when_over(now) else {
                self.sweep_stale(shared, id);
                continue;
            };
            if let Some(peer) = shared.peers.find_mut(id) {
                peer.families[P::FAMILY].stale = Some(next);
            }
            // RFC 9494 §4.2: importing again marks the paths, and removes those that must not be kept.
            self.import_again(shared, id);
        }
    }

    /// Size in octets.
    pub(super) fn octets(&self) -> usize {
        self.paths.table.octets()
            + self.paths.spilled
            + self.forwarded.octets()
            + self.groups.octets()
    }

    /// Octets in use, without reserved room.
    pub(super) fn used(&self) -> usize {
        let groups = self.groups.iter();
        let told =
            groups.map(|group| self.paths.prefixes * size_of::<Few<Entry>>() + group.out.spilled());
        self.paths.prefixes * (size_of::<Slot<P>>() + INDEX)
            + self.paths.spilled
            + self.forwarded.octets()
            + told.sum::<usize>()
    }

    /// Estimated number of references to attributes.
    pub(super) fn references(&self) -> usize {
        (1 + self.groups.places()) * self.paths.table.end() as usize
    }

    /// Marks the attributes in use from a slot on; returns where to continue.
    pub(super) fn mark_attributes(
        &self,
        shared: &mut Shared,
        from: u32,
        left: &mut usize,
    ) -> Option<u32> {
        let each = 1 + self.groups.places();
        let count = u32::try_from(left.div_ceil(each)).unwrap_or(u32::MAX);
        let end = from.saturating_add(count).min(self.paths.table.end());
        let Shared { store, locals, .. } = shared;
        for at in from..end {
            let slot = &self.paths.table[at];
            for path in slot.paths.as_slice() {
                store.mark(path.attrs);
                store.mark(path.received);
                if path.is_local() {
                    let variants = locals.variants(path.remote_id.0, slot.prefix.into());
                    let variants = variants.into_iter().flat_map(Variants::values).flatten();
                    variants.for_each(|attrs| store.mark(*attrs));
                }
            }
        }
        for group in self.groups.iter() {
            group.mark_attributes(store, from..end);
        }
        *left = left.saturating_sub(each * (end - from) as usize);
        (end < self.paths.table.end()).then_some(end)
    }
}
