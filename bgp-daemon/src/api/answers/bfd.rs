//! The watch over the path to a peer.

use bgp_speaker::{BfdPath, BfdStatus};

use crate::api::model::Bfd;
use crate::clock::timestamp;

pub(super) fn describe(status: &BfdStatus, strict: bool) -> Bfd {
    let session = status.session;
    let peer = session.and_then(|session| session.peer);
    let interval = session.and_then(|session| session.transmit_interval);
    let detection_time = session.and_then(|session| session.detection_time);
    Bfd {
        state: status.state().to_string(),
        since: status.since.map(timestamp),
        diagnostic: session.map(|session| session.diagnostic.to_string()),
        peer_state: peer.map(|peer| peer.state.to_string()),
        local_address: status.local,
        multihop: matches!(status.path, BfdPath::Multihop { .. }),
        strict,
        interval: interval.map(|interval| std::time::Duration::from(interval).as_secs_f64()),
        detection_time: detection_time.map(|time| time.as_secs_f64()),
        ups: status.ups,
        downs: status.downs,
        failures: status.failures,
        packets_sent: status.packets.sent(),
        packets_received: status.packets.received(),
        problem: status.problem.as_deref().map(str::to_owned),
    }
}
