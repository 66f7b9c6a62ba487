//! A router that is not on the node's network is watched over several hops (RFC 5883).

use std::net::IpAddr;
use std::rc::Rc;

use crate::beyond_the_link::{FAR, behind};
use crate::lab::peer::{Kind, PeerConfig};
use crate::lab::wait::{LONG, wait_for, wait_until};
use crate::scenario::{NODE_AS, TOR_AS, addresses};
use crate::stage::Stage;

use super::wire::bfd_down_told;
use super::{BIRD, wait_sum};

#[test]
fn beside_bird() {
    watch(Kind::Bird, &["multihop;", "bfd;"]);
}

#[test]
fn beside_frr() {
    watch(Kind::Frr, &["ebgp-multihop", "bfd"]);
}

fn watch(kind: Kind, settings: &[&str]) {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return;
    };
    let gateway = Rc::clone(&stage.tor_host);
    let router = behind(&gateway, stage.lab.host("far", 2));
    let mut config = PeerConfig::on_lan(&router, TOR_AS, &[(&stage.node_host, NODE_AS)]);
    config = config.with(settings);
    if kind == Kind::Bird {
        config.settings.push(BIRD.into());
    }
    let far = FAR.map(|text| text.parse::<IpAddr>().expect("an address"));
    for (session, own) in config.neighbors.iter_mut().zip(far) {
        session.local = own;
    }
    let mut tor = kind.on(&router, config);
    for (name, far) in [("far-ipv4", far[0]), ("far-ipv6", far[1])] {
        let by = format!("reachableBy: \"{}\"", gateway.address_facing(far));
        let bfd = [("bgp-daemon.io/bfd", "200ms/200ms/3")];
        stage
            .cluster
            .peer_with(name, &far.to_string(), TOR_AS, &bfd, &[&by]);
    }
    let capture = stage.capture();
    tor.start();
    stage.node.start();
    for far in far {
        wait_for(&format!("the session with {far}"), LONG, || {
            stage.node.established(far)
        });
    }
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 2.0);
    router.ns.run("ip link set eth0 down");
    wait_sum(&stage.node, "bgp_session_flaps_total", "", 2.0);
    for address in addresses(&stage.node_host) {
        wait_until("Cease 6/10", LONG, || {
            bfd_down_told(&capture.so_far(), address)
        });
    }
}
