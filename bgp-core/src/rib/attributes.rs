//! The attribute store: every set of attributes once, named by a small number.
//!
//! Input: canonical octets from a received UPDATE, from a policy or from an export rule. Output: an [`AttrId`]; equal ids are
//! equal attributes. Sets that nothing refers to any more are found by a sweep over the tables, not by counting references.

use std::collections::HashMap;
use std::sync::Arc;

use hashbrown::HashTable;

use super::RibConfig;
use super::bitset::BitSet;
use super::hash::SeededHash;
use super::next_hop::{NextHopId, NextHops, Resolution};
use super::table::Path;
use crate::types::{Asn, RouterId};
use crate::wire::NextHop;
use crate::wire::attribute::{AttributeView, Attributes, Community, Origin};

/// Names a set in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AttrId(pub(crate) u32);

/// What identifies a set: the attributes and what the RIB adds to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AttrKey<'a> {
    /// Where packets go; `None` for a local route without a gateway.
    pub(crate) next_hop: Option<NextHop>,
    /// Compared before anything of BGP.
    pub(crate) preference: u32,
    /// The interface a local route leaves by.
    pub(crate) interface: Option<&'a str>,
    /// Canonical attributes.
    pub(crate) octets: &'a [u8],
}

/// A set at rest, with what the decision process asks for. There is one for nearly every UPDATE of a full table, so what is
/// seldom asked for stays in the octets.
#[derive(Debug)]
pub(crate) struct AttrSet {
    octets: Box<[u8]>,
    hash: u32,
    exit: ExitId,
    pub(crate) preference: u32,
    /// The default if there is none.
    pub(crate) local_pref: u32,
    /// 0 if there is none, which is as good.
    pub(crate) med: u32,
    /// The AS that the path begins with; 0, which is no AS, if it begins with none.
    pub(crate) neighbour: Asn,
    pub(crate) path_len: u16,
    pub(crate) origin: Origin,
    reflected: bool,
    pub(crate) no_advertise: bool,
    pub(crate) no_export: bool,
    pub(crate) llgr_stale: bool,
    /// It was received: the way to its next hop matters.
    tracked: bool,
}

impl AttrSet {
    fn new(key: AttrKey<'_>, exit: ExitId, hash: u32, default_local_pref: u32) -> Self {
        let view = AttributeView::new(key.octets);
        let path = view.as_path();
        let mut set = Self {
            octets: key.octets.into(),
            hash,
            exit,
            preference: key.preference,
            local_pref: view.local_pref().unwrap_or(default_local_pref),
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

    pub(crate) fn view(&self) -> AttributeView<'_> {
        AttributeView::new(&self.octets)
    }

    /// Who brought it into the AS, if it came by a reflector (RFC 4456 §8).
    pub(crate) fn originator_id(&self) -> Option<RouterId> {
        match self.reflected {
            true => self.view().originator_id(),
            false => None,
        }
    }

    /// How many clusters it came through.
    pub(crate) fn cluster_len(&self) -> usize {
        match self.reflected {
            true => self.view().cluster_list().len(),
            false => 0,
        }
    }

    pub(crate) fn has(&self, community: Community) -> bool {
        self.view().communities().any(|other| other == community)
    }

    fn full_hash(&self, hash: &SeededHash) -> u64 {
        hash.of((self.exit, self.preference, &*self.octets))
    }
}

/// Names an [`Exit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ExitId(u32);

/// Where packets of a route leave. There are few, so a set only holds its number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Exit {
    next_hop: Option<NextHop>,
    interface: Option<Arc<str>>,
}

/// Every set of attributes once.
#[derive(Debug)]
pub(crate) struct AttrStore {
    /// The next hops of the sets that are tracked.
    pub(crate) next_hops: NextHops,
    /// What was found last: routes come in runs.
    last_exit: Option<ExitId>,
    exits: Vec<Exit>,
    exit_index: HashMap<Exit, ExitId>,
    index: HashTable<u32>,
    sets: Vec<Option<AttrSet>>,
    free: Vec<u32>,
    pub(crate) hash: SeededHash,
    live_after_sweep: usize,
    /// Octets of all sets.
    held: usize,
    default_local_pref: u32,
}

/// The store is not swept below this size.
const SWEEP_MINIMUM: usize = 1024;

impl AttrStore {
    /// An empty store.
    pub(crate) fn new(config: &RibConfig, hash: SeededHash) -> Self {
        Self {
            next_hops: NextHops::new(config.resolve_next_hops),
            last_exit: None,
            exits: Vec::new(),
            exit_index: HashMap::default(),
            index: HashTable::new(),
            sets: Vec::new(),
            free: Vec::new(),
            hash,
            live_after_sweep: 0,
            held: 0,
            default_local_pref: config.default_local_pref,
        }
    }

    /// Like [`AttrStore::intern`], for routes that are chosen by the way to their next hop.
    pub(crate) fn intern_tracked(&mut self, key: AttrKey<'_>) -> AttrId {
        let id = self.intern(key);
        let set = self.sets[id.0 as usize]
            .as_mut()
            .expect("it has just been put there");
        if !set.tracked {
            set.tracked = true;
            if let Some(next_hop) = key.next_hop {
                self.next_hops.track(next_hop.address());
            }
        }
        id
    }

