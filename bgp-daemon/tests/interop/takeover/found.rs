//! Sessions of peers without configured addresses go on, too: those of ranges, of default gateways, and of links.

use crate::dynamic_peers::accept;
use crate::found_peers::{cable, find, is_up, link_local, unnumbered_bird, wait_routes};
use crate::lab::peer::{Kind, Peer, PeerConfig, prefix};
use crate::lab::route_watch::RouteWatch;
use crate::lab::wait::{LONG, wait_for, wait_until};
use crate::scenario::{TOR_AS, wait_kernel, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};
use crate::takeover::assert_nothing_was_noticed;

const EXCHANGES: usize = 2;

/// Two exchanges, after each of which a new block goes out.
fn exchange(stage: &mut Stage, tor: &dyn Peer) {
    for exchange in 0..EXCHANGES {
        let status = stage.node.succeed();
        assert!(status.success(), "the old process ended with {status}");
        let block = prefix(&format!("10.244.1.{}/26", 64 * (exchange + 1)));
        stage.cluster.block(&stage.node_host, block);
        wait_for("the new block", LONG, || {
            tor.routes_to(block).is_ok_and(|routes| !routes.is_empty())
        });
    }
}

fn assert_taken_over(stage: &Stage, sessions: usize) {
    let log = stage.node.log();
    let taken = format!("took {sessions} sessions over, and ended 0");
    assert_eq!(log.matches(&taken).count(), EXCHANGES, "{log}");
    assert_eq!(
        log.matches("session established").count(),
        sessions,
        "{log}"
    );
    assert_eq!(log.matches("session down").count(), 0, "{log}");
}

/// Sessions on the segment.
fn go_on(mut stage: Stage, kind: Kind) {
    stage.node.set("BGP_DAEMON_TAKE_OVER", true);
    let mut tor = kind.on(&stage.tor_host, stage.tor_config(TOR_AS));
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    wait_kernel(&stage.node_host, &TOR_PREFIXES.map(prefix), &stage.tor_host);
    let watches = [&stage.node_host, &stage.tor_host].map(RouteWatch::start);
    let capture = stage.capture();
    exchange(&mut stage, &*tor);
    stage.wait_up(&*tor);
    assert_taken_over(&stage, 2);
    let trace = capture.finish();
    assert_nothing_was_noticed(&stage, &trace, watches);
    // They are gone when their peer is.
    tor.stop();
    wait_learned("the node", &stage.node, &[]);
}

#[test]
fn sessions_of_a_range_go_on_beside_bird() {
    let Some(stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    accept(
        &stage.cluster,
        "tors",
        &[("listen-as", &TOR_AS.to_string())],
        &[],
    );
    go_on(stage, Kind::Bird);
}

#[test]
fn sessions_of_a_range_go_on_beside_frr() {
    let Some(stage) = Stage::open(&[Kind::Frr]) else {
        return;
    };
    accept(
        &stage.cluster,
        "tors",
        &[("listen-as", &TOR_AS.to_string())],
        &[],
    );
    go_on(stage, Kind::Frr);
}

#[test]
fn sessions_with_default_gateways_go_on() {
    let Some(stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage
        .cluster
        .peer_with("tor", "auto-gateway", TOR_AS, &[], &[]);
    let (ipv4, ipv6) = (stage.tor_host.ipv4, stage.tor_host.ipv6);
    stage
        .node_host
        .ns
        .run(&format!("ip route add default via {ipv4}"));
    stage
        .node_host
        .ns
        .run(&format!("ip -6 route add default via {ipv6}"));
    go_on(stage, Kind::Bird);
}

#[test]
fn a_session_over_a_link_goes_on() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    cable(&stage);
    find(&stage.cluster, &[("interface", "eth1")]);
    stage.node.set("BGP_DAEMON_TAKE_OVER", true);
    let mut config = PeerConfig::on_lan(&stage.tor_host, TOR_AS, &[]).announcing(&TOR_PREFIXES);
    config.settings = vec![unnumbered_bird(&stage, "")];
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    tor.start();
    stage.node.start();
    let gateway = link_local(&stage, true);
    let name = format!("Global_{}_dev_eth1", gateway.to_string().replace(':', "_"));
    wait_until("the session", LONG, || is_up(&stage.node, &name));
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    wait_routes(&stage, gateway, &TOR_PREFIXES);
    let watches = [&stage.node_host, &stage.tor_host].map(RouteWatch::start);
    exchange(&mut stage, &*tor);
    wait_until("the session", LONG, || is_up(&stage.node, &name));
    assert_taken_over(&stage, 1);
    for watch in watches {
        let record = watch.finish();
        for kept in BLOCKS.iter().chain(&TOR_PREFIXES) {
            assert!(!record.removed(prefix(kept)), "{kept} was gone for a while");
        }
    }
}
