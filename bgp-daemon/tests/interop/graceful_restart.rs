//! Graceful restart (RFC 4724) on both sides: a router is killed and comes back, and so is our daemon. Routes that are still
//! announced afterwards are never missing from a kernel in between; the others are removed at the End-of-RIB.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::lab::host::Host;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer, PeerConfig, prefix};
use crate::lab::route_watch::{RouteRecord, RouteWatch};
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::{KERNEL_PROTOCOL, NODE_AS, TOR_AS, wait_down, wait_kernel, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

/// Announced before the restart only.
const GONE: [&str; 2] = ["172.20.2.0/24", "fd20:2::/64"];
/// Announced after it only.
const NEW: [&str; 2] = ["172.20.3.0/24", "fd20:3::/64"];
/// Of a second router.
const SPINE_AS: u32 = 65_102;
/// Blocks of the node before its restart only.
const GONE_BLOCKS: [&str; 2] = ["10.244.1.64/26", "fd10:244::100/122"];

#[test]
fn bird_restarts() {
    a_router_restarts(Kind::Bird);
}

#[test]
fn frr_restarts() {
    a_router_restarts(Kind::Frr);
}

#[test]
fn gobgp_restarts() {
    a_router_restarts(Kind::GoBgp);
}

#[test]
fn we_restart_beside_bird() {
    we_restart(Kind::Bird, Node::kill);
}

#[test]
fn we_restart_beside_frr() {
    we_restart(Kind::Frr, Node::kill);
}

#[test]
fn we_restart_beside_gobgp() {
    we_restart(Kind::GoBgp, Node::kill);
}

#[test]
fn we_stop_and_start_beside_bird() {
    we_restart(Kind::Bird, stop);
}

#[test]
fn we_stop_and_start_beside_frr() {
    we_restart(Kind::Frr, stop);
}

#[test]
fn we_stop_and_start_beside_gobgp() {
    we_restart(Kind::GoBgp, stop);
}

#[test]
fn we_stop_and_start_beside_openbgpd() {
    we_restart(Kind::OpenBgpd, stop);
}

fn stop(node: &mut Node) {
    let status = node.terminate();
    assert!(status.success(), "the node ended with {status}");
}

/// We help.
fn a_router_restarts(kind: Kind) {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[]);
    let config = restarting(kind, stage.tor_config(TOR_AS));
    let mut tor = kind.on(&stage.tor_host, config.clone().announcing(&GONE));
    stage.raise(&mut *tor);
    let before = [TOR_PREFIXES, GONE].concat();
    wait_kernel(&stage.node_host, &prefixes(&before), &stage.tor_host);

    let watch = RouteWatch::start(&stage.node_host);
    tor.kill();
    wait_down("the node", &stage.node, &stage.tor_host);
    wait_kernel(&stage.node_host, &prefixes(&before), &stage.tor_host);
    let mut tor = kind.on(&stage.tor_host, config.announcing(&NEW));
    tor.resume();
    stage.wait_up(&*tor);
    let after = [TOR_PREFIXES, NEW].concat();
    wait_kernel(&stage.node_host, &prefixes(&after), &stage.tor_host);
    wait_learned("the router", &*tor, &prefixes(&BLOCKS));
    let record = watch.finish();
    assert_kept(&record, &TOR_PREFIXES);
    assert_swept(&record, &GONE);
}

/// RFC 8538: the router is silent until our hold timer expires, and is sent a NOTIFICATION; its routes stay anyway.
#[test]
fn a_router_falls_silent() {
    let Some(mut stage) = Stage::open(&[Kind::Frr]) else {
        return;
    };
    let annotations = [
        ("graceful-restart-notification", "true"),
        ("hold-time", "3s"),
    ];
    stage.peering(TOR_AS, &annotations, &[]);
    let config = restarting(Kind::Frr, stage.tor_config(TOR_AS));
    let mut tor = Kind::Frr.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    wait_kernel(&stage.node_host, &prefixes(&TOR_PREFIXES), &stage.tor_host);

    let watch = RouteWatch::start(&stage.node_host);
    let node: [IpAddr; 2] = [stage.node_host.ipv4.into(), stage.node_host.ipv6.into()];
    let mute = |verb: &str| {
        for address in node.map(IpNet::from) {
            let route = format!("ip route {verb} blackhole {address}");
            stage.tor_host.ns.run(&route);
        }
    };
    mute("add");
    wait_down("the node", &stage.node, &stage.tor_host);
    wait_kernel(&stage.node_host, &prefixes(&TOR_PREFIXES), &stage.tor_host);
    mute("del");
    stage.wait_up(&*tor);
    wait_learned("the router", &*tor, &prefixes(&BLOCKS));
    assert_kept(&watch.finish(), &TOR_PREFIXES);
}

