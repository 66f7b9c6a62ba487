//! no-route, refused, unanswered, wrong-source.

use std::net::SocketAddr;

use socket2::{Domain, SockFilter, Socket, Type};

use super::*;

#[test]
fn no_route() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, ward.tor_config());
    ward.peering_at("192.0.2.1", TOR_AS, &[], &[]);
    ward.raise(&mut *tor);
    let found = ward.assert_ids(&["no-route"]).text("no-route");
    assert!(
        found.contains("192.0.2.1: Network is unreachable"),
        "{found}"
    );
    let ns = &ward.stage.node_host.ns;
    for kind in ["blackhole", "unreachable", "prohibit"] {
        ns.run(&format!("ip route replace {kind} 192.0.2.1/32"));
        ward.assert_ids(&["no-route"]);
    }
    ns.run("ip route del prohibit 192.0.2.1/32");
    // A router that has no way itself.
    ns.run("ip route add 192.0.2.1/32 via 10.0.0.1");
    ward.stage.tor_host.enable_forwarding();
    ward.stage
        .tor_host
        .ns
        .run("ip route add unreachable 192.0.2.1/32");
    wait_for("the router's word", LONG, || {
        let row = ward
            .stage
            .node
            .session("192.0.2.1".parse().expect("an address"));
        row.is_ok_and(|row| row.contains("No route to host"))
    });
    ward.assert_ids(&["no-route"]);
}

#[test]
fn refused() {
    let Some(mut ward) = Ward::open(&[]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &[]);
    ward.stage.node.start();
    let found = ward.assert_ids(&["refused"]).text("refused");
    assert!(found.contains("Connection refused"), "{found}");
}

/// The reset is not signed, and the session does not hear it.
#[test]
fn refused_with_a_password() {
    let Some(mut ward) = Ward::open(&[]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &security::PASSWORD);
    ward.stage.cluster.secret("bgp", "tor", "secret");
    ward.stage.node.start();
    ward.assert_ids(&["refused"]);
}

#[test]
fn unanswered_as_nobody_has_the_address() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.peering_at("10.0.0.99", TOR_AS, &[], &[]);
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, ward.tor_config());
    ward.raise(&mut *tor);
    let found = ward.assert_ids(&["unanswered"]).text("unanswered");
    assert!(found.contains("does not answer on the link"), "{found}");
}

/// The machine drops what comes from this node.
#[test]
fn unanswered_by_a_machine_that_drops() {
    let Some(mut ward) = Ward::open(&[]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &[]);
    ward.stage
        .tor_host
        .ns
        .run("ip route add blackhole 10.0.0.11/32");
    ward.stage.node.start();
    ward.assert_ids(&["unanswered"]);
}

/// The machine answers, and drops what comes to the port.
#[test]
fn unanswered_by_a_port_that_drops() {
    let Some(mut ward) = Ward::open(&[]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &[]);
    let address: SocketAddr = (ward.stage.tor_host.ipv4, 179).into();
    let listener = ward.stage.tor_host.ns.spawn(move || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&address.into())?;
        socket.listen(1)?;
        // A program of the packet filter that takes no octet of any segment.
        socket.attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])?;
        Ok::<_, std::io::Error>(socket)
    });
    let _listener = listener.join().expect("no panic").expect("it listens");
    ward.stage.node.start();
    let found = ward.assert_ids(&["unanswered"]).text("unanswered");
    assert!(
        found.contains("the machine answers on closed ports"),
        "{found}"
    );
}

/// `BPF_RET | BPF_K` of `linux/filter.h`.
const RETURN: u16 = 0x06;

/// A speaker that hangs: its kernel still accepts.
#[test]
fn unanswered_by_a_speaker_that_hangs() {
    let Some(mut ward) = Ward::open(&[]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &[]);
    let address = (ward.stage.tor_host.ipv4, 179);
    let listener = ward
        .stage
        .tor_host
        .ns
        .spawn(move || std::net::TcpListener::bind(address));
    let _listener = listener
        .join()
        .expect("no panic")
        .expect("the port is free");
    ward.stage.node.start();
    ward.wait_row("OpenSent");
    let found = ward.assert_ids(&["unanswered"]).text("unanswered");
    assert!(found.contains("no OPEN has come"), "{found}");
}

/// The router knows this node by another address.
#[test]
fn wrong_source_of_ours() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &[]);
    let config = ward.tor_config();
    let config =
        config.with_sessions(|session| session.address = "10.0.0.77".parse().expect("an address"));
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, config);
    ward.raise(&mut *tor);
    ward.wait_row("Socket:");
    let found = ward.assert_ids(&["wrong-source"]).text("wrong-source");
    assert!(found.contains("10.0.0.11"), "{found}");
}

/// The router comes from another address than the one that is configured here.
#[test]
fn wrong_source_of_theirs() {
    let Some(mut ward) = Ward::open(&[Kind::GoBgp]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &[]);
    ward.stage
        .tor_host
        .ns
        .run("ip addr add 10.0.0.2/24 dev eth0");
    let config = ward.tor_config();
    let config =
        config.with_sessions(|session| session.local = "10.0.0.2".parse().expect("an address"));
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, config);
    ward.raise(&mut *tor);
    wait_for("the stranger", LONG, || {
        let found = ward.diagnose(&[]);
        found
            .findings
            .iter()
            .any(|finding| finding.to_string().contains("10.0.0.2"))
    });
    let found = ward.assert_ids(&["wrong-source"]).text("wrong-source");
    assert!(found.contains("came from 10.0.0.2"), "{found}");
}

/// The Node has an address that is not on the machine.
#[test]
fn wrong_source_that_is_not_here() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &[]);
    ward.stage.cluster.put(
        "node-node1",
        "{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: node1}, spec: {bgp: {ipv4Address: 10.0.0.44/24}}}",
    );
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, ward.tor_config());
    ward.raise(&mut *tor);
    let found = ward.assert_ids(&["wrong-source"]).text("wrong-source");
    assert!(found.contains("10.0.0.44 is not on this node"), "{found}");
    let datastore = ward.stage.cluster.directory().display().to_string();
    ward.stage.node.terminate();
    tor.kill();
    let before = ["--preflight", "--node", "node1", "--datastore", &datastore];
    ward.diagnose(&before).assert_ids(&["wrong-source"]);
}
