//! What is on the wire: Poll and Final, AdminDown, Cease 6/10 (RFC 9384).

use std::net::IpAddr;

use crate::lab::capture::Trace;
use crate::lab::peer::{Kind, Peer};
use crate::lab::wait::{LONG, wait_until};
use crate::scenario::{TOR_AS, addresses, wait_down};
use crate::stage::Stage;

use super::{ports, speaking_bfd, wait_sum};

const CEASE: &str = "6";
const HARD_RESET: u8 = 9;
const BFD_DOWN: u8 = 10;

/// A control packet, as tshark reads it.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) state: u8,
    poll: bool,
    is_final: bool,
    /// Microseconds.
    desired_tx: u32,
    required_rx: u32,
}

/// Control packets of both sides, in their order.
pub(super) struct Packets {
    pub(super) ours: Vec<Packet>,
    theirs: Vec<Packet>,
}

impl Packets {
    pub(super) fn of(trace: &Trace, ours: IpAddr, theirs: IpAddr) -> Self {
        Self {
            ours: sent(trace, ours),
            theirs: sent(trace, theirs),
        }
    }
}

fn sent(trace: &Trace, sender: IpAddr) -> Vec<Packet> {
    let fields = [
        "bfd.sta",
        "bfd.flags.p",
        "bfd.flags.f",
        "bfd.desired_min_tx_interval",
        "bfd.required_min_rx_interval",
    ];
    let rows = trace.fields(&format!("bfd && {}", sent_by(sender)), &fields);
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let is_set = |text: &str| ["1", "True"].contains(&text);
    let packet = |row: Vec<String>| {
        Some(Packet {
            state: number(&row[0])?.try_into().ok()?,
            poll: is_set(&row[1]),
            is_final: is_set(&row[2]),
            desired_tx: number(&row[3])?,
            required_rx: number(&row[4])?,
        })
    };
    rows.into_iter().filter_map(packet).collect()
}

/// RFC 5880 §6.8.3: we polled with the new times, the peer answered, and we go on without the poll.
pub(super) fn assert_negotiated(
    packets: &Packets,
    desired_tx: u32,
    required_rx: u32,
) -> Result<(), String> {
    let is_new =
        |packet: &&Packet| (packet.desired_tx, packet.required_rx) == (desired_tx, required_rx);
    let mut new = packets.ours.iter().filter(is_new);
    let polled = new.clone().any(|packet| packet.poll);
    let answered = packets.theirs.iter().any(|packet| packet.is_final);
    match polled && answered && new.any(|packet| !packet.poll) {
        true => Ok(()),
        false => Err(format!("{:?}", packets.ours.last())),
    }
}

pub(super) fn sent_by(sender: IpAddr) -> String {
    match sender {
        IpAddr::V4(address) => format!("ip.src == {address}"),
        IpAddr::V6(address) => format!("ipv6.src == {address}"),
    }
}

/// Whether the sender has said Cease 6/10, by itself or in a hard reset (RFC 8538 §3).
pub(super) fn bfd_down_told(trace: &Trace, sender: IpAddr) -> Result<(), String> {
    let filter = format!("bgp.type == 3 && {}", sent_by(sender));
    let fields = ["bgp.notify.major_error", "tcp.payload"];
    let told = trace.fields(&filter, &fields);
    let is_bfd_down = |row: &Vec<String>| {
        let octets = row[1].replace(':', "");
        let of_cease = |tail: &[u8]| {
            let tail: String = tail.iter().map(|octet| format!("{octet:02x}")).collect();
            octets.ends_with(&tail)
        };
        row[0] == CEASE && (of_cease(&[6, BFD_DOWN]) || of_cease(&[6, HARD_RESET, 6, BFD_DOWN]))
    };
    match told.iter().any(is_bfd_down) {
        true => Ok(()),
        false => Err(format!("{told:?}")),
    }
}

