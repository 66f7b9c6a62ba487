//! Packets through our node while its daemon ends, by SIGTERM and by SIGKILL, and starts again, with a router above that helps
//! (RFC 4724): none is lost, neither to a pod nor from it over a learned route.

use std::net::IpAddr;

use crate::dynamic_peers::accept;
use crate::graceful_restart::helping;
use crate::lab::host::Host;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, prefix};
use crate::lab::ping::Ping;
use crate::lab::pod::Pod;
use crate::lab::rib_watch::RibWatch;
use crate::scenario::{TOR_AS, wait_down, wait_kernel, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

#[test]
fn no_packet_is_lost_with_bird_above() {
    no_packet_is_lost(Kind::Bird);
}

/// The router is only known after it has connected.
#[test]
fn no_packet_is_lost_with_bird_from_a_range_above() {
    let settings = format!("asNumber: {TOR_AS}");
    no_packet_is_lost_by(Kind::Bird, |stage| {
        accept(&stage.cluster, "tors", &[], &[&settings])
    });
}

#[test]
fn no_packet_is_lost_with_frr_above() {
    no_packet_is_lost(Kind::Frr);
}

/// It writes no routes, so those to the pods are put there, and its table is watched.
#[test]
fn no_packet_is_lost_with_gobgp_above() {
    no_packet_is_lost(Kind::GoBgp);
}

/// Addresses in what the router announces.
const BEYOND: [&str; 2] = ["172.20.1.1", "fd20:1::1"];
/// Each is withdrawn during one of the restarts, so that the end of recovery can be seen.
const GONE: [&str; 2] = ["172.20.2.0/24", "172.20.3.0/24"];
/// How our daemon ends.
const ENDS: [fn(&mut Node); 2] = [
    |node| {
        let status = node.terminate();
        assert!(status.success(), "the node ended with {status}");
    },
    Node::kill,
];
/// Nobody has it: only learned routes lead anywhere.
const NOWHERE: [&str; 2] = ["10.0.0.250", "fd00::250"];

fn no_packet_is_lost(kind: Kind) {
    no_packet_is_lost_by(kind, |stage| stage.peering(TOR_AS, &[], &[]));
}

fn no_packet_is_lost_by(kind: Kind, configure: impl Fn(&Stage)) {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return;
    };
    configure(&stage);
    wire(&stage.node_host, &stage.tor_host);
    if !kind.programs_kernel() {
        let node = [stage.node_host.ipv4.into(), stage.node_host.ipv6.into()];
        for (block, via) in BLOCKS.into_iter().zip::<[IpAddr; 2]>(node) {
            let route = format!("ip route add {block} via {via}");
            stage.tor_host.ns.run(&route);
        }
    }
    let pod = Pod::on(
        &stage.node_host,
        "pod",
        [10, 244, 1, 5].into(),
        "fd10:244::5".parse().expect("it is an address"),
    );
    let config = helping(kind, stage.tor_config(TOR_AS).announcing(&GONE));
    let mut tor = kind.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    let [ipv4, ipv6] = TOR_PREFIXES.map(prefix);
    let mut learned = vec![ipv4, ipv6, prefix(GONE[0]), prefix(GONE[1])];
    wait_kernel(&stage.node_host, &learned, &stage.tor_host);

    let watch = (kind == Kind::GoBgp).then(|| RibWatch::start(&stage.tor_host));
    let pings = streams(&stage, &pod);
    for end in ENDS {
        end(&mut stage.node);
        wait_down("the router", &*tor, &stage.node_host);
        tor.withdraw(learned.pop().expect("one for each"));
        stage.node.start();
        stage.wait_up(&*tor);
        wait_kernel(&stage.node_host, &learned, &stage.tor_host);
        wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    }
    if let Some(watch) = watch {
        for block in BLOCKS {
            assert!(!watch.lost(block), "{block} was gone for a while");
        }
    }
    for (name, ping) in pings {
        let lost = ping.lost();
        assert!(lost.is_empty(), "{name} lost {lost:?}");
    }
}

fn wire(node: &Host, tor: &Host) {
    for host in [node, tor] {
        host.enable_forwarding();
    }
    // Without a default route the kernel would not answer ARP for 169.254.1.1.
    for gateway in NOWHERE {
        node.ns.run(&format!("ip route add default via {gateway}"));
    }
    for address in BEYOND {
        tor.ns.run(&format!("ip addr add {address} dev lo"));
    }
}

fn streams(stage: &Stage, pod: &Pod) -> Vec<(String, Ping)> {
    let to_pod = [pod.ipv4.into(), pod.ipv6.into()].map(|to| (&stage.tor_host.ns, to));
    let beyond = BEYOND.map(|text| text.parse::<IpAddr>().expect("it is an address"));
    let from_pod = beyond.map(|to| (&pod.ns, to));
    let streams = to_pod.into_iter().chain(from_pod);
    let started = streams.map(|(from, to)| {
        let name = format!("ping-{to}");
        let ping = Ping::start(&stage.node_host, &name, from, to);
        (name, ping)
    });
    started.collect()
}