/// RFC 9494: the router is down for longer than it announced. From then on its routes are the last resort, for us and for the
/// peers that we send them to, until it is back.
#[test]
fn a_router_stays_away() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let spine_host = stage.lab.host("spine", 2);
    // In the pool, so that it is announced to others.
    let told = "10.244.9.0/26";
    let annotations = [("long-lived-stale-time", "1h")];
    stage.peering(TOR_AS, &annotations, &[]);
    stage.peering_with(&spine_host, SPINE_AS, &annotations, &[]);
    let long_lived = [
        "graceful restart on;",
        "graceful restart time 1;",
        "long lived graceful restart on;",
        "long lived stale time 3600;",
    ];
    let config = stage.tor_config(TOR_AS).with(&long_lived);
    let mut tor = Kind::Bird.on(&stage.tor_host, config.clone().announcing(&[told]));
    let node = (&*stage.node_host, NODE_AS);
    let spine = PeerConfig::on_lan(&spine_host, SPINE_AS, &[node]).with(&long_lived);
    let mut spine = Kind::Bird.on(&spine_host, spine);
    spine.start();
    stage.raise(&mut *tor);
    let before = prefixes(&[TOR_PREFIXES[0], TOR_PREFIXES[1], told]);
    wait_kernel(&stage.node_host, &before, &stage.tor_host);
    wait_told(&*spine, told, false);

    let watch = RouteWatch::start(&stage.node_host);
    tor.kill();
    wait_told(&*spine, told, true);
    wait_kernel(&stage.node_host, &before, &stage.tor_host);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    tor.resume();
    stage.wait_up(&*tor);
    wait_kernel(&stage.node_host, &prefixes(&TOR_PREFIXES), &stage.tor_host);
    let record = watch.finish();
    assert_kept(&record, &TOR_PREFIXES);
    assert_swept(&record, &[told]);
}

/// Waits until a router has a route that is, or is not, marked with LLGR_STALE (RFC 9494 §3.2).
fn wait_told(router: &dyn Peer, text: &str, stale: bool) {
    wait_for("a route, stale or not", LONG, || {
        let routes = router.routes().unwrap_or_default();
        let route = routes.iter().find(|route| route.prefix == prefix(text));
        route.is_some_and(|route| route.communities.contains("65535:6") == stale)
    });
}

/// The router helps.
fn we_restart(kind: Kind, end: fn(&mut Node)) {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[]);
    for block in GONE_BLOCKS {
        stage.cluster.block(&stage.node_host, prefix(block));
    }
    let config = helping(kind, stage.tor_config(TOR_AS).announcing(&GONE));
    let mut tor = kind.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    let blocks = prefixes(&[BLOCKS, GONE_BLOCKS].concat());
    wait_learned("the router", &*tor, &blocks);
    let before = prefixes(&[TOR_PREFIXES, GONE].concat());
    wait_kernel(&stage.node_host, &before, &stage.tor_host);
    wait_forwarded(kind, &stage.tor_host, &blocks);

    let watch = RouteWatch::start(&stage.node_host);
    let tor_watch = RouteWatch::start(&stage.tor_host);
    end(&mut stage.node);
    wait_down("the router", &*tor, &stage.node_host);
    wait_learned("the router", &*tor, &blocks);
    wait_kernel(&stage.node_host, &before, &stage.tor_host);
    for (block, gone) in GONE_BLOCKS.iter().zip(GONE) {
        stage.cluster.remove_block(&stage.node_host, prefix(block));
        tor.withdraw(prefix(gone));
    }
    stage.node.start();
    stage.wait_up(&*tor);
    wait_learned("the router", &*tor, &prefixes(&BLOCKS));
    wait_kernel(&stage.node_host, &prefixes(&TOR_PREFIXES), &stage.tor_host);
    wait_for("the blackholes of the blocks alone", LONG, || {
        stage.node_host.blackholes(KERNEL_PROTOCOL) == prefixes(&BLOCKS).into_iter().collect()
    });
    wait_forwarded(kind, &stage.tor_host, &prefixes(&BLOCKS));
    let record = watch.finish();
    assert_kept(&record, &[TOR_PREFIXES, BLOCKS].concat());
    assert_swept(&record, &[GONE, GONE_BLOCKS].concat());
    assert_kept(&tor_watch.finish(), &BLOCKS);
}

