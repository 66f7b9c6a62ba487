//! Stale routes: those of a peer that is away, or that is announcing everything again (RFC 4724 §4.2, RFC 7313 §4, RFC 9494).
//!
//! A path is stale if its epoch is not the peer's. What is announced again gets the new epoch; what has not when the peer says
//! that it is done, or when time is up, goes. Long-lived graceful restart gives a peer more time, in which its stale paths are
//! the last resort. How long is the session's to say; no clock is read here.

use std::time::{Duration, Instant};

use super::attributes::{AttrId, AttrStore};
use super::family::FamilyRib;
use super::table::Path;
use super::{Rib, Shared, later};
use crate::types::{Family, PeerId, PerFamily, Prefix};
use crate::wire::attribute::Community;

/// Stale routes of a peer that came back are kept no longer than this if it never sends End-of-RIB (RFC 8538 §4.1).
const STALE_TIME: Duration = Duration::from_secs(180);

/// How long the stale routes of a peer that is away are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepStale {
    /// As if nothing had happened (RFC 4724 §4.2).
    pub restart_time: Duration,
    /// After that, as the last resort (RFC 9494 §4.2). Zero: not at all.
    pub long_lived: Duration,
    /// Those too that were stale before (RFC 8538 §4.1).
    pub again: bool,
}

/// Whether a peer that comes back has kept its forwarding state: the F bits of its capabilities. Its stale routes go at once
/// if it has not (RFC 4724 §4.2, RFC 9494 §4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preserved {
    /// Counts while the restart time lasts.
    pub restart: bool,
    /// Counts while its routes are the last resort.
    pub long_lived: bool,
}

/// Until when stale paths of a peer stay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stale {
    pub(crate) until: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// They are used like any other; after that, for so long, as the last resort.
    Restart {
        long_lived: Duration,
    },
    LongLived,
    /// The peer answers a refresh (RFC 7313 §4): it has not been away.
    Refresh,
}

impl Stale {
    /// The peer is back and announces everything; so long as it does not say that it is done, nothing goes.
    fn after_restart(now: Instant) -> Self {
        Self {
            until: later(now, STALE_TIME),
            stage: Stage::Restart {
                long_lived: Duration::ZERO,
            },
        }
    }

    /// The peer announces everything again.
    pub(super) fn refreshing(now: Instant) -> Self {
        Self {
            until: later(now, STALE_TIME),
            stage: Stage::Refresh,
        }
    }

    fn away(now: Instant, keep: KeepStale) -> Self {
        Self {
            until: later(now, keep.restart_time),
            stage: Stage::Restart {
                long_lived: keep.long_lived,
            },
        }
    }

    /// Whether the peer is or was away, and has not merely been asked for everything again.
    pub(super) fn is_restart(self) -> bool {
        self.stage != Stage::Refresh
    }

    /// The peer is back; `None`: it has nothing left of what it announced.
    fn back(self, now: Instant, preserved: Preserved) -> Option<Self> {
        match self.stage {
            Stage::Restart { .. } | Stage::Refresh => {
                preserved.restart.then(|| Self::after_restart(now))
            }
            Stage::LongLived => preserved.long_lived.then_some(self),
        }
    }
}

impl Rib {
    pub(super) fn peer_down(
        &mut self,
        now: Instant,
        id: PeerId,
        keep: PerFamily<Option<KeepStale>>,
    ) {
        let Some(peer) = self.shared.peers.find_mut(id) else {
            return;
        };
        peer.up = None;
        peer.stopping = None;
        peer.in_flight = 0;
        if let Some(deferral) = &mut self.shared.deferral {
            deferral.lost(id);
        }
        self.shared.drop_outputs_to(id);
        self.ipv4.peer_down(&mut self.shared, now, id, keep.ipv4);
        self.ipv6.peer_down(&mut self.shared, now, id, keep.ipv6);
    }
}

