//! An upgrade that no peer notices: a second process of our daemon takes over from the first, while routes change. On the wire
//! there is no new connection, no OPEN and no NOTIFICATION; no route is withdrawn, a hold time of three seconds holds, and no
//! packet through the node is lost.

mod changes;
mod found;
pub(crate) mod large;
mod proxy;
mod steps;

use std::net::IpAddr;

use crate::bfd::wait_sum;
use crate::lab::capture::Trace;
use crate::lab::peer::{Kind, PeerConfig, prefix};
use crate::lab::ping::Ping;
use crate::lab::pod::Pod;
use crate::lab::route_watch::RouteWatch;
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::{TOR_AS, addresses, wait_kernel, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

#[test]
fn bird_notices_nothing() {
    nobody_notices(Kind::Bird);
}

#[test]
fn bfd_of_bird_notices_nothing() {
    let bfd = "protocol bfd { interface \"*\" { interval 100 ms; multiplier 3; }; }";
    nobody_notices_beside(Kind::Bird, &[("bfd", "100ms/100ms/3")], |mut config| {
        config.settings.push(bfd.into());
        config.with(&["bfd;"])
    });
}

#[test]
fn bfd_of_frr_notices_nothing() {
    let annotations = [("bfd", "100ms/100ms/3")];
    nobody_notices_beside(Kind::Frr, &annotations, |config| config.with(&["bfd"]));
}

#[test]
fn frr_notices_nothing() {
    nobody_notices(Kind::Frr);
}

#[test]
fn gobgp_notices_nothing() {
    nobody_notices(Kind::GoBgp);
}

#[test]
fn openbgpd_notices_nothing() {
    nobody_notices(Kind::OpenBgpd);
}

/// Exchanges of the process.
const EXCHANGES: usize = 3;
/// The router announces these one after the other.
const CHURN: [&str; EXCHANGES] = ["172.20.7.0/24", "172.20.8.0/24", "172.20.9.0/24"];
/// A message type (RFC 4271 §4.1).
const KEEPALIVE: u8 = 4;

fn nobody_notices(kind: Kind) {
    nobody_notices_beside(kind, &[], |config| config);
}

/// With more annotations, and another configuration of the router.
fn nobody_notices_beside(
    kind: Kind,
    annotations: &[(&str, &str)],
    change: impl FnOnce(PeerConfig) -> PeerConfig,
) {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return;
    };
    let annotations = [&[("hold-time", "3s")], annotations].concat();
    stage.peering(TOR_AS, &annotations, &[]);
    stage.node.set("BGP_DAEMON_TAKE_OVER", true);
    stage.node_host.enable_forwarding();
    stage.tor_host.enable_forwarding();
    let mut tor = kind.on(&stage.tor_host, change(stage.tor_config(TOR_AS)));
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    wait_kernel(&stage.node_host, &TOR_PREFIXES.map(prefix), &stage.tor_host);
    if annotations.len() > 1 {
        wait_bfd(&stage);
    }
    // FRR may begin twice.
    let bfd_before = stage.node.log().matches("BFD session").count();
    let (_pod, ping) = ping_a_pod(&stage, kind);
    let watches = [&stage.node_host, &stage.tor_host].map(RouteWatch::start);
    let capture = stage.capture();

    let mut learned = TOR_PREFIXES.map(prefix).to_vec();
    for (exchange, changed) in CHURN.into_iter().enumerate() {
        tor.announce(prefix(changed));
        learned.push(prefix(changed));
        let status = stage.node.succeed();
        assert!(status.success(), "the old process ended with {status}");
        stage.wait_up(&*tor);
        wait_kernel(&stage.node_host, &learned, &stage.tor_host);
        // Another one while it runs, so that the new process is known to read and to write.
        let block = prefix(&format!("10.244.1.{}/26", 64 * (exchange + 1)));
        stage.cluster.block(&stage.node_host, block);
        wait_for("the new block", LONG, || {
            tor.routes_to(block).is_ok_and(|routes| !routes.is_empty())
        });
    }
    // Longer than the hold time.
    let heard = || keepalives(&capture.so_far(), &stage.node_host.ipv4.into());
    let before = heard();
    wait_for("some KEEPALIVEs", LONG, || heard() >= before + 5);
    let log = stage.node.log();
    let taken = log.matches("took 2 sessions over, and ended 0").count();
    assert_eq!(taken, EXCHANGES, "{log}");
    let bfd = log.matches("BFD session").count();
    assert_eq!(bfd, bfd_before, "{log}");
    let trace = capture.finish();
    assert_nothing_was_noticed(&stage, &trace, watches);
    let lost = ping.lost();
    assert!(lost.is_empty(), "lost {lost:?}");
}

/// A pod on the node, and packets that the router sends to it.
fn ping_a_pod(stage: &Stage, kind: Kind) -> (Pod, Ping) {
    let ipv6 = "fd10:244::5".parse().expect("it is an address");
    let pod = Pod::on(&stage.node_host, "pod", [10, 244, 1, 5].into(), ipv6);
    let node = &stage.node_host.ns;
    node.run("ip route replace default via 10.0.0.250");
    if !kind.programs_kernel() {
        let (block, via) = (BLOCKS[0], stage.node_host.ipv4);
        let route = format!("ip route replace {block} via {via}");
        stage.tor_host.ns.run(&route);
    }
    let to = pod.ipv4.into();
    let ping = Ping::start(&stage.node_host, "ping", &stage.tor_host.ns, to);
    (pod, ping)
}

fn assert_nothing_was_noticed(stage: &Stage, trace: &Trace, watches: [RouteWatch; 2]) {
    for host in [&stage.node_host, &stage.tor_host] {
        for address in addresses(host) {
            assert_quiet(trace, address);
        }
    }
    for watch in watches {
        let record = watch.finish();
        for kept in BLOCKS.iter().chain(&TOR_PREFIXES) {
            assert!(!record.removed(prefix(kept)), "{kept} was gone for a while");
        }
    }
}

/// Waits until BFD watches both sessions.
fn wait_bfd(stage: &Stage) {
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 2.0);
}

fn keepalives(trace: &Trace, sender: &IpAddr) -> usize {
    trace.messages(*sender, KEEPALIVE)
}

/// The session went on: nothing but KEEPALIVEs and what was new.
fn assert_quiet(trace: &Trace, sender: IpAddr) {
    assert_eq!(trace.dials(sender), 0, "{sender} dialled");
    assert_eq!(trace.opens(sender), 0, "{sender} sent an OPEN");
    assert_eq!(trace.notifications(sender), [], "{sender} ended a session");
    let told = trace.routes(sender);
    let withdrawn = told.iter().filter(|route| route.starts_with('-'));
    assert_eq!(withdrawn.count(), 0, "{sender} told {told:?}");
    // A router may repeat what it likes.
    let again = BLOCKS.iter().chain(&TOR_PREFIXES).any(|kept| {
        let address = prefix(kept).addr().to_string();
        told.contains(&format!("+{address}"))
    });
    assert!(!again, "{sender} told {told:?}");
}
