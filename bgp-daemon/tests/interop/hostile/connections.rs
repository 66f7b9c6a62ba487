//! Clients that connect too often, stay too long, or are silent.

use std::collections::VecDeque;
use std::process::Command;

use socket2::{Domain, Protocol, Socket, Type};

use super::*;
use crate::lab::peer::PeerConfig;
use crate::scenario::{NODE_AS, wait_established};

/// Few enough that the reserve of descriptors matters.
const DESCRIPTORS: usize = 1024;
/// Connections that are kept open by the hostile ones, more than the daemon has descriptors.
const KEPT: usize = 1500;
/// What a hostile peer may take of them: a session's two connections, some that wait for it, and some that linger.
const OF_ONE_PEER: usize = 16;

#[test]
fn bad_opens_that_stay() {
    connections_that_stay(octets(&[open(NODE_AS + 1)]));
}

#[test]
fn silence_that_stays() {
    connections_that_stay(Vec::new());
}

#[test]
fn half_an_open_that_stays() {
    let mut half = octets(&[open(MALLORY_AS)]);
    half.truncate(25);
    connections_that_stay(half);
}

#[test]
fn garbage_that_stays() {
    connections_that_stay(vec![0x42; 4096]);
}

/// A configured peer connects as fast as it can, always sends the same and does not disconnect. Other peers can still connect.
fn connections_that_stay(words: Vec<u8>) {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    limit_descriptors(&siege, DESCRIPTORS);
    let late = siege.stage.lab.host("late", 7);
    siege.stage.peering_with(&late, TOR_AS + 1, &[], &[]);
    let before = siege.descriptors();
    let flood = flood_of(&siege, words);
    flood.wait(2 * KEPT);
    let config = PeerConfig::on_lan(&late, TOR_AS + 1, &[(&siege.stage.node_host, NODE_AS)]);
    let mut bird = Kind::Bird.on(&late, config);
    bird.start();
    wait_established("the late one", &*bird, &siege.stage.node_host);
    siege.withstand();
    // The late one has one for each family.
    let now = siege.descriptors();
    assert!(
        now <= before + OF_ONE_PEER + 4,
        "{before} descriptors became {now}"
    );
    drop(flood);
    let log = siege.stage.node.log();
    let warnings = log.lines().filter(|line| line.contains("WARN"));
    assert!(warnings.count() < 30, "a warning is repeated");
}

fn flood_of(siege: &Siege, words: Vec<u8>) -> Flood {
    let target = siege.target();
    let mut kept = VecDeque::new();
    Flood::start(&siege.mallory, move || {
        if let Some(mut client) = connect(target) {
            // It may have been closed already.
            client.write_all(&words).ok();
            kept.push_back(client);
        }
        if kept.len() > KEPT {
            kept.pop_front();
        }
    })
}

/// Somebody who is not a peer connects as fast as he can.
#[test]
fn strangers() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    limit_descriptors(&siege, DESCRIPTORS);
    let stranger = siege.stage.lab.host("stranger", 99);
    let before = siege.descriptors();
    let target = siege.target();
    let mut kept = VecDeque::new();
    let flood = Flood::start(&stranger, move || {
        kept.extend(connect(target));
        if kept.len() > KEPT {
            kept.pop_front();
        }
    });
    flood.wait(2 * KEPT);
    siege.withstand();
    let now = siege.descriptors();
    assert!(
        now <= before + OF_ONE_PEER,
        "{before} descriptors became {now}"
    );
}

/// With hardly any descriptors, a few are left for all that is not a connection, and the shortage is named while it lasts.
#[test]
fn the_last_descriptors_are_not_for_connections() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let before = siege.descriptors();
    limit_descriptors(&siege, before + 10);
    let flood = flood_of(&siege, Vec::new());
    let named = |siege: &Siege| {
        let status = siege.stage.node.print(&["node", "status", "-o", "json"]);
        status.contains("cannot be accepted: Too many open files")
    };
    wait_for("the shortage to be named", SHORT, || named(&siege));
    siege.withstand();
    drop(flood);
    limit_descriptors(&siege, DESCRIPTORS);
    wait_for("the shortage to be over", SHORT, || !named(&siege));
}

/// Many handshakes begin from the address of a peer that is not there, and none goes on. Who comes then gets in.
#[test]
fn handshakes_that_do_not_go_on() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let absent = Ipv4Addr::new(10, 0, 0, 68);
    let cluster = &siege.stage.cluster;
    cluster.peer("absent", absent.into(), MALLORY_AS, &[]);
    let node = siege.stage.node_host.ipv4;
    let mut port: u16 = 1024;
    let mut raw = None;
    let flood = Flood::start(&siege.mallory, move || {
        let raw = raw.get_or_insert_with(|| {
            Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(IPPROTO_RAW)))
                .expect("root may send packets")
        });
        port = port.checked_add(1).unwrap_or(1024);
        let target = SocketAddr::new(node.into(), 179);
        // A full queue of the device does not matter.
        raw.send_to(&syn(absent, node, port), &target.into()).ok();
    });
    flood.wait(20_000);
    let begun = siege.stage.node_host.ns.run("ss -Htn state syn-recv");
    assert!(begun.lines().count() > 100, "{begun}");
    let late = siege.stage.lab.host("late", 7);
    siege.stage.peering_with(&late, TOR_AS + 1, &[], &[]);
    let config = PeerConfig::on_lan(&late, TOR_AS + 1, &[(&siege.stage.node_host, NODE_AS)]);
    let mut bird = Kind::Bird.on(&late, config);
    bird.start();
    wait_established("the late one", &*bird, &siege.stage.node_host);
    siege.withstand();
}

const IPPROTO_RAW: i32 = 255;

/// A packet that begins a TCP connection to port 179. The kernel fills in the checksum of the IP header.
fn syn(source: Ipv4Addr, target: Ipv4Addr, port: u16) -> Vec<u8> {
    let mut tcp = [0; 20];
    tcp[..2].copy_from_slice(&port.to_be_bytes());
    tcp[2..4].copy_from_slice(&179u16.to_be_bytes());
    tcp[12..16].copy_from_slice(&[5 << 4, 0x02, 0xff, 0xff]);
    let pseudo = [&source.octets()[..], &target.octets(), &[0, 6, 0, 20], &tcp].concat();
    let words = pseudo
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    tcp[16..18].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    let ip = [0x45, 0xc0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0];
    [&ip[..], &source.octets(), &target.octets(), &tcp].concat()
}

fn limit_descriptors(siege: &Siege, limit: usize) {
    let pid = siege.stage.node.id().to_string();
    let limit = format!("--nofile={limit}:");
    let status = Command::new("prlimit")
        .args(["--pid", &pid, &limit])
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "prlimit (util-linux) fails"
    );
}

/// The daemon takes as many descriptors as it may have.
#[test]
fn the_limit_of_open_files_is_the_highest() {
    let Some(siege) = Siege::lay(&[]) else {
        return;
    };
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", siege.stage.node.id()));
    let limits = limits.expect("the daemon runs");
    let row = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let row: Vec<&str> = row.expect("a row").split_whitespace().collect();
    assert_eq!(row[3], row[4], "{row:?}");
}
