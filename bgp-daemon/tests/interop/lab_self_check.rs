//! The laboratory checks itself: BIRD on one side, each other peer on the other. A failure here is a failure of the laboratory or
//! the peer, never ours.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;

use crate::lab::capture::{Capture, Trace};
use crate::lab::host::Host;
use crate::lab::peer::{Kind, PeerConfig, Route, lab_for, prefix};
use crate::lab::requirement::{Requirement, skip};
use crate::lab::wait::{SHORT, wait_for};
use crate::scenario::{
    KERNEL_PROTOCOL, NODE_AS, SessionType, TOR_AS, addresses, wait_down, wait_established,
    wait_kernel, wait_learned,
};

#[test]
fn bird_and_gobgp() {
    pair_with_bird(Kind::GoBgp, SessionType::External);
}

#[test]
fn bird_and_frr() {
    pair_with_bird(Kind::Frr, SessionType::External);
}

#[test]
fn bird_and_openbgpd() {
    pair_with_bird(Kind::OpenBgpd, SessionType::External);
}

#[test]
fn bird_and_exabgp() {
    pair_with_bird(Kind::ExaBgp, SessionType::External);
}

#[test]
fn bird_and_bird_in_one_as() {
    pair_with_bird(Kind::Bird, SessionType::Internal);
}

#[test]
fn passwords_are_of_use() {
    let Some(lab) = lab_for(&[Kind::Bird, Kind::Frr]) else {
        return;
    };
    let (left, right) = (lab.host("left", 1), lab.host("right", 11));
    let config = |host: &Host, asn, neighbor: &Host, neighbor_asn, password: &str| {
        let mut config = PeerConfig::on_lan(host, asn, &[(neighbor, neighbor_asn)]);
        for session in &mut config.neighbors {
            session.password = Some(password.to_owned());
        }
        config
    };
    let mut bird = Kind::Bird.on(&left, config(&left, NODE_AS, &right, TOR_AS, "one"));
    let mut frr = Kind::Frr.on(&right, config(&right, TOR_AS, &left, NODE_AS, "another"));
    let capture = Capture::start(&left);
    bird.start();
    frr.start();
    wait_for("both sides to dial", SHORT, || {
        let trace = capture.so_far();
        trace.dials(left.ipv4.into()) > 1 && trace.dials(right.ipv4.into()) > 1
    });
    assert_eq!(
        capture.finish().opens(left.ipv4.into()),
        0,
        "a session with two passwords"
    );
    frr.stop();
    let mut frr = Kind::Frr.on(&right, config(&right, TOR_AS, &left, NODE_AS, "one"));
    frr.start();
    wait_established("BIRD", &*bird, &right);
}

fn pair_with_bird(kind: Kind, session: SessionType) {
    let Some(lab) = lab_for(&[Kind::Bird, kind]) else {
        return;
    };
    let (left, right) = (lab.host("left", 1), lab.host("right", 11));
    let asn = session.tor_as();
    let left_config = PeerConfig::on_lan(&left, NODE_AS, &[(&right, asn)])
        .announcing(&["10.1.0.0/24", "fd01::/64"]);
    let right_config = PeerConfig::on_lan(&right, asn, &[(&left, NODE_AS)])
        .announcing(&["10.2.0.0/24", "fd02::/64"]);
    let capture = Capture::start(&left);
    let mut bird = Kind::Bird.on(&left, left_config);
    let mut peer = kind.on(&right, right_config);
    bird.start();
    peer.start();

    wait_established("BIRD", &*bird, &right);
    wait_established("the peer", &*peer, &left);
    let left_prefixes = [prefix("10.1.0.0/24"), prefix("fd01::/64")];
    let right_prefixes = [prefix("10.2.0.0/24"), prefix("fd02::/64")];
    let routes = wait_learned("the peer", &*peer, &left_prefixes);
    assert_eq!(routes, expected(&routes, &left, session));
    wait_learned("BIRD", &*bird, &right_prefixes);
    wait_kernel(&left, &right_prefixes, &right);

    let late = prefix("10.3.0.0/16");
    peer.announce(late);
    wait_learned("BIRD", &*bird, &[&right_prefixes[..], &[late]].concat());
    peer.withdraw(late);
    wait_learned("BIRD", &*bird, &right_prefixes);

    peer.kill();
    wait_down("BIRD", &*bird, &right);
    peer.start();
    wait_established("BIRD", &*bird, &right);
    wait_established("the peer", &*peer, &left);
    wait_learned("the peer", &*peer, &left_prefixes);
    wait_learned("BIRD", &*bird, &right_prefixes);

    bird.stop();
    wait_down("the peer", &*peer, &left);
    assert!(
        !left
            .kernel_routes(KERNEL_PROTOCOL)
            .iter()
            .any(|route| route.prefix == late)
    );
    let trace = capture.finish();
    for address in addresses(&left) {
        trace.assert_well_formed(address);
        let last = trace.notifications(address).last().copied();
        assert_eq!(last, Some((6, 2)), "BIRD's Cease from {address}");
    }
}

/// What BIRD's static routes must look like on the other side.
fn expected(routes: &BTreeSet<Route>, origin: &Host, session: SessionType) -> BTreeSet<Route> {
    let external = session == SessionType::External;
    routes
        .iter()
        .map(|route| Route {
            prefix: route.prefix,
            next_hop: origin.address_facing(route.prefix.addr()),
            as_path: if external { vec![NODE_AS] } else { Vec::new() },
            local_pref: if external {
                route.local_pref
            } else {
                Some(100)
            },
            communities: BTreeSet::new(),
        })
        .collect()
}

/// An oracle that never finds anything is useless.
#[test]
#[should_panic(expected = "malformed BGP")]
fn judge_finds_a_malformed_update() {
    if let Some(reason) = Requirement::Program("tshark").missing() {
        skip(&reason);
        panic!("malformed BGP is not looked for here");
    }
    let sender = Ipv4Addr::new(10, 0, 0, 1);
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let file = directory.path().join("malformed.pcap");
    fs::write(&file, pcap(&tcp_packet(sender, &malformed_update()))).expect("it is writable");
    Trace::open(&file).assert_well_formed(sender.into());
}

/// An UPDATE whose attributes are longer than the message.
fn malformed_update() -> Vec<u8> {
    let mut message = vec![0xff; 16];
    message.extend([0, 27, 2, 0, 0, 0, 200, 0x40, 1, 200, 0]);
    message
}

/// An IPv4 packet from `source` to the BGP port, without checksums.
fn tcp_packet(source: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(40 + payload.len()).expect("the payload is short");
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 6, 0, 0]);
    packet.extend(source.octets());
    packet.extend([10, 0, 0, 2]);
    packet.extend([
        0x80, 0, 0, 179, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0,
    ]);
    packet.extend(payload);
    packet
}

/// A capture file of one raw IPv4 packet (link type 228).
fn pcap(packet: &[u8]) -> Vec<u8> {
    let length = u32::try_from(packet.len()).expect("the packet is short");
    let words = [
        0xa1b2_c3d4,
        0x0004_0002_u32,
        0,
        0,
        0xffff,
        228,
        0,
        0,
        length,
        length,
    ];
    words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .chain(packet.iter().copied())
        .collect()
}
