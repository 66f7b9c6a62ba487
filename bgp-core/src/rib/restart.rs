//! Waiting after our own restart (RFC 4724 §4.1): nothing is decided before the peers have told what they know.

use std::collections::BTreeSet;
use std::time::Instant;

use super::peer::Peers;
use super::{PeerUp, Preserved, Rib};
use crate::types::{Family, PeerId, PerFamily};
use crate::wire::RefreshKind;

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

    /// Whoever is waited for, in any family.
    pub(crate) fn awaited(&self) -> BTreeSet<PeerId> {
        self.waiting.iter().map(|(peer, _)| *peer).collect()
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        self.up_by.map_or(self.until, |up_by| up_by.min(self.until))
    }

    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.waiting.retain(|(waiting, _)| *waiting != peer);
    }

    /// A session went down. There is time to come back for as long as others may still come up.
    pub(crate) fn lost(&mut self, peer: PeerId) {
        if self.up_by.is_none() {
            self.forget(peer);
        }
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
        preserved: PerFamily<Preserved>,
    ) {
        let Some(peer) = self.shared.peers.find_mut(id) else {
            return;
        };
        let known_as = std::mem::replace(&mut peer.peer_id, up.peer_id);
        let renamed = known_as != up.peer_id;
        peer.own_next_hop = up.own_next_hop;
        peer.in_flight = 0;
        peer.stopping = None;
        if let Some(deferral) = &mut self.shared.deferral {
            deferral.narrow(id, &up);
        }
        peer.up = Some(up);
        if renamed {
            self.forget_rewritten();
        }
        self.ipv4
            .peer_back(&mut self.shared, now, id, preserved.ipv4);
        self.ipv6
            .peer_back(&mut self.shared, now, id, preserved.ipv6);
        self.ipv4.regroup(&mut self.shared, id);
        self.ipv6.regroup(&mut self.shared, id);
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
            RefreshKind::BEGIN => self.shared.refreshing(now, peer, family),
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
