//! The RIB's state of its neighbours: settings, sessions, and counts of paths.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::event::Output;
use super::path::{Path, Unusable};
use super::settings::{PeerConfig, PeerUp};
use super::stale::Stale;
use super::stats::PeerStats;
use crate::types::{Family, PeerId, PerFamily, RouterId};
use crate::wire::NextHop;

/// One neighbour.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) config: Arc<PeerConfig>,
    pub(crate) up: Option<PeerUp>,
    /// BGP identifier in the last session, for comparing its stale routes.
    pub(crate) peer_id: RouterId,
    /// Our next hops in the last session, for checking its stale routes.
    pub(crate) own_next_hop: PerFamily<Option<NextHop>>,
    pub(crate) families: PerFamily<PeerFamily>,
    /// Octets handed out and not yet reported as written.
    pub(crate) in_flight: usize,
    /// Reasons for unusable routes already reported in this session, one bit each.
    faults: u8,
    /// The session was asked to stop; further input is ignored until it has ended.
    pub(crate) stopping: Option<Stopping>,
    /// The peer is no longer configured, but some of its paths are still in the table.
    removed: bool,
}

/// A requested end of a session.
#[derive(Debug)]
pub(crate) struct Stopping {
    pub(crate) output: Output,
    /// When to ask again.
    pub(crate) again: Instant,
}

/// One neighbour in one family.
#[derive(Debug, Default)]
pub(crate) struct PeerFamily {
    /// Paths of an older epoch are stale.
    pub(crate) epoch: u8,
    /// Paths with an earlier epoch are dead: the peer no longer announces them.
    oldest: u8,
    /// No paths with an earlier epoch are left.
    swept: u8,
    /// Paths, without dead ones.
    pub(crate) paths: u32,
    /// Paths of the current epoch.
    fresh: u32,
    /// Dead paths that are still in the table.
    dead: u32,
    /// Usable paths in the table.
    pub(crate) imported: u32,
    /// Prefixes whose best path is from this peer.
    pub(crate) preferred: u64,
    /// Set while the peer has stale paths.
    pub(crate) stale: Option<Stale>,
    /// The peer's update group.
    pub(crate) group: Option<u32>,
    /// Our routes that the peer holds.
    pub(crate) exported: u64,
    /// End-of-RIB was received in the current session.
    pub(crate) complete: bool,
    /// Counters for operators.
    pub(crate) stats: PeerStats,
}

impl PeerFamily {
    /// Counts an added path.
    pub(super) fn add(&mut self, path: &Path) {
        self.imported += u32::from(path.unusable.is_none());
        if self.is_dead(path.epoch) {
            self.dead += 1;
        } else {
            self.paths += 1;
            self.fresh += u32::from(path.epoch == self.epoch);
        }
    }

    /// Counts a removed path; returns whether it was dead.
    pub(super) fn take(&mut self, path: &Path) -> bool {
        self.imported -= u32::from(path.unusable.is_none());
        let dead = self.is_dead(path.epoch);
        if dead {
            self.dead -= 1;
            self.note_swept();
        } else {
            self.paths -= 1;
            self.fresh -= u32::from(path.epoch == self.epoch);
        }
        dead
    }

    /// Marks all paths as stale. Returns `false` without a change if all epoch numbers may be in use.
    pub(super) fn begin_epoch(&mut self) -> bool {
        let next = self.epoch.wrapping_add(1);
        let free = next != self.swept;
        if free {
            self.epoch = next;
            self.fresh = 0;
        }
        free
    }

    /// Marks stale paths as dead; returns their number.
    pub(super) fn bury_stale(&mut self) -> u32 {
        let died = self.stale_paths();
        self.paths = self.fresh;
        self.dead += died;
        self.oldest = self.epoch;
        self.note_swept();
        died
    }

    /// Paths that were not announced again.
    pub(super) fn stale_paths(&self) -> u32 {
        self.paths - self.fresh
    }

    fn note_swept(&mut self) {
        if self.dead == 0 {
            self.swept = self.oldest;
        }
    }

    fn is_dead(&self, epoch: u8) -> bool {
        self.epoch.wrapping_sub(epoch) > self.epoch.wrapping_sub(self.oldest)
    }
}

/// All neighbours, by number and by address.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// Neighbours with numbers below [`DENSE`].
    list: Vec<Option<Peer>>,
    others: BTreeMap<PeerId, Peer>,
    // Addresses are configured, not chosen by peers: a known hash is harmless.
    by_address: HashMap<IpAddr, Vec<PeerId>, foldhash::fast::FixedState>,
}

/// Smaller numbers are indexes into a list.
const DENSE: u32 = 1 << 16;

