//! Timers of a session, from YAML to what the peer observes.

use std::net::IpAddr;

use crate::lab::peer::{Kind, prefix};
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::{TOR_AS, addresses, wait_learned};
use crate::stage::{BLOCKS, Stage, described};

/// Types of messages (RFC 4271 §4.1).
const OPEN: u8 = 1;
const KEEPALIVE: u8 = 4;

#[test]
fn the_shorter_hold_time_holds() {
    let Some(mut stage) = Stage::open(&[Kind::Frr]) else {
        return;
    };
    stage.peering(TOR_AS, &[("hold-time", "30s")], &[]);
    let mut tor = Kind::Frr.on(&stage.tor_host, stage.tor_config(TOR_AS));
    stage.raise(&mut *tor);
    for session in described(&*tor, &stage.node_host) {
        assert_eq!(session["bgpTimerHoldTimeMsecs"], 30_000, "{session}");
        assert_eq!(
            session["bgpTimerKeepAliveIntervalMsecs"], 10_000,
            "{session}"
        );
    }
    for address in addresses(&stage.tor_host) {
        let words = stage.node.describe(address).expect("the session is up");
        assert!(timer(&words, "Hold timer").ends_with("/30"), "{words}");
        assert!(timer(&words, "Keepalive timer").ends_with("/10"), "{words}");
    }
}

/// RFC 4271 §4.4: without a hold time there are no periodic KEEPALIVEs either.
#[test]
fn hold_time_zero_is_none() {
    let Some(mut stage) = Stage::open(&[Kind::Frr]) else {
        return;
    };
    stage.peering(TOR_AS, &[("hold-time", "0s")], &[]);
    let capture = stage.capture();
    let mut tor = Kind::Frr.on(&stage.tor_host, stage.tor_config(TOR_AS));
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    for session in described(&*tor, &stage.node_host) {
        assert_eq!(session["bgpTimerHoldTimeMsecs"], 0, "{session}");
        assert_eq!(session["bgpTimerKeepAliveIntervalMsecs"], 0, "{session}");
    }
    for address in addresses(&stage.tor_host) {
        let words = stage.node.describe(address).expect("the session is up");
        assert!(!words.contains("Hold timer"), "{words}");
        assert!(!words.contains("Keepalive timer"), "{words}");
    }
    let trace = capture.finish();
    for address in addresses(&stage.node_host) {
        // Each OPEN was answered with one KEEPALIVE, and that was all.
        let count = |kind| trace.messages(address, kind);
        assert!(count(KEEPALIVE) <= count(OPEN), "{address}");
    }
}

/// While the peer, which limits itself to a third of the hold time of 240 s, sends nothing more.
#[test]
fn keepalives_come_at_the_configured_interval() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &["keepaliveTime: 1s"]);
    let capture = stage.capture();
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS));
    stage.raise(&mut *tor);
    for address in addresses(&stage.tor_host) {
        let words = stage.node.describe(address).expect("the session is up");
        assert!(timer(&words, "Keepalive timer").ends_with("/1"), "{words}");
    }
    let [node, _] = addresses(&stage.node_host);
    let [router, _] = addresses(&stage.tor_host);
    let surplus = |sender: IpAddr| {
        let trace = capture.so_far();
        trace
            .messages(sender, KEEPALIVE)
            .saturating_sub(trace.messages(sender, OPEN))
    };
    wait_for("five periodic KEEPALIVEs", LONG, || surplus(node) >= 5);
    assert_eq!(surplus(router), 0);
}

/// Two sessions with a peer that is not there: one dials again and again, the other waits.
#[test]
fn dialling_is_repeated_at_the_configured_interval() {
    let Some(mut stage) = Stage::open(&[]) else {
        return;
    };
    let [ipv4, ipv6] = addresses(&stage.tor_host);
    for (name, address, time) in [("patient", ipv6, "1h"), ("eager", ipv4, "1s")] {
        let annotations = [("bgp-daemon.io/connect-retry-time", time)];
        stage.cluster.peer(name, address, TOR_AS, &annotations);
    }
    let capture = stage.capture();
    stage.node.start();
    let [node_ipv4, node_ipv6] = addresses(&stage.node_host);
    wait_for("the fifth try", LONG, || {
        capture.so_far().dials(node_ipv4) >= 5
    });
    assert_eq!(capture.finish().dials(node_ipv6), 1);
}

#[test]
fn the_restart_time_is_announced() {
    let Some(mut stage) = Stage::open(&[Kind::Frr]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &["maxRestartTime: 77s"]);
    let mut tor = Kind::Frr.on(&stage.tor_host, stage.tor_config(TOR_AS));
    stage.raise(&mut *tor);
    for session in described(&*tor, &stage.node_host) {
        let timers = &session["gracefulRestartInfo"]["timers"];
        assert_eq!(timers["receivedRestartTimer"], 77, "{session}");
    }
}

/// The value after a label of `show protocols all`.
fn timer<'a>(words: &'a str, label: &str) -> &'a str {
    let line = words.lines().find(|line| line.contains(label));
    line.and_then(|line| line.split_whitespace().last())
        .unwrap_or_default()
}
