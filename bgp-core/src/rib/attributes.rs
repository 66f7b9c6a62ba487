//! The attribute store: each set of attributes is stored once, and identified by a small number.
//!
//! Input: canonical octets from a received UPDATE, a policy or an export rule. Output: an [`AttrId`]; equal ids mean equal
//! attributes. Unused sets are found by a sweep over the tables, without reference counts.

use std::sync::Arc;

use hashbrown::HashTable;

use super::bitset::BitSet;
use super::exit::{Exit, ExitId, Exits};
use super::hash::SeededHash;
use super::next_hop::{NextHopId, NextHopTable, Resolution};
use super::octets::{Location, Octets};
use super::room::shrink;
use super::settings::RibConfig;
use crate::steps;
use crate::types::{Asn, RouterId};
use crate::wire::NextHop;
use crate::wire::attribute::{AttributeView, Attributes, Community, Origin};

/// Identifies a set in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AttrId(pub(crate) u32);

/// The key of a set: the attributes, and the values that the RIB adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AttrKey<'a> {
    /// The next hop; `None` for a local route without a gateway.
    pub(crate) next_hop: Option<NextHop>,
    /// Compared before all BGP attributes.
    pub(crate) preference: u32,
    /// The outgoing interface of a local route.
    pub(crate) interface: Option<&'a str>,
    /// Canonical attributes.
    pub(crate) octets: &'a [u8],
}

/// A stored set, with the values that the decision process needs. A full table has one for nearly every UPDATE, so rarely needed
/// values stay in the octets.
#[derive(Debug)]
pub(crate) struct AttrSet {
    hash: u64,
    octets: Location,
    exit: ExitId,
    pub(crate) preference: u32,
    /// The default if the attributes have none.
    pub(crate) local_pref: u32,
    /// 0 if the attributes have none, which is equivalent.
    pub(crate) med: u32,
    /// The first AS of the path; 0, which is not an AS, if there is none.
    pub(crate) neighbour: Asn,
    pub(crate) path_len: u16,
    pub(crate) origin: Origin,
    reflected: bool,
    pub(crate) no_advertise: bool,
    pub(crate) no_export: bool,
    pub(crate) llgr_stale: bool,
    /// The set was received from a peer, so the path to its next hop matters.
    tracked: bool,
}

impl AttrSet {
    fn new(key: AttrKey<'_>, octets: Location, exit: ExitId, hash: u64, local_pref: u32) -> Self {
        let view = AttributeView::new(key.octets);
        let path = view.as_path();
        let mut set = Self {
            hash,
            octets,
            exit,
            preference: key.preference,
            local_pref: view.local_pref().unwrap_or(local_pref),
            med: view.med().unwrap_or(0),
            neighbour: path.neighbour().unwrap_or(Asn(0)),
            path_len: u16::try_from(path.route_len()).unwrap_or(u16::MAX),
            origin: view.origin(),
            reflected: view.originator_id().is_some() || view.cluster_list().len() != 0,
            no_advertise: false,
            no_export: false,
            llgr_stale: false,
            tracked: false,
        };
        for community in view.communities() {
            set.no_advertise |= community == Community::NO_ADVERTISE;
            set.no_export |= matches!(
                community,
                Community::NO_EXPORT | Community::NO_EXPORT_SUBCONFED
            );
            set.llgr_stale |= community == Community::LLGR_STALE;
        }
        set
    }
}

/// The store.
#[derive(Debug)]
pub(crate) struct AttrStore {
    /// The next hops of tracked sets.
    pub(crate) next_hops: NextHopTable,
    pub(crate) hash: SeededHash,
    exits: Exits,
    index: HashTable<u32>,
    octets: Octets,
    sets: Vec<Option<AttrSet>>,
    free: BitSet,
    /// No smaller number is free.
    free_from: u32,
    /// During a sweep: the sets known to be in use.
    marked: Option<BitSet>,
    /// Octets of sets that may have become unused since the last sweep began.
    left: usize,
    /// All routes of a peer are gone: sweep when there is nothing else to do.
    pub(crate) tidy: bool,
    default_local_pref: u32,
}

