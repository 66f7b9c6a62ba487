//! A memory limit for routes of peers: at the limit, the session that holds most is stopped, never the speaker.
//!
//! Only memory in use counts: reserved room does not count against a peer. Rejected routes count like others, because they are
//! kept for policy changes.

use std::collections::BTreeMap;

use super::bitset::BitSet;
use super::event::Output;
use super::path::Path;
use super::stop::stop;
use super::sweep::Sweep;
use super::tables::Tables;
use crate::types::PeerId;

/// UPDATEs between two checks.
const UNCHECKED: u32 = 256;

/// State of the limit.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// UPDATEs since the last check.
    updates: u32,
    /// Octets in use after the last sweep of unused attributes.
    clean: usize,
}

impl Guard {
    /// Counts an UPDATE, and checks the limit now and then.
    pub(super) fn note_update(&mut self, tables: &mut Tables, sweep: &mut Sweep) {
        self.updates += 1;
        if self.updates >= UNCHECKED {
            self.check(tables, sweep);
        }
    }

    /// Stops the largest peer, if the limit is exceeded.
    pub(super) fn check(&mut self, tables: &mut Tables, sweep: &mut Sweep) {
        self.updates = 0;
        let Some(limit) = tables.shared.config.memory_limit else {
            return;
        };
        let used = tables.used();
        // After a check that did not help, the next one waits until there is a good deal more.
        let much_the_same = (self.clean..=self.clean + limit / 16).contains(&used);
        // A stopped peer is about to release its routes.
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
            // They are kept only for its return.
            tables.bury_all(worst);
        }
    }
}

/// The peer with the largest share of memory. Attributes shared by several peers count for one of them.
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
