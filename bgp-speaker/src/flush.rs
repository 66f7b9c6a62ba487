//! Reports when the UPDATEs that follow from a change were handed to TCP.

use std::collections::BTreeSet;
use std::time::Instant;

use bgp_core::rib::{Input, Rib};
use bgp_core::types::PeerId;
use tokio::sync::oneshot;

use crate::timer::now;

/// Changes that are followed at the same time; a further one replaces the oldest.
const MOST: usize = 8;
/// Peers that are observed for each change. Asking thousands of peers would cost more than sending them the UPDATEs.
const PEERS: usize = 16;

/// A request to follow a change.
pub(crate) struct FlushRequest {
    /// [`Rib::handed_out`] before the change.
    pub(crate) before: u64,
    /// When the TCP of the last observed peer took the UPDATEs that follow from the change; `None` if there were none.
    pub(crate) reply: oneshot::Sender<Option<Instant>>,
}

/// The changes that are followed.
#[derive(Default)]
pub(crate) struct Flushes {
    /// The RIB still works on these changes.
    undecided: Vec<FlushRequest>,
    /// These peers have not taken all UPDATEs yet.
    underway: Vec<(BTreeSet<PeerId>, oneshot::Sender<Option<Instant>>)>,
}

impl Flushes {
    pub(crate) fn ask(&mut self, question: FlushRequest) {
        if self.undecided.len() >= MOST {
            self.undecided.remove(0);
        }
        self.undecided.push(question);
    }

    /// The RIB has processed an input, after which a peer may have nothing in flight any more.
    pub(crate) fn note(&mut self, rib: &Rib, peer: PeerId) {
        if self.underway.is_empty() || rib.outstanding(peer) > 0 {
            return;
        }
        for (waiting, _) in &mut self.underway {
            waiting.remove(&peer);
        }
        self.tell();
    }

    /// The RIB has no work left. Returns the peers that must report what they have written.
    pub(crate) fn decided(&mut self, rib: &Rib) -> BTreeSet<PeerId> {
        if self.undecided.is_empty() {
            return BTreeSet::new();
        }
        let peers: BTreeSet<PeerId> = rib.peers_with_outstanding().take(PEERS).collect();
        for FlushRequest { before, reply } in self.undecided.drain(..) {
            if rib.handed_out() == before {
                // The caller may be gone.
                reply.send(None).ok();
                continue;
            }
            if self.underway.len() >= MOST {
                self.underway.remove(0);
            }
            self.underway.push((peers.clone(), reply));
        }
        self.tell();
        match self.underway.is_empty() {
            true => BTreeSet::new(),
            false => peers,
        }
    }

    fn tell(&mut self) {
        let done = self
            .underway
            .extract_if(.., |(waiting, _)| waiting.is_empty());
        for (_, reply) in done {
            reply.send(Some(now())).ok();
        }
    }
}

/// The peer that an input reports about: octets it has taken, or that it is gone.
pub(crate) fn peer_of(input: &Input) -> Option<PeerId> {
    match input {
        Input::Written { peer, .. } | Input::Down { peer, .. } | Input::Remove(peer) => Some(*peer),
        _ => None,
    }
}
