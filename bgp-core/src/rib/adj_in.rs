//! Adj-RIB-In of one family: the table with the paths of all peers and of this speaker, and their additions and removals. A
//! changed slot is queued for the decision process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::attributes::AttrKey;
use super::hash::SeededHash;
use super::import::{Arrival, import, import_again, is_routable};
use super::locals::Renamed;
use super::path::{LOCAL, Path, Unusable};
use super::settings::LocalRoute;
use super::shared::Shared;
use super::stats::{PeerStats, RouteCounts};
use super::stop::stop_for_limit;
use super::table::Table;
use crate::types::{PathId, PeerId, Prefix};
use crate::wire::attribute::Community;
use crate::wire::{Attributes, Nlri};

/// The table of one family, with counters of its paths.
#[derive(Debug)]
pub(super) struct AdjIn<P> {
    pub(super) table: Table<P>,
    /// Changed slots in order, each at most once.
    pub(super) changed: VecDeque<u32>,
    /// Counters of local routes, by their numbers.
    pub(super) local: BTreeMap<u32, RouteCounts>,
    /// Prefixes with paths.
    pub(super) prefixes: usize,
    /// Prefixes with a best path.
    pub(super) best: u64,
    /// Octets of paths outside the slots.
    pub(super) spilled: usize,
    /// With a watcher: slots that changed since watchers were last notified, possibly with duplicates.
    pub(super) touched: Option<Vec<u32>>,
    /// Dead paths, which their peers no longer announce but which are still in the table.
    pub(super) dead: u64,
}

/// The result of adding a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    Added,
    Replaced,
    /// The path was there already, unchanged and usable.
    Repeated,
    /// The prefix has as many paths as allowed.
    Refused,
}

/// The key of a local route, with its attributes written to `octets`.
fn key_of<'a>(
    route: &'a LocalRoute,
    attributes: &Attributes,
    octets: &'a mut Vec<u8>,
) -> AttrKey<'a> {
    octets.clear();
    attributes.encode_canonical(octets);
    AttrKey {
        next_hop: route.next_hop,
        preference: route.preference,
        interface: route.interface.as_deref(),
        octets,
    }
}

impl<P: Prefix> AdjIn<P> {
    pub(super) fn new(hash: SeededHash) -> Self {
        Self {
            table: Table::new(hash),
            changed: VecDeque::new(),
            local: BTreeMap::new(),
            prefixes: 0,
            best: 0,
            spilled: 0,
            touched: None,
            dead: 0,
        }
    }

