//! The model: the routes that peers and the owner have announced and not withdrawn, and the effects of time on them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::rib::{KeepStale, LocalRoute, PeerConfig, PeerUp, Preserved, RibConfig};
use bgp_core::types::{Family, PathId, PerFamily, RouterId};
use bgp_core::wire::attribute::Community;
use bgp_core::wire::{Attributes, NextHop, RefreshKind, Update};
use ipnet::IpNet;

use super::material::{PEERS, UNROUTABLE, identifier_of, neighbour_config};

pub(super) struct Facts {
    pub(super) config: RibConfig,
    pub(super) peers: Vec<PeerFacts>,
    /// By peer, prefix and path identifier.
    pub(super) learned: BTreeMap<(usize, IpNet, PathId), Learned>,
    pub(super) local: BTreeMap<(IpNet, u32), LocalRoute>,
    /// Next hops that the RIB has asked for.
    wanted: BTreeSet<IpAddr>,
    /// The metric of a next hop; `None` if it is unreachable, like any that is missing.
    pub(super) ways: BTreeMap<IpAddr, Option<u32>>,
}

pub(super) struct PeerFacts {
    pub(super) config: Arc<PeerConfig>,
    pub(super) up: Option<PeerUp>,
    /// The identifier in its last session.
    pub(super) identifier: RouterId,
    pub(super) stale: PerFamily<Option<Stale>>,
}

/// How long stale routes stay.
#[derive(Clone, Copy)]
pub(super) struct Stale {
    until: Instant,
    /// After that, as the last resort; `None` if they already are.
    pub(super) long_lived: Option<Duration>,
    /// The peer is up and announces everything again.
    refresh: bool,
}

pub(super) struct Learned {
    pub(super) attributes: Attributes,
    pub(super) next_hop: NextHop,
    pub(super) stale: bool,
}

impl Facts {
    pub(super) fn new(config: RibConfig) -> Self {
        let peer = |peer| PeerFacts {
            config: Arc::new(neighbour_config(peer)),
            up: None,
            identifier: identifier_of(peer, false),
            stale: PerFamily::default(),
        };
        Self {
            config,
            peers: (0..PEERS).map(peer).collect(),
            learned: BTreeMap::new(),
            local: BTreeMap::new(),
            wanted: BTreeSet::new(),
            ways: BTreeMap::new(),
        }
    }

    pub(super) fn up(
        &mut self,
        now: Instant,
        peer: usize,
        up: PeerUp,
        preserved: PerFamily<Preserved>,
    ) {
        self.peers[peer].identifier = up.peer_id;
        self.peers[peer].up = Some(up);
        for family in Family::ALL {
            let Preserved {
                restart,
                long_lived,
            } = preserved[family];
            match self.peers[peer].stale[family].map(|stale| stale.long_lived) {
                Some(Some(_)) if restart => {
                    self.peers[peer].stale[family] = Some(repeating(now, false));
                }
                Some(None) if long_lived => {}
                _ => self.sweep(peer, family),
            }
        }
    }

    pub(super) fn down(&mut self, now: Instant, peer: usize, keep: Option<KeepStale>) {
        self.peers[peer].up = None;
        for family in Family::ALL {
            let Some(keep) = keep else {
                self.learned.retain(|key, _| !is_of(key, peer, family));
                self.peers[peer].stale[family] = None;
                continue;
            };
            let stale = self.peers[peer].stale[family];
            if !keep.again && stale.is_some_and(|stale| !stale.refresh) {
                self.sweep(peer, family);
            }
            let stale = Stale {
                until: now + keep.restart_time,
                long_lived: Some(keep.long_lived),
                refresh: false,
            };
            self.grow_stale(peer, family, stale);
        }
    }

    pub(super) fn remove(&mut self, peer: usize) {
        self.learned.retain(|(of, _, _), _| *of != peer);
        self.peers[peer].up = None;
        self.peers[peer].stale = PerFamily::default();
    }

