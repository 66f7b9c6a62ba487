//! TCP MD5 (RFC 2385) and TTL security (RFC 5082): both sides drop wrong segments silently, so counters and handshakes with other
//! settings must tell the cases apart from each other and from a dead peer.

use std::time::Duration;

use bgp_core::session::State;
use bgp_speaker::turned_away::Why;

use super::evidence;
use crate::doctor::facts::{Facts, Knock, Peer, TcpState};
use crate::doctor::finding::{Finding, Id};

/// The kernel refuses the password.
pub(super) fn not_set(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let refused = peer
        .dial_error()
        .filter(|error| error.contains("TCP MD5 password"));
    let reason = peer.key_refused.as_deref().or(refused)?;
    let mut seen = vec![reason.to_owned()];
    if let Some(memory) = facts.node.option_memory {
        seen.push(format!(
            "net.core.optmem_max is {memory}, and {} sessions have a password",
            facts.node.passwords
        ));
    }
    let fix = "raise the sysctl net.core.optmem_max as the evidence says (it takes effect within 5 s), or let peers with addresses of one prefix share a password; a kernel without TCP MD5 (CONFIG_TCP_MD5SIG) needs another kernel";
    Some(finding(Id::PasswordNotSet, peer, seen, fix))
}

/// In the preflight: the kernel may not accept this many passwords.
pub(super) fn too_many(facts: &Facts) -> Option<Finding> {
    let node = &facts.node;
    let memory = node.option_memory.filter(|_| !node.is_running)?;
    let most = memory as usize / KEY_SIZE;
    if node.passwords <= most {
        return None;
    }
    let seen = vec![format!(
        "{} sessions have a password, and net.core.optmem_max of {memory} is enough for {most}, unless neighbouring addresses share passwords",
        node.passwords
    )];
    let fix = format!(
        "set net.core.optmem_max to {}",
        (node.passwords * KEY_SIZE).next_power_of_two()
    );
    Some(Finding::error(Id::PasswordNotSet, None, seen, fix).as_warning())
}

/// Octets that the kernel counts for a key, with some reserve for later kernels.
const KEY_SIZE: usize = 160;

/// Packets come from further away than one side allows.
pub(super) fn too_far(facts: &Facts, peer: &Peer) -> Option<Finding> {
    ours(facts, peer).or_else(|| theirs(facts, peer))
}

/// We require TTL security, and the peer's packets do not meet it.
fn ours(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let hops = peer.ttl_security?;
    let away = peer.turned_away.as_ref();
    let ttl = away.and_then(|away| match away.why {
        Why::TooFar(ttl) => Some(ttl),
        _ => None,
    });
    let answers_anybody = matches!(peer.knocks.from_anywhere, Knock::Answered | Knock::Refused);
    let dropped = facts.node.dropped.from_too_far > 0 && is_stuck(peer);
    if ttl.is_none() && !answers_anybody && !dropped {
        return None;
    }
    let least = 256 - u16::from(hops.max(1));
    let mut seen = vec![format!(
        "TTL security demands a TTL of at least {least} ({} says {hops} hops)",
        peer.resource
    )];
    seen.extend(ttl.map(|ttl| format!("a connection of the peer came with TTL {ttl}")));
    if dropped {
        seen.push(format!(
            "the kernel dropped {} segments for their TTL (TCPMinTTLDrop)",
            facts.node.dropped.from_too_far
        ));
    }
    seen.extend(context(facts, peer));
    let fix = "switch TTL security on at the peer too (it must send with TTL 255), or correct spec.ttlSecurity to the number of hops, or take it away";
    Some(finding(Id::Ttl, peer, seen, fix))
}

/// The handshake succeeds, but nothing that we send is acknowledged: the peer drops it.
fn theirs(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let is_unheard = peer.is_unheard();
    let answer_is_lost = peer.sockets.iter().any(|socket| {
        let half_way = [TcpState::SYN_RECEIVED, TcpState::NEW_SYN_RECEIVED];
        half_way.contains(&socket.state) && socket.retransmissions > 0
    });
    if !(is_unheard || answer_is_lost && peer.is_silent()) {
        return None;
    }
    let mut seen = vec![match is_unheard {
        true => "TCP is up, and the peer acknowledges nothing that we send".to_owned(),
        false => "the peer connects to us, and our answer does not get through".to_owned(),
    }];
    seen.extend(context(facts, peer));
    let fix = match peer.ttl_security {
        None => {
            "the peer probably demands TTL security (GTSM): set spec.ttlSecurity to the number of hops, or take it away there; if the peer is several hops away, let it send with a greater TTL (ebgp-multihop)"
        }
        Some(_) => "compare the number of hops of TTL security on both sides",
    };
    Some(finding(Id::Ttl, peer, seen, fix))
}

/// The session is up on this side, but the peer acknowledges nothing: it may never have received our KEEPALIVE, or be gone.
pub(super) fn unheard_while_up(facts: &Facts, peer: &Peer) -> Option<Finding> {
    if !peer.is_unheard() {
        return None;
    }
    let session = peer.session.as_ref()?;
    let is_young = facts.now.saturating_duration_since(session.since) < YOUNG;
    let never_spoke = session.status.counters.received.update == 0;
    if peer.knocks.alive == Some(true) && (never_spoke || is_young) {
        return theirs(facts, peer);
    }
    let mut seen =
        vec!["the session is up, and the peer acknowledges nothing that we send".to_owned()];
    seen.extend(context(facts, peer));
    let fix = "the session ends when the hold time expires: look whether the machine is on, for firewalls (DROP) and links that have failed on the way, and whether packets of full size get through (MTU)";
    Some(finding(Id::Unanswered, peer, seen, fix))
}

