//! Sessions that must end because of the peer's routes (RFC 4486 §4).
//!
//! A request to stop may be lost, so it is repeated until the session has ended. Further input of the peer is ignored meanwhile.

use std::time::Duration;

use super::deadline::later;
use super::event::Output;
use super::peer::Stopping;
use super::shared::Shared;
use crate::types::{Family, PeerId};

/// Interval between requests to stop.
const STOP_AGAIN: Duration = Duration::from_secs(1);

/// Requests the end of a peer's session, and ignores further input of the peer.
pub(super) fn stop(shared: &mut Shared, id: PeerId, output: Output) {
    if let Some(peer) = shared.peers.find_mut(id)
        && peer.up.is_some()
        && peer.stopping.is_none()
    {
        peer.stopping = Some(Stopping {
            output: output.clone(),
            again: later(shared.now, STOP_AGAIN),
        });
        shared.outputs.push_back(output);
    }
}

/// Repeats requests that were not fulfilled, as they may have been lost.
pub(super) fn stop_again(shared: &mut Shared) {
    for peer in shared.peers.iter_mut() {
        if let Some(stopping) = &mut peer.stopping
            && stopping.again <= shared.now
        {
            stopping.again = later(shared.now, STOP_AGAIN);
            shared.outputs.push_back(stopping.output.clone());
        }
    }
}

/// RFC 4486 §4: more prefixes than allowed end the session.
pub(super) fn check_limit(shared: &mut Shared, id: PeerId, family: Family) {
    let Some(peer) = shared.peers.find(id) else {
        return;
    };
    if let Some(limit) = peer.config.max_prefixes[family]
        && peer.families[family].paths > limit
    {
        stop_for_limit(shared, id, family, limit);
    }
}

pub(super) fn stop_for_limit(shared: &mut Shared, id: PeerId, family: Family, limit: u32) {
    let output = Output::TooManyPrefixes {
        peer: id,
        family,
        limit,
    };
    stop(shared, id, output);
}
