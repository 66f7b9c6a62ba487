//! port-taken, not-permitted, no-export, next-hop, kernel-refuses, rp-filter, forwarding-off, other-speaker.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use super::*;
use crate::lab::process::Process;
use crate::stage::{BLOCKS, TOR_PREFIXES};

/// A node and BIRD, with a session that is up or coming up.
fn well(spec: &[&str], change: impl FnOnce(PeerConfig) -> PeerConfig) -> Option<Ward> {
    let mut ward = Ward::open(&[Kind::Bird])?;
    ward.peering(TOR_AS, &[], spec);
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, change(ward.tor_config()));
    tor.start();
    ward.tor = Some(tor);
    Some(ward)
}

/// The same, and it is up.
fn up(spec: &[&str]) -> Option<Ward> {
    let mut ward = well(spec, |config| config)?;
    ward.stage.node.start();
    ward.wait_up();
    Some(ward)
}

#[test]
fn port_taken() {
    let Some(mut ward) = well(&[], |config| config) else {
        return;
    };
    let taken = ward
        .stage
        .node_host
        .ns
        .spawn(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 179)));
    let taken = taken.join().expect("no panic").expect("the port is free");
    ward.diagnose(&["--preflight"]).assert_ids(&["port-taken"]);
    ward.stage.node.start();
    ward.wait_up();
    let found = ward.assert_ids(&["port-taken"]).text("port-taken");
    assert!(found.contains("0.0.0.0:179"), "{found}");
    drop(taken);
    wait_for("the port", LONG, || ward.diagnose(&[]).ids().is_empty());
}

#[test]
fn not_permitted() {
    for missing in ["net_bind_service", "net_admin"] {
        let Some(mut ward) = well(&[], |config| config) else {
            return;
        };
        let without = [
            format!("--bounding-set=-{missing}"),
            format!("--inh-caps=-{missing}"),
        ];
        ward.stage
            .node
            .launch_by(&["setpriv", &without[0], &without[1]]);
        ward.stage.node.start();
        ward.wait_up();
        let found = ward.assert_ids(&["not-permitted"]).text("not-permitted");
        assert!(found.contains(&missing.to_uppercase()), "{found}");
    }
}

#[test]
fn no_export() {
    let Some(mut ward) = well(&["filters: [none]"], |config| config) else {
        return;
    };
    ward.stage.cluster.put(
        "filter-none",
        "{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: none}, spec: {exportV4: [{action: Reject}]}}",
    );
    ward.stage.node.start();
    ward.wait_up();
    let found = ward.assert_ids(&["no-export"]).text("no-export");
    assert!(found.contains("10.244.1.0/26"), "{found}");
}

#[test]
fn next_hop() {
    let change = |config: PeerConfig| {
        config.with_per_family(&[
            "export filter { bgp_next_hop = 192.0.2.66; accept; }; next hop keep on;",
        ])
    };
    let Some(mut ward) = well(&[], change) else {
        return;
    };
    ward.stage.node.start();
    ward.wait_up();
    let learned = crate::lab::peer::prefix(TOR_PREFIXES[0]);
    wait_for("the route", LONG, || {
        ward.stage
            .node
            .routes_to(learned)
            .is_ok_and(|routes| !routes.is_empty())
    });
    let found = ward.assert_ids(&["next-hop"]).text("next-hop");
    assert!(found.contains("192.0.2.66"), "{found}");
}

#[test]
fn kernel_refuses() {
    let Some(mut ward) = well(&[], |config| config) else {
        return;
    };
    // In the place of the node's own block.
    let ns = &ward.stage.node_host.ns;
    ns.run(&format!(
        "ip route add blackhole {} proto static",
        BLOCKS[0]
    ));
    ward.stage.node.start();
    ward.wait_up();
    wait_for("the refusal", LONG, || {
        let status = ward.stage.node.print(&["node", "status", "-o", "json"]);
        status.contains("in the way")
    });
    let found = ward.assert_ids(&["kernel-refuses"]).text("kernel-refuses");
    assert!(found.contains("a route of protocol 4"), "{found}");
}

