//! NOTIFICATIONs of either side, and operators' commands.

use bgp_core::session::NotificationRecord;
use bgp_core::wire::notification::cease;
use bgp_core::wire::{ErrorCode, Notification};

use super::evidence;
use crate::doctor::facts::{Facts, Peer, TcpState};
use crate::doctor::finding::{Finding, Id};

/// An operator has disabled the session on this side.
pub(super) fn switched_off(_: &Facts, peer: &Peer) -> Option<Finding> {
    let fix = format!("switch it on: birdcl enable {}", peer.name);
    let seen = vec!["the session was switched off on this node (birdcl disable)".to_owned()];
    peer.disabled
        .then(|| finding(Id::Administrative, peer, seen, fix))
}

/// A Cease that explains everything after it.
pub(super) fn final_word(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let (record, sent) = peer.last_notification()?;
    let (code, subcode) = meaning(&record.notification);
    if code != ErrorCode::CEASE {
        return None;
    }
    let (id, fix) = match subcode {
        cease::MAX_PREFIXES if sent => (
            Id::MaxPrefixes,
            "the peer announces more than bgp-daemon.io/max-prefixes allows: raise it, or let the peer announce less; the session comes back after 120 s",
        ),
        cease::MAX_PREFIXES => (
            Id::MaxPrefixes,
            "we announce more than the peer allows: raise its prefix limit, or announce less (filters, aggregation); many routers need the session to be cleared by hand then",
        ),
        cease::OUT_OF_RESOURCES if sent => (
            Id::MaxPrefixes,
            "the routes of this peer take most of the memory that --memory-limit allows: raise it, or let the peer announce less",
        ),
        cease::OUT_OF_RESOURCES => (Id::MaxPrefixes, "the peer is out of memory: look at it"),
        cease::ADMIN_SHUTDOWN | cease::PEER_DECONFIGURED if !sent => (
            Id::Administrative,
            "the peer's operator has switched the session off or removed it: ask, and switch it on there",
        ),
        _ => return None,
    };
    Some(finding(id, peer, heard(facts, peer, record, sent), fix))
}

/// An error that no later network failure has superseded.
pub(super) fn error(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let (record, sent) = peer.last_notification()?;
    let failed = peer.session.as_ref()?.status.failed_dials.as_ref();
    let is_overtaken = failed.is_some_and(|failed| failed.at > record.at) || peer.is_silent();
    if is_overtaken {
        return None;
    }
    let (id, fix) = verdict(peer, &record.notification, sent);
    let mut seen = heard(facts, peer, record, sent);
    if id == Id::Collision {
        seen.extend(evidence::sockets(peer));
    }
    Some(finding(id, peer, seen, fix))
}

/// The peer closes connections, and has one with another program of this node.
pub(super) fn crowded(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let status = &peer.session.as_ref()?.status;
    let unheard = status.unheard.as_ref().filter(|_| other_program(peer))?;
    let mut seen = vec![format!(
        "the peer ends the TCP connection before its OPEN: {} times, the last {} ago ({})",
        unheard.count,
        evidence::ago(facts, unheard.at),
        unheard.error
    )];
    seen.extend(evidence::sockets(peer));
    let fix = "another program of this node has a session with this peer from the same address: stop one of the two speakers";
    Some(finding(Id::Collision, peer, seen, fix))
}

/// The meaning of an error, and how to fix it.
fn verdict(peer: &Peer, notification: &Notification, sent: bool) -> (Id, String) {
    let (code, subcode) = meaning(notification);
    let offered = open_of(peer);
    match (code, subcode) {
        (ErrorCode::OPEN, PEER_AS) if sent => {
            let came = offered.map_or_else(|| "another".to_owned(), |open| open.asn.to_string());
            (Id::PeerAs, format!(
                "the peer is in AS {came}, {} says AS {}: correct spec.asNumber there, or the AS of the peer (its `local as`)",
                peer.resource, peer.peer_as
            ))
        }
        (ErrorCode::OPEN, PEER_AS) => (Id::OurAs, format!(
            "the peer does not expect AS {} of us: correct the remote AS of this neighbour there, or ours (spec.asNumber of BGPConfiguration or Node, spec.localASNumber of {})",
            peer.local_as, peer.resource
        )),
        (ErrorCode::OPEN, IDENTIFIER) => (Id::Identifier, match sent {
            true => "the peer's BGP identifier is zero or our own: give it another router ID, or set CALICO_ROUTER_ID here".to_owned(),
            false => "the peer refuses our BGP identifier, which it probably has itself: set another one (CALICO_ROUTER_ID, or the IPv4 address of the Node), or another router ID there".to_owned(),
        }),
        (ErrorCode::OPEN, HOLD_TIME) => (Id::HoldTime, match sent {
            true => "the peer proposes a hold time of 1 or 2 seconds, which BGP forbids: set 0 or at least 3 s there".to_owned(),
            false => "the peer refuses our hold time: set bgp-daemon.io/hold-time to at least the minimum that it demands, or lower that there".to_owned(),
        }),
        (ErrorCode::HOLD_TIMER | ErrorCode::SEND_HOLD_TIMER, _) => (Id::HoldTime, match sent {
            true => "nothing came from the peer for the hold time: look whether its process hangs, whether packets of full size arrive (MTU), and whether the hold time is too short".to_owned(),
            false => "the peer heard nothing from us for the hold time: look for loss on the way, packets of full size (MTU), and a hold time that is too short".to_owned(),
        }),
        (ErrorCode::OPEN, CAPABILITY) => missing_capability(peer, notification, sent),
        (ErrorCode::OPEN, ROLE) => (Id::Capability,
            "the BGP roles of the two sides do not fit (RFC 9234): correct bgp-daemon.io/role, or the role at the peer".to_owned()),
        (ErrorCode::OPEN, VERSION | OPTIONAL_PARAMETER) => (Id::Capability, match sent {
            true => "the peer's OPEN has a version or an optional parameter that is not known here: look at its settings".to_owned(),
            false => "the peer does not know a version or an optional parameter of our OPEN: switch extensions off with annotations (bgp-daemon.io/add-path, extended-messages, role)".to_owned(),
        }),
        (ErrorCode::CEASE, cease::COLLISION) => (Id::Collision, match other_program(peer) {
            true => "another program of this node has a session with this peer from the same address: stop one of the two speakers".to_owned(),
            false => "the peer has another connection from this address: look for a second speaker with our address, and for another session with the same peer here".to_owned(),
        }),
        (ErrorCode::CEASE, cease::CONNECTION_REJECTED) => (Id::WrongSource,
            "the peer rejects the connection: compare the address that it expects with the source address of this node (BGPPeer spec.sourceAddress), and see whether this neighbour is configured and switched on there".to_owned()),
        (ErrorCode::CEASE, cease::BFD_DOWN) => (Id::Bfd, match sent {
            true => "BFD found the path to the peer dead: look for loss and for what changed on the way; the session comes back by itself".to_owned(),
            false => "the peer's BFD found the path to us dead: look for loss, and for long pauses of this node's processor; the session comes back by itself".to_owned(),
        }),
        (ErrorCode::CEASE, cease::ADMIN_SHUTDOWN..=cease::OTHER_CONFIG_CHANGE) => (Id::Administrative, match sent {
            true => "the session was ended or restarted on this node, and comes back by itself".to_owned(),
            false => "the peer's operator has restarted or changed the session: it should come back by itself".to_owned(),
        }),
        _ => (Id::ProtocolError, match sent {
            true => "the peer broke the protocol: look at the log of this node, and for a newer version of the peer's software".to_owned(),
            false => "the peer says that we broke the protocol: look at its log for what it did not like".to_owned(),
        }),
    }
}

