//! Whether packets reach the peer and come back, and whether the two sides expect each other's addresses.

use bgp_core::session::State;
use bgp_speaker::kernel::query::NeighbourEntry;

use super::evidence;
use crate::doctor::facts::{Facts, Filter, Knock, Peer};
use crate::doctor::finding::{Finding, Id};

/// This machine does not have the source address of the session.
pub(super) fn foreign_source(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let error = peer.dial_error()?;
    if !error.contains("is not on this node") {
        return None;
    }
    let fix = format!(
        "correct the address of this Node in the datastore, or put it on an interface; or set spec.sourceAddress: None in {}",
        peer.resource
    );
    Some(finding(facts, Id::WrongSource, peer, fix))
}

/// The kernel, or a router on the path, has no route to the peer.
pub(super) fn no_route(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let address = peer.remote.ip();
    let unreachable = ["No route to host", "Network is unreachable"];
    let from_afar = peer
        .dial_error()
        .is_some_and(|error| unreachable.contains(&error));
    let fix = match &peer.way {
        Err(_) => format!(
            "add a route to {address}, or correct the address in {}; if the route is there, look at `ip rule` and at routes that are unreachable or blackholes",
            peer.resource
        ),
        Ok(_) if from_afar && peer.link != NeighbourEntry::Silent => format!(
            "a router on the way says that it cannot reach {address}, or a firewall rejects the connection: follow the way with traceroute"
        ),
        Ok(_) => return None,
    };
    Some(finding(facts, Id::NoRoute, peer, fix))
}

/// The peer's machine refuses connections. For a session with a password, only an unsigned handshake can tell.
pub(super) fn refused(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let refused = peer.dial_error() == Some("Connection refused");
    if !refused && peer.knocks.unsigned != Knock::Refused {
        return None;
    }
    let fix = format!(
        "nobody listens on {}: start the BGP speaker there, let it listen on that address and port, and look for a firewall that rejects (REJECT)",
        peer.remote
    );
    Some(finding(facts, Id::Refused, peer, fix))
}

/// Packets of the peer arrive on an interface that does not lead to it, and are dropped.
pub(super) fn reverse_path(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let strict = facts
        .node
        .interfaces
        .iter()
        .find(|interface| interface.filter == Filter::Strict);
    let strict = strict.filter(|_| facts.node.dropped_now.reverse_path > 0)?;
    if !peer.is_silent() || !peer.remote.is_ipv4() || peer.knocks.alive == Some(true) {
        return None;
    }
    let mut found = finding(
        facts,
        Id::RpFilter,
        peer,
        format!(
            "set net.ipv4.conf.{}.rp_filter and net.ipv4.conf.all.rp_filter to 2 (loose) or 0, or make the ways to and from the peer the same",
            strict.name
        ),
    );
    found.evidence.push(format!(
        "the kernel dropped {} packets for their source during the examination (IPReversePathFilter), and {} has rp_filter 1",
        facts.node.dropped_now.reverse_path, strict.name
    ));
    Some(found)
}

/// The two sides expect different addresses: the peer closes connections before sending anything, or connects from elsewhere.
pub(super) fn wrong_source(facts: &Facts, peer: &Peer) -> Option<Finding> {
    hangs_up(facts, peer, 2)
}

/// The peer closed a connection once, as a starting peer may, and nothing else is known.
pub(super) fn hung_up(facts: &Facts, peer: &Peer) -> Option<Finding> {
    hangs_up(facts, peer, 1)
}

fn hangs_up(facts: &Facts, peer: &Peer, least: u64) -> Option<Finding> {
    let status = &peer.session.as_ref()?.status;
    let hangs_up = status
        .unheard
        .as_ref()
        .filter(|unheard| unheard.count >= least);
    let stranger = peer.strangers.first();
    let (seen, fix) = match (stranger, hangs_up) {
        (Some(stranger), _) => (
            format!(
                "{} connections came from {}, which no peer here has, the last {} ago",
                stranger.count,
                stranger.from,
                evidence::ago(facts, stranger.at)
            ),
            format!(
                "if {} is this peer, let it connect from {} (its source address, `local`, update-source), or correct the address in {}",
                stranger.from,
                peer.remote.ip(),
                peer.resource
            ),
        ),
        (None, Some(unheard)) => (
            format!(
                "the peer takes the TCP connection and ends it before its OPEN: {} times, the last {} ago ({})",
                unheard.count,
                evidence::ago(facts, unheard.at),
                unheard.error
            ),
            format!(
                "compare the address of this node that the peer has configured with {} (spec.sourceAddress in {}, the address of the Node), and see whether the neighbour is switched on there",
                used_source(peer),
                peer.resource
            ),
        ),
        (None, None) => return None,
    };
    let mut found = finding(facts, Id::WrongSource, peer, fix);
    found.evidence.insert(0, seen);
    Some(found)
}

/// Otherwise: no answer, or not that of a BGP speaker.
pub(super) fn unanswered(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let connected = peer
        .connection()
        .filter(|connection| connection.state <= State::OpenConfirm);
    let (address, port) = (peer.remote.ip(), peer.remote.port());
    let fix = if let Some(connection) = connected {
        let mut found = finding(
            facts,
            Id::Unanswered,
            peer,
            "the peer's TCP is there and its speaker says nothing: look whether its process hangs, and at its log",
        );
        found.evidence.insert(
            0,
            format!(
                "TCP is up for {}, and no OPEN has come",
                evidence::ago(facts, connection.since)
            ),
        );
        return Some(found);
    } else if peer.passive {
        format!(
            "we wait for the peer: let it connect to this node, or set bgp-daemon.io/passive to false in {}",
            peer.resource
        )
    } else if peer.link == NeighbourEntry::Silent {
        "nobody has this address on the link: see whether the machine is on, in the same network (VLAN), and has this address".to_owned()
    } else {
        let hint = match peer.password {
            true => "; a peer without a password, or with another one, is silent too",
            false => "; a peer that has a password for us (TCP MD5) is silent too",
        };
        format!(
            "something drops what goes to {address} port {port} or what comes back: look for firewalls (DROP) here, on the way and there, and for the way back from the peer{hint}"
        )
    };
    Some(finding(facts, Id::Unanswered, peer, fix))
}

/// In the preflight: findings about a peer without talking to it.
pub(super) fn preflight(peer: &Peer) -> Option<Finding> {
    peer.way.as_ref().err()?;
    let fix = format!(
        "add a route to {}, or correct the address in {}",
        peer.remote.ip(),
        peer.resource
    );
    Some(Finding::error(
        Id::NoRoute,
        Some(&peer.name),
        evidence::way(peer),
        fix,
    ))
}

fn used_source(peer: &Peer) -> String {
    let chosen = peer.way.as_ref().ok().and_then(|way| way.source);
    let source = peer.source.or(chosen);
    source.map_or_else(
        || "the one that the kernel chooses".to_owned(),
        |source| source.to_string(),
    )
}

fn finding(facts: &Facts, id: Id, peer: &Peer, fix: impl Into<String>) -> Finding {
    let mut seen = evidence::session(facts, peer);
    seen.extend(evidence::way(peer));
    seen.extend(evidence::sockets(peer));
    seen.extend(evidence::knocks(peer));
    Finding::error(id, Some(&peer.name), seen, fix)
}
