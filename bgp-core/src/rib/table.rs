//! The table of one family: each prefix has a slot with a dense number, and each slot has its paths, the best one first.
//!
//! Adj-RIB-In, Loc-RIB and the candidates of Adj-RIB-Out are views of this table, which knows neither policies nor peers.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use super::crowd::{CROWD, Crowd, smallest_free};
use super::few::Few;
use super::hash::SeededHash;
use super::path::Path;
use crate::steps;
use crate::types::{PathId, PeerId, Prefix};

/// The paths of a prefix; most prefixes have one.
pub(crate) type Paths = Few<Path>;

/// A prefix and its paths. The first path is the best one, if one was chosen.
#[derive(Clone, Debug)]
pub(crate) struct Slot<P> {
    pub(crate) prefix: P,
    pub(crate) chosen: bool,
    /// There was a best path at the last decision.
    pub(crate) known: bool,
    /// The slot is in the list of changed slots.
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
    /// Indexes of exactly the slots with more than [`CROWD`] paths.
    crowds: BTreeMap<u32, Crowd>,
    /// Octets of the indexes.
    crowded: usize,
    hash: SeededHash,
}

impl<P: Prefix> Table<P> {
    pub(crate) fn new(hash: SeededHash) -> Self {
        Self {
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            crowds: BTreeMap::new(),
            crowded: 0,
            hash,
        }
    }

    pub(crate) fn find(&self, prefix: P) -> Option<u32> {
        self.find_hashed(prefix, self.hash.of(prefix))
    }

    #[inline(always)]
    fn find_hashed(&self, prefix: P, hash: u64) -> Option<u32> {
        let is_it = |at: &u32| {
            steps::count(1);
            self.slots[*at as usize].prefix == prefix
        };
        self.index.find(hash, is_it).copied()
    }