/// A set that may be unused pays for one sweep step per this many octets.
const OCTETS_PER_STEP: usize = 8;
/// Fewer unused octets than this are not worth a sweep.
const SWEEP_MINIMUM: usize = 64 << 10;

impl AttrStore {
    /// An empty store.
    pub(crate) fn new(config: &RibConfig, hash: SeededHash) -> Self {
        Self {
            next_hops: NextHopTable::new(config.resolve_next_hops, hash.clone()),
            exits: Exits::new(hash.clone()),
            hash,
            index: HashTable::new(),
            octets: Octets::default(),
            sets: Vec::new(),
            free: BitSet::default(),
            free_from: 0,
            marked: None,
            left: 0,
            tidy: false,
            default_local_pref: config.default_local_pref,
        }
    }

    /// Like [`AttrStore::intern`], for routes whose choice depends on the path to their next hop.
    pub(crate) fn intern_tracked(&mut self, key: AttrKey<'_>) -> AttrId {
        let id = self.intern(key);
        self.track(id);
        id
    }

    /// From now on the path to the next hop of this set matters.
    pub(crate) fn track(&mut self, id: AttrId) {
        let set = self.sets[id.0 as usize]
            .as_mut()
            .expect("it has just been put there");
        set.tracked = true;
        self.exits.track(set.exit, &mut self.next_hops);
    }

    /// The id of the set, which is kept until a sweep does not find it in use.
    pub(crate) fn intern(&mut self, key: AttrKey<'_>) -> AttrId {
        let exit = self.exits.find_or_insert(key.next_hop, key.interface);
        let hash = self.hash.of((exit, key.preference, key.octets));
        let (sets, octets) = (&self.sets, &self.octets);
        let same = |set: &AttrSet| {
            set.hash == hash
                && set.exit == exit
                && set.preference == key.preference
                && *octets.get(set.octets) == *key.octets
        };
        let is_it = |id: &u32| {
            steps::count(1);
            sets[*id as usize].as_ref().is_some_and(same)
        };
        let id = match self.index.find(hash, is_it) {
            Some(id) => *id,
            None => self.add(key, exit, hash),
        };
        if let Some(marked) = &mut self.marked {
            marked.insert(id);
        }
        AttrId(id)
    }

    /// Whether a set has exactly this key.
    pub(crate) fn is(&self, id: AttrId, key: AttrKey<'_>) -> bool {
        let set = &self[id];
        let exit = &self.exits[set.exit];
        (exit.next_hop, exit.interface.as_deref()) == (key.next_hop, key.interface)
            && set.preference == key.preference
            && *self.octets.get(set.octets) == *key.octets
    }

    fn add(&mut self, key: AttrKey<'_>, exit: ExitId, hash: u64) -> u32 {
        let place = self.octets.add(key.octets);
        let set = AttrSet::new(key, place, exit, hash, self.default_local_pref);
        self.exits.enter(exit);
        self.left += cost(&set);
        let id = match self.free.next_from(self.free_from) {
            Some(id) => {
                self.free.remove(id);
                self.free_from = id + 1;
                self.sets[id as usize] = Some(set);
                id
            }
            None => {
                self.sets.push(Some(set));
                u32::try_from(self.sets.len() - 1).expect("fewer than 2^32 sets fit in memory")
            }
        };
        let sets = &self.sets;
        let hash_of = |id: &u32| sets[*id as usize].as_ref().map_or(0, |set| set.hash);
        self.index.insert_unique(hash, id, hash_of);
        id
    }

