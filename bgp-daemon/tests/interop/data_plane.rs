//! Packets, not only routes: pods wired as Calico wires them, on two nodes with a mesh between them and a router above.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

use crate::lab::Lab;
use crate::lab::host::Host;
use crate::lab::netns::Netns;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer, PeerConfig, lab_for, prefix};
use crate::lab::pod::Pod;
use crate::lab::wait::{SHORT, wait_until};
use crate::scenario::{NODE_AS, TOR_AS, wait_established, wait_learned};

#[test]
fn pings_with_bird_above() {
    pods_reach_each_other_and_the_router(Kind::Bird);
}

#[test]
fn pings_with_frr_above() {
    pods_reach_each_other_and_the_router(Kind::Frr);
}

#[test]
fn pings_with_our_own_above() {
    pods_reach_each_other_and_the_router(Kind::Own);
}

const BLOCKS: [[&str; 2]; 2] = [
    ["10.244.1.0/26", "fd10:244:0:1::/122"],
    ["10.244.2.0/26", "fd10:244:0:2::/122"],
];

fn pods_reach_each_other_and_the_router(kind: Kind) {
    assert!(kind.programs_kernel(), "the router must forward");
    let Some(lab) = lab_for(&[kind]) else { return };
    let tor_host = lab.host("tor", 1);
    tor_host.enable_forwarding();
    let hosts = [lab.host("node1", 11), lab.host("node2", 12)];
    let mut nodes = nodes(&lab, &tor_host, &hosts);
    let neighbors = hosts.each_ref().map(|host| (&**host, NODE_AS));
    let mut tor = kind.on(&tor_host, PeerConfig::on_lan(&tor_host, TOR_AS, &neighbors));
    let pods = [pod(&hosts[0], 1), pod(&hosts[1], 2)];

    tor.start();
    nodes.iter_mut().for_each(Node::start);
    wait_established("the first node", &nodes[0], &hosts[1]);
    wait_all_learned(&*tor);

    for pod in &pods {
        for address in addresses(pod) {
            wait_ping("the router", &tor_host.ns, address);
        }
    }
    for address in addresses(&pods[1]) {
        wait_ping("the pod on the other node", &pods[0].ns, address);
    }
}

fn nodes(lab: &Lab, tor: &Host, hosts: &[Rc<Host>; 2]) -> [Node; 2] {
    let cluster = lab.cluster();
    cluster
        .bgp_configuration(NODE_AS, true, &[])
        .peer_host(tor, TOR_AS)
        .pool("ipv4", "10.244.0.0/16")
        .pool("ipv6", "fd10:244::/48");
    for (host, blocks) in hosts.iter().zip(BLOCKS) {
        host.enable_forwarding();
        // As on a real node; without a default route the kernel would not answer ARP for 169.254.1.1.
        host.ns
            .run(&format!("ip route add default via {}", tor.ipv4));
        host.ns
            .run(&format!("ip -6 route add default via {}", tor.ipv6));
        cluster.node(host);
        for block in blocks {
            cluster.block(host, prefix(block));
        }
    }
    hosts
        .each_ref()
        .map(|host| Node::new(host, cluster.directory()))
}

/// A pod with the address 5 of its node's blocks.
fn pod(host: &Host, number: u8) -> Pod {
    let ipv4 = [10, 244, number, 5].into();
    let ipv6 = Ipv6Addr::new(0xfd10, 0x244, 0, number.into(), 0, 0, 0, 5);
    Pod::on(host, &format!("pod{number}"), ipv4, ipv6)
}

fn addresses(pod: &Pod) -> [IpAddr; 2] {
    [pod.ipv4.into(), pod.ipv6.into()]
}

/// The router has every block; it may also have one by way of the other node, which passes on what the mesh brought.
fn wait_all_learned(tor: &dyn Peer) {
    let blocks: Vec<_> = BLOCKS.iter().flatten().map(|text| prefix(text)).collect();
    let routes = wait_learned("the router", tor, &blocks);
    let learned: BTreeSet<_> = routes.iter().map(|route| route.prefix).collect();
    assert_eq!(learned.len(), 4);
}

fn wait_ping(from: &str, ns: &Netns, to: IpAddr) {
    wait_until(&format!("an answer from {to} to {from}"), SHORT, || {
        ping(ns, to)
    });
}

fn ping(ns: &Netns, to: IpAddr) -> Result<String, String> {
    ns.exec("ping", &["-n", "-c", "1", "-W", "1", &to.to_string()])
}
