//! Next hops of received routes, and their resolution (RFC 4271 §9.1.2.1).
//!
//! The RIB does not resolve next hops itself: it asks its owner.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashTable;

use super::hash::SeededHash;
use super::room::shrink;
use crate::steps;

/// The path to a next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolution {
    /// There is none, or the address is our own.
    Unreachable,
    /// There is a path.
    Reachable {
        /// Interior cost (RFC 4271 §9.1.2.2 e).
        metric: u32,
        /// The outgoing interface, if known.
        interface: Option<Arc<str>>,
    },
}

/// Identifies a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NextHopId(pub(crate) u32);

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    resolution: Resolution,
    users: u32,
    answered: bool,
}

/// A request to the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextHopRequest {
    Resolve(IpAddr),
    Forget(IpAddr),
}

/// All next hops of stored attributes.
#[derive(Debug)]
pub(crate) struct NextHopTable {
    entries: Vec<Option<Entry>>,
    index: HashTable<u32>,
    free: Vec<u32>,
    hash: SeededHash,
    initial: Resolution,
    /// Next hops that the owner has not resolved yet.
    unanswered: usize,
    /// Requests not yet output.
    questions: VecDeque<NextHopRequest>,
}

impl NextHopTable {
    /// With `resolve` the owner is asked; without, every next hop counts as reachable.
    pub(crate) fn new(resolve: bool, hash: SeededHash) -> Self {
        let initial = if resolve {
            Resolution::Unreachable
        } else {
            Resolution::Reachable {
                metric: 0,
                interface: None,
            }
        };
        Self {
            entries: Vec::new(),
            index: HashTable::new(),
            free: Vec::new(),
            hash,
            initial,
            unanswered: 0,
            questions: VecDeque::new(),
        }
    }

    /// Adds a user of a next hop, which is new with the first one.
    pub(crate) fn track(&mut self, address: IpAddr) -> NextHopId {
        if let Some(id) = self.find(address) {
            self.entry_mut(id).users += 1;
            return id;
        }
        let entry = Some(Entry {
            address,
            resolution: self.initial.clone(),
            users: 1,
            answered: false,
        });
        self.unanswered += 1;
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[id as usize] = entry;
                id
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1)
                    .expect("fewer than 2^32 addresses fit in memory")
            }
        };
        let (entries, hash) = (&self.entries, &self.hash);
        let hash_of = |id: &u32| entry_hash(hash, &entries[*id as usize]);
        self.index.insert_unique(hash.of(address), id, hash_of);
        if !self.all_reachable() {
            self.questions.push_back(NextHopRequest::Resolve(address));
        }
        NextHopId(id)
    }

    /// Removes a user; without users the next hop is forgotten, here and by the owner.
    pub(crate) fn release(&mut self, NextHopId(id): NextHopId) {
        let entry = self.entry_mut(NextHopId(id));
        entry.users -= 1;
        if entry.users > 0 {
            return;
        }
        let (address, answered) = (entry.address, entry.answered);
        self.unanswered -= usize::from(!answered);
        let hash = self.hash.of(address);
        if let Ok(entry) = self.index.find_entry(hash, |found| *found == id) {
            entry.remove();
        }
        self.entries[id as usize] = None;
        self.free.push(id);
        if !self.all_reachable() {
            self.questions.push_back(NextHopRequest::Forget(address));
        }
    }

    fn find(&self, address: IpAddr) -> Option<NextHopId> {
        let is_it = |id: &u32| {
            steps::count(1);
            let entry = self.entries[*id as usize].as_ref();
            entry.is_some_and(|entry| entry.address == address)
        };
        let id = self.index.find(self.hash.of(address), is_it)?;
        Some(NextHopId(*id))
    }

    fn entry_mut(&mut self, NextHopId(id): NextHopId) -> &mut Entry {
        self.entries[id as usize].as_mut().expect("it has users")
    }

    /// Whether next hops are not resolved, so that no lookup is needed.
    pub(crate) fn all_reachable(&self) -> bool {
        self.initial != Resolution::Unreachable
    }

    pub(crate) fn resolution(&self, NextHopId(id): NextHopId) -> &Resolution {
        &self.entries[id as usize]
            .as_ref()
            .expect("it has users")
            .resolution
    }

    /// Records an answer; returns the next hop if it changed.
    pub(crate) fn resolve(&mut self, address: IpAddr, resolution: Resolution) -> Option<NextHopId> {
        let id = self.find(address)?;
        let entry = self.entry_mut(id);
        let changed = entry.resolution != resolution;
        entry.resolution = resolution;
        let first = !std::mem::replace(&mut entry.answered, true);
        self.unanswered -= usize::from(first);
        changed.then_some(id)
    }

    /// Whether the owner has resolved all next hops.
    pub(crate) fn all_answered(&self) -> bool {
        self.unanswered == 0 || self.all_reachable()
    }

    /// The next request to output.
    pub(crate) fn next_question(&mut self) -> Option<NextHopRequest> {
        let question = self.questions.pop_front();
        if self.questions.is_empty() {
            self.questions.shrink_to(64);
        }
        question
    }

    /// Whether a request is pending.
    pub(crate) fn has_questions(&self) -> bool {
        !self.questions.is_empty()
    }

    /// All addresses that were requested and not forgotten.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.entries.iter().flatten().map(|entry| entry.address)
    }

    /// Size in octets.
    pub(crate) fn octets(&self) -> usize {
        self.entries.capacity() * size_of::<Option<Entry>>()
            + self.index.capacity() * size_of::<u32>()
            + self.questions.capacity() * size_of::<NextHopRequest>()
    }

    /// Releases unused memory.
    pub(crate) fn shrink(&mut self) {
        let used = self.entries.iter().rposition(Option::is_some);
        self.entries.truncate(used.map_or(0, |last| last + 1));
        let end = self.entries.len();
        self.free.retain(|id| (*id as usize) < end);
        shrink(&mut self.entries);
        shrink(&mut self.free);
        if self.index.len() < self.index.capacity() / 4 {
            let (entries, hash) = (&self.entries, &self.hash);
            let hash_of = |id: &u32| entry_hash(hash, &entries[*id as usize]);
            self.index.shrink_to(2 * self.index.len(), hash_of);
        }
    }
}

fn entry_hash(hash: &SeededHash, entry: &Option<Entry>) -> u64 {
    entry.as_ref().map_or(0, |entry| hash.of(entry.address))
}
