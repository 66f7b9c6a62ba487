//! Peers outside of the node's network, behind a gateway: BGP itself must add a route to it.

use std::net::IpAddr;
use std::rc::Rc;

use crate::lab::host::Host;
use crate::lab::peer::{Kind, PeerConfig, prefix};
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::{NODE_AS, TOR_AS, wait_kernel, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

/// The router's addresses, which only the gateway has a route to.
pub(crate) const FAR: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

/// Without `reachableBy` the node has no way to the router: there is no default route.
///
/// Promise 5.13.
#[test]
fn a_peer_behind_a_gateway() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let gateway = Rc::clone(&stage.tor_host);
    let router = behind(&gateway, stage.lab.host("far", 2));
    let mut config = PeerConfig::on_lan(&router, TOR_AS, &[(&stage.node_host, NODE_AS)])
        .announcing(&TOR_PREFIXES)
        .with(&["multihop;"]);
    for (session, own) in config.neighbors.iter_mut().zip(FAR) {
        session.local = own.parse().expect("an address");
    }
    let mut tor = Kind::Bird.on(&router, config);
    let ways: [IpAddr; 2] = [gateway.ipv4.into(), gateway.ipv6.into()];
    for ((name, far), way) in [("far-ipv4", FAR[0]), ("far-ipv6", FAR[1])]
        .into_iter()
        .zip(ways)
    {
        let by = format!("reachableBy: \"{way}\"");
        stage.cluster.peer_with(name, far, TOR_AS, &[], &[&by]);
    }
    tor.start();
    stage.node.start();
    for far in FAR {
        let far = far.parse().expect("an address");
        wait_for(&format!("the session with {far}"), LONG, || {
            stage.node.established(far)
        });
    }
    // The route to the router is not announced.
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    let ways = ["192.0.2.1/32", "2001:db8::1/128"];
    let expected: Vec<_> = ways
        .iter()
        .chain(&TOR_PREFIXES)
        .map(|text| prefix(text))
        .collect();
    wait_kernel(&stage.node_host, &expected, &gateway);

    stage
        .cluster
        .remove_peer("far-ipv4")
        .remove_peer("far-ipv6");
    wait_kernel(&stage.node_host, &[], &gateway);
}

/// Takes a host from the segment and links it with the gateway.
pub(crate) fn behind(gateway: &Host, far: Rc<Host>) -> Rc<Host> {
    gateway.enable_forwarding();
    far.ns.run("ip link del eth0");
    gateway.ns.link("far", &far.ns, "eth0");
    for ns in [&gateway.ns, &far.ns] {
        ns.sysctl("net/ipv6/conf/all/accept_dad", "0");
    }
    for line in [
        "ip addr add 192.0.2.2/30 dev far",
        "ip addr add 2001:db8::2/64 dev far nodad",
        "ip link set far up",
    ] {
        gateway.ns.run(line);
    }
    for line in [
        "ip addr add 192.0.2.1/30 dev eth0",
        "ip addr add 2001:db8::1/64 dev eth0 nodad",
        "ip link set eth0 up",
        "ip route add default via 192.0.2.2",
        "ip -6 route add default via 2001:db8::2",
    ] {
        far.ns.run(line);
    }
    far
}
