//! The RIB of one family: changes of paths in the table, and what follows from them when it is worked on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::attributes::{AttrKey, AttrStore};
use super::bitset::BitSet;
use super::group::Group;
use super::hash::SeededHash;
use super::import::{Arrival, is_routable};
use super::next_hop::NextHopId;
use super::peer::PeerStats;
use super::table::{Path, Table, Unusable};
use super::{ForwardRoute, LOCAL, LocalRoute, Output, PEER_PREFERENCE, Shared};
use crate::types::{Family, PathId, PeerId, Prefix};
use crate::wire::{NextHop, Nlri};

/// Next hops of one forwarding route (contract of the kernel: more are not installed).
const MAX_NEXT_HOPS: usize = 16;

/// All routes of one family.
#[derive(Debug)]
pub(crate) struct FamilyRib<P> {
    pub(super) table: Table<P>,
    pub(super) groups: Vec<Option<Group>>,
    /// Slots to work on, in the order in which they changed; each at most once.
    changed: VecDeque<u32>,
    /// Next hops whose resolution changed since the last work.
    pub(super) changed_next_hops: BitSet,
}

/// What became of a path that was to be put into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    Added,
    Replaced,
    /// The prefix has as many paths as it may.
    Refused,
}

impl<P: Prefix> FamilyRib<P> {
    pub(super) fn new(hash: SeededHash) -> Self {
        Self {
            table: Table::new(hash),
            groups: Vec::new(),
            changed: VecDeque::new(),
            changed_next_hops: BitSet::default(),
        }
    }

    pub(super) fn announce(&mut self, shared: &mut Shared, arrival: &mut Arrival, nlri: Nlri<'_>) {
        let Some(peer) = shared.peers.find(arrival.peer) else {
            return;
        };
        let epoch = peer.families[P::FAMILY].epoch;
        let (mut new, mut replaced, mut counts) = (0, 0, PeerStats::default());
        for (remote_id, prefix) in nlri.iter::<P>() {
            if !is_routable(prefix.into()) {
                continue;
            }
            let path = shared.import(arrival, prefix.into(), remote_id, epoch);
            let at = self.table.find_or_insert(prefix);
            let put = self.put(at, path);
            new += u32::from(put == Put::Added);
            replaced += usize::from(put == Put::Replaced);
            counts.import_updates += 1;
            match path.unusable {
                _ if put == Put::Refused => counts.import_invalid += 1,
                None => {}
                Some(Unusable::Policy) => counts.import_filtered += 1,
                Some(_) => counts.import_invalid += 1,
            }
        }
        shared.store.leave(replaced);
        if let Some(peer) = shared.peers.find_mut(arrival.peer) {
            let state = &mut peer.families[P::FAMILY];
            state.paths += new;
            state.stats.import_updates += counts.import_updates;
            state.stats.import_filtered += counts.import_filtered;
            state.stats.import_invalid += counts.import_invalid;
        }
        shared.check_limit(arrival.peer, P::FAMILY);
    }

    /// Puts a path in place of the one of the same peer and identifier.
    ///
    /// Inlined with what makes the path and what keeps it: written in parts to the stack and read back whole, it would wait
    /// there for the cache misses of the index.
    #[inline(always)]
    fn put(&mut self, at: u32, mut path: Path) -> Put {
        let Some(place) = self.table.place(at, path.peer, path.remote_id) else {
            if !self.table.add(at, path) {
                return Put::Refused;
            }
            self.mark_changed(at);
            return Put::Added;
        };
        let old = &mut self.table[at].paths.as_mut_slice()[place];
        path.local_id = old.local_id;
        let repeated =
            (old.attrs, old.received, old.unusable) == (path.attrs, path.received, path.unusable);
        if repeated {
            // Announced again as it was: only no longer stale.
            old.epoch = path.epoch;
            return Put::Replaced;
        }
        *old = path;
        self.mark_changed(at);
        Put::Replaced
    }

    pub(super) fn mark_changed(&mut self, at: u32) {
        let slot = &mut self.table[at];
        if !slot.dirty {
            slot.dirty = true;
            self.changed.push_back(at);
        }
    }

    pub(super) fn withdraw(&mut self, shared: &mut Shared, peer: PeerId, nlri: Nlri<'_>) {
        let Some(state) = shared
            .peers
            .find_mut(peer)
            .map(|peer| &mut peer.families[P::FAMILY])
        else {
            return;
        };
        for (remote_id, prefix) in nlri.iter::<P>() {
            state.stats.import_withdraws += 1;
            if self.take(prefix, peer, remote_id) {
                state.paths -= 1;
                shared.store.leave(1);
            } else {
                state.stats.import_withdraws_ignored += 1;
            }
        }
    }