/// RFC 5492 §5: the data lists the required capabilities, encoded as in an OPEN.
fn missing_capability(peer: &Peer, notification: &Notification, sent: bool) -> (Id, String) {
    const MULTIPROTOCOL: u8 = 1;
    let demanded = notification.data.first().copied();
    match (sent, demanded) {
        (true, _) | (_, Some(MULTIPROTOCOL)) => {
            let families: Vec<String> = peer.families.iter().map(ToString::to_string).collect();
            (Id::Family, format!(
                "the two sides have no address family in common: {} says {}; switch the same on at the peer, or set bgp-daemon.io/families",
                peer.resource, families.join(", ")
            ))
        }
        (false, Some(code)) => (Id::Capability, format!(
            "the peer demands capability {code}: switch it on here with an annotation (bgp-daemon.io/...), or make it optional there"
        )),
        (false, None) => (Id::Capability,
            "the peer demands a capability that we do not announce, and does not say which: compare the capabilities in its log with ours (show protocols all)".to_owned()),
    }
}

/// A connection between another program of this machine and the peer.
fn other_program(peer: &Peer) -> bool {
    let mut sockets = peer.sockets.iter();
    sockets
        .any(|socket| socket.state == TcpState::ESTABLISHED && !socket.is_ours && socket.has_owner)
}

/// Code and subcode; for a Hard Reset, the wrapped ones (RFC 8538 §3.1).
fn meaning(notification: &Notification) -> (ErrorCode, u8) {
    match notification.hard_reset_reason() {
        Some(reason) => (reason.code, reason.subcode),
        None => (notification.code, notification.subcode),
    }
}

fn open_of(peer: &Peer) -> Option<&bgp_core::wire::Open> {
    let status = &peer.session.as_ref()?.status;
    status.last_open.as_ref().map(|record| &record.open)
}

/// The NOTIFICATION, and its context.
fn heard(facts: &Facts, peer: &Peer, record: &NotificationRecord, sent: bool) -> Vec<String> {
    let who = if sent { "we sent" } else { "the peer sent" };
    let Notification {
        code,
        subcode,
        data,
    } = &record.notification;
    let ago = evidence::ago(facts, record.at);
    let words = record.communication.as_ref();
    let words = words.map_or_else(String::new, |words| format!(", saying \"{words}\""));
    let data = match (data.is_empty(), words.is_empty()) {
        (false, true) => format!(", data {}", hex(data)),
        _ => String::new(),
    };
    let mut seen = vec![format!(
        "{who} NOTIFICATION {}/{subcode} ({}) {ago} ago{words}{data}",
        code.0, record.text
    )];
    if *code == ErrorCode::OPEN {
        seen.extend(evidence::open(facts, peer));
        seen.push(format!(
            "configured here: our AS {}, the peer's AS {}",
            peer.local_as, peer.peer_as
        ));
    }
    seen.extend(evidence::session(facts, peer));
    seen
}

fn hex(data: &[u8]) -> String {
    let shown = data.iter().take(16).map(|octet| format!("{octet:02x}"));
    shown.collect::<Vec<_>>().join(" ")
}

fn finding(id: Id, peer: &Peer, seen: Vec<String>, fix: impl Into<String>) -> Finding {
    Finding::error(id, Some(&peer.name), seen, fix)
}

/// Subcodes of OPEN errors (RFC 4271 §4.5, RFC 5492 §5, RFC 9234 §4.2).
const VERSION: u8 = 1;
const PEER_AS: u8 = 2;
const IDENTIFIER: u8 = 3;
const OPTIONAL_PARAMETER: u8 = 4;
const HOLD_TIME: u8 = 6;
const CAPABILITY: u8 = 7;
const ROLE: u8 = 11;