    /// The id of the set, which is kept until a sweep does not find it marked.
    pub(crate) fn intern(&mut self, key: AttrKey<'_>) -> AttrId {
        let exit = self.exit(key);
        let hash = self.hash.of((exit, key.preference, key.octets));
        let short = hash as u32;
        let sets = &self.sets;
        let same = |set: &AttrSet| {
            set.hash == short
                && set.exit == exit
                && set.preference == key.preference
                && *set.octets == *key.octets
        };
        if let Some(id) = self
            .index
            .find(hash, |id| sets[*id as usize].as_ref().is_some_and(same))
        {
            return AttrId(*id);
        }
        self.held += key.octets.len();
        let set = Some(AttrSet::new(key, exit, short, self.default_local_pref));
        let id = match self.free.pop() {
            Some(id) => {
                self.sets[id as usize] = set;
                id
            }
            None => {
                self.sets.push(set);
                u32::try_from(self.sets.len() - 1).expect("fewer than 2^32 sets fit in memory")
            }
        };
        let (sets, hasher) = (&self.sets, &self.hash);
        let hash_of = |id: &u32| {
            sets[*id as usize]
                .as_ref()
                .map_or(0, |set| set.full_hash(hasher))
        };
        self.index.insert_unique(hash, id, hash_of);
        AttrId(id)
    }

    fn exit(&mut self, key: AttrKey<'_>) -> ExitId {
        let is_it = |exit: &Exit| {
            exit.next_hop == key.next_hop && exit.interface.as_deref() == key.interface
        };
        if let Some(id) = self
            .last_exit
            .filter(|ExitId(id)| is_it(&self.exits[*id as usize]))
        {
            return id;
        }
        let exit = Exit {
            next_hop: key.next_hop,
            interface: key.interface.map(Arc::from),
        };
        let new = ExitId(
            u32::try_from(self.exits.len()).expect("fewer than 2^32 next hops fit in memory"),
        );
        let id = *self.exit_index.entry(exit.clone()).or_insert(new);
        if id == new {
            self.exits.push(exit);
        }
        self.last_exit = Some(id);
        id
    }

    /// Where routes with these attributes are sent.
    pub(crate) fn next_hop(&self, id: AttrId) -> Option<NextHop> {
        self.exits[self[id].exit.0 as usize].next_hop
    }

    /// The next hop that decisions about these attributes depend on.
    pub(crate) fn tracked(&self, id: AttrId) -> Option<NextHopId> {
        let next_hop = self.next_hop(id).filter(|_| self[id].tracked)?;
        self.next_hops.find(next_hop.address())
    }

    /// The set with other attributes or another preference.
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
            None => set.octets.to_vec(),
        };
        let Exit {
            next_hop,
            interface,
        } = self.exits[set.exit.0 as usize].clone();
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

    /// The interface that routes with these attributes leave by, as far as known.
    pub(crate) fn interface_of(&self, id: AttrId) -> Option<&Arc<str>> {
        let way = match self.next_hops.all_reachable() {
            true => None,
            false => self.tracked(id).map(|id| self.next_hops.resolution(id)),
        };
        match way {
            Some(Resolution::Reachable { interface, .. }) => interface.as_ref(),
            Some(Resolution::Unreachable) => None,
            None => self.exits[self[id].exit.0 as usize].interface.as_ref(),
        }
    }

    /// The cost of the way to a path's next hop; `None` if there is no way.
    pub(crate) fn igp_metric(&self, path: &Path) -> Option<u32> {
        if self.next_hops.all_reachable() {
            return Some(0);
        }
        match self
            .tracked(path.attrs)
            .map(|id| self.next_hops.resolution(id))
        {
            Some(Resolution::Reachable { metric, .. }) => Some(*metric),
            Some(Resolution::Unreachable) => None,
            None => Some(0),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.sets.len() - self.free.len()
    }

    /// What it takes up.
    pub(crate) fn octets(&self) -> usize {
        self.sets.capacity() * size_of::<Option<AttrSet>>()
            + self.index.capacity() * size_of::<u32>()
            + self.held
    }

    /// What the sets that are there take up.
    pub(crate) fn used(&self) -> usize {
        self.len() * size_of::<Option<AttrSet>>() + self.held
    }

    /// What one set takes up.
    pub(crate) fn octets_of(&self, id: AttrId) -> usize {
        size_of::<Option<AttrSet>>() + self[id].octets.len()
    }

    /// Whether so many sets came since the last sweep that another one pays.
    pub(crate) fn wants_sweep(&self) -> bool {
        self.len() >= SWEEP_MINIMUM.max(2 * self.live_after_sweep)
    }

    /// Forgets every set that is not marked.
    pub(crate) fn sweep(&mut self, marked: &BitSet) {
        for (id, place) in (0u32..).zip(&mut self.sets) {
            if marked.contains(id) {
                continue;
            }
            if let Some(set) = place.take() {
                self.held -= set.octets.len();
                let hash = set.full_hash(&self.hash);
                if let Ok(entry) = self.index.find_entry(hash, |found| *found == id) {
                    entry.remove();
                }
                self.free.push(id);
            }
        }
        self.live_after_sweep = self.len();
    }
}

impl std::ops::Index<AttrId> for AttrStore {
    type Output = AttrSet;

    fn index(&self, id: AttrId) -> &AttrSet {
        self.sets[id.0 as usize]
            .as_ref()
            .expect("an id that a table holds is marked in every sweep")
    }
}