    fn take(&mut self, prefix: P, peer: PeerId, remote_id: PathId) -> bool {
        let Some(at) = self.table.find(prefix) else {
            return false;
        };
        let taken = self.table.take(at, peer, remote_id);
        if taken {
            self.mark_changed(at);
        }
        taken
    }

    pub(super) fn announce_local(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        prefix: P,
        route: &LocalRoute,
    ) {
        let mut octets = Vec::new();
        route.attributes.encode_canonical(&mut octets);
        let attrs = shared.store.intern(AttrKey {
            next_hop: route.next_hop,
            preference: route.preference,
            interface: route.interface.as_deref(),
            octets: &octets,
        });
        let at = self.table.find_or_insert(prefix);
        self.put(
            at,
            Path {
                attrs,
                received: attrs,
                peer: LOCAL,
                remote_id: PathId(route.id),
                since: shared.seconds(now),
                local_id: 0,
                epoch: 0,
                unusable: None,
            },
        );
    }

    pub(super) fn withdraw_local(&mut self, prefix: P, id: u32) {
        self.take(prefix, LOCAL, PathId(id));
    }

    /// Removes the paths of a peer that `gone` says.
    pub(super) fn remove_paths(
        &mut self,
        shared: &mut Shared,
        id: PeerId,
        gone: impl Fn(&AttrStore, &Path) -> bool,
    ) {
        let Some(peer) = shared.peers.find(id) else {
            return;
        };
        let held = peer.families[P::FAMILY].paths;
        let of_peer = |path: &Path| path.peer == id && gone(&shared.store, path);
        let (mut left, mut from) = (held, 0);
        // Peers of a reflector that go down together have few paths each: looking for them is all the work.
        while left > 0
            && let Some(at) = self.table.find_from(from, of_peer)
        {
            left = left.saturating_sub(self.table.take_all(at, of_peer));
            self.mark_changed(at);
            from = at + 1;
        }
        debug_assert_eq!(self.table.find_from(0, of_peer), None, "all are counted");
        shared.store.leave((held - left) as usize);
        if let Some(peer) = shared.peers.find_mut(id) {
            peer.families[P::FAMILY].paths = left;
        }
    }

    /// Gives `edit` each path of a peer, to put another in its place.
    pub(super) fn edit_paths(
        &mut self,
        shared: &mut Shared,
        peer: PeerId,
        edit: impl Fn(&mut Shared, Path, P) -> Option<Path>,
    ) {
        for at in 0..self.table.end() {
            for place in 0..self.table[at].paths.as_slice().len() {
                let path = self.table[at].paths.as_slice()[place];
                if path.peer != peer {
                    continue;
                }
                if let Some(path) = edit(shared, path, self.table[at].prefix) {
                    self.put(at, path);
                }
            }
        }
    }

    pub(super) fn forget_peer(&mut self, shared: &mut Shared, peer: PeerId) {
        self.leave_group(shared, peer);
        self.remove_paths(shared, peer, |_, _| true);
    }

    /// Judges every route of a peer anew, from what was received.
    pub(super) fn judge_again(&mut self, shared: &mut Shared, peer_id: PeerId) {
        let Some(peer) = shared.peers.find(peer_id) else {
            return;
        };
        let config = Arc::clone(&peer.config);
        self.edit_paths(shared, peer_id, |shared, path, prefix| {
            Some(shared.judge_again(path, prefix, &config))
        });
    }

    /// Works on every path again: what peers are told depends on more than paths, and that has changed.
    pub(super) fn tell_again(&mut self) {
        self.forget_rewritten();
        for at in 0..self.table.end() {
            if !self.table[at].paths.as_slice().is_empty() {
                self.mark_changed(at);
            }
        }
    }

    pub(super) fn forget_rewritten(&mut self) {
        let groups = self.groups.iter_mut().flatten();
        groups.for_each(Group::forget_rewritten);
    }

    /// Works on at most `limit` changed slots and lets lagging members of groups catch up; tells whether there was work.
    pub(super) fn work(&mut self, shared: &mut Shared, limit: usize) -> bool {
        self.apply_changed_next_hops(shared);
        let count = limit.min(self.changed.len());
        let slice: Vec<u32> = self.changed.drain(..count).collect();
        for at in &slice {
            self.choose(shared, *at);
        }
        let settled = self.changed.is_empty();
        let mut told = Vec::new();
        for group in self.groups.iter_mut().flatten() {
            told.extend(group.flush(shared, &self.table, &slice));
            told.extend(group.catch_up(shared, &self.table, settled));
        }
        let worked = count > 0 || !told.is_empty();
        for at in slice.into_iter().chain(told) {
            self.release_if_unused(at);
        }
        worked
    }

