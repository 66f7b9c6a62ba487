//! State shared by both families: settings, attributes, peers, and the queue of outputs.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::attributes::AttrStore;
use super::deferral::Deferral;
use super::event::Output;
use super::hash::SeededHash;
use super::locals::Locals;
use super::path::{Path, Unusable};
use super::peer::Peers;
use super::settings::RibConfig;
use super::stale::Stale;
use super::stats::Told;
use crate::types::{Family, PeerId, Prefix};

/// State shared by both families.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: RibConfig,
    pub(crate) store: AttrStore,
    pub(crate) peers: Peers,
    pub(crate) locals: Locals,
    pub(crate) outputs: VecDeque<Output>,
    /// Time zero of [`Path::since`].
    pub(crate) start: Instant,
    /// Set while decisions are deferred after our own restart.
    pub(crate) deferral: Option<Deferral>,
    /// Slots and paths visited, the measure of work.
    pub(crate) steps: u64,
    /// When the last input came.
    pub(crate) now: Instant,
    /// Octets of UPDATEs that were handed out.
    pub(crate) handed_out: u64,
    /// Somebody watches the routes.
    pub(crate) watched: bool,
}

impl Shared {
    pub(super) fn new(config: RibConfig, now: Instant, hash: SeededHash) -> Self {
        Self {
            store: AttrStore::new(&config, hash),
            config,
            peers: Peers::default(),
            locals: Locals::default(),
            outputs: VecDeque::new(),
            start: now,
            deferral: None,
            steps: 0,
            now,
            handed_out: 0,
            watched: false,
        }
    }

    /// Seconds since the start.
    pub(super) fn seconds(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.start).as_secs()).unwrap_or(u32::MAX)
    }

    /// Whether decisions in a family are deferred, because peers have yet to send End-of-RIB after our own restart.
    pub(super) fn is_deferred(&self, family: Family) -> bool {
        let deferral = self.deferral.as_ref();
        deferral.is_some_and(|deferral| !deferral.is_over_for(family))
    }

    /// Whether a peer's session was asked to stop and has not ended.
    pub(super) fn is_stopping(&self, peer: PeerId) -> bool {
        let peer = self.peers.find(peer);
        peer.is_some_and(|peer| peer.stopping.is_some())
    }

    /// Whether the import policy of a peer depends on outgoing interfaces.
    pub(super) fn looks_at_interfaces(&self, peer: PeerId) -> bool {
        let peer = self.peers.find(peer);
        peer.is_some_and(|peer| peer.config.import.looks_at_interfaces())
    }

    /// Whether a path is only a last resort (RFC 9494 §4.2).
    pub(super) fn is_last_resort<P: Prefix>(&self, path: &Path) -> bool {
        self.peers.find(path.peer).is_some_and(|peer| {
            let state = &peer.families[P::FAMILY];
            path.epoch != state.epoch && state.stale.is_some_and(Stale::is_long_lived)
        })
    }

    pub(super) fn count_told<P: Prefix>(&mut self, peer: PeerId, told: Told) {
        if let Some(peer) = self.peers.find_mut(peer) {
            let state = &mut peer.families[P::FAMILY];
            state.stats.export_updates += told.updates;
            state.stats.export_withdraws += told.withdraws;
            state.stats.count_kept(told.kept);
            state.exported = state.exported.saturating_add_signed(told.held);
        }
    }

    /// Reports why a peer's route is unusable, the first time in a session.
    #[cold]
    pub(super) fn tell_unusable<P: Prefix>(&mut self, peer: PeerId, prefix: P, why: Unusable) {
        let known = self.peers.find_mut(peer);
        if known.is_some_and(|known| known.note_fault(why)) {
            let prefix = prefix.into();
            self.outputs
                .push_back(Output::Unusable { peer, prefix, why });
        }
    }

    /// All routes advertised to a peer may have changed.
    pub(super) fn note_told_anew(&mut self, peer: PeerId) {
        if self.watched {
            self.outputs.push_back(Output::ToldAnew(peer));
        }
    }

    /// Octets in flight to a peer.
    pub(super) fn in_flight(&self, peer: PeerId) -> usize {
        self.peers.find(peer).map_or(0, |peer| peer.in_flight)
    }

    /// Sends messages to a peer, unless empty.
    pub(super) fn send(&mut self, peer: PeerId, messages: BytesMut) {
        if !messages.is_empty() {
            self.send_shared(peer, messages.freeze());
        }
    }

    /// Sends messages to a peer that may be shared with other peers.
    pub(super) fn send_shared(&mut self, peer: PeerId, messages: Bytes) {
        if let Some(state) = self.peers.find_mut(peer) {
            state.in_flight += messages.len();
            self.handed_out += messages.len() as u64;
            self.outputs.push_back(Output::Send { peer, messages });
        }
    }

    /// Drops outputs that were not handed out yet: their session has ended.
    pub(super) fn drop_outputs_to(&mut self, id: PeerId) {
        let is_to_it = |output: &Output| matches!(output, Output::Send { peer, .. } if *peer == id);
        self.outputs.retain(|output| !is_to_it(output));
    }
}
