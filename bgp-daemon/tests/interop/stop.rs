//! The end of our daemon by SIGTERM: which peers get a NOTIFICATION, which get none, and which ones the next start waits for.

use std::fs;

use crate::graceful_restart::helping;
use crate::lab::capture::Capture;
use crate::lab::peer::{Kind, PeerConfig, prefix};
use crate::lab::rib_watch::RibWatch;
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::{NODE_AS, TOR_AS, addresses, wait_down, wait_kernel, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

const SPINE_AS: u32 = 65_102;
/// The Cease of who shuts down (RFC 4486 §4), and a hard reset (RFC 8538 §3).
const SHUTDOWN: (u8, u8) = (6, 2);
const HARD_RESET: (u8, u8) = (6, 9);

/// The messages to a router when the node gets SIGTERM, and whether it keeps the routes.
fn assert_stop(stage: &mut Stage, config: PeerConfig, kind: Kind, told: Option<(u8, u8)>) {
    let mut tor = kind.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    let capture = stage.capture();
    assert!(stage.node.terminate().success());
    wait_down("the router", &*tor, &stage.node_host);
    let kept = match told {
        None => BLOCKS.map(prefix).to_vec(),
        Some(_) => Vec::new(),
    };
    wait_learned("the router", &*tor, &kept);
    for address in addresses(&stage.node_host) {
        let seen = last_told(&capture, address);
        assert_eq!(seen, told, "{address}");
    }
    let (left, ended) = if told.is_none() { (2, 0) } else { (0, 2) };
    let line = format!("left {left} sessions to graceful restart; ended {ended} with Cease");
    let log = stage.node_host.directory.join("bgp-daemon.log");
    let log = fs::read_to_string(log).expect("the daemon has a log");
    assert!(log.contains(&line), "{line} is not in {log}");
}

fn last_told(capture: &Capture, sender: std::net::IpAddr) -> Option<(u8, u8)> {
    capture.so_far().notifications(sender).last().copied()
}

/// Promise 16.4.
#[test]
fn a_router_with_graceful_restart_is_left_alone() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[]);
    let config = stage.tor_config(TOR_AS);
    assert_stop(&mut stage, config, Kind::Bird, None);
}

/// Promise 16.4.
#[test]
fn a_router_without_graceful_restart_is_told() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[("on-stop", "keep")], &[]);
    let config = stage.tor_config(TOR_AS).with(&["graceful restart off;"]);
    assert_stop(&mut stage, config, Kind::Bird, Some(SHUTDOWN));
}

/// Promise 16.11.
#[test]
fn a_cordoned_node_says_farewell() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[]);
    let name = stage.node_host.name.clone();
    let node = format!(
        "apiVersion: v1\nkind: Node\nmetadata:\n  name: {name}\nspec:\n  unschedulable: true\n"
    );
    stage.cluster.put("kubernetes-node", &node);
    let config = stage.tor_config(TOR_AS);
    assert_stop(&mut stage, config, Kind::Bird, Some(SHUTDOWN));
}

/// Promise 16.12.
#[test]
fn an_annotation_ends_a_session_for_good() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[("on-stop", "withdraw")], &[]);
    let config = stage.tor_config(TOR_AS);
    assert_stop(&mut stage, config, Kind::Bird, Some(SHUTDOWN));
}

/// Promise 16.12.
#[test]
fn the_flag_wins_over_annotations() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[("on-stop", "withdraw")], &[]);
    stage.node.set("BGP_DAEMON_ON_STOP", "keep");
    let config = stage.tor_config(TOR_AS);
    assert_stop(&mut stage, config, Kind::Bird, None);
}

/// A router that keeps routes over a Cease must be sent a hard reset (RFC 8538 §3.1).
#[test]
fn a_router_that_survives_notifications_gets_a_hard_reset() {
    let Some(mut stage) = Stage::open(&[Kind::Frr]) else {
        return;
    };
    let annotations = [
        ("graceful-restart-notification", "true"),
        ("on-stop", "withdraw"),
    ];
    stage.peering(TOR_AS, &annotations, &[]);
    let global = ["bgp graceful-restart", "bgp graceful-restart notification"];
    let config = stage.tor_config(TOR_AS).with_global(&global);
    assert_stop(&mut stage, config, Kind::Frr, Some(HARD_RESET));
}

/// The watch that sees nothing lost elsewhere sees what is lost here.
#[test]
fn gobgp_is_told_and_lets_go() {
    let Some(mut stage) = Stage::open(&[Kind::GoBgp]) else {
        return;
    };
    stage.peering(TOR_AS, &[("on-stop", "withdraw")], &[]);
    let config = helping(Kind::GoBgp, stage.tor_config(TOR_AS));
    let mut tor = Kind::GoBgp.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    let watch = RibWatch::start(&stage.tor_host);
    assert!(stage.node.terminate().success());
    for block in BLOCKS {
        wait_for("GoBGP to lose a block", LONG, || watch.lost(block));
    }
}

/// One router gets a NOTIFICATION and its routes are withdrawn; the other keeps everything that it learned from us, including
/// routes of the first.
#[test]
fn what_one_router_takes_away_the_other_keeps() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let spine_host = stage.lab.host("spine", 2);
    // In the pool, so that it is announced to others.
    let told = "10.244.9.0/26";
    stage.peering(TOR_AS, &[("on-stop", "withdraw")], &[]);
    stage.peering_with(&spine_host, SPINE_AS, &[], &[]);
    let config = stage.tor_config(TOR_AS).announcing(&[told]);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    let node = (&*stage.node_host, NODE_AS);
    let spine = PeerConfig::on_lan(&spine_host, SPINE_AS, &[node]);
    let mut spine = Kind::Bird.on(&spine_host, spine);
    spine.start();
    stage.raise(&mut *tor);
    let known = [BLOCKS[0], BLOCKS[1], told].map(prefix);
    wait_learned("the spine", &*spine, &known);
    let capture = stage.capture();
    assert!(stage.node.terminate().success());
    wait_down("the router", &*tor, &stage.node_host);
    wait_down("the spine", &*spine, &stage.node_host);
    wait_learned("the router", &*tor, &[]);
    wait_learned("the spine", &*spine, &known);
    let trace = capture.finish();
    for address in addresses(&stage.node_host) {
        let routes = trace.routes(address);
        assert!(
            !routes.iter().any(|route| route.starts_with('-')),
            "{routes:?}"
        );
    }
}

/// A second router is configured and has never been there: nobody waits for it.
/// Promise 16.5.
#[test]
fn only_routers_that_were_up_are_waited_for() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let spine_host = stage.lab.host("spine", 2);
    stage.peering(TOR_AS, &[], &[]);
    stage.peering_with(&spine_host, SPINE_AS, &[], &[]);
    let config = stage.tor_config(TOR_AS);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    wait_kernel(&stage.node_host, &TOR_PREFIXES.map(prefix), &stage.tor_host);
    let register = stage.node_host.directory.join("run/peers-up.json");
    wait_for("both sessions in the register", LONG, || {
        let text = fs::read_to_string(&register).unwrap_or_default();
        addresses(&stage.tor_host).into_iter().all(|address| {
            let name = address.to_string().replace(['.', ':'], "_");
            text.contains(&format!("{name}\""))
        })
    });
    stage.node.kill();
    wait_down("the router", &*tor, &stage.node_host);
    stage.node.start();
    let log = stage.node.log();
    assert!(log.contains("waiting for 2 of 4 peers"), "{log}");
    stage.wait_up(&*tor);
    wait_for("the end of waiting", LONG, || {
        let log = stage.node.log();
        log.contains("recovery after the start is over")
    });
}
