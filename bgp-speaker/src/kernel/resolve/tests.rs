use super::super::InterfaceAddress;
use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// `eth0` (2) with 192.0.2.1/24 and 2001:db8::1/64, `eth1` (3) with 198.51.100.1/24.
fn resolver() -> Resolver {
    let mut resolver = Resolver::default();
    for (index, name, addresses) in [
        (2, "eth0", &["192.0.2.1/24", "2001:db8::1/64"][..]),
        (3, "eth1", &["198.51.100.1/24"]),
    ] {
        interface(&mut resolver, index, name, true, addresses);
    }
    resolver
}

fn interface(resolver: &mut Resolver, index: u32, name: &str, up: bool, addresses: &[&str]) {
    let nets = addresses.iter().map(|a| net(a));
    let addresses: Vec<_> = nets
        .map(|n| InterfaceAddress {
            address: n.addr(),
            prefix: n.trunc(),
        })
        .collect();
    for address in &addresses {
        let interfaces = if up {
            vec![(index, name.into())]
        } else {
            Vec::new()
        };
        resolver.apply(&KernelEvent::Direct {
            prefix: address.prefix,
            interfaces,
        });
    }
    let interface = Interface {
        index,
        name: name.into(),
        up,
        carrier: up,
        kind: crate::kernel::LinkKind::Broadcast,
        mtu: 1500,
        addresses,
    };
    resolver.apply(&KernelEvent::Interface {
        index,
        interface: Some(interface),
    });
}

fn via(gateway: Option<&str>, index: u32, interface: &str) -> ForeignHop {
    ForeignHop {
        gateway: gateway.map(ip),
        index,
        interface: interface.into(),
    }
}

fn route(metric: u32, kind: ForeignKind) -> ForeignRoute {
    ForeignRoute {
        metric,
        protocol: 4,
        kind,
    }
}

fn learn(resolver: &mut Resolver, prefix: &str, routes: Vec<ForeignRoute>) {
    resolver.apply(&KernelEvent::Routes {
        prefix: net(prefix),
        routes,
    });
}

/// Gateway and interface of each hop, or `-`.
fn shown(resolution: Option<NextHopPath>) -> String {
    let hop = |h: &ResolvedHop| {
        let gateway = h.gateway.map_or_else(String::new, |g| format!("{g} "));
        format!("{gateway}{}", h.interface)
    };
    resolution.map_or_else(
        || "-".into(),
        |r| r.hops.iter().map(hop).collect::<Vec<_>>().join(", "),
    )
}

#[test]
fn connected_own_and_unknown_addresses() {
    let resolver = resolver();
    let neighbour = resolver.resolve(ip("192.0.2.9")).unwrap();
    assert!(neighbour.direct);
    assert_eq!(
        (neighbour.metric, neighbour.prefix),
        (0, net("192.0.2.0/24"))
    );
    assert_eq!(shown(Some(neighbour)), "eth0");
    assert_eq!(shown(resolver.resolve(ip("2001:db8::9"))), "eth0");
    assert_eq!(shown(resolver.resolve(ip("192.0.2.1"))), "-", "own address");
    assert_eq!(shown(resolver.resolve(ip("203.0.113.1"))), "-", "no route");
    assert_eq!(shown(resolver.resolve(ip("fe80::1"))), "-", "link-local");
}

#[test]
fn the_longest_prefix_wins_then_the_lowest_metric() {
    let mut resolver = resolver();
    learn(
        &mut resolver,
        "0.0.0.0/0",
        vec![route(
            100,
            ForeignKind::Unicast(vec![via(Some("192.0.2.254"), 2, "eth0")]),
        )],
    );
    let default = resolver.resolve(ip("203.0.113.1")).unwrap();
    assert_eq!((default.metric, default.direct), (100, false));
    assert_eq!(shown(Some(default)), "192.0.2.254 eth0");

    let better = route(5, ForeignKind::Unicast(vec![via(None, 3, "eth1")]));
    let worse = route(9, ForeignKind::Unicast(vec![via(None, 2, "eth0")]));
    learn(&mut resolver, "203.0.113.0/24", vec![better, worse]);
    let specific = resolver.resolve(ip("203.0.113.1")).unwrap();
    assert_eq!((specific.metric, specific.direct), (5, true));
    assert_eq!(shown(Some(specific)), "eth1");

    learn(&mut resolver, "203.0.113.0/24", Vec::new());
    assert_eq!(
        shown(resolver.resolve(ip("203.0.113.1"))),
        "192.0.2.254 eth0"
    );
}

#[test]
fn a_route_that_drops_hides_the_shorter_one() {
    let mut resolver = resolver();
    learn(
        &mut resolver,
        "0.0.0.0/0",
        vec![route(
            0,
            ForeignKind::Unicast(vec![via(Some("192.0.2.254"), 2, "eth0")]),
        )],
    );
    for kind in [
        ForeignKind::Blackhole,
        ForeignKind::Unreachable,
        ForeignKind::Prohibit,
    ] {
        learn(&mut resolver, "203.0.113.0/24", vec![route(0, kind)]);
        assert_eq!(shown(resolver.resolve(ip("203.0.113.1"))), "-");
    }
}

#[test]
fn hops_over_interfaces_that_are_down_do_not_count() {
    let mut resolver = resolver();
    let ecmp = ForeignKind::Unicast(vec![
        via(Some("192.0.2.254"), 2, "eth0"),
        via(Some("198.51.100.254"), 3, "eth1"),
    ]);
    learn(&mut resolver, "203.0.113.0/24", vec![route(0, ecmp)]);
    assert_eq!(
        shown(resolver.resolve(ip("203.0.113.1"))),
        "192.0.2.254 eth0, 198.51.100.254 eth1"
    );
    interface(&mut resolver, 2, "eth0", false, &["192.0.2.1/24"]);
    assert_eq!(
        shown(resolver.resolve(ip("203.0.113.1"))),
        "198.51.100.254 eth1"
    );
    resolver.apply(&KernelEvent::Interface {
        index: 3,
        interface: None,
    });
    assert_eq!(shown(resolver.resolve(ip("203.0.113.1"))), "-");
}

#[test]
fn watched_next_hops_report_changes_once() {
    let mut resolver = resolver();
    let (near, far) = (ip("192.0.2.9"), ip("203.0.113.1"));
    assert_eq!(shown(resolver.watch(near)), "eth0");
    assert_eq!(shown(resolver.watch(far)), "-");
    assert!(resolver.take_changed().is_empty());

    learn(
        &mut resolver,
        "203.0.113.0/24",
        vec![route(
            7,
            ForeignKind::Unicast(vec![via(Some("192.0.2.2"), 2, "eth0")]),
        )],
    );
    assert_eq!(resolver.take_changed(), [far]);
    assert!(resolver.take_changed().is_empty());

    interface(&mut resolver, 2, "eth0", false, &["192.0.2.1/24"]);
    assert_eq!(resolver.take_changed(), [near, far]);
    resolver.unwatch(&near);
    interface(&mut resolver, 2, "eth0", true, &["192.0.2.1/24"]);
    assert_eq!(resolver.take_changed(), [far]);
}

#[test]
fn a_next_hop_that_becomes_an_own_address_is_lost() {
    let mut resolver = resolver();
    resolver.watch(ip("198.51.100.7"));
    interface(
        &mut resolver,
        3,
        "eth1",
        true,
        &["198.51.100.1/24", "198.51.100.7/24"],
    );
    assert_eq!(resolver.take_changed(), [ip("198.51.100.7")]);
    assert_eq!(resolver.resolve(ip("198.51.100.7")), None);
}