    /// The slot of a prefix, which is created if needed.
    pub(crate) fn find_or_insert(&mut self, prefix: P) -> u32 {
        let hash = self.hash.of(prefix);
        if let Some(at) = self.find_hashed(prefix, hash) {
            return at;
        }
        let slot = Slot {
            prefix,
            chosen: false,
            known: false,
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
        let (slots, hasher) = (&self.slots, &self.hash);
        self.index
            .insert_unique(hash, at, |at| hasher.of(slots[*at as usize].prefix));
        at
    }

    /// Releases a slot without paths.
    pub(crate) fn release(&mut self, at: u32) {
        let hash = self.hash.of(self.slots[at as usize].prefix);
        if let Ok(entry) = self.index.find_entry(hash, |found| *found == at) {
            entry.remove();
            self.free.push(at);
        }
    }

    /// Index of a peer's path with this identifier.
    #[inline(always)]
    pub(crate) fn place(&self, at: u32, peer: PeerId, remote_id: PathId) -> Option<usize> {
        let paths = self.slots[at as usize].paths.as_slice();
        if paths.len() > CROWD {
            return self.crowds[&at].place(&self.hash, paths, peer, remote_id);
        }
        steps::count(paths.len());
        paths
            .iter()
            .position(|path| path.peer == peer && path.remote_id == remote_id)
    }

    /// Appends a path with a free identifier; `false` if the prefix has as many paths as allowed.
    #[inline(always)]
    pub(crate) fn add(&mut self, at: u32, mut path: Path) -> bool {
        let paths = &mut self.slots[at as usize].paths;
        if paths.as_slice().len() >= CROWD {
            return self.add_to_crowd(at, path);
        }
        path.local_id = smallest_free(paths.as_slice());
        paths.push(path);
        true
    }

    #[cold]
    fn add_to_crowd(&mut self, at: u32, mut path: Path) -> bool {
        let paths = &mut self.slots[at as usize].paths;
        let crowd = self.crowds.entry(at);
        let crowd = crowd.or_insert_with(|| {
            let crowd = Crowd::of(&self.hash, paths.as_slice());
            self.crowded += crowd.octets();
            crowd
        });
        let before = crowd.octets();
        let Some(local_id) = crowd.admit(&self.hash, paths.as_slice(), &path) else {
            return false;
        };
        self.crowded += crowd.octets() - before;
        path.local_id = local_id;
        paths.push(path);
        true
    }

    /// Gives a path this identifier; if another one has it, the two are exchanged. No effect in a crowd, or if it is too large.
    pub(crate) fn identify(&mut self, at: u32, place: usize, local_id: u16) {
        let paths = self.slots[at as usize].paths.as_mut_slice();
        if paths.len() > CROWD || !(1..=CROWD as u16).contains(&local_id) {
            return;
        }
        let old = paths[place].local_id;
        if let Some(other) = paths.iter_mut().find(|path| path.local_id == local_id) {
            other.local_id = old;
        }
        paths[place].local_id = local_id;
    }

    /// Removes a path; the last one takes its place. If the first path is removed, none is chosen.
    pub(crate) fn remove(&mut self, at: u32, place: usize) {
        let slot = &mut self.slots[at as usize];
        if let Some(crowd) = self.crowds.get_mut(&at) {
            let before = crowd.octets();
            crowd.remove(&self.hash, slot.paths.as_slice(), place);
            self.crowded = self.crowded - before + crowd.octets();
        }
        slot.chosen &= place != 0;
        slot.paths.swap_remove(place);
        if slot.paths.as_slice().len() == CROWD {
            let gone = self.crowds.remove(&at);
            self.crowded -= gone.map_or(0, |crowd| crowd.octets());
        }
    }

    /// Moves a path to the front.
    pub(crate) fn put_first(&mut self, at: u32, place: usize) {
        let paths = self.slots[at as usize].paths.as_mut_slice();
        if let Some(crowd) = self.crowds.get_mut(&at) {
            crowd.swap_with_first(&self.hash, paths, place);
        }
        paths.swap(0, place);
    }

    /// One past the greatest slot number in use so far; released slots below have no paths.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// Size in octets, without paths stored outside the slots.
    pub(crate) fn octets(&self) -> usize {
        self.slots.capacity() * size_of::<Slot<P>>()
            + self.index.capacity() * size_of::<u32>()
            + self.crowded
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

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use ipnet::Ipv6Net;

    use super::*;

    /// Prefixes that foldhash maps to the same hash if only each hasher is seeded, but not the published shared seed: the second
    /// half of the address is the constant that the hash will cancel.
    fn colliding(count: u64) -> impl Iterator<Item = Ipv6Net> {
        let cancels = 0xc0ac_29b7_c97c_50dd_u64.to_ne_bytes();
        (1..=count).map(move |number| {
            let octets = [number.to_be_bytes(), cancels].concat();
            Ipv6Net::from_octets(&octets, 128).expect("16 octets")
        })
    }

    fn steps_to_fill(count: u64) -> usize {
        let mut table = Table::new(SeededHash::new(7));
        steps::of(|| {
            for prefix in colliding(count) {
                table.find_or_insert(prefix);
            }
        })
    }

    #[test]
    fn prefixes_cannot_be_chosen_to_collide() {
        let published = foldhash::fast::FixedState::with_seed(0x5eed);
        let mut hashes: Vec<u64> = colliding(100).map(|net| published.hash_one(net)).collect();
        hashes.dedup();
        assert_eq!(hashes.len(), 1, "the test would show nothing");
        let (once, twice) = (steps_to_fill(2_000), steps_to_fill(4_000));
        assert!(once < 2_000, "{once} prefixes that were not sought");
        assert!(twice < 4_000, "{twice} prefixes that were not sought");
    }

    #[test]
    fn equal_seeds_make_equal_hashes_and_others_do_not() {
        let of = |seed: u64| -> Vec<u64> {
            let hash = SeededHash::new(seed);
            colliding(100).map(|net| hash.of(net)).collect()
        };
        for seed in [0, 1, u64::MAX, 0x5eed] {
            assert_eq!(of(seed), of(seed));
            assert_ne!(of(seed), of(seed ^ 1));
            let mut hashes = of(seed);
            hashes.sort_unstable();
            hashes.dedup();
            assert_eq!(hashes.len(), 100);
        }
    }
}
