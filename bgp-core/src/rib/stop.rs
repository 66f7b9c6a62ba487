//! Sessions that are to end because of what the peer sent (RFC 4486 §4).
//!
//! Whoever is told of it may lose that, so it is said again until the session has ended. Nothing more of the peer is looked at
//! meanwhile.

use std::time::Duration;

use super::peer::Stopping;
use super::{Output, Shared, later};
use crate::types::{Family, PeerId};

/// The end of a session is asked for again after so long.
const STOP_AGAIN: Duration = Duration::from_secs(1);

impl Shared {
    pub(super) fn is_stopping(&self, peer: PeerId) -> bool {
        self.peers
            .find(peer)
            .is_some_and(|peer| peer.stopping.is_some())
    }

    /// Asks for the end of a peer's session, and looks at nothing more of it until then.
    pub(super) fn stop(&mut self, id: PeerId, stop: Output) {
        if let Some(peer) = self.peers.find_mut(id)
            && peer.up.is_some()
            && peer.stopping.is_none()
        {
            peer.stopping = Some(Stopping {
                output: stop.clone(),
                again: later(self.now, STOP_AGAIN),
            });
            self.outputs.push_back(stop);
        }
    }

    /// Asks again for what has not happened: whoever was asked may have lost it.
    pub(super) fn stop_again(&mut self) {
        for peer in self.peers.iter_mut() {
            if let Some(stopping) = &mut peer.stopping
                && stopping.again <= self.now
            {
                stopping.again = later(self.now, STOP_AGAIN);
                self.outputs.push_back(stopping.output.clone());
            }
        }
    }

    /// RFC 4486 §4: more prefixes than allowed end the session.
    pub(super) fn check_limit(&mut self, id: PeerId, family: Family) {
        let Some(peer) = self.peers.find(id) else {
            return;
        };
        if let Some(limit) = peer.config.max_prefixes[family]
            && peer.families[family].paths > limit
        {
            self.stop_for_limit(id, family, limit);
        }
    }

    pub(super) fn stop_for_limit(&mut self, id: PeerId, family: Family, limit: u32) {
        let stop = Output::TooManyPrefixes {
            peer: id,
            family,
            limit,
        };
        self.stop(id, stop);
    }
}