    fn apply_changed_next_hops(&mut self, shared: &mut Shared) {
        if self.changed_next_hops.is_empty() {
            return;
        }
        let changed = std::mem::take(&mut self.changed_next_hops);
        // Export policies may have looked at interfaces.
        self.forget_rewritten();
        let depends = |shared: &Shared, path: &Path| {
            let tracked = shared.store.tracked(path.attrs);
            tracked.is_some_and(|NextHopId(id)| changed.contains(id))
        };
        for at in 0..self.table.end() {
            for place in 0..self.table[at].paths.as_slice().len() {
                let path = self.table[at].paths.as_slice()[place];
                if !depends(shared, &path) {
                    continue;
                }
                self.mark_changed(at);
                let peer = shared.peers.find(path.peer);
                if let Some(config) = peer
                    .map(|peer| Arc::clone(&peer.config))
                    .filter(|config| config.import.looks_at_interfaces())
                {
                    let path = shared.judge_again(path, self.table[at].prefix, &config);
                    self.put(at, path);
                }
            }
        }
    }

    /// Puts the best path first.
    fn choose(&mut self, shared: &mut Shared, at: u32) {
        let slot = &mut self.table[at];
        slot.dirty = false;
        let ranking = shared.ranking();
        let best = ranking.best(slot.paths.as_slice());
        slot.chosen = best.is_some();
        if let Some(best) = best {
            self.table.put_first(at, best);
        }
        if shared.config.forwarding {
            let route = self.forward_route(shared, at);
            shared.outputs.push_back(Output::Forward {
                prefix: self.table[at].prefix.into(),
                route,
            });
        }
    }

    fn forward_route(&self, shared: &Shared, at: u32) -> Option<ForwardRoute> {
        let slot = &self.table[at];
        let best = slot.best()?;
        if !best.is_local() {
            return Some(shared.forward_route(slot.paths.as_slice(), best, false));
        }
        if shared.store[best.attrs].preference > PEER_PREFERENCE {
            return None;
        }
        let learned = slot.paths.as_slice().iter().filter(|path| !path.is_local());
        let learned: Vec<Path> = learned.copied().collect();
        let best = shared.ranking().best(&learned)?;
        Some(shared.forward_route(&learned, &learned[best], true))
    }

    /// A slot may be given to another prefix once no member of any group has still to hear of it.
    fn release_if_unused(&mut self, at: u32) {
        let slot = &self.table[at];
        if slot.dirty || !slot.paths.as_slice().is_empty() {
            return;
        }
        if self
            .groups
            .iter()
            .flatten()
            .all(|group| !group.refers_to(at))
        {
            self.table.release(at);
        }
    }
}

impl Shared {
    /// RFC 4486 §4: more prefixes than allowed end the session.
    pub(super) fn check_limit(&mut self, id: PeerId, family: Family) {
        let Some(peer) = self.peers.find_mut(id).filter(|peer| peer.up.is_some()) else {
            return;
        };
        if let Some(limit) = peer.config.max_prefixes[family]
            && peer.families[family].paths > limit
            && !peer.stopping
        {
            peer.stopping = true;
            self.outputs.push_back(Output::TooManyPrefixes {
                peer: id,
                family,
                limit,
            });
        }
    }

    /// The best of these paths, and those that are as good for forwarding.
    fn forward_route(&self, paths: &[Path], best: &Path, standby: bool) -> ForwardRoute {
        let set = &self.store[best.attrs];
        let mut next_hops: Vec<NextHop> = self.store.next_hop(best.attrs).into_iter().collect();
        if let [_, _, ..] = paths {
            for place in self.ranking().equal_to_best(paths) {
                if next_hops.len() == MAX_NEXT_HOPS {
                    break;
                }
                let next_hop = self.store.next_hop(paths[place].attrs);
                let wanted = next_hop
                    .filter(|next_hop| !next_hops.contains(next_hop) && !paths[place].is_local());
                next_hops.extend(wanted);
            }
        }
        ForwardRoute {
            next_hops,
            local_pref: set.local_pref,
            preference: set.preference,
            standby,
        }
    }
}
