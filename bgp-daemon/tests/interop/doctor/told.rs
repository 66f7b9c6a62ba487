//! peer-as, our-as, identifier, hold-time, capability, family, max-prefixes, collision, administrative.

use super::*;
use crate::lab::bird_socket::ask;
use crate::scenario::NODE_AS;

#[test]
fn peer_as() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.peering(65099, &[], &[]);
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, ward.tor_config());
    ward.raise(&mut *tor);
    ward.wait_row("Bad peer AS");
    let found = ward.assert_ids(&["peer-as"]).text("peer-as");
    assert!(
        found.contains(&TOR_AS.to_string()) && found.contains("65099"),
        "{found}"
    );
}

#[test]
fn our_as() {
    for kind in [Kind::Bird, Kind::Frr, Kind::GoBgp] {
        let Some(mut ward) = Ward::open(&[kind]) else {
            return;
        };
        ward.peering(TOR_AS, &[], &[]);
        let config = ward
            .tor_config()
            .with_sessions(|session| session.asn = 65098);
        let mut tor = kind.on(&ward.stage.tor_host, config);
        ward.raise(&mut *tor);
        ward.wait_row("Bad peer AS");
        let found = ward.assert_ids(&["our-as"]).text("our-as");
        assert!(found.contains(&NODE_AS.to_string()), "{found}");
    }
}

#[test]
fn identifier() {
    let Some(mut ward) = Ward::open(&[Kind::Frr]) else {
        return;
    };
    ward.peering(NODE_AS, &[], &[]);
    let mut config = ward.tor_config();
    (config.asn, config.router_id) = (NODE_AS, ward.stage.node_host.ipv4);
    let mut tor = Kind::Frr.on(&ward.stage.tor_host, config);
    ward.raise(&mut *tor);
    ward.wait_row("dentifier");
    ward.assert_ids(&["identifier"]);
}

/// FRR demands more than we propose.
#[test]
fn hold_time() {
    let Some(mut ward) = Ward::open(&[Kind::Frr]) else {
        return;
    };
    ward.peering(TOR_AS, &[("bgp-daemon.io/hold-time", "9s")], &[]);
    let config = ward.tor_config().with_global(&["bgp minimum-holdtime 60"]);
    let mut tor = Kind::Frr.on(&ward.stage.tor_host, config);
    ward.raise(&mut *tor);
    ward.wait_row("Received:");
    let found = ward.assert_ids(&["hold-time"]).text("hold-time");
    assert!(found.contains("2/6"), "{found}");
}

/// Both sides have a role that does not fit.
#[test]
fn capability() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.peering(TOR_AS, &[("bgp-daemon.io/role", "provider")], &[]);
    let config = ward.tor_config().with(&["local role provider;"]);
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, config);
    ward.raise(&mut *tor);
    ward.wait_row("ole");
    ward.assert_ids(&["capability"]);
}

/// The router only wants IPv6 of us, over IPv4.
#[test]
fn family() {
    for kind in [Kind::Bird, Kind::GoBgp, Kind::Frr] {
        let Some(mut ward) = Ward::open(&[kind]) else {
            return;
        };
        ward.peering(TOR_AS, &[], &[]);
        let config = ward
            .tor_config()
            .with_sessions(|session| session.families = vec!["ipv6"]);
        let mut tor = kind.on(&ward.stage.tor_host, config);
        ward.raise(&mut *tor);
        ward.wait_row("apability");
        ward.assert_ids(&["family"]);
    }
}

/// The session is up, and carries one of two.
#[test]
fn family_of_two() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.peering(
        TOR_AS,
        &[("bgp-daemon.io/families", "ipv4-unicast,ipv6-unicast")],
        &[],
    );
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, ward.tor_config());
    ward.raise(&mut *tor);
    ward.wait_up();
    let found = ward.assert_ids(&["family"]).text("family");
    assert!(found.contains("ipv6-unicast"), "{found}");
}

#[test]
fn max_prefixes_of_theirs() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.peering(TOR_AS, &[("bgp-daemon.io/max-prefixes", "1")], &[]);
    let config = ward
        .tor_config()
        .announcing(&["172.20.2.0/24", "172.20.3.0/24"]);
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, config);
    ward.raise(&mut *tor);
    ward.wait_row("Route limit exceeded");
    ward.assert_ids(&["max-prefixes"]);
}

#[test]
fn max_prefixes_of_ours() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &[]);
    let second = crate::lab::peer::prefix("10.244.1.64/26");
    ward.stage.cluster.block(&ward.stage.node_host, second);
    let config = ward
        .tor_config()
        .with_per_family(&["import limit 1 action disable;"]);
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, config);
    ward.raise(&mut *tor);
    ward.wait_row("Received:");
    ward.assert_ids(&["max-prefixes"]);
}

/// Another speaker on this node has the session with the same router.
#[test]
fn collision() {
    let Some(mut ward) = Ward::open(&[Kind::Bird, Kind::GoBgp]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &[]);
    let mut tor = Kind::Bird.on(
        &ward.stage.tor_host,
        ward.tor_config()
            .with_sessions(|session| session.passive = true),
    );
    tor.start();
    let mut here = PeerConfig::on_lan(
        &ward.stage.node_host,
        NODE_AS,
        &[(&ward.stage.tor_host, TOR_AS)],
    );
    here.neighbors.retain(|session| session.address.is_ipv4());
    let here = here
        .without_kernel()
        .with_sessions(|session| {
            session.settings.push("graceful restart off;".into());
        })
        .with(&["local port 1790;", "neighbor port 179;"]);
    let mut other = Kind::Bird.on(&ward.stage.node_host, here);
    other.start();
    wait_for("the other session", LONG, || {
        tor.established(ward.stage.node_host.ipv4.into())
    });
    ward.stage.node.start();
    ward.wait_row("Socket:");
    let found = ward.assert_ids(&["collision"]).text("collision");
    assert!(found.contains("another program"), "{found}");
}

#[test]
fn administrative() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &[]);
    let mut tor = Kind::Bird.on(&ward.stage.tor_host, ward.tor_config());
    ward.raise(&mut *tor);
    ward.wait_up();
    let socket = ward.stage.tor_host.directory.join("bird2.ctl");
    ask(&socket, "disable \"bgp*\" \"new fans\"").expect("BIRD obeys");
    ward.wait_row("Administrative shutdown");
    let found = ward.assert_ids(&["administrative"]).text("administrative");
    assert!(found.contains("new fans"), "{found}");
    ask(&socket, "enable \"bgp*\"").expect("BIRD obeys");
    ward.wait_up();
    ward.assert_ids(&[]);
    let socket = ward.stage.node.run_dir().join("bird.ctl");
    ask(&socket, "disable Global_10_0_0_1").expect("it obeys");
    let found = ward.assert_ids(&["administrative"]).text("administrative");
    assert!(found.contains("on this node"), "{found}");
}
