//! Waiting after our own restart (RFC 4724 §4.1): nothing is decided before the peers have told what they know.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::family::FamilyRib;
use super::peer::Peers;
use super::table::Path;
use super::{PeerUp, Rib, Shared};
use crate::types::{Family, PeerId, PerFamily, Prefix};
use crate::wire::RefreshKind;

/// Stale routes of a peer that came back are kept no longer than this if it never sends End-of-RIB (RFC 8538 §4.1).
const STALE_TIME: Duration = Duration::from_secs(180);

/// Who is still waited for, and for what.
#[derive(Debug)]
pub(crate) struct Deferral {
    waiting: BTreeSet<(PeerId, Family)>,
    up_by: Option<Instant>,
    until: Instant,
}

impl Deferral {
    pub(crate) fn new(expected: Vec<(PeerId, Family)>, up_by: Instant, until: Instant) -> Self {
        Self {
            waiting: expected.into_iter().collect(),
            up_by: Some(up_by),
            until,
        }
    }

    /// Whether nobody is waited for in a family.
    pub(crate) fn is_over_for(&self, family: Family) -> bool {
        !self.waiting.iter().any(|(_, waiting)| *waiting == family)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        self.up_by.map_or(self.until, |up_by| up_by.min(self.until))
    }

    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.waiting.retain(|(waiting, _)| *waiting != peer);
    }

    pub(crate) fn expire(&mut self, now: Instant, peers: &Peers) {
        if now >= self.until {
            self.waiting.clear();
        }
        if self.up_by.is_some_and(|up_by| now >= up_by) {
            self.up_by = None;
            self.waiting
                .retain(|(peer, _)| peers.find(*peer).is_some_and(|peer| peer.up.is_some()));
        }
    }

    /// A session came up: only families that will end with an End-of-RIB are worth waiting for.
    fn narrow(&mut self, peer: PeerId, up: &PeerUp) {
        let finishes = |family: Family| up.sends_end_of_rib && up.context.families[family];
        self.waiting
            .retain(|(waiting, family)| *waiting != peer || finishes(*family));
    }

    fn complete(&mut self, peer: PeerId, family: Family) {
        self.waiting.remove(&(peer, family));
    }
}

impl Rib {
    pub(super) fn peer_up(
        &mut self,
        now: Instant,
        id: PeerId,
        up: PeerUp,
        keep_stale: PerFamily<bool>,
    ) {
        let Some(peer) = self.shared.peers.find_mut(id) else {
            return;
        };
        peer.peer_id = up.peer_id;
        peer.in_flight = 0;
        peer.stopping = false;
        if let Some(deferral) = &mut self.shared.deferral {
            deferral.narrow(id, &up);
        }
        peer.up = Some(up);
        for family in Family::ALL {
            let state = &mut peer.families[family];
            if state.stale_until.is_some() && keep_stale[family] {
                state.stale_until = Some(now + STALE_TIME);
            }
        }
        if !keep_stale.ipv4 {
            self.ipv4.sweep_stale(&mut self.shared, id);
        }
        if !keep_stale.ipv6 {
            self.ipv6.sweep_stale(&mut self.shared, id);
        }
        self.ipv4.regroup(&mut self.shared, id);
        self.ipv6.regroup(&mut self.shared, id);
    }

    pub(super) fn peer_down(
        &mut self,
        now: Instant,
        id: PeerId,
        keep_stale: PerFamily<Option<Duration>>,
    ) {
        let Some(peer) = self.shared.peers.find_mut(id) else {
            return;
        };
        peer.up = None;
        peer.in_flight = 0;
        self.ipv4
            .peer_down(&mut self.shared, now, id, keep_stale.ipv4);
        self.ipv6
            .peer_down(&mut self.shared, now, id, keep_stale.ipv6);
    }

    pub(super) fn end_of_rib(&mut self, peer: PeerId, family: Family) {
        if let Some(deferral) = &mut self.shared.deferral {
            deferral.complete(peer, family);
        }
        self.sweep_family(peer, family);
    }

    pub(super) fn refresh(
        &mut self,
        now: Instant,
        peer: PeerId,
        family: Family,
        kind: RefreshKind,
    ) {
        match kind {
            RefreshKind::REQUEST => match family {
                Family::Ipv4Unicast => self.ipv4.send_again(&self.shared, peer),
                Family::Ipv6Unicast => self.ipv6.send_again(&self.shared, peer),
            },
            RefreshKind::BEGIN => {
                if let Some(peer) = self.shared.peers.find_mut(peer) {
                    peer.families[family].epoch = peer.families[family].epoch.wrapping_add(1);
                    peer.families[family].stale_until = Some(now + STALE_TIME);
                }
            }
            RefreshKind::END => self.sweep_family(peer, family),
            _ => {}
        }
    }

    fn sweep_family(&mut self, peer: PeerId, family: Family) {
        match family {
            Family::Ipv4Unicast => self.ipv4.sweep_stale(&mut self.shared, peer),
            Family::Ipv6Unicast => self.ipv6.sweep_stale(&mut self.shared, peer),
        }
    }
}

impl<P: Prefix> FamilyRib<P> {
    fn peer_down(&mut self, shared: &mut Shared, now: Instant, id: PeerId, keep: Option<Duration>) {
        self.leave_group(shared, id);
        let Some(peer) = shared.peers.find_mut(id) else {
            return;
        };
        let state = &mut peer.families[P::FAMILY];
        match keep {
            Some(time) => {
                state.epoch = state.epoch.wrapping_add(1);
                state.stale_until = Some(now + time);
            }
            None => self.remove_paths(shared, id, |_| true),
        }
    }

    /// Removes what the peer has not announced since its routes became stale.
    pub(super) fn sweep_stale(&mut self, shared: &mut Shared, id: PeerId) {
        let Some(peer) = shared.peers.find_mut(id) else {
            return;
        };
        let state = &mut peer.families[P::FAMILY];
        if state.stale_until.take().is_some() {
            let epoch = state.epoch;
            self.remove_paths(shared, id, |path: &Path| path.epoch != epoch);
        }
    }

    pub(super) fn expire_stale(&mut self, shared: &mut Shared, now: Instant) {
        let expired = |until: Option<Instant>| until.is_some_and(|until| until <= now);
        let due: Vec<PeerId> = shared
            .peers
            .iter()
            .filter(|(_, peer)| expired(peer.families[P::FAMILY].stale_until))
            .map(|(id, _)| id)
            .collect();
        for id in due {
            self.sweep_stale(shared, id);
        }
    }
}