/// The router is away when we come back. What leads to it stays until it has had its say, also where another program has a
/// route to the same prefix.
#[test]
fn we_restart_before_the_router_is_back() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let shared = "10.244.9.0/26";
    let route = format!("ip route add {shared} dev lo proto 80 metric 512");
    stage.node_host.ns.run(&route);
    stage.peering(TOR_AS, &[], &[]);
    let config = stage.tor_config(TOR_AS).announcing(&[shared]);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    let routes = prefixes(&[TOR_PREFIXES[0], TOR_PREFIXES[1], shared]);
    wait_kernel(&stage.node_host, &routes, &stage.tor_host);

    let watch = RouteWatch::start(&stage.node_host);
    stage.node.kill();
    tor.kill();
    stage.node.start();
    wait_for("the end of waiting", LONG, || {
        stage
            .node
            .log()
            .contains("recovery after the start is over")
    });
    let late = prefix(GONE_BLOCKS[0]);
    stage.cluster.block(&stage.node_host, late);
    wait_for("work on the kernel to be done", LONG, || {
        stage.node_host.blackholes(KERNEL_PROTOCOL).contains(&late)
    });
    wait_kernel(&stage.node_host, &routes, &stage.tor_host);
    tor.start();
    stage.wait_up(&*tor);
    wait_kernel(&stage.node_host, &routes, &stage.tor_host);
    assert_kept(&watch.finish(), &[TOR_PREFIXES[0], TOR_PREFIXES[1], shared]);
}

/// A router that has preserved its routes when it is started again.
fn restarting(kind: Kind, config: PeerConfig) -> PeerConfig {
    match kind {
        Kind::Bird => config.with(&["graceful restart on;"]),
        Kind::Frr => config.with_global(&[
            "bgp graceful-restart",
            "bgp graceful-restart preserve-fw-state",
        ]),
        Kind::GoBgp => gobgp_with(config, r#"{"enabled": true, "restart-time": 120}"#),
        Kind::OpenBgpd | Kind::ExaBgp | Kind::Own => config,
    }
}

/// A router that keeps our routes while we restart; BIRD and FRR do so by default.
pub(crate) fn helping(kind: Kind, config: PeerConfig) -> PeerConfig {
    if kind == Kind::GoBgp {
        gobgp_with(config, r#"{"enabled": true, "helper-only": true}"#)
    } else {
        config
    }
}

fn gobgp_with(config: PeerConfig, restart: &str) -> PeerConfig {
    config
        .with(&[&format!(
            r#"{{"graceful-restart": {{"config": {restart}}}}}"#
        )])
        .with_per_family(&[r#"{"mp-graceful-restart": {"config": {"enabled": true}}}"#])
}

/// The blocks are in the kernel of the router, if it writes to one.
fn wait_forwarded(kind: Kind, tor: &Host, blocks: &[IpNet]) {
    let protocol = match kind {
        Kind::Bird => "bird",
        Kind::Frr => "bgp",
        Kind::GoBgp | Kind::OpenBgpd | Kind::ExaBgp | Kind::Own => return,
    };
    let wanted: BTreeSet<IpNet> = blocks.iter().copied().collect();
    wait_for("the blocks in the router's kernel", LONG, || {
        let routes = tor.kernel_routes(protocol).into_iter();
        routes.map(|route| route.prefix).collect::<BTreeSet<_>>() == wanted
    });
}

fn assert_kept(record: &RouteRecord, kept: &[&str]) {
    for text in kept {
        assert!(!record.removed(prefix(text)), "{text} was gone for a while");
    }
}

fn assert_swept(record: &RouteRecord, gone: &[&str]) {
    for text in gone {
        assert!(record.removed(prefix(text)), "{text} was not removed");
    }
}

fn prefixes(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| prefix(text)).collect()
}
