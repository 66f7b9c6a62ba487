//! The table of one family: each prefix has a slot with a dense number, each slot its paths, the best one first.
//!
//! Adj-RIB-In, Loc-RIB and the candidates of Adj-RIB-Out are views of it. Nothing here knows policy or peers.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::attributes::AttrId;
use super::few::Few;
use crate::types::{PathId, PeerId, Prefix};

/// Why a path may not be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Unusable {
    /// Our AS is in its AS path too often (RFC 4271 §9.1.2).
    AsLoop,
    /// Our identifier or cluster ID has been there already (RFC 4456 §8).
    ReflectionLoop,
    /// The next hop is our own address (RFC 4271 §5.1.3).
    OwnNextHop,
    /// The import policy rejected it.
    Policy,
    /// It leaked: its OTC attribute does not fit the role of the peer (RFC 9234 §5).
    RouteLeak,
}

/// One way to reach a prefix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// After import policy.
    pub(crate) attrs: AttrId,
    /// As received.
    pub(crate) received: AttrId,
    pub(crate) peer: PeerId,
    /// The peer's path identifier.
    pub(crate) remote_id: PathId,
    /// Seconds from the start of the RIB to when it came.
    pub(crate) since: u32,
    /// Our path identifier: unique among the paths of the prefix, the same as long as the path lives (RFC 7911 §5).
    pub(crate) local_id: u16,
    /// The peer's epoch when it came; older ones are stale.
    pub(crate) epoch: u8,
    pub(crate) unusable: Option<Unusable>,
}

/// The paths of a prefix; most have one.
pub(crate) type Paths = Few<Path>;

impl Few<Path> {
    /// Adds a path at the end and gives it the smallest free identifier.
    #[inline(always)]
    pub(crate) fn add(&mut self, mut path: Path) {
        let used = |id: u16| self.as_slice().iter().any(|other| other.local_id == id);
        path.local_id = (1..=u16::MAX).find(|id| !used(*id)).unwrap_or(0);
        self.push(path);
    }
}

/// A prefix and its paths. The first path is the best one, if any is chosen at all.
#[derive(Clone, Debug)]
pub(crate) struct Slot<P> {
    pub(crate) prefix: P,
    pub(crate) chosen: bool,
    /// In the list of changed slots.
    pub(crate) dirty: bool,
    pub(crate) paths: Paths,
}

impl<P> Slot<P> {
    pub(crate) fn best(&self) -> Option<&Path> {
        self.paths.as_slice().first().filter(|_| self.chosen)
    }
}

/// All prefixes of one family.
#[derive(Debug)]
pub(crate) struct Table<P> {
    index: HashTable<u32>,
    slots: Vec<Slot<P>>,
    free: Vec<u32>,
    hasher: FixedState,
}

impl<P: Prefix> Default for Table<P> {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hasher: FixedState::default(),
        }
    }
}

impl<P: Prefix> Table<P> {
    pub(crate) fn find(&self, prefix: P) -> Option<u32> {
        let hash = self.hasher.hash_one(prefix);
        self.index
            .find(hash, |at| self.slots[*at as usize].prefix == prefix)
            .copied()
    }

    /// The slot of a prefix, made if there is none.
    pub(crate) fn find_or_insert(&mut self, prefix: P) -> u32 {
        let hash = self.hasher.hash_one(prefix);
        if let Some(at) = self
            .index
            .find(hash, |at| self.slots[*at as usize].prefix == prefix)
        {
            return *at;
        }
        let slot = Slot {
            prefix,
            chosen: false,
            dirty: false,
            paths: Paths::None,
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 prefixes fit in memory")
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.index
            .insert_unique(hash, at, |at| hasher.hash_one(slots[*at as usize].prefix));
        at
    }

    /// Gives a slot without paths back.
    pub(crate) fn release(&mut self, at: u32) {
        let hash = self.hasher.hash_one(self.slots[at as usize].prefix);
        if let Ok(entry) = self.index.find_entry(hash, |found| *found == at) {
            entry.remove();
            self.free.push(at);
        }
    }

    /// One past the greatest slot number ever given; released slots below it have no paths.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// What it takes up, without what paths take up beside the slots.
    pub(crate) fn octets(&self) -> usize {
        self.slots.capacity() * size_of::<Slot<P>>() + self.index.capacity() * size_of::<u32>()
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = (u32, &Slot<P>)> {
        (0u32..).zip(&self.slots)
    }
}

impl<P> std::ops::Index<u32> for Table<P> {
    type Output = Slot<P>;

    fn index(&self, at: u32) -> &Slot<P> {
        &self.slots[at as usize]
    }
}

impl<P> std::ops::IndexMut<u32> for Table<P> {
    fn index_mut(&mut self, at: u32) -> &mut Slot<P> {
        &mut self.slots[at as usize]
    }
}