/// RFC 5882 §3.2, §4.2: an operator of the router holds its BFD down, and the session goes on; up again, it is watched again.
#[test]
fn the_peers_operator_ends_no_session() {
    let Some(mut stage) = Stage::open(&[Kind::Frr]) else {
        return;
    };
    stage.peering(TOR_AS, &[("bfd", "on")], &[]);
    let mut tor = speaking_bfd(Kind::Frr, &stage, &[]);
    stage.raise(&mut *tor);
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 2.0);
    let capture = stage.capture();
    bfdd(&stage, "shutdown");
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 0.0);
    for address in addresses(&stage.tor_host) {
        let said = sent(&capture.so_far(), address);
        assert!(
            said.iter().any(|packet| packet.state == ADMIN_DOWN),
            "{said:?}"
        );
    }
    stage.wait_up(&*tor);
    bfdd(&stage, "no shutdown");
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 2.0);
    wait_sum(&stage.node, "bgp_session_flaps_total", "", 0.0);
}

/// State 0 of RFC 5880 §4.1.
const ADMIN_DOWN: u8 = 0;

/// A command to FRR's bfdd for the sessions that bgpd has asked for.
fn bfdd(stage: &Stage, command: &str) {
    let directory = stage.tor_host.directory.join("frr").display().to_string();
    for address in addresses(&stage.node_host) {
        let local = stage.tor_host.address_facing(address);
        let peer = format!("peer {address} local-address {local} interface eth0");
        let commands = ["configure terminal", "bfd", &peer, command];
        let mut arguments = vec!["--vty_socket", &directory];
        arguments.extend(commands.iter().flat_map(|command| ["-c", command]));
        let told = stage.tor_host.ns.exec("vtysh", &arguments);
        told.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// RFC 5882 §8: before a planned stop the peer is told that this is no failure.
#[test]
fn a_stop_is_announced_to_bird() {
    is_announced(Kind::Bird, "graceful restart off;");
}

#[test]
fn a_stop_is_announced_to_frr() {
    is_announced(Kind::Frr, "graceful-restart-disable");
}

/// By the last packet, with this setting of the router.
fn is_announced(kind: Kind, without_restart: &str) {
    let announced = stopped(kind, &[without_restart]);
    assert!(
        announced
            .iter()
            .all(|packets| packets.last() == Some(&ADMIN_DOWN)),
        "{announced:?}"
    );
}

/// Some peers would drop the routes.
#[test]
fn a_graceful_restart_is_not_announced() {
    let announced = stopped(Kind::Bird, &[]);
    assert!(
        announced.iter().all(|states| !states.contains(&ADMIN_DOWN)),
        "{announced:?}"
    );
}

/// The states that the node sent while it ended, in each family.
fn stopped(kind: Kind, settings: &[&str]) -> Vec<Vec<u8>> {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return Vec::new();
    };
    stage.peering(TOR_AS, &[("bfd", "100ms/100ms/3")], &[]);
    let mut tor = speaking_bfd(kind, &stage, settings);
    stage.raise(&mut *tor);
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 2.0);
    let capture = stage.capture();
    for address in addresses(&stage.node_host) {
        let peer = stage.tor_host.address_facing(address);
        wait_until("packets of both sides", LONG, || {
            let packets = Packets::of(&capture.so_far(), address, peer);
            match packets.ours.is_empty() || packets.theirs.is_empty() {
                true => Err("none".to_owned()),
                false => Ok(()),
            }
        });
        let ports = ports(&capture.so_far(), address);
        let port: u16 = ports[0].parse().expect("a port");
        // RFC 5881 §4.
        assert!(ports.len() == 1 && port >= 49152, "{ports:?}");
    }
    assert!(stage.node.terminate().success());
    wait_down("the router", &*tor as &dyn Peer, &stage.node_host);
    let trace = capture.finish();
    let states = addresses(&stage.node_host).map(|address| {
        let packets = sent(&trace, address);
        packets.iter().map(|packet| packet.state).collect()
    });
    states.to_vec()
}
