//! A limit for all that peers make the RIB hold: at it, whoever holds most is stopped, never the speaker.
//!
//! What is counted is in use: room that tables keep for later does not make a peer worse. Rejected routes count like others,
//! because they are kept for the day on which policy changes.

use super::bitset::BitSet;
use super::family::FamilyRib;
use super::few::Few;
use super::group::Entry;
use super::table::{Path, Slot};
use super::{Output, Rib};
use crate::types::{PeerId, Prefix};

/// UPDATEs that are taken in before the limit is looked at again.
const UNCHECKED: u32 = 256;

/// What an entry of an index takes up, with its share of what is free.
const INDEX: usize = 2 * size_of::<u32>();

/// What is known of the limit.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// UPDATEs since the last look.
    updates: u32,
    /// Octets that were in use when the attributes that nothing refers to had just been forgotten.
    clean: usize,
}

impl Rib {
    pub(super) fn note_update(&mut self) {
        self.guard.updates += 1;
        if self.guard.updates >= UNCHECKED {
            self.check_memory();
        }
    }

    /// Octets in use by tables and attributes.
    fn used(&self) -> usize {
        self.ipv4.used() + self.ipv6.used() + self.shared.store.used()
    }

    /// Stops whoever holds most, if all hold too much.
    pub(super) fn check_memory(&mut self) {
        self.guard.updates = 0;
        let Some(limit) = self.shared.config.memory_limit else {
            return;
        };
        let used = self.used();
        // Who has been stopped is about to give back what it holds.
        let gives_back = |rib: &Self| {
            rib.ipv4.walk.has_dead() || rib.ipv6.walk.has_dead() || rib.shared.peers.any_stopping()
        };
        // A look that did not help is not worth another one before there is a good deal more.
        let clean = self.guard.clean;
        let much_the_same = (clean..=clean + limit / 16).contains(&used);
        if used <= limit || much_the_same || gives_back(self) {
            return;
        }
        self.sweep();
        self.guard.clean = self.used();
        if self.guard.clean <= limit {
            return;
        }
        let Some(worst) = self.heaviest() else {
            return;
        };
        let is_up = |rib: &Self| rib.shared.peers.find(worst).is_some_and(|p| p.up.is_some());
        if is_up(self) {
            self.shared.stop(worst, Output::OutOfResources(worst));
        } else {
            // They are only kept for its return.
            self.ipv4.bury_all(&mut self.shared, worst);
            self.ipv6.bury_all(&mut self.shared, worst);
        }
    }

    /// The peer whose routes take up most. What several share counts for one of them.
    fn heaviest(&self) -> Option<PeerId> {
        let mut held = vec![0; self.shared.peers.end()];
        let mut seen = BitSet::default();
        let mut add = |path: &Path| {
            let Some(held) = held.get_mut(path.peer.0 as usize) else {
                return;
            };
            *held += size_of::<Path>();
            for attrs in [path.received, path.attrs] {
                if seen.insert(attrs.0) {
                    *held += self.shared.store.octets_of(attrs);
                }
            }
        };
        self.ipv4.each_path(&mut add);
        self.ipv6.each_path(&mut add);
        let heaviest = (0u32..).zip(held).max_by_key(|(_, held)| *held);
        let heaviest = heaviest.filter(|(_, held)| *held > 0);
        heaviest.map(|(peer, _)| PeerId(peer))
    }
}

impl<P: Prefix> FamilyRib<P> {
    fn used(&self) -> usize {
        let groups = self.groups.iter().flatten();
        let told = groups.map(|group| self.prefixes * size_of::<Few<Entry>>() + group.spilled);
        self.prefixes * (size_of::<Slot<P>>() + INDEX)
            + self.spilled
            + self.forwarded.octets()
            + told.sum::<usize>()
    }

    fn each_path(&self, add: &mut impl FnMut(&Path)) {
        for (_, slot) in self.table.slots() {
            slot.paths.as_slice().iter().for_each(&mut *add);
        }
    }
}