    pub(super) fn learn(&mut self, peer: usize, update: &Update) {
        for (path_id, prefix) in update.unreachable().flat_map(|nlri| nlri.nets()) {
            self.learned.remove(&(peer, prefix, path_id));
        }
        for reachable in update.reachable() {
            for (path_id, prefix) in reachable.nlri.nets() {
                let learned = Learned {
                    attributes: update.attributes(),
                    next_hop: reachable.next_hop,
                    stale: false,
                };
                if !UNROUTABLE.contains(&prefix) {
                    self.learned.insert((peer, prefix, path_id), learned);
                }
            }
        }
    }

    pub(super) fn refresh(&mut self, now: Instant, peer: usize, family: Family, kind: RefreshKind) {
        match kind {
            RefreshKind::BEGIN => self.grow_stale(peer, family, repeating(now, true)),
            RefreshKind::END => self.sweep(peer, family),
            _ => {}
        }
    }

    fn grow_stale(&mut self, peer: usize, family: Family, stale: Stale) {
        self.peers[peer].stale[family] = Some(stale);
        for (key, learned) in &mut self.learned {
            learned.stale |= is_of(key, peer, family);
        }
    }

    /// Removes the routes that are still stale.
    pub(super) fn sweep(&mut self, peer: usize, family: Family) {
        self.peers[peer].stale[family] = None;
        self.learned
            .retain(|key, learned| !(learned.stale && is_of(key, peer, family)));
    }

    pub(super) fn expire(&mut self, now: Instant) {
        for peer in 0..PEERS {
            for family in Family::ALL {
                let stale = self.peers[peer].stale[family];
                match stale
                    .filter(|stale| stale.until <= now)
                    .map(|stale| stale.long_lived)
                {
                    None => {}
                    Some(Some(time)) if !time.is_zero() => {
                        self.become_last_resort(peer, family, now + time);
                    }
                    Some(_) => self.sweep(peer, family),
                }
            }
        }
    }

    /// RFC 9494 §4.2
    fn become_last_resort(&mut self, peer: usize, family: Family, until: Instant) {
        self.peers[peer].stale[family] = Some(Stale {
            until,
            long_lived: None,
            refresh: false,
        });
        let no_llgr =
            |learned: &Learned| learned.attributes.communities.contains(&Community::NO_LLGR);
        self.learned.retain(|key, learned| {
            !(learned.stale && is_of(key, peer, family) && no_llgr(learned))
        });
    }

    /// Whether a peer has last-resort routes.
    pub(super) fn is_last_resort(&self, peer: usize) -> bool {
        let stale = self.peers[peer].stale;
        let is_it = |stale: Stale| stale.long_lived.is_none();
        [stale.ipv4, stale.ipv6].into_iter().flatten().any(is_it)
    }

    pub(super) fn note_wanted(&mut self, address: IpAddr) {
        assert!(self.config.resolve_next_hops);
        assert!(self.wanted.insert(address), "{address} is asked for twice");
    }

    pub(super) fn note_forgotten(&mut self, address: IpAddr) {
        assert!(self.wanted.remove(&address), "{address} was not asked for");
        self.ways.remove(&address);
    }

    pub(super) fn asks_for(&self, address: IpAddr) -> bool {
        self.wanted.contains(&address)
    }

    /// Whether every route that passes import may be used.
    pub(super) fn uses_all(&self) -> bool {
        !self.config.resolve_next_hops || self.config.use_unresolved
    }
}

pub(super) fn is_of((of, prefix, _): &(usize, IpNet, PathId), peer: usize, family: Family) -> bool {
    *of == peer && Family::of(prefix.addr()) == family
}

fn repeating(now: Instant, refresh: bool) -> Stale {
    Stale {
        refresh,
        until: now + STALE_TIME,
        long_lived: Some(Duration::ZERO),
    }
}

/// How long routes stay stale while the peer is up (RFC 8538 §4.1).
const STALE_TIME: Duration = Duration::from_secs(180);