    pub(crate) fn view(&self, id: AttrId) -> AttributeView<'_> {
        AttributeView::new(self.octets.get(self[id].octets))
    }

    /// ORIGINATOR_ID, if a reflector added it (RFC 4456 §8).
    pub(crate) fn originator_id(&self, id: AttrId) -> Option<RouterId> {
        match self[id].reflected {
            true => self.view(id).originator_id(),
            false => None,
        }
    }

    /// Length of the CLUSTER_LIST.
    pub(crate) fn cluster_len(&self, id: AttrId) -> usize {
        match self[id].reflected {
            true => self.view(id).cluster_list().len(),
            false => 0,
        }
    }

    pub(crate) fn has(&self, id: AttrId, community: Community) -> bool {
        self.view(id).communities().any(|other| other == community)
    }

    /// The next hop of routes with these attributes.
    pub(crate) fn next_hop(&self, id: AttrId) -> Option<NextHop> {
        self.exits[self[id].exit].next_hop
    }

    /// The tracked next hop that decisions about these attributes depend on.
    pub(crate) fn tracked(&self, id: AttrId) -> Option<NextHopId> {
        let set = &self[id];
        self.exits[set.exit].tracked.filter(|_| set.tracked)
    }

    /// The set with changed attributes or another preference.
    pub(crate) fn intern_edited(
        &mut self,
        id: AttrId,
        attributes: Option<&Attributes>,
        preference: Option<u32>,
    ) -> AttrId {
        let set = &self[id];
        let octets = match attributes {
            Some(attributes) => {
                let mut octets = Vec::new();
                attributes.encode_canonical(&mut octets);
                octets
            }
            None => self.octets.get(set.octets).to_vec(),
        };
        let Exit {
            next_hop,
            interface,
            ..
        } = self.exits[set.exit].clone();
        let preference = preference.unwrap_or(set.preference);
        let tracked = set.tracked;
        let key = AttrKey {
            next_hop,
            preference,
            interface: interface.as_deref(),
            octets: &octets,
        };
        if tracked {
            self.intern_tracked(key)
        } else {
            self.intern(key)
        }
    }

    /// The set with the community LLGR_STALE, which marks a last resort (RFC 9494 §4.2).
    pub(crate) fn with_llgr_stale(&mut self, id: AttrId) -> AttrId {
        if self[id].llgr_stale {
            return id;
        }
        let mut attributes = self.view(id).to_attributes();
        attributes.communities.push(Community::LLGR_STALE);
        self.intern_edited(id, Some(&attributes), None)
    }

    /// The set with another next hop. With `tracked`, the path to it matters.
    pub(crate) fn with_next_hop(&mut self, id: AttrId, next_hop: NextHop, tracked: bool) -> AttrId {
        let set = &self[id];
        let octets = self.octets.get(set.octets).to_vec();
        let interface = self.exits[set.exit].interface.clone();
        let key = AttrKey {
            next_hop: Some(next_hop),
            preference: set.preference,
            interface: interface.as_deref(),
            octets: &octets,
        };
        match tracked {
            true => self.intern_tracked(key),
            false => self.intern(key),
        }
    }

    /// The outgoing interface of routes with these attributes, if known.
    pub(crate) fn interface_of(&self, id: AttrId) -> Option<&Arc<str>> {
        let way = match self.next_hops.all_reachable() {
            true => None,
            false => self.tracked(id).map(|id| self.next_hops.resolution(id)),
        };
        match way {
            Some(Resolution::Reachable { interface, .. }) => interface.as_ref(),
            Some(Resolution::Unreachable) => None,
            None => self.exits[self[id].exit].interface.as_ref(),
        }
    }

    /// The cost of the path to the next hop; `None` if it is unreachable.
    pub(crate) fn igp_metric(&self, id: AttrId) -> Option<u32> {
        if self.next_hops.all_reachable() {
            return Some(0);
        }
        match self.tracked(id).map(|id| self.next_hops.resolution(id)) {
            Some(Resolution::Reachable { metric, .. }) => Some(*metric),
            Some(Resolution::Unreachable) => None,
            None => Some(0),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Size in octets, including free room.
    pub(crate) fn octets(&self) -> usize {
        self.sets.capacity() * size_of::<Option<AttrSet>>()
            + self.index.capacity() * size_of::<u32>()
            + self.octets.reserved()
            + self.exits.octets()
            + self.next_hops.octets()
    }

    /// Octets of the present sets.
    pub(crate) fn used(&self) -> usize {
        self.len() * size_of::<Option<AttrSet>>() + self.octets.live()
    }

    /// Octets of one set.
    pub(crate) fn octets_of(&self, id: AttrId) -> usize {
        size_of::<Option<AttrSet>>() + self.view(id).octets().len()
    }

    /// Counts removed references, after which sets may be unused.
    pub(crate) fn leave(&mut self, references: usize) {
        self.left += references * (self.used() / self.len().max(1));
    }

    /// Whether enough may be unused since the last sweep for a sweep with this many steps to pay. As long as there is other work,
    /// the sweep waits until half of everything may be unused.
    pub(crate) fn wants_sweep(&self, references: usize, idle: bool) -> bool {
        let pays = SWEEP_MINIMUM.max(OCTETS_PER_STEP * (references + self.sets.len()));
        self.left >= pays && (idle || self.left >= self.used() / 2)
    }

    /// Whether an idle sweep is worth it after all routes of a peer have gone: much is unused, or a little that keeps much memory
    /// reserved.
    pub(crate) fn take_tidy(&mut self) -> bool {
        let keeps_room = self.left > 0 && self.len() < self.sets.len() / 4;
        std::mem::take(&mut self.tidy) && (keeps_room || self.left >= SWEEP_MINIMUM)
    }

    /// Starts to mark sets, until [`AttrStore::end_sweep`].
    pub(crate) fn begin_sweep(&mut self) {
        self.left = 0;
        self.marked = Some(BitSet::default());
    }

    /// Marks a set as in use.
    pub(crate) fn mark(&mut self, id: AttrId) {
        if let Some(marked) = &mut self.marked {
            marked.insert(id.0);
        }
    }

    /// Drops unmarked sets among the next ones; returns where to continue.
    pub(crate) fn forget_unmarked(&mut self, from: u32, left: &mut usize) -> Option<u32> {
        let (end, next) = self.part(from, left);
        for id in from..end {
            if self
                .marked
                .as_ref()
                .is_some_and(|marked| marked.contains(id))
            {
                continue;
            }
            let Some(set) = self.sets[id as usize].take() else {
                continue;
            };
            if let Ok(entry) = self.index.find_entry(set.hash, |found| *found == id) {
                entry.remove();
            }
            self.octets.remove(set.octets);
            self.exits.leave(set.exit, &mut self.next_hops);
            self.free.insert(id);
            self.free_from = self.free_from.min(id);
        }
        next
    }

    /// Whether [`AttrStore::settle`] is worth it.
    pub(crate) fn begin_to_settle(&mut self) -> bool {
        self.octets.begin_to_settle()
    }

    /// Compacts the octets of the next sets; returns where to continue.
    pub(crate) fn settle(&mut self, from: u32, left: &mut usize) -> Option<u32> {
        let (end, next) = self.part(from, left);
        for set in self.sets[from as usize..end as usize].iter_mut().flatten() {
            set.octets = self.octets.settle(set.octets);
        }
        next
    }

    /// The end of the next part, and the same if more follow.
    fn part(&self, from: u32, left: &mut usize) -> (u32, Option<u32>) {
        let end = self.sets.len().min(from as usize + *left);
        *left -= end - from as usize;
        let next = u32::try_from(end).expect("fewer than 2^32 sets fit in memory");
        (next, (end < self.sets.len()).then_some(next))
    }

    /// Releases the memory of dropped sets.
    pub(crate) fn end_sweep(&mut self) {
        self.marked = None;
        let used = self.sets.iter().rposition(Option::is_some);
        self.sets.truncate(used.map_or(0, |last| last + 1));
        self.free.truncate(self.sets.len());
        shrink(&mut self.sets);
        if self.index.len() < self.index.capacity() / 4 {
            let sets = &self.sets;
            let hash_of = |id: &u32| sets[*id as usize].as_ref().map_or(0, |set| set.hash);
            self.index.shrink_to(2 * self.index.len(), hash_of);
        }
        self.exits.shrink();
        self.next_hops.shrink();
    }
}

/// Octets of a set.
fn cost(set: &AttrSet) -> usize {
    size_of::<AttrSet>() + set.octets.len()
}

impl std::ops::Index<AttrId> for AttrStore {
    type Output = AttrSet;

    fn index(&self, id: AttrId) -> &AttrSet {
        self.sets[id.0 as usize]
            .as_ref()
            .expect("an id that a table holds is marked in every sweep")
    }
}
