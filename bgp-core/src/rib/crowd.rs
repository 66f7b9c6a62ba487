//! Prefixes with many paths: an index instead of a linear search, and limits.
//!
//! With additional paths (RFC 7911) a peer can announce a prefix as often as it likes, so the cost of one path must not grow with
//! their number.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use super::hash::SeededHash;
use super::path::Path;
use crate::steps;
use crate::types::{PathId, PeerId};

/// A prefix with more paths than this has an index of them.
pub(crate) const CROWD: usize = 32;

/// Most paths of one prefix from one peer. Further paths are refused until the peer withdraws some: they count as invalid and are
/// not stored.
pub const MAX_PATHS_PER_PEER: usize = 256;

/// Most paths of one prefix from all peers together. Each has an identifier of its own, starting at 1; a path without a free
/// identifier is refused as well.
pub const MAX_PATHS_PER_PREFIX: usize = u16::MAX as usize;

/// Index and free identifiers of the paths of a prefix.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// Indexes into the list of paths, by peer and its path identifier.
    places: HashTable<u16>,
    of_peer: BTreeMap<PeerId, usize>,
    /// The free identifiers between 1 and the greatest that was ever in use.
    free: Vec<u16>,
}

impl Crowd {
    pub(crate) fn of(hash: &SeededHash, paths: &[Path]) -> Self {
        let greatest = paths.iter().map(|path| path.local_id).max().unwrap_or(0);
        let mut used = vec![false; usize::from(greatest) + 1];
        let mut crowd = Self {
            places: HashTable::with_capacity(2 * paths.len()),
            of_peer: BTreeMap::new(),
            free: Vec::new(),
        };
        for (place, path) in (0..).zip(paths) {
            used[usize::from(path.local_id)] = true;
            crowd.note(hash, paths, place, path);
        }
        let unused = (1..greatest).rev().filter(|id| !used[usize::from(*id)]);
        crowd.free.extend(unused);
        crowd
    }

    fn note(&mut self, hash: &SeededHash, paths: &[Path], place: u16, path: &Path) {
        let rehash = |place: &u16| key_hash(hash, &paths[usize::from(*place)]);
        self.places
            .insert_unique(key_hash(hash, path), place, rehash);
        *self.of_peer.entry(path.peer).or_default() += 1;
    }

    pub(crate) fn place(
        &self,
        hash: &SeededHash,
        paths: &[Path],
        peer: PeerId,
        remote_id: PathId,
    ) -> Option<usize> {
        let is_it = |place: &u16| {
            steps::count(1);
            let path = &paths[usize::from(*place)];
            path.peer == peer && path.remote_id == remote_id
        };
        let found = self.places.find(hash.of((peer, remote_id)), is_it);
        found.map(|place| usize::from(*place))
    }

    /// Records a path that will be appended next; returns its identifier, or `None` if it is refused.
    pub(crate) fn admit(&mut self, hash: &SeededHash, paths: &[Path], path: &Path) -> Option<u16> {
        let of_peer = self.of_peer.get(&path.peer).copied().unwrap_or(0);
        if of_peer >= MAX_PATHS_PER_PEER && !path.is_local() {
            return None;
        }
        let place = u16::try_from(paths.len()).ok()?;
        // If none is free, all from 1 to the number of paths are in use.
        let local_id = self.free.pop().or_else(|| place.checked_add(1))?;
        self.note(hash, paths, place, path);
        Some(local_id)
    }

    /// Records that a path will be removed, and that the last one takes its place.
    pub(crate) fn remove(&mut self, hash: &SeededHash, paths: &[Path], place: usize) {
        let (path, last) = (&paths[place], paths.len() - 1);
        if let Ok(entry) = self
            .places
            .find_entry(key_hash(hash, path), |found| usize::from(*found) == place)
        {
            entry.remove();
        }
        self.moved(hash, &paths[last], last, place);
        if let Some(count) = self.of_peer.get_mut(&path.peer) {
            *count -= 1;
            if *count == 0 {
                self.of_peer.remove(&path.peer);
            }
        }
        self.free.push(path.local_id);
    }

    /// Records that two paths will be swapped.
    pub(crate) fn swap_with_first(&mut self, hash: &SeededHash, paths: &[Path], place: usize) {
        if place == 0 {
            return;
        }
        // An index that no path can have.
        let aside = usize::from(u16::MAX);
        self.moved(hash, &paths[0], 0, aside);
        self.moved(hash, &paths[place], place, 0);
        self.moved(hash, &paths[0], aside, place);
    }

    fn moved(&mut self, hash: &SeededHash, path: &Path, from: usize, to: usize) {
        if from == to {
            return;
        }
        let found = self
            .places
            .find_mut(key_hash(hash, path), |found| usize::from(*found) == from);
        if let (Some(found), Ok(to)) = (found, u16::try_from(to)) {
            *found = to;
        }
    }

    /// Size in octets.
    pub(crate) fn octets(&self) -> usize {
        self.places.capacity() * size_of::<u16>()
            + self.of_peer.len() * size_of::<(PeerId, usize)>()
            + self.free.capacity() * size_of::<u16>()
    }
}

fn key_hash(hash: &SeededHash, path: &Path) -> u64 {
    hash.of((path.peer, path.remote_id))
}

/// The smallest identifier that none of these paths has.
#[inline(always)]
pub(crate) fn smallest_free(paths: &[Path]) -> u16 {
    debug_assert!(paths.len() <= CROWD);
    let used = paths.iter().fold(1u64, |used, path| {
        used | 1u64.checked_shl(path.local_id.into()).unwrap_or(0)
    });
    u16::try_from(used.trailing_ones()).unwrap_or(u16::MAX)
}
