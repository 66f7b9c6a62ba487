//! Sessions that are to end because of what the peer sent (RFC 4486 §4).
//!
//! Whoever is told of it may lose that, so it is said again until the session has ended. Nothing more of the peer is looked at
//! meanwhile.

use std::time::Duration;

use super::deadline::later;
use super::event::Output;
use super::peer::Stopping;
use super::shared::Shared;
use crate::types::{Family, PeerId};

/// The end of a session is asked for again after so long.
const STOP_AGAIN: Duration = Duration::from_secs(1);

/// Asks for the end of a peer's session, and looks at nothing more of it until then.
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

/// Asks again for what has not happened: whoever was asked may have lost it.
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