/// A younger session may never have been up for the peer.
const YOUNG: Duration = Duration::from_secs(60);

/// The session is neither up nor refused.
fn is_stuck(peer: &Peer) -> bool {
    let waits = peer
        .connection()
        .is_some_and(|connection| connection.state < State::Established);
    waits || peer.is_silent()
}

/// One side has a password, and the other has none or another one.
pub(super) fn password(facts: &Facts, peer: &Peer) -> Option<Finding> {
    if !peer.is_silent() && !peer.passive {
        return None;
    }
    let alive = peer.knocks.alive == Some(true)
        || matches!(peer.knocks.unsigned, Knock::Answered | Knock::Refused);
    match peer.password {
        true => with_password(facts, peer, alive),
        false => without_password(facts, peer, alive),
    }
}

fn with_password(facts: &Facts, peer: &Peer, alive: bool) -> Option<Finding> {
    let (drops, now) = (facts.node.dropped, facts.node.dropped_now);
    if peer.knocks.unsigned == Knock::Answered
        || (now.unsigned > 0 && now.wrongly_signed == 0 && peer.passive)
    {
        let mut seen =
            vec!["the peer answers without a signature: it has no password for us".to_owned()];
        seen.extend(counted(
            "unsigned segments (TCPMD5NotFound)",
            drops.unsigned,
            now.unsigned,
        ));
        seen.extend(context(facts, peer));
        let fix = format!(
            "set the password at the peer too, or take spec.password away from {}",
            peer.resource
        );
        return Some(finding(Id::PasswordMissing, peer, seen, fix));
    }
    // A reset is not signed, so the session does not see it.
    if peer.knocks.unsigned == Knock::Refused || !(alive || now.wrongly_signed > 0) {
        return None;
    }
    let mut seen = vec!["neither a signed nor an unsigned SYN is answered".to_owned()];
    seen.extend(counted(
        "segments with another signature (TCPMD5Failure)",
        drops.wrongly_signed,
        now.wrongly_signed,
    ));
    seen.extend(context(facts, peer));
    let fix = format!(
        "compare the passwords on both sides: the Secret that {} names and the one at the peer (blanks and line ends at its end count); if they are the same, look for a firewall that drops TCP port {}",
        peer.resource,
        peer.remote.port()
    );
    Some(finding(Id::PasswordMismatch, peer, seen, fix))
}

fn without_password(facts: &Facts, peer: &Peer, alive: bool) -> Option<Finding> {
    let (drops, now) = (facts.node.dropped, facts.node.dropped_now);
    let likely = now.signed > 0 || (alive && drops.signed > 0);
    if !likely || peer.knocks.unsigned == Knock::Answered || peer.knocks.unsigned == Knock::Refused
    {
        return None;
    }
    let mut seen = counted(
        "signed segments, for which there is no password here (TCPMD5Unexpected)",
        drops.signed,
        now.signed,
    );
    seen.extend(context(facts, peer));
    let fix = format!(
        "the peer has a TCP MD5 password for us: set it here (spec.password in {}), or take it away there",
        peer.resource
    );
    Some(finding(Id::PasswordMissing, peer, seen, fix))
}

/// The password configured for a session cannot be read.
pub(super) fn secret_missing(facts: &Facts, peer: &Peer) -> Option<Finding> {
    let mut passwords = facts.store.passwords.iter();
    let (object, reason) = passwords.find(|(object, _)| *object == peer.resource)?;
    Some(finding(
        Id::PasswordMissing,
        peer,
        vec![format!("{object}: {reason}")],
        PUT_SECRET,
    ))
}

/// Sessions that were left out because their passwords cannot be read.
pub(super) fn kept_down(facts: &Facts) -> impl Iterator<Item = Finding> {
    let passwords = facts.store.passwords.iter().filter(|(object, _)| {
        let has_session = facts.peers.iter().any(|peer| peer.resource == *object);
        !has_session && facts.asked.is_none()
    });
    passwords.map(|(object, reason)| {
        let seen = vec![format!("{object}: {reason}")];
        Finding::error(Id::PasswordMissing, None, seen, PUT_SECRET)
    })
}

const PUT_SECRET: &str = "put the Secret with this key into the namespace of the daemon (NAMESPACE, kube-system by default), and let it read the Secret (RBAC)";

fn counted(what: &str, all: u64, now: u64) -> Vec<String> {
    let seen = || {
        format!(
            "the kernel dropped {all} {what}, {now} of them during the examination (of all peers)"
        )
    };
    (all > 0).then(seen).into_iter().collect()
}

fn context(facts: &Facts, peer: &Peer) -> Vec<String> {
    let mut seen = evidence::session(facts, peer);
    seen.extend(evidence::way(peer));
    seen.extend(evidence::sockets(peer));
    seen.extend(evidence::knocks(peer));
    seen
}

fn finding(id: Id, peer: &Peer, seen: Vec<String>, fix: impl Into<String>) -> Finding {
    Finding::error(id, Some(&peer.name), seen, fix)
}
