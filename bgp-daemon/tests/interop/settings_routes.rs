//! Settings of a peering that affect its routes: their number, the AS numbers in their paths, their next hops.

use std::net::IpAddr;

use crate::lab::peer::{Kind, PeerConfig, prefix};
use crate::lab::wait::{LONG, wait_for, wait_until};
use crate::scenario::{NODE_AS, SessionType, TOR_AS, addresses, wait_kernel, wait_learned};
use crate::settings_counters::row as row_of;
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

/// Cease, Maximum Number of Prefixes Reached (RFC 4486 §4).
const MAX_PREFIXES: (u8, u8) = (6, 1);

/// The IPv4 session ends, and stays down however often the peer tries; the IPv6 session is within its limit.
#[test]
fn too_many_prefixes_end_the_session() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[("max-prefixes", "2")], &[]);
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS));
    let capture = stage.capture();
    stage.raise(&mut *tor);
    tor.announce(prefix("172.20.2.0/24"));
    let at_the_limit = [TOR_PREFIXES[0], TOR_PREFIXES[1], "172.20.2.0/24"].map(prefix);
    wait_kernel(&stage.node_host, &at_the_limit, &stage.tor_host);

    tor.announce(prefix("172.20.3.0/24"));
    let node: IpAddr = stage.node_host.ipv4.into();
    wait_for("the Cease", LONG, || {
        capture.so_far().notifications(node).contains(&MAX_PREFIXES)
    });
    wait_kernel(
        &stage.node_host,
        &[prefix(TOR_PREFIXES[1])],
        &stage.tor_host,
    );
    let router: IpAddr = stage.tor_host.ipv4.into();
    let counts = || (capture.so_far().dials(router), capture.so_far().opens(node));
    let (dials, opens) = counts();
    // Whatever it makes of the Cease: started again it tries anew.
    tor.stop();
    tor.start();
    wait_for("three more tries of the router", LONG, || {
        counts().0 >= dials + 3
    });
    assert_eq!(counts().1, opens, "the node came back");
    let ipv6 = stage.node_host.ipv6.into();
    assert!(!capture.finish().notifications(ipv6).contains(&MAX_PREFIXES));
    let row = stage.node.session(router).expect("the session is shown");
    assert!(row.contains("Route limit exceeded"), "{row}");
    // Counted until then: what was taken in.
    let text = stage.node.describe(router).expect("the session is shown");
    let updates = row_of(&text, "Import updates");
    assert_eq!(updates, [2, 0, 0, 0, 2].map(Some), "{text}");
}

/// The peer knows the node by another AS, and sees no trace of its own.
#[test]
fn the_local_as_of_a_session_is_another() {
    let Some(mut stage) = Stage::open(&[Kind::Frr]) else {
        return;
    };
    let other = 64_999;
    stage.peering(TOR_AS, &[], &[&format!("localASNumber: {other}")]);
    let config = stage.tor_config(TOR_AS);
    let config = config.with_sessions(|session| session.asn = other);
    let mut tor = Kind::Frr.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    for route in wait_learned("the router", &*tor, &BLOCKS.map(prefix)) {
        assert_eq!(route.as_path, [other]);
    }
    wait_learned("the node", &stage.node, &TOR_PREFIXES.map(prefix));
}

/// With that AS the session is one inside it (RFC 4271 §5.1.2).
#[test]
fn the_local_as_can_make_a_session_internal() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[&format!("localASNumber: {TOR_AS}")]);
    let config = stage.tor_config(TOR_AS);
    let config = config.with_sessions(|session| session.asn = TOR_AS);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    for route in wait_learned("the router", &*tor, &BLOCKS.map(prefix)) {
        assert!(route.as_path.is_empty(), "{route:?}");
        assert!(route.local_pref.is_some(), "{route:?}");
    }
}

/// Twice is too often, unless allowed; the change is applied to the routes at hand.
#[test]
fn our_own_as_may_be_in_a_path_as_often_as_allowed() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[]);
    let plain = ["172.20.2.0/25", "fd20:2::/65"];
    let all = [TOR_PREFIXES[0], TOR_PREFIXES[1], plain[0], plain[1]];
    let export = "export filter { if net.len = 24 || net.len = 64 then \
                  { bgp_path.prepend(64512); bgp_path.prepend(64512); } accept; };";
    let config = stage.tor_config(TOR_AS).announcing(&plain);
    let config = config.with_per_family(&[export]);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    let capture = stage.capture();
    stage.raise(&mut *tor);
    let opens = || addresses(&stage.node_host).map(|address| capture.so_far().opens(address));
    let before = opens();
    wait_kernel(&stage.node_host, &plain.map(prefix), &stage.tor_host);
    stage.peering(TOR_AS, &[], &["numAllowedLocalASNumbers: 2"]);
    wait_kernel(&stage.node_host, &all.map(prefix), &stage.tor_host);
    stage.peering(TOR_AS, &[], &["numAllowedLocalASNumbers: 1"]);
    wait_kernel(&stage.node_host, &plain.map(prefix), &stage.tor_host);
    assert_eq!(opens(), before, "the change reset a session");
}

#[test]
fn next_hops_towards_another_as() {
    let modes = [
        ("nextHopMode: Keep", Whose::Router),
        ("nextHopMode: Self", Whose::Node),
        ("keepOriginalNextHop: true", Whose::Router),
        ("nextHopMode: Auto", Whose::Node),
    ];
    next_hops(SessionType::External, &modes);
}

#[test]
fn next_hops_inside_the_as() {
    let modes = [
        ("nextHopMode: Keep", Whose::Router),
        ("nextHopMode: Self", Whose::Node),
        ("nextHopMode: Auto", Whose::Router),
    ];
    next_hops(SessionType::Internal, &modes);
}

#[derive(Clone, Copy)]
enum Whose {
    Router,
    Node,
}

/// What a third router receives of a route that the node has from its own router, as the mode changes.
fn next_hops(session: SessionType, modes: &[(&str, Whose)]) {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let in_pool = ["10.244.9.0/26", "fd10:244::9:0/122"];
    stage.peering(TOR_AS, &[], &[]);
    let mut config = stage.tor_config(TOR_AS);
    config.announce = in_pool.map(prefix).into();
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    let third_host = stage.lab.host("third", 3);
    let asn = if session == SessionType::Internal {
        NODE_AS
    } else {
        65_003
    };
    let third = PeerConfig::on_lan(&third_host, asn, &[(&stage.node_host, NODE_AS)]);
    let mut third = Kind::Bird.on(&third_host, third);
    third.start();
    stage.raise(&mut *tor);
    for (mode, whose) in modes {
        stage.peering_with(&third_host, asn, &[], &[mode]);
        let owner = match whose {
            Whose::Router => &stage.tor_host,
            Whose::Node => &stage.node_host,
        };
        wait_until(mode, LONG, || {
            let routes = third.routes()?;
            let told = in_pool.map(|text| {
                let mut routes = routes.iter();
                let route = routes.find(|route| route.prefix == prefix(text));
                route.map(|route| route.next_hop)
            });
            if told == addresses(owner).map(Some) {
                Ok(())
            } else {
                Err(format!("{told:?}"))
            }
        });
    }
}