    /// Adds the routes of one UPDATE, up to the peer's limit.
    pub(super) fn announce(&mut self, shared: &mut Shared, arrival: &mut Arrival, nlri: Nlri<'_>) {
        let Some(peer) = shared.peers.find(arrival.peer) else {
            return;
        };
        let (epoch, mut paths) = {
            let state = &peer.families[P::FAMILY];
            (state.epoch, state.paths)
        };
        let limit = peer.config.max_prefixes[P::FAMILY];
        let (mut replaced, mut counts) = (0, PeerStats::default());
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
            let path = import(shared, arrival, prefix.into(), remote_id, epoch);
            let at = self.table.find_or_insert(prefix);
            let put = self.put(shared, at, path);
            paths += u32::from(put == Put::Added);
            replaced += usize::from(matches!(put, Put::Replaced | Put::Repeated));
            counts.import_updates += 1;
            match (put, path.unusable) {
                (Put::Refused, _) => counts.import_invalid += 1,
                (Put::Repeated, _) => counts.import_ignored += 1,
                (_, None) => {}
                (_, Some(Unusable::Policy)) => counts.import_filtered += 1,
                (_, Some(_)) => counts.import_invalid += 1,
            }
        }
        shared.store.leave(replaced);
        if let Some(peer) = shared.peers.find_mut(arrival.peer) {
            let stats = &mut peer.families[P::FAMILY].stats;
            stats.import_updates += counts.import_updates;
            stats.import_filtered += counts.import_filtered;
            stats.import_invalid += counts.import_invalid;
            stats.import_ignored += counts.import_ignored;
        }
        if let Some(why) = arrival.unusable
            && let Some((_, prefix)) = nlri.iter::<P>().next()
        {
            shared.tell_unusable(arrival.peer, prefix, why);
        }
        if let Some(limit) = limit.filter(|_| over) {
            stop_for_limit(shared, arrival.peer, P::FAMILY, limit);
        }
    }

    /// Slot and index of a peer's path with this identifier, unless the path is dead.
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

    /// Adds a path, replacing the one with the same peer and identifier.
    ///
    /// Inlined together with its callers: otherwise the path would be written to the stack in parts and read back whole, waiting
    /// for the cache misses of the index.
    #[inline(always)]
    fn put(&mut self, shared: &mut Shared, at: u32, mut path: Path) -> Put {
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
        let same = (old.attrs, old.unusable) == (path.attrs, path.unusable);
        let repeated = same && old.received == path.received;
        if old.received == path.received && !shared.peers.is_dead(P::FAMILY, old) {
            // Announced again unchanged, even if policy now changes it.
            path.since = old.since;
        }
        let old = std::mem::replace(old, path);
        let was_dead = self.uncount(shared, &old);
        self.count(shared, &path);
        if !repeated || was_dead {
            self.mark_changed(at);
        }
        match (was_dead, same && path.unusable.is_none()) {
            (true, _) => Put::Added,
            (false, true) => Put::Repeated,
            (false, false) => Put::Replaced,
        }
    }

    /// Adds a path of another process.
    pub(super) fn put_back(&mut self, shared: &mut Shared, at: u32, path: Path) {
        self.put(shared, at, path);
    }

    /// Counts an added path.
    fn count(&mut self, shared: &mut Shared, path: &Path) {
        if path.is_local() {
            self.local.entry(path.remote_id.0).or_default().imported += 1;
        } else if let Some(peer) = shared.peers.known_mut(path.peer) {
            peer.families[P::FAMILY].add(path);
        }
    }

    /// Counts a removed path; returns whether it was dead.
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
            self.dead -= 1;
            shared.store.tidy |= self.dead == 0;
            shared.peers.forget_removed(path.peer);
        }
        was_dead
    }

    /// Counts the best path of a slot, or that it is no longer the best.
    pub(super) fn count_preferred(&mut self, shared: &mut Shared, best: Path, more: i64) {
        self.best = self.best.saturating_add_signed(more);
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
        if self.touched.is_some() {
            self.note_touched(at);
        }
    }

    /// Out of line, as watching is rare.
    #[cold]
    fn note_touched(&mut self, at: u32) {
        self.touched.get_or_insert_default().push(at);
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

    /// Removes a path, if present; returns whether it was usable.
    fn take(&mut self, shared: &mut Shared, prefix: P, peer: PeerId, remote_id: PathId) -> bool {
        let Some((at, place)) = self.find(shared, prefix, peer, remote_id) else {
            return false;
        };
        let usable = self.table[at].paths.as_slice()[place].unusable.is_none();
        self.remove(shared, at, place);
        usable
    }

    /// Removes the matching paths of one slot, possibly the best one; returns whether there were any.
    fn remove_at(
        &mut self,
        shared: &mut Shared,
        at: u32,
        mut is_it: impl FnMut(&Shared, &Path) -> bool,
    ) -> bool {
        let before = self.table[at].paths.as_slice().len();
        // Backwards, because the last path moves to the place of a removed one.
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
        shared.store.leave(1);
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
    ) -> Renamed {
        let mut octets = Vec::new();
        let mut intern =
            |attributes: &Attributes| shared.store.intern(key_of(route, attributes, &mut octets));
        let attrs = intern(&route.attributes);
        let variants = route.for_peers.iter();
        let variants = variants.map(|(peer, other)| (*peer, other.as_ref().map(&mut intern)));
        let variants = variants.collect();
        let at = self.table.find_or_insert(prefix);
        let put = self.put(
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
        if put == Put::Refused {
            return Renamed::default();
        }
        let renamed = shared.locals.insert(route.id, prefix.into(), variants);
        if renamed.variants {
            self.mark_changed(at);
        }
        renamed
    }

    pub(super) fn withdraw_local(&mut self, shared: &mut Shared, prefix: P, id: u32) -> Renamed {
        self.take(shared, prefix, LOCAL, PathId(id));
        shared.locals.remove(id, prefix.into())
    }

    /// Whether a local route is present and unchanged.
    pub(super) fn is_announced(&self, shared: &Shared, prefix: P, route: &LocalRoute) -> bool {
        let Some((at, place)) = self.find(shared, prefix, LOCAL, PathId(route.id)) else {
            return false;
        };
        let mut octets = Vec::new();
        let mut is = |attrs, attributes| {
            shared
                .store
                .is(attrs, key_of(route, attributes, &mut octets))
        };
        let path = &self.table[at].paths.as_slice()[place];
        let variants = shared.locals.variants(route.id, prefix.into());
        let mut variants = variants.into_iter().flatten();
        is(path.attrs, &route.attributes)
            && route
                .for_peers
                .iter()
                .all(|(peer, other)| match (variants.next(), other) {
                    (Some((known, Some(attrs))), Some(other)) => known == peer && is(*attrs, other),
                    (Some((known, None)), None) => known == peer,
                    _ => false,
                })
            && variants.next().is_none()
    }

    /// Marks as dead all paths that a peer has not announced in this epoch. Dead paths are not used, and are removed later in
    /// slices.
    pub(super) fn bury_stale(&mut self, shared: &mut Shared, id: PeerId) {
        if let Some(peer) = shared.peers.known_mut(id) {
            let state = &mut peer.families[P::FAMILY];
            state.stale = None;
            self.dead += u64::from(state.bury_stale());
        }
    }

    /// Removes the dead paths of a slot.
    pub(super) fn remove_dead_at(&mut self, shared: &mut Shared, at: u32) {
        if self.dead > 0 {
            let is_dead = |shared: &Shared, path: &Path| shared.peers.is_dead(P::FAMILY, path);
            self.remove_at(shared, at, is_dead);
        }
    }

    /// Applies import rules and policy again to the received attributes of a path.
    pub(super) fn import_again(&mut self, shared: &mut Shared, at: u32, path: Path) {
        let Some(peer) = shared.peers.find(path.peer) else {
            return;
        };
        let config = Arc::clone(&peer.config);
        let imported = import_again(shared, path, self.table[at].prefix, &config);
        // RFC 9494 §4.2: some paths must not be kept as the last resort.
        let unwanted = shared.is_last_resort::<P>(&imported)
            && shared.store.has(imported.attrs, Community::NO_LLGR);
        if unwanted {
            let is_it = |_: &Shared, other: &Path| {
                other.peer == path.peer && other.remote_id == path.remote_id
            };
            self.remove_at(shared, at, is_it);
        } else {
            self.put(shared, at, imported);
        }
    }

    pub(super) fn each_path(&self, add: &mut impl FnMut(&Path)) {
        for (_, slot) in self.table.slots() {
            slot.paths.as_slice().iter().for_each(&mut *add);
        }
    }
}
