//! The watch over the path by BFD: it keeps a session down, or does not watch one that is up.

use bgp_core::bfd::State;

use crate::doctor::facts::{Facts, Peer, Watch};
use crate::doctor::finding::{Finding, Id};

/// The session waits for BFD.
pub(super) fn held_back(_: &Facts, peer: &Peer) -> Option<Finding> {
    let watch = watch(peer).filter(|watch| watch.holds_back)?;
    let seen = vec![
        state(watch),
        "bgp-daemon.io/bfd-strict: the session waits for BFD".into(),
    ];
    Some(Finding::error(
        Id::Bfd,
        Some(&peer.name),
        seen,
        remedy(peer, watch),
    ))
}

/// Of a session that is up.
pub(super) fn findings(peer: &Peer) -> Option<Finding> {
    let watch = watch(peer)?;
    match watch.state {
        State::Up => at_restart(peer),
        State::AdminDown | State::Down | State::Init => {
            let seen = vec![
                state(watch),
                "the session is up: a dead path is noticed only by the hold time".into(),
            ];
            let fix = remedy(peer, watch);
            Some(Finding::error(Id::Bfd, Some(&peer.name), seen, fix).as_warning())
        }
    }
}

/// RFC 5882 §4.3: the peer may take the end of BFD for the end of forwarding.
fn at_restart(peer: &Peer) -> Option<Finding> {
    watch(peer).filter(|watch| watch.restarts_gracefully)?;
    let seen = vec![
        "BFD ends with the daemon (its C bit is 0), and graceful restart is negotiated".into(),
    ];
    let fix = "see that the peer keeps routes over a graceful restart although BFD fails (`bfd graceful` in BIRD, `bfd check-control-plane-failure` in FRR): otherwise it drops them when this daemon restarts";
    Some(Finding::error(Id::Bfd, Some(&peer.name), seen, fix).as_info())
}

fn watch(peer: &Peer) -> Option<&Watch> {
    peer.session.as_ref()?.watch.as_ref()
}

fn state(watch: &Watch) -> String {
    let hops = if watch.multihop {
        "multihop"
    } else {
        "single hop"
    };
    let peer = match watch.peer {
        Some(state) => format!("the peer says {state}"),
        None => "the peer is not heard".into(),
    };
    format!("BFD ({hops}) is {}, {peer}", watch.state)
}

fn remedy(peer: &Peer, watch: &Watch) -> String {
    if let Some(problem) = &watch.problem {
        return format!("BFD cannot work here: {problem}");
    }
    match watch.peer {
        Some(State::AdminDown) => "an operator of the peer holds BFD down: enable it there".into(),
        Some(_) => "the peer does not hear our packets: look for a filter on UDP 3784 (multihop: 4784), and for loss on the way".into(),
        None => format!(
            "enable BFD for this neighbour at the peer, {}; or disable it here: bgp-daemon.io/bfd of {}",
            if watch.multihop { "multihop" } else { "single hop" },
            peer.resource
        ),
    }
}
