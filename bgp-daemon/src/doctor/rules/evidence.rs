//! The observations of a session as text, for findings.

use std::time::Instant;

use bgp_core::session::State;
use bgp_core::wire::Capability;
use bgp_speaker::kernel::query::NeighbourEntry;

use crate::doctor::facts::{Facts, Knock, Peer, TcpState};

/// The state of the session, and its last error.
pub(super) fn session(facts: &Facts, peer: &Peer) -> Vec<String> {
    let Some(session) = &peer.session else {
        return Vec::new();
    };
    let status = &session.status;
    let state = match status.state {
        State::Idle => "Idle",
        State::Connect => "Connect",
        State::Active if status.passive => "Active (waits for the peer)",
        State::Active => "Active",
        State::OpenSent => "OpenSent",
        State::OpenConfirm => "OpenConfirm",
        State::Established => "Established",
    };
    let why = status
        .last_error
        .as_ref()
        .map_or_else(String::new, |error| {
            format!(", {error} ({} ago)", ago(facts, error.at))
        });
    let mut seen = vec![format!("session with {}: {state}{why}", peer.remote)];
    if let Some(failed) = &status.failed_dials {
        let (count, error, ago) = (failed.count, &failed.error, ago(facts, failed.at));
        seen.push(format!(
            "failed to connect, {count} in a row, the last {ago} ago: {error}"
        ));
    }
    seen
}

/// The path to the peer.
pub(super) fn way(peer: &Peer) -> Vec<String> {
    let address = peer.remote.ip();
    let way = match &peer.way {
        Err(error) => return vec![format!("route to {address}: {error}")],
        Ok(way) => way,
    };
    let gateway = way
        .gateway
        .map_or_else(String::new, |via| format!(" via {via}"));
    let interface = way.interface.as_deref().unwrap_or("no interface");
    let source = peer.source.or(way.source);
    let source = source.map_or_else(String::new, |source| format!(" from {source}"));
    let mut seen = vec![format!(
        "route to {address}{gateway} by {interface}{source}"
    )];
    let next = way.gateway.unwrap_or(address);
    match peer.link {
        NeighbourEntry::Answered(_) => seen.push(format!("{next} answers on the link")),
        NeighbourEntry::Silent => seen.push(format!(
            "{next} does not answer on the link (ARP or Neighbor Discovery)"
        )),
        NeighbourEntry::Unknown => {}
    }
    seen
}

/// Sockets to the peer.
pub(super) fn sockets(peer: &Peer) -> Vec<String> {
    let state = |state| match state {
        TcpState::ESTABLISHED => "connected",
        TcpState::SYN_SENT => "SYN sent",
        TcpState::SYN_RECEIVED | TcpState::NEW_SYN_RECEIVED => "SYN received",
        _ => "",
    };
    let shown = peer
        .sockets
        .iter()
        .filter(|socket| !state(socket.state).is_empty());
    let shown = shown.map(|socket| {
        let owner = match (socket.is_ours, socket.has_owner) {
            (false, true) => format!(", of another program of user {}", socket.user),
            _ => String::new(),
        };
        format!(
            "TCP {} -> {}: {}, {} octets not acknowledged, {} retransmissions{owner}",
            socket.local,
            socket.remote,
            state(socket.state),
            socket.unacknowledged,
            socket.retransmissions,
        )
    });
    shown.take(4).collect()
}

/// Test handshakes beside the session.
pub(super) fn knocks(peer: &Peer) -> Vec<String> {
    let answer = |knock: &Knock| match knock {
        Knock::Untried => None,
        Knock::Answered => Some("accepted".to_owned()),
        Knock::Refused => Some("refused".to_owned()),
        Knock::Silent => Some("not answered".to_owned()),
        Knock::Failed(error) => Some(error.clone()),
    };
    let mut seen = Vec::new();
    if let Some(answer) = answer(&peer.knocks.unsigned) {
        seen.push(format!(
            "a SYN without signature to {}: {answer}",
            peer.remote
        ));
    }
    if let Some(answer) = answer(&peer.knocks.from_anywhere) {
        seen.push(format!("a SYN that takes an answer of any TTL: {answer}"));
    }
    match peer.knocks.alive {
        Some(true) => seen.push("the machine answers on closed ports".into()),
        Some(false) => seen.push("the machine does not answer on closed ports either".into()),
        None => {}
    }
    seen
}

/// The peer's last OPEN.
pub(super) fn open(facts: &Facts, peer: &Peer) -> Vec<String> {
    let Some(record) = peer
        .session
        .as_ref()
        .and_then(|session| session.status.last_open.as_ref())
    else {
        return Vec::new();
    };
    let open = &record.open;
    let families = open
        .capabilities
        .iter()
        .filter_map(|capability| match capability {
            Capability::Multiprotocol(family) => Some(format!("{}/{}", family.afi, family.safi)),
            _ => None,
        });
    let families: Vec<String> = families.collect();
    vec![format!(
        "OPEN of the peer {} ago: AS {}, identifier {}, hold time {} s, families (AFI/SAFI) {}",
        ago(facts, record.at),
        open.asn,
        open.router_id,
        open.hold_time,
        if families.is_empty() {
            "none".to_owned()
        } else {
            families.join(" ")
        },
    )]
}

/// "3 s", "2 min", "5 h".
pub(super) fn ago(facts: &Facts, at: Instant) -> String {
    match facts.now.saturating_duration_since(at).as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
