//! Exits: pairs of next hop and interface, each stored once. There are few, so a set of attributes only holds a number. Exits are
//! reference-counted.

use std::sync::Arc;

use hashbrown::HashTable;

use super::hash::SeededHash;
use super::next_hop::{NextHopId, NextHopTable};
use super::room::shrink;
use crate::steps;
use crate::wire::NextHop;

/// Identifies an [`Exit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ExitId(u32);

/// A next hop and an interface.
#[derive(Clone, Debug, Default)]
pub(super) struct Exit {
    pub(super) next_hop: Option<NextHop>,
    pub(super) interface: Option<Arc<str>>,
    /// Set once the path to the next hop matters to a user.
    pub(super) tracked: Option<NextHopId>,
    users: u32,
}

/// All exits in use.
#[derive(Debug)]
pub(super) struct Exits {
    list: Vec<Exit>,
    index: HashTable<u32>,
    free: Vec<u32>,
    /// The last result: routes come in runs.
    last: Option<ExitId>,
    hash: SeededHash,
}

impl Exits {
    pub(super) fn new(hash: SeededHash) -> Self {
        Self {
            list: Vec::new(),
            index: HashTable::new(),
            free: Vec::new(),
            last: None,
            hash,
        }
    }

    /// The exit of these attributes, which is new or has users.
    pub(super) fn find_or_insert(
        &mut self,
        next_hop: Option<NextHop>,
        interface: Option<&str>,
    ) -> ExitId {
        let list = &self.list;
        let is_it = |id: &u32| {
            steps::count(1);
            let exit = &list[*id as usize];
            exit.next_hop == next_hop && exit.interface.as_deref() == interface
        };
        if let Some(id) = self.last.filter(|ExitId(id)| is_it(id)) {
            return id;
        }
        let hash = self.hash.of((next_hop, interface));
        let id = match self.index.find(hash, is_it) {
            Some(id) => *id,
            None => self.insert(next_hop, interface, hash),
        };
        self.last = Some(ExitId(id));
        ExitId(id)
    }

    fn insert(&mut self, next_hop: Option<NextHop>, interface: Option<&str>, hash: u64) -> u32 {
        let exit = Exit {
            next_hop,
            interface: interface.map(Arc::from),
            ..Exit::default()
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.list[id as usize] = exit;
                id
            }
            None => {
                self.list.push(exit);
                u32::try_from(self.list.len() - 1).expect("fewer than 2^32 next hops fit in memory")
            }
        };
        let (list, hasher) = (&self.list, &self.hash);
        let hash_of = |id: &u32| list[*id as usize].hash(hasher);
        self.index.insert_unique(hash, id, hash_of);
        id
    }

    pub(super) fn enter(&mut self, ExitId(id): ExitId) {
        self.list[id as usize].users += 1;
    }

    /// Removes a user.
    pub(super) fn leave(&mut self, ExitId(id): ExitId, next_hops: &mut NextHopTable) {
        let exit = &mut self.list[id as usize];
        exit.users -= 1;
        if exit.users > 0 {
            return;
        }
        let exit = std::mem::take(exit);
        if let Some(next_hop) = exit.tracked {
            next_hops.release(next_hop);
        }
        let hash = exit.hash(&self.hash);
        if let Ok(entry) = self.index.find_entry(hash, |found| *found == id) {
            entry.remove();
        }
        self.free.push(id);
        self.last = None;
    }

    /// From now on the path to the next hop matters.
    pub(super) fn track(&mut self, ExitId(id): ExitId, next_hops: &mut NextHopTable) {
        let exit = &mut self.list[id as usize];
        if let Some(next_hop) = exit.next_hop
            && exit.tracked.is_none()
        {
            exit.tracked = Some(next_hops.track(next_hop.address()));
        }
    }

    /// Releases unused memory.
    pub(super) fn shrink(&mut self) {
        let used = self.list.iter().rposition(|exit| exit.users > 0);
        self.list.truncate(used.map_or(0, |last| last + 1));
        let end = self.list.len();
        self.free.retain(|id| (*id as usize) < end);
        shrink(&mut self.list);
        shrink(&mut self.free);
        if self.index.len() < self.index.capacity() / 4 {
            let (list, hasher) = (&self.list, &self.hash);
            let hash_of = |id: &u32| list[*id as usize].hash(hasher);
            self.index.shrink_to(2 * self.index.len(), hash_of);
        }
    }

    /// Size in octets.
    pub(super) fn octets(&self) -> usize {
        self.list.capacity() * size_of::<Exit>() + self.index.capacity() * size_of::<u32>()
    }
}

impl Exit {
    fn hash(&self, hash: &SeededHash) -> u64 {
        hash.of((self.next_hop, self.interface.as_deref()))
    }
}

impl std::ops::Index<ExitId> for Exits {
    type Output = Exit;

    fn index(&self, ExitId(id): ExitId) -> &Exit {
        &self.list[id as usize]
    }
}
