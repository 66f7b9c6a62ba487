//! The peers that have connected from ranges, as an input of the plan.

use bgp_speaker::Speaker;
use bgp_speaker::dynamic::PeersByName;
use tokio::sync::watch;

use crate::plan::Neighbour;

/// Follows the dynamic peers of the speaker.
#[derive(Default)]
pub(super) struct Neighbours(Option<watch::Receiver<PeersByName>>);

impl Neighbours {
    pub(super) fn follow(&mut self, speaker: &Speaker) {
        self.0 = Some(speaker.dynamic_peers());
    }

    /// The peers now; further changes are awaited by [`changed`](Self::changed).
    pub(super) fn take(&mut self) -> Vec<Neighbour> {
        if let Some(peers) = &mut self.0 {
            peers.mark_unchanged();
        }
        self.get()
    }

    pub(super) fn get(&self) -> Vec<Neighbour> {
        let Some(peers) = &self.0 else {
            return Vec::new();
        };
        let peers = peers.borrow().clone();
        let mut neighbours: Vec<_> = peers
            .values()
            .map(|peer| Neighbour {
                address: peer.remote.ip(),
                asn: peer.peer_as,
            })
            .collect();
        neighbours.sort();
        neighbours
    }

    /// Waits for a change. Without a running speaker there is none.
    pub(super) async fn changed(&mut self) {
        let changed = match &mut self.0 {
            Some(peers) => peers.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            std::future::pending::<()>().await;
        }
    }
}
