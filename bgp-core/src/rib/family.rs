//! The RIB of one family: changes of paths in the table, and what follows from them when it is worked on.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::attributes::AttrKey;
use super::bitset::BitSet;
use super::forwarded::Forwarded;
use super::group::Group;
use super::hash::SeededHash;
use super::import::{Arrival, is_routable};
use super::peer::PeerStats;
use super::query::RouteCounts;
use super::table::{Path, Table, Unusable};
use super::walk::Walk;
use super::{FLUSH_SLICE, ForwardRoute, LOCAL, LocalRoute, Output, PEER_PREFERENCE, Shared};
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
    pub(super) changed: VecDeque<u32>,
    /// What was said of each slot for forwarding.
    pub(super) forwarded: Forwarded,
    /// What is to be done to all paths.
    pub(super) walk: Walk,
    /// Slots that may not be needed any more: what was kept for members that have left, in the order of the table.
    pub(super) left: BitSet,
    /// What is known of local routes, by their numbers.
    pub(super) local: BTreeMap<u32, RouteCounts>,
    /// Prefixes that have paths.
    pub(super) prefixes: usize,
    /// What paths take up beside the slots.
    pub(super) spilled: usize,
}

/// What became of a path that was to be put into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
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
            forwarded: Forwarded::default(),
            walk: Walk::default(),
            left: BitSet::default(),
            local: BTreeMap::new(),
            prefixes: 0,
            spilled: 0,
        }
    }

    /// Takes in the routes of one UPDATE, as far as the peer may have so many.
    pub(super) fn announce(&mut self, shared: &mut Shared, arrival: &Arrival, nlri: Nlri<'_>) {
        let Some(peer) = shared.peers.find(arrival.peer) else {
            return;
        };
        let (epoch, mut paths) = {
            let state = &peer.families[P::FAMILY];
            (state.epoch, state.paths)
        };
        let limit = peer.config.max_prefixes[P::FAMILY];
        let mut counts = PeerStats::default();
        let mut over = false;
        for (remote_id, prefix) in nlri.iter::<P>() {
            if !is_routable(prefix.into()) {
                continue;
            }
            over = limit.is_some_and(|limit| paths >= limit)
                && self.find(shared, prefix, arrival.peer, remote_id).is_none();
            if over {
                break;
            }
            let path = shared.import(arrival, prefix.into(), remote_id, epoch);
            let at = self.table.find_or_insert(prefix);
            let put = self.put(shared, at, path);
            paths += u32::from(put == Put::Added);
            counts.import_updates += 1;
            match path.unusable {
                _ if put == Put::Refused => counts.import_invalid += 1,
                None => {}
                Some(Unusable::Policy) => counts.import_filtered += 1,
                Some(_) => counts.import_invalid += 1,
            }
        }
        if let Some(peer) = shared.peers.find_mut(arrival.peer) {
            let stats = &mut peer.families[P::FAMILY].stats;
            stats.import_updates += counts.import_updates;
            stats.import_filtered += counts.import_filtered;
            stats.import_invalid += counts.import_invalid;
        }
        if let Some(limit) = limit.filter(|_| over) {
            shared.stop_for_limit(arrival.peer, P::FAMILY, limit);
        }
    }

    /// The slot and the place of the path of a peer with an identifier, if it stands by that.
    fn find(
        &self,
        shared: &Shared,
        prefix: P,
        peer: PeerId,
        remote_id: PathId,
    ) -> Option<(u32, usize)> {
        let at = self.table.find(prefix)?;
        let place = self.table.place(at, peer, remote_id)?;
        let is_dead = shared
            .peers
            .is_dead(P::FAMILY, &self.table[at].paths.as_slice()[place]);
        (!is_dead).then_some((at, place))
    }

    /// Puts a path in place of the one of the same peer and identifier.
    ///
    /// Inlined with what makes the path and what keeps it: written in parts to the stack and read back whole, it would wait
    /// there for the cache misses of the index.
    #[inline(always)]
    pub(super) fn put(&mut self, shared: &mut Shared, at: u32, mut path: Path) -> Put {
        let Some(place) = self.table.place(at, path.peer, path.remote_id) else {
            let paths = &self.table[at].paths;
            let (was_empty, before) = (paths.is_empty(), paths.octets());
            if !self.table.add(at, path) {
                return Put::Refused;
            }
            self.prefixes += usize::from(was_empty);
            self.spilled += self.table[at].paths.octets() - before;
            self.count(shared, &path);
            self.mark_changed(at);
            return Put::Added;
        };
        let old = &mut self.table[at].paths.as_mut_slice()[place];
        path.local_id = old.local_id;
        let repeated =
            (old.attrs, old.received, old.unusable) == (path.attrs, path.received, path.unusable);
        if repeated && !shared.peers.is_dead(P::FAMILY, old) {
            // Announced again as it was: only no longer stale.
            path.since = old.since;
        }
        let old = std::mem::replace(old, path);
        let was_dead = self.uncount(shared, &old);
        self.count(shared, &path);
        if !repeated || was_dead {
            self.mark_changed(at);
        }
        match was_dead {
            true => Put::Added,
            false => Put::Replaced,
        }
    }

    /// Counts a path that has come.
    fn count(&mut self, shared: &mut Shared, path: &Path) {
        if path.is_local() {
            self.local.entry(path.remote_id.0).or_default().imported += 1;
        } else if let Some(peer) = shared.peers.known_mut(path.peer) {
            peer.families[P::FAMILY].add(path);
        }
    }

    /// Counts a path that goes; tells whether its peer had not stood by it any more.
    fn uncount(&mut self, shared: &mut Shared, path: &Path) -> bool {
        if path.is_local() {
            self.local.entry(path.remote_id.0).or_default().imported -= 1;
            return false;
        }
        let Some(peer) = shared.peers.known_mut(path.peer) else {
            return false;
        };
        let was_dead = peer.families[P::FAMILY].take(path);
        if was_dead {
            self.walk.remove_dead();
            shared.peers.forget_removed(path.peer);
        }
        was_dead
    }

    /// Counts the best path of a slot, or that it is not the best any more.
    fn count_preferred(&mut self, shared: &mut Shared, best: Path, more: i64) {
        if best.is_local() {
            let counts = self.local.entry(best.remote_id.0).or_default();
            counts.preferred = counts.preferred.saturating_add_signed(more as isize);
        } else if let Some(peer) = shared.peers.known_mut(best.peer) {
            let state = &mut peer.families[P::FAMILY];
            state.preferred = state.preferred.saturating_add_signed(more);
        }
    }

    pub(super) fn mark_changed(&mut self, at: u32) {
        let slot = &mut self.table[at];
        if !slot.dirty {
            slot.dirty = true;
            self.changed.push_back(at);
        }
    }

    pub(super) fn withdraw(&mut self, shared: &mut Shared, peer: PeerId, nlri: Nlri<'_>) {
        let (mut all, mut ignored) = (0, 0);
        for (remote_id, prefix) in nlri.iter::<P>() {
            all += 1;
            ignored += u64::from(!self.take(shared, prefix, peer, remote_id));
        }
        if let Some(peer) = shared.peers.find_mut(peer) {
            let stats = &mut peer.families[P::FAMILY].stats;
            stats.import_withdraws += all;
            stats.import_withdraws_ignored += ignored;
        }
    }

    fn take(&mut self, shared: &mut Shared, prefix: P, peer: PeerId, remote_id: PathId) -> bool {
        let Some((at, place)) = self.find(shared, prefix, peer, remote_id) else {
            return false;
        };
        self.remove(shared, at, place);
        true
    }

    /// Removes paths of one slot and tells whether there were any; the best one may be among them.
    pub(super) fn remove_at(
        &mut self,
        shared: &mut Shared,
        at: u32,
        mut is_it: impl FnMut(&Shared, &Path) -> bool,
    ) -> bool {
        let before = self.table[at].paths.as_slice().len();
        // Backwards, since the last path takes the place of one that goes.
        for place in (0..before).rev() {
            if is_it(shared, &self.table[at].paths.as_slice()[place]) {
                self.remove(shared, at, place);
            }
        }
        self.table[at].paths.as_slice().len() < before
    }

    fn remove(&mut self, shared: &mut Shared, at: u32, place: usize) {
        let slot = &self.table[at];
        let (path, before) = (slot.paths.as_slice()[place], slot.paths.octets());
        if slot.chosen && place == 0 {
            self.count_preferred(shared, path, -1);
        }
        self.table.remove(at, place);
        let paths = &self.table[at].paths;
        self.spilled = self.spilled - before + paths.octets();
        self.prefixes -= usize::from(paths.is_empty());
        self.uncount(shared, &path);
        self.mark_changed(at);
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
            shared,
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

    pub(super) fn withdraw_local(&mut self, shared: &mut Shared, prefix: P, id: u32) {
        self.take(shared, prefix, LOCAL, PathId(id));
    }

    pub(super) fn forget_peer(&mut self, shared: &mut Shared, id: PeerId) {
        self.leave_group(shared, id);
        self.walk.forget(id);
        self.bury_all(shared, id);
    }

    /// A peer does not stand by any of its paths any more. They are not used from now on, and go when the walk comes by.
    pub(super) fn bury_all(&mut self, shared: &mut Shared, id: PeerId) {
        self.begin_epoch(shared, id);
        self.bury_stale(shared, id);
    }

    /// As [`FamilyRib::bury_all`], of the paths that it has not announced in this epoch.
    pub(super) fn bury_stale(&mut self, shared: &mut Shared, id: PeerId) {
        if let Some(peer) = shared.peers.known_mut(id) {
            let state = &mut peer.families[P::FAMILY];
            state.stale = None;
            self.walk.add_dead(state.bury_stale());
        }
    }

    /// All paths that a peer has become stale.
    pub(super) fn begin_epoch(&mut self, shared: &mut Shared, id: PeerId) {
        let begun = |shared: &mut Shared| {
            let peer = shared.peers.find_mut(id);
            peer.is_none_or(|peer| peer.families[P::FAMILY].begin_epoch())
        };
        if !begun(shared) {
            // So many epochs have passed by that their numbers are used up: the oldest paths go now.
            self.bury_stale(shared, id);
            self.walk_to_the_end(shared);
            begun(shared);
        }
    }

    /// Judges every route of a peer anew, from what was received.
    pub(super) fn judge_again_all(&mut self, shared: &Shared, id: PeerId) {
        let peer = shared.peers.find(id);
        if peer.is_some_and(|peer| peer.families[P::FAMILY].paths > 0) {
            self.walk.judge(id);
        }
    }

    /// Works on every path again: what peers are told depends on more than paths, and that has changed.
    pub(super) fn tell_again(&mut self) {
        self.forget_rewritten();
        if self.prefixes > 0 {
            self.walk.tell();
        }
    }

    pub(super) fn forget_rewritten(&mut self) {
        let groups = self.groups.iter_mut().flatten();
        groups.for_each(Group::forget_rewritten);
    }

    /// One slice of work; tells whether there was any. Nothing is decided while that is `deferred`.
    pub(super) fn work(&mut self, shared: &mut Shared, deferred: bool) -> bool {
        if deferred {
            return self.walk(shared, usize::MAX);
        }
        let groups = self.groups.iter().flatten().count();
        let limit = (8 * FLUSH_SLICE / groups.max(1)).clamp(FLUSH_SLICE.div_ceil(16), FLUSH_SLICE);
        let walked = self.walk(shared, limit);
        let mut from = 0;
        for at in self.left.take_slice(&mut from, FLUSH_SLICE) {
            if self.table[at].paths.is_empty() {
                self.mark_changed(at);
            }
        }
        let count = limit.min(self.changed.len());
        let slice: Vec<u32> = self.changed.drain(..count).collect();
        for at in &slice {
            self.choose(shared, *at);
        }
        let settled = self.changed.is_empty();
        let mut told = Vec::new();
        for group in self.groups.iter_mut().flatten() {
            told.extend(group.flush(shared, &self.table, &slice, limit));
            told.extend(group.catch_up(shared, &self.table, settled));
        }
        shared.steps += (count + told.len()) as u64;
        let worked = walked || count > 0 || !told.is_empty() || !self.left.is_empty();
        for at in slice.into_iter().chain(told) {
            self.release_if_unused(at);
        }
        worked
    }

    /// Puts the best path first.
    fn choose(&mut self, shared: &mut Shared, at: u32) {
        let slot = &mut self.table[at];
        slot.dirty = false;
        let was = slot.best().copied();
        let ranking = shared.ranking(P::FAMILY);
        let best = ranking.best(slot.paths.as_slice());
        slot.chosen = best.is_some();
        if let Some(best) = best {
            self.table.put_first(at, best);
        }
        let is = self.table[at].best().copied();
        let source = |path: &Path| (path.peer, path.remote_id);
        if was.as_ref().map(source) != is.as_ref().map(source) {
            for (path, more) in [(was, -1), (is, 1)] {
                if let Some(path) = path {
                    self.count_preferred(shared, path, more);
                }
            }
        }
        if shared.config.forwarding {
            let route = self.forward_route(shared, at);
            if self.forwarded.replace(at, route.as_ref()) {
                shared.outputs.push_back(Output::Forward {
                    prefix: self.table[at].prefix.into(),
                    route,
                });
            }
        }
    }

    fn forward_route(&self, shared: &Shared, at: u32) -> Option<ForwardRoute> {
        let slot = &self.table[at];
        let best = slot.best()?;
        if !best.is_local() {
            return Some(shared.forward_route(P::FAMILY, slot.paths.as_slice(), best, false));
        }
        if shared.store[best.attrs].preference > PEER_PREFERENCE {
            return None;
        }
        let learned = slot.paths.as_slice().iter().filter(|path| !path.is_local());
        let learned: Vec<Path> = learned.copied().collect();
        let best = shared.ranking(P::FAMILY).best(&learned)?;
        Some(shared.forward_route(P::FAMILY, &learned, &learned[best], true))
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

    pub(super) fn mark_attributes(&mut self, marked: &mut BitSet) {
        for (_, slot) in self.table.slots() {
            for path in slot.paths.as_slice() {
                marked.insert(path.attrs.0);
                marked.insert(path.received.0);
            }
        }
        for group in self.groups.iter_mut().flatten() {
            group.mark_attributes(marked);
        }
    }
}

impl Shared {
    /// The best of these paths, and those that are as good for forwarding.
    fn forward_route(
        &self,
        family: Family,
        paths: &[Path],
        best: &Path,
        standby: bool,
    ) -> ForwardRoute {
        let set = &self.store[best.attrs];
        let mut next_hops: Vec<NextHop> = self.store.next_hop(best.attrs).into_iter().collect();
        if let [_, _, ..] = paths {
            for place in self.ranking(family).equal_to_best(paths) {
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
