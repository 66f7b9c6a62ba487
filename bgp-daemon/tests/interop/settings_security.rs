//! Permitted connections, their addresses and protection: TCP MD5, TTL security, passive sessions, source addresses, ports.

use std::net::{IpAddr, Ipv4Addr};

use crate::lab::capture::Capture;
use crate::lab::host::Host;
use crate::lab::peer::{Kind, Peer, PeerConfig, prefix};
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::{
    NODE_AS, TOR_AS, addresses, wait_down, wait_established, wait_kernel, wait_learned,
};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

const PASSWORD: [&str; 3] = ["password:", "  secretKeyRef:", "    {name: bgp, key: tor}"];

#[test]
fn a_password_shared_with_bird() {
    a_password_is_changed(Kind::Bird);
}

#[test]
fn a_password_shared_with_frr() {
    a_password_is_changed(Kind::Frr);
}

#[test]
fn a_password_shared_with_gobgp() {
    a_password_is_changed(Kind::GoBgp);
}

#[test]
fn a_password_shared_with_openbgpd() {
    a_password_is_changed(Kind::OpenBgpd);
}

/// First on our side, which ends the session until the peer has the new one too. Another session notices nothing.
fn a_password_is_changed(kind: Kind) {
    let Some(mut stage) = Stage::open(&[kind, Kind::Bird]) else {
        return;
    };
    stage.cluster.secret("bgp", "tor", "the-first-one");
    stage.peering(TOR_AS, &[("connect-retry-time", "1s")], &PASSWORD);
    let other_host = stage.lab.host("other", 2);
    stage.peering_with(&other_host, TOR_AS, &[], &[]);
    let other = PeerConfig::on_lan(&other_host, TOR_AS, &[(&stage.node_host, NODE_AS)]);
    let mut other = Kind::Bird.on(&other_host, other);
    let mut tor = with_password(&stage, kind, "the-first-one");
    other.start();
    stage.raise(&mut *tor);
    wait_established("the other router", &*other, &stage.node_host);

    let (here, there) = (Capture::start(&stage.tor_host), Capture::start(&other_host));
    stage.cluster.secret("bgp", "tor", "the-second-one");
    wait_down("the router", &*tor, &stage.node_host);
    stay_apart(&stage, &here);
    tor.stop();
    tor = with_password(&stage, kind, "the-second-one");
    tor.start();
    stage.wait_up(&*tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));

    let there = there.finish();
    for address in addresses(&stage.node_host) {
        assert_eq!(there.opens(address), 0, "the other session was reset");
        let told = here.so_far().notifications(address);
        assert_eq!(told.first(), Some(&(6, 6)), "the Cease of {address}");
    }
    let printed = stage.node.log();
    for secret in ["the-first-one", "the-second-one"] {
        assert!(!printed.contains(secret), "a password was logged");
    }
}

fn with_password(stage: &Stage, kind: Kind, password: &str) -> Box<dyn Peer> {
    let config = stage
        .tor_config(TOR_AS)
        .with_sessions(|session| session.password = Some(password.to_owned()));
    kind.on(&stage.tor_host, config)
}

/// The node tries and tries again, and does not get as far as an OPEN.
fn stay_apart(stage: &Stage, capture: &Capture) {
    for address in addresses(&stage.node_host) {
        let before = capture.so_far().dials(address);
        wait_for("three more tries", LONG, || {
            capture.so_far().dials(address) >= before + 3
        });
        assert_eq!(capture.so_far().opens(address), 0, "{address}");
    }
    for address in addresses(&stage.tor_host) {
        assert!(!stage.node.established(address));
    }
}

#[test]
fn ttl_security_with_bird() {
    ttl_is_255(Kind::Bird, "ttl security on;");
}

#[test]
fn ttl_security_with_frr() {
    ttl_is_255(Kind::Frr, "ttl-security hops 1");
}

#[test]
fn ttl_security_with_gobgp() {
    ttl_is_255(
        Kind::GoBgp,
        r#"{"ttl-security": {"config": {"enabled": true, "ttl-min": 255}}}"#,
    );
}

#[test]
fn ttl_security_with_openbgpd() {
    ttl_is_255(Kind::OpenBgpd, "ttl-security yes");
}

