//! Next hops of received routes and what is known of the way to them (RFC 4271 §9.1.2.1).
//!
//! The RIB does not look routes up itself: it names the addresses it wants to know about, its owner answers.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashTable;

use super::hash::SeededHash;
use super::room::shrink;
use crate::steps;

/// The way to a next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolution {
    /// There is none, or it is one of our own addresses.
    Unreachable,
    /// There is one.
    Reachable {
        /// Its cost (RFC 4271 §9.1.2.2 e).
        metric: u32,
        /// The interface it leaves by, as far as known.
        interface: Option<Arc<str>>,
    },
}

/// Names a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NextHopId(pub(crate) u32);

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    resolution: Resolution,
    users: u32,
}

/// A question to the owner that begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Resolve(IpAddr),
    Forget(IpAddr),
}

/// Every next hop that attributes in the store have.
#[derive(Debug)]
pub(crate) struct NextHops {
    entries: Vec<Option<Entry>>,
    index: HashTable<u32>,
    free: Vec<u32>,
    hash: SeededHash,
    initial: Resolution,
    /// Not yet told to the owner.
    questions: VecDeque<Question>,
}

impl NextHops {
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
            questions: VecDeque::new(),
        }
    }

    /// Counts one more user of a next hop; the first one makes it known.
    pub(crate) fn track(&mut self, address: IpAddr) -> NextHopId {
        if let Some(id) = self.find(address) {
            self.entry_mut(id).users += 1;
            return id;
        }
        let entry = Some(Entry {
            address,
            resolution: self.initial.clone(),
            users: 1,
        });
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
            self.questions.push_back(Question::Resolve(address));
        }
        NextHopId(id)
    }

    /// Counts one user less; without users it is forgotten, here and by the owner.
    pub(crate) fn release(&mut self, NextHopId(id): NextHopId) {
        let entry = self.entry_mut(NextHopId(id));
        entry.users -= 1;
        if entry.users > 0 {
            return;
        }
        let address = entry.address;
        let hash = self.hash.of(address);
        if let Ok(entry) = self.index.find_entry(hash, |found| *found == id) {
            entry.remove();
        }
        self.entries[id as usize] = None;
        self.free.push(id);
        if !self.all_reachable() {
            self.questions.push_back(Question::Forget(address));
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

    /// Whether nobody is asked, so that there is nothing to look at.
    pub(crate) fn all_reachable(&self) -> bool {
        self.initial != Resolution::Unreachable
    }

    pub(crate) fn resolution(&self, NextHopId(id): NextHopId) -> &Resolution {
        &self.entries[id as usize]
            .as_ref()
            .expect("it has users")
            .resolution
    }

    /// Notes an answer; tells what it changes.
    pub(crate) fn resolve(&mut self, address: IpAddr, resolution: Resolution) -> Option<NextHopId> {
        let id = self.find(address)?;
        let old = &mut self.entry_mut(id).resolution;
        let changed = *old != resolution;
        *old = resolution;
        changed.then_some(id)
    }

    /// What the owner is to be asked, or need no longer answer, next.
    pub(crate) fn next_question(&mut self) -> Option<Question> {
        let question = self.questions.pop_front();
        if self.questions.is_empty() {
            self.questions.shrink_to(64);
        }
        question
    }

    /// Whether there is something to ask the owner.
    pub(crate) fn has_questions(&self) -> bool {
        !self.questions.is_empty()
    }

    /// Every address that was asked for and not forgotten.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.entries.iter().flatten().map(|entry| entry.address)
    }

    /// What it takes up.
    pub(crate) fn octets(&self) -> usize {
        self.entries.capacity() * size_of::<Option<Entry>>()
            + self.index.capacity() * size_of::<u32>()
            + self.questions.capacity() * size_of::<Question>()
    }

    /// Gives back the room of what has been forgotten.
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
