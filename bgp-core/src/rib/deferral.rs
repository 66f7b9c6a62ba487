//! Deferral after our own restart (RFC 4724 §4.1): nothing is decided before the peers have sent their routes; or, in the
//! successor of another process, before it has everything of that process.

use std::collections::BTreeSet;
use std::time::Instant;

use super::peer::Peers;
use super::settings::PeerUp;
use crate::types::{Family, PeerId};

/// The peers and families that are awaited.
#[derive(Debug)]
pub(crate) struct Deferral {
    waiting: BTreeSet<(PeerId, Family)>,
    up_by: Option<Instant>,
    until: Instant,
    hold: Hold,
}

/// What else is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// The owner.
    Owner,
    /// An answer for each next hop: without it, no route is usable.
    NextHops,
    Nothing,
}

impl Deferral {
    pub(crate) fn new(expected: Vec<(PeerId, Family)>, up_by: Instant, until: Instant) -> Self {
        Self {
            waiting: expected.into_iter().collect(),
            up_by: Some(up_by),
            until,
            hold: Hold::Nothing,
        }
    }

    /// Nothing is decided until the owner says so.
    pub(crate) fn held(now: Instant) -> Self {
        Self {
            waiting: BTreeSet::new(),
            up_by: None,
            until: now,
            hold: Hold::Owner,
        }
    }

    /// The owner holds nothing back any more; only next hops are awaited, until this time.
    pub(crate) fn go_on(&mut self, until: Instant) {
        (self.hold, self.until) = (Hold::NextHops, until);
    }

    /// Every next hop has an answer.
    pub(crate) fn next_hops_known(&mut self) {
        if self.hold == Hold::NextHops {
            self.hold = Hold::Nothing;
        }
    }

    /// Whether no peer is awaited in a family.
    pub(crate) fn is_over_for(&self, family: Family) -> bool {
        self.hold == Hold::Nothing && !self.waiting.iter().any(|(_, waiting)| *waiting == family)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.hold == Hold::Nothing && self.waiting.is_empty()
    }

    /// The awaited peers, in any family.
    pub(crate) fn awaited(&self) -> BTreeSet<PeerId> {
        self.waiting.iter().map(|(peer, _)| *peer).collect()
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match self.hold {
            Hold::Owner => None,
            Hold::NextHops | Hold::Nothing => self.up_by.into_iter().chain([self.until]).min(),
        }
    }

    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.waiting.retain(|(waiting, _)| *waiting != peer);
    }

    /// A session went down. The peer may come back within the time that other peers have to come up.
    pub(crate) fn lost(&mut self, peer: PeerId) {
        if self.up_by.is_none() {
            self.forget(peer);
        }
    }

    pub(crate) fn expire(&mut self, now: Instant, peers: &Peers) {
        if now >= self.until {
            self.waiting.clear();
            self.next_hops_known();
        }
        if self.up_by.is_some_and(|up_by| now >= up_by) {
            self.up_by = None;
            self.waiting
                .retain(|(peer, _)| peers.find(*peer).is_some_and(|peer| peer.up.is_some()));
        }
    }

    /// A session came up: only families that will end with an End-of-RIB are awaited.
    pub(crate) fn narrow(&mut self, peer: PeerId, up: &PeerUp) {
        let finishes = |family: Family| up.sends_end_of_rib && up.context.families[family];
        self.waiting
            .retain(|(waiting, family)| *waiting != peer || finishes(*family));
    }

    pub(crate) fn complete(&mut self, peer: PeerId, family: Family) {
        self.waiting.remove(&(peer, family));
    }
}