/// RFC 5082 §3
fn ttl_is_255(kind: Kind, theirs: &str) {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &["ttlSecurity: 1"]);
    let mut tor = kind.on(&stage.tor_host, stage.tor_config(TOR_AS).with(&[theirs]));
    let capture = stage.capture();
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    let trace = capture.finish();
    for (filter, field) in [
        (
            format!("bgp && ip.src == {}", stage.node_host.ipv4),
            "ip.ttl",
        ),
        (
            format!("bgp && ipv6.src == {}", stage.node_host.ipv6),
            "ipv6.hlim",
        ),
    ] {
        let sent = trace.fields(&filter, &[field]);
        assert!(!sent.is_empty(), "nothing from {filter}");
        assert!(sent.iter().all(|row| row[0] == "255"), "{sent:?}");
    }
}

/// BIRD sends with TTL 1 to a neighbour on its link, and so may anybody: its OPEN does not get in, however often TCP sends it.
#[test]
fn ttl_security_keeps_others_out() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &["ttlSecurity: 1"]);
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS));
    let capture = stage.capture();
    tor.start();
    stage.node.start();
    let Host { ipv4, ipv6, .. } = &*stage.tor_host;
    for filter in [
        format!("tcp.len > 0 && ip.ttl < 255 && ip.src == {ipv4}"),
        format!("tcp.len > 0 && ipv6.hlim < 255 && ipv6.src == {ipv6}"),
    ] {
        wait_for("the OPEN again and again", LONG, || {
            capture.so_far().fields(&filter, &["frame.number"]).len() >= 4
        });
    }
    for address in addresses(&stage.tor_host) {
        assert!(!stage.node.established(address));
    }
}

#[test]
fn a_passive_session_waits() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[("passive", "true")], &[]);
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS));
    let capture = stage.capture();
    stage.raise(&mut *tor);
    let trace = capture.finish();
    for address in addresses(&stage.node_host) {
        assert_eq!(trace.dials(address), 0, "{address} must wait");
    }
}

#[test]
fn an_active_session_dials_a_passive_peer() {
    let Some(mut stage) = Stage::open(&[Kind::OpenBgpd]) else {
        return;
    };
    stage.peering(TOR_AS, &[("passive", "false")], &[]);
    let config = stage.tor_config(TOR_AS);
    let config = config.with_sessions(|session| session.passive = true);
    let mut tor = Kind::OpenBgpd.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
}

/// The kernel would choose another source address than the node's.
#[test]
fn the_source_address_is_the_nodes_or_the_kernels() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let other = Ipv4Addr::new(10, 0, 0, 77);
    let ns = &stage.node_host.ns;
    ns.run(&format!("ip addr add {other}/24 dev eth0"));
    ns.run(&format!(
        "ip route replace 10.0.0.0/24 dev eth0 proto kernel src {other}"
    ));
    let mut config = stage.tor_config(TOR_AS);
    config.neighbors.retain(|session| session.address.is_ipv4());
    let mut second = config.neighbors[0].clone();
    second.address = other.into();
    config.neighbors.push(second);
    let config = config.with_sessions(|session| session.passive = true);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);

    stage.peering(TOR_AS, &[], &["sourceAddress: None"]);
    tor.start();
    stage.node.start();
    wait_for("a session from the kernel's choice", LONG, || {
        tor.established(other.into())
    });
    stage.peering(TOR_AS, &[], &["sourceAddress: UseNodeIP"]);
    let own: IpAddr = stage.node_host.ipv4.into();
    wait_for("a session from the node's address", LONG, || {
        tor.established(own) && !tor.established(other.into())
    });
}

#[test]
fn a_peer_listens_on_another_port() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    for (name, address) in [("ipv4", "10.0.0.1:1790"), ("ipv6", "[fd00::1]:1790")] {
        stage.cluster.peer_with(name, address, TOR_AS, &[], &[]);
    }
    let config = stage.tor_config(TOR_AS).with(&["local port 1790;"]);
    let config = config.with_sessions(|session| session.passive = true);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    tor.start();
    stage.node.start();
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    wait_kernel(&stage.node_host, &TOR_PREFIXES.map(prefix), &stage.tor_host);
}