impl Peers {
    /// Adds a peer, or changes its settings.
    pub(crate) fn insert(&mut self, id: PeerId, config: Arc<PeerConfig>) {
        if let Some(old) = self.known(id) {
            let address = old.config.address;
            self.forget_address(id, address);
        }
        self.by_address.entry(config.address).or_default().push(id);
        if let Some(peer) = self.find_mut(id) {
            peer.config = config;
            return;
        }
        // Dead paths of a removed peer with this number may still be in the table.
        let mut families = self
            .take(id)
            .map_or_else(PerFamily::default, |removed| removed.families);
        for family in Family::ALL {
            families[family].stats = PeerStats::default();
        }
        let peer = Peer {
            config,
            up: None,
            peer_id: RouterId::from_bits(0),
            own_next_hop: PerFamily::default(),
            families,
            in_flight: 0,
            faults: 0,
            stopping: None,
            removed: false,
        };
        if id.0 >= DENSE {
            self.others.insert(id, peer);
            return;
        }
        let place = id.0 as usize;
        if place >= self.list.len() {
            self.list.resize_with(place + 1, || None);
        }
        self.list[place] = Some(peer);
    }

    /// Removes a peer. Its number stays in use as long as dead paths of it are in the table.
    pub(crate) fn remove(&mut self, id: PeerId) {
        let Some(peer) = self.find_mut(id) else {
            return;
        };
        peer.removed = true;
        peer.up = None;
        let address = peer.config.address;
        self.forget_address(id, address);
        self.forget_removed(id);
    }

    /// The last path of a removed peer may be gone.
    pub(crate) fn forget_removed(&mut self, id: PeerId) {
        let without_paths = |peer: &Peer| Family::ALL.iter().all(|f| peer.families[*f].dead == 0);
        if self
            .known(id)
            .is_some_and(|peer| peer.removed && without_paths(peer))
        {
            self.take(id);
        }
    }

    fn take(&mut self, id: PeerId) -> Option<Peer> {
        match self.list.get_mut(id.0 as usize) {
            Some(place) => place.take(),
            None => self.others.remove(&id),
        }
    }

    fn forget_address(&mut self, id: PeerId, address: IpAddr) {
        if let Some(same_address) = self.by_address.get_mut(&address) {
            same_address.retain(|other| *other != id);
            if same_address.is_empty() {
                self.by_address.remove(&address);
            }
        }
    }

    pub(crate) fn find(&self, id: PeerId) -> Option<&Peer> {
        self.known(id).filter(|peer| !peer.removed)
    }

    pub(crate) fn find_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.known_mut(id).filter(|peer| !peer.removed)
    }

    /// Also finds removed peers that still have paths in the table.
    fn known(&self, id: PeerId) -> Option<&Peer> {
        match self.list.get(id.0 as usize) {
            Some(place) => place.as_ref(),
            None => self.others.get(&id),
        }
    }

    /// As [`Self::known`], mutable.
    pub(crate) fn known_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        match self.list.get_mut(id.0 as usize) {
            Some(place) => place.as_mut(),
            None => self.others.get_mut(&id),
        }
    }

    /// Whether a path's peer no longer announces it.
    pub(crate) fn is_dead(&self, family: Family, path: &Path) -> bool {
        let peer = self.known(path.peer);
        peer.is_some_and(|peer| peer.families[family].is_dead(path.epoch))
    }

    /// The peers with this address; there are several if one host has peers on several ports.
    pub(crate) fn with_address(&self, address: IpAddr) -> &[PeerId] {
        self.by_address.get(&address).map_or(&[], Vec::as_slice)
    }

    /// Whether any session was asked to stop and has not ended.
    pub(crate) fn any_stopping(&self) -> bool {
        self.iter().any(|(_, peer)| peer.stopping.is_some())
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        let peers = self
            .list
            .iter_mut()
            .flatten()
            .chain(self.others.values_mut());
        peers.filter(|peer| !peer.removed)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerId, &Peer)> {
        let dense = (0u32..).zip(&self.list);
        let dense = dense.filter_map(|(id, peer)| Some((PeerId(id), peer.as_ref()?)));
        let all = dense.chain(self.others.iter().map(|(id, peer)| (*id, peer)));
        all.filter(|(_, peer)| !peer.removed)
    }
}

impl Peer {
    /// A session begins or ends.
    pub(super) fn renew(&mut self, up: Option<PeerUp>) {
        self.up = up;
        self.in_flight = 0;
        self.faults = 0;
        self.stopping = None;
        for family in Family::ALL {
            self.families[family].complete = false;
        }
    }

    /// Records why a route is unusable; `true` for the first time in a session.
    pub(super) fn note_fault(&mut self, why: Unusable) -> bool {
        let bit = 1 << why as u8;
        let new = self.faults & bit == 0;
        self.faults |= bit;
        new
    }

    /// The properties of the session, if it is up and uses the family.
    pub(crate) fn speaks(&self, family: Family) -> Option<&PeerUp> {
        self.up.as_ref().filter(|up| up.context.families[family])
    }

    /// Whether an address is our own on this connection, but not also the peer's: two speakers on one host may share it.
    pub(crate) fn is_known_to_be_ours(&self, address: IpAddr) -> bool {
        address != self.config.address && self.knows_us_as(address)
    }

    /// Whether an address is our own on this connection.
    pub(crate) fn knows_us_as(&self, address: IpAddr) -> bool {
        let own = self.own_next_hop[Family::of(address)];
        own.is_some_and(|own| own.address() == address)
    }
}