/// It has a route to what a peer announces, or to a block of this node.
#[test]
fn other_speaker_that_is_felix() {
    for (route, words) in [
        (format!("{} via 10.0.0.1", TOR_PREFIXES[0]), TOR_PREFIXES[0]),
        (format!("blackhole {}", BLOCKS[0]), "in the way"),
    ] {
        let Some(mut ward) = well(&[], |config| config) else {
            return;
        };
        let ns = &ward.stage.node_host.ns;
        ns.run(&format!("ip route add {route} proto 80"));
        ward.stage.node.start();
        ward.wait_up();
        let learned = crate::lab::peer::prefix(TOR_PREFIXES[0]);
        wait_for("the route", LONG, || {
            let routes = ward.stage.node.routes_to(learned);
            routes.is_ok_and(|routes| !routes.is_empty())
        });
        wait_for("the diagnosis", LONG, || {
            ward.diagnose(&[]).findings[0].to_string().contains(words)
        });
        let found = ward.assert_ids(&["other-speaker"]).text("other-speaker");
        assert!(found.contains("Felix"), "{found}");
    }
}

/// It writes routes with the number that is ours too.
#[test]
fn other_speaker_that_is_bird() {
    let Some(ward) = up(&[]) else {
        return;
    };
    ward.assert_ids(&[]);
    let host = &ward.stage.node_host;
    let config = "log stderr all;\nrouter id 10.0.0.11;\nprotocol device {}\n\
                  protocol kernel { ipv4 { export all; }; }\n\
                  protocol static { ipv4; route 172.20.1.0/24 via 10.0.0.1; route 172.20.9.0/24 via 10.0.0.1; }\n";
    fs::write(host.directory.join("other.conf"), config).expect("the directory is ours");
    let arguments = [
        "-f",
        "-c",
        "other.conf",
        "-s",
        "other.ctl",
        "-P",
        "other.pid",
    ];
    let _bird = Process::start(host, "bird", "bird", &arguments);
    wait_for("the other speaker's routes", LONG, || {
        let status = ward.stage.node.print(&["node", "status", "-o", "json"]);
        status.contains("another program writes routes")
    });
    ward.assert_ids(&["other-speaker"]);
    let before = ward.diagnose(&["--preflight"]);
    assert!(
        before.text("other-speaker").contains("`bird` (pid "),
        "{before:#?}"
    );
}

#[test]
fn forwarding_off() {
    let Some(ward) = up(&[]) else {
        return;
    };
    let ns = &ward.stage.node_host.ns;
    for (key, name) in [
        ("net/ipv4/ip_forward", "net.ipv4.ip_forward"),
        (
            "net/ipv6/conf/all/forwarding",
            "net.ipv6.conf.all.forwarding",
        ),
    ] {
        ns.sysctl(key, "0");
        let found = ward.assert_ids(&["forwarding-off"]).text("forwarding-off");
        assert!(found.contains(name), "{found}");
        ns.sysctl(key, "1");
    }
}

/// The router answers by another interface than that by which it is reached.
#[test]
fn rp_filter() {
    let passive = |config: PeerConfig| config.with_sessions(|session| session.passive = true);
    let Some(mut ward) = well(&[], passive) else {
        return;
    };
    let (node, tor) = (&ward.stage.node_host.ns, &ward.stage.tor_host.ns);
    tor.link("eth1", node, "eth1");
    node.run("ip addr add 10.0.1.11/24 dev eth1");
    node.run("ip link set eth1 up");
    tor.run("ip addr add 10.0.1.1/24 dev eth1");
    // The question for the hardware address would be dropped for its source too, and not counted.
    tor.sysctl("net/ipv4/conf/eth1/arp_announce", "2");
    tor.run("ip link set eth1 up");
    tor.run("ip route add 10.0.0.11/32 via 10.0.1.11 src 10.0.0.1");
    node.sysctl("net/ipv4/conf/eth1/rp_filter", "1");
    ward.stage.node.start();
    let found = ward.assert_ids(&["rp-filter"]).text("rp-filter");
    assert!(found.contains("eth1"), "{found}");
}
