//! BFD from YAML to what the peer sees, beside BIRD's and FRR's.

mod load;
mod multihop;
mod views;
mod wire;

use std::net::IpAddr;

use crate::lab::capture::Trace;
use crate::lab::http;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer};
use crate::lab::samples::Samples;
use crate::lab::wait::{LONG, wait_until};
use crate::scenario::{TOR_AS, addresses};
use crate::stage::Stage;
use wire::{Packets, assert_negotiated, bfd_down_told};

/// BIRD, and what its neighbours do not say.
pub(crate) const BIRD: &str = "protocol bfd { interface \"*\" { interval 200 ms; multiplier 3; }; multihop { interval 200 ms; multiplier 3; }; }";

fn samples(node: &Node) -> Result<Samples, String> {
    let socket = node.run_dir().join("bgp-daemon.sock");
    let answer = http::get(&socket, "/metrics", &[]).map_err(|error| error.to_string())?;
    Ok(Samples::read(&answer.body))
}

/// Waits until the sum of a metric over both sessions is so much.
pub(crate) fn wait_sum(node: &Node, metric: &str, labels: &str, wanted: f64) {
    wait_until(&format!("{metric} {labels} to be {wanted}"), LONG, || {
        let found = samples(node)?.sum(metric, &[labels]);
        match found == Some(wanted) {
            true => Ok(()),
            false => Err(format!("{found:?}")),
        }
    });
}

/// A router that speaks BFD, with more settings of its sessions.
pub(crate) fn speaking_bfd(kind: Kind, stage: &Stage, more: &[&str]) -> Box<dyn Peer> {
    let setting = if kind == Kind::Frr { "bfd" } else { "bfd;" };
    let mut config = stage.tor_config(TOR_AS).with(&[setting]).with(more);
    if kind == Kind::Bird {
        config.settings.push(BIRD.into());
    }
    kind.on(&stage.tor_host, config)
}

/// Both sessions come up with BFD; timers change and nothing ends; then the cable of the router goes silent, and the hold time of four
/// minutes has nothing to do with the end.
fn watch(kind: Kind, annotations: &[(&str, &str)], spec: &[&str]) {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return;
    };
    stage.peering(TOR_AS, annotations, spec);
    let mut tor = speaking_bfd(kind, &stage, &[]);
    stage.raise(&mut *tor);
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 2.0);

    let capture = stage.capture();
    stage.peering(TOR_AS, &[("bfd", "500ms/400ms/4")], spec);
    stage.peering(TOR_AS, &[("bfd", "110ms/120ms/3")], spec);
    for address in addresses(&stage.node_host) {
        let peer = stage.tor_host.address_facing(address);
        wait_until("Poll and Final", LONG, || {
            let packets = Packets::of(&capture.so_far(), address, peer);
            assert_negotiated(&packets, 120_000, 110_000)
        });
    }
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 2.0);
    wait_sum(&stage.node, "bgp_bfd_transitions_total", "to=\"down\"", 0.0);
    wait_sum(&stage.node, "bgp_session_flaps_total", "", 0.0);

    stage.tor_host.ns.run("ip link set eth0 down");
    wait_sum(&stage.node, "bgp_session_flaps_total", "", 2.0);
    wait_sum(&stage.node, "bgp_bfd_transitions_total", "to=\"down\"", 2.0);
    wait_sum(&stage.node, "bgp_notifications_total", "code=\"6\"", 2.0);
    for address in addresses(&stage.node_host) {
        wait_told(|| bfd_down_told(&capture.so_far(), address));
    }
}

fn wait_told(mut told: impl FnMut() -> Result<(), String>) {
    wait_until("Cease 6/10", LONG, &mut told);
}

#[test]
fn beside_bird() {
    watch(Kind::Bird, &[("bfd", "50ms/300ms/3")], &[]);
}

#[test]
fn beside_frr() {
    watch(Kind::Frr, &[("bfd", "on")], &[]);
}

/// What documents of Calico Enterprise say.
#[test]
fn failure_detection_mode_of_calico_enterprise() {
    watch(
        Kind::Frr,
        &[],
        &["failureDetectionMode: BFDIfDirectlyConnected"],
    );
}

/// The times of a BFDConfiguration, by the interface that the kernel names.
#[test]
fn times_of_an_interface() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.cluster.put("bfd", BFD_CONFIGURATION);
    let mode = ["failureDetectionMode: BFDIfDirectlyConnected"];
    stage.peering(TOR_AS, &[], &mode);
    let mut tor = speaking_bfd(Kind::Bird, &stage, &[]);
    let capture = stage.capture();
    stage.raise(&mut *tor);
    for address in addresses(&stage.node_host) {
        let peer = stage.tor_host.address_facing(address);
        wait_until("the times of eth0", LONG, || {
            let packets = Packets::of(&capture.so_far(), address, peer);
            assert_negotiated(&packets, 230_000, 220_000)
        });
    }
}

const BFD_CONFIGURATION: &str = "\
apiVersion: projectcalico.org/v3
kind: BFDConfiguration
metadata: {name: racks}
spec:
  interfaces:
  - {matchPattern: \"*\", multiplier: 9}
  - {matchPattern: eth0, minimumSendInterval: 230ms, minimumRecvInterval: 220ms, multiplier: 3}
";

/// The source ports of what an address sent.
fn ports(trace: &Trace, sender: IpAddr) -> Vec<String> {
    let filter = format!("bfd && {}", wire::sent_by(sender));
    let mut ports = trace.fields(&filter, &["udp.srcport"]).concat();
    ports.sort();
    ports.dedup();
    ports
}