impl<P: Prefix> FamilyRib<P> {
    fn peer_down(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        id: PeerId,
        keep: Option<KeepStale>,
    ) {
        self.leave_group(shared, id);
        let Some(keep) = keep else {
            self.bury_all(shared, id);
            return;
        };
        let stale = shared
            .peers
            .find(id)
            .and_then(|peer| peer.families[P::FAMILY].stale);
        if !keep.again && stale.is_some_and(Stale::is_restart) {
            // RFC 4724 §4.2: what it has not repeated since it was away before.
            self.bury_stale(shared, id);
        }
        self.begin_epoch(shared, id);
        if let Some(peer) = shared.peers.find_mut(id) {
            peer.families[P::FAMILY].stale = Some(Stale::away(now, keep));
        }
    }

    pub(super) fn peer_back(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        id: PeerId,
        preserved: Preserved,
    ) {
        let Some(peer) = shared.peers.find_mut(id) else {
            return;
        };
        let stale = &mut peer.families[P::FAMILY].stale;
        match stale.and_then(|stale| stale.back(now, preserved)) {
            Some(kept) => *stale = Some(kept),
            None => self.sweep_stale(shared, id),
        }
    }

    /// Removes what the peer has not announced since its routes became stale.
    pub(super) fn sweep_stale(&mut self, shared: &mut Shared, id: PeerId) {
        let peer = shared.peers.find(id);
        if peer.is_some_and(|peer| peer.families[P::FAMILY].stale.is_some()) {
            self.bury_stale(shared, id);
        }
    }

    pub(super) fn expire_stale(&mut self, shared: &mut Shared, now: Instant) {
        let due: Vec<(PeerId, Stale)> = shared
            .peers
            .iter()
            .filter_map(|(id, peer)| Some((id, peer.families[P::FAMILY].stale?)))
            .filter(|(_, stale)| stale.until <= now)
            .collect();
        for (id, stale) in due {
            match stale.stage {
                Stage::Restart { long_lived } if !long_lived.is_zero() => {
                    self.become_last_resort(shared, id, later(now, long_lived));
                }
                Stage::Restart { .. } | Stage::LongLived | Stage::Refresh => {
                    self.sweep_stale(shared, id)
                }
            }
        }
    }

    /// RFC 9494 §4.2: the restart time of a peer is over, long-lived graceful restart begins. Its paths are marked, and those
    /// that must not be kept go, when they are judged.
    fn become_last_resort(&mut self, shared: &mut Shared, id: PeerId, until: Instant) {
        if let Some(peer) = shared.peers.find_mut(id) {
            peer.families[P::FAMILY].stale = Some(Stale {
                until,
                stage: Stage::LongLived,
            });
        }
        self.judge_again_all(shared, id);
    }
}

impl Shared {
    /// The peer announces everything again (RFC 7313 §4). One that has begun to say so more often than epochs can be told
    /// apart goes on with the last one.
    pub(super) fn refreshing(&mut self, now: Instant, id: PeerId, family: Family) {
        if let Some(peer) = self.peers.find_mut(id) {
            let state = &mut peer.families[family];
            state.begin_epoch();
            state.stale = Some(Stale::refreshing(now));
        }
    }

    /// Whether a path is kept as the last resort only.
    pub(super) fn is_last_resort<P: Prefix>(&self, path: &Path) -> bool {
        self.peers.find(path.peer).is_some_and(|peer| {
            let state = &peer.families[P::FAMILY];
            let long_lived = |stale: Stale| stale.stage == Stage::LongLived;
            path.epoch != state.epoch && state.stale.is_some_and(long_lived)
        })
    }
}

impl AttrStore {
    /// The set with LLGR_STALE.
    pub(super) fn as_last_resort(&mut self, attrs: AttrId) -> AttrId {
        if self[attrs].llgr_stale {
            return attrs;
        }
        let mut attributes = self.view(attrs).to_attributes();
        attributes.communities.push(Community::LLGR_STALE);
        self.intern_edited(attrs, Some(&attributes), None)
    }
}
