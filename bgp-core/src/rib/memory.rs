//! A limit for all that peers make the RIB hold: at it, whoever holds most is stopped, never the speaker.
//!
//! What is counted is in use: room that tables keep for later does not make a peer worse. Rejected routes count like others,
//! because they are kept for the day on which policy changes.

use std::collections::BTreeMap;

use super::bitset::BitSet;
use super::event::Output;
use super::path::Path;
use super::stop::stop;
use super::sweep::Sweep;
use super::tables::Tables;
use crate::types::PeerId;

/// UPDATEs that are taken in before the limit is looked at again.
const UNCHECKED: u32 = 256;

/// What is known of the limit.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// UPDATEs since the last look.
    updates: u32,
    /// Octets that were in use when the attributes that nothing refers to had just been forgotten.
    clean: usize,
}

impl Guard {
    /// Counts an UPDATE; now and then the limit is looked at.
    pub(super) fn note_update(&mut self, tables: &mut Tables, sweep: &mut Sweep) {
        self.updates += 1;
        if self.updates >= UNCHECKED {
            self.check(tables, sweep);
        }
    }

    /// Stops whoever holds most, if all hold too much.
    pub(super) fn check(&mut self, tables: &mut Tables, sweep: &mut Sweep) {
        self.updates = 0;
        let Some(limit) = tables.shared.config.memory_limit else {
            return;
        };
        let used = tables.used();
        // A look that did not help is not worth another one before there is a good deal more.
        let much_the_same = (self.clean..=self.clean + limit / 16).contains(&used);
        // Who has been stopped is about to give back what it holds.
        let gives_back = || tables.has_dead() || tables.shared.peers.any_stopping();
        if used <= limit || much_the_same || gives_back() {
            return;
        }
        sweep.finish(tables);
        self.clean = tables.used();
        if self.clean <= limit {
            return;
        }
        let Some(worst) = heaviest(tables) else {
            return;
        };
        let peer = tables.shared.peers.find(worst);
        if peer.is_some_and(|peer| peer.up.is_some()) {
            stop(&mut tables.shared, worst, Output::OutOfResources(worst));
        } else {
            // They are only kept for its return.
            tables.bury_all(worst);
        }
    }
}

/// The peer whose routes take up most. What several share counts for one of them.
fn heaviest(tables: &Tables) -> Option<PeerId> {
    let mut held: BTreeMap<PeerId, usize> = BTreeMap::new();
    let mut seen = BitSet::default();
    let mut add = |path: &Path| {
        if path.is_local() {
            return;
        }
        let held = held.entry(path.peer).or_default();
        *held += size_of::<Path>();
        for attrs in [path.received, path.attrs] {
            if seen.insert(attrs.0) {
                *held += tables.shared.store.octets_of(attrs);
            }
        }
    };
    tables.ipv4.paths.each_path(&mut add);
    tables.ipv6.paths.each_path(&mut add);
    let heaviest = held.into_iter().max_by_key(|(_, held)| *held);
    heaviest.map(|(peer, _)| peer)
}
