//! Settings that are offered as capabilities: what is negotiated, and the effect on routes.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::lab::host::KernelRoute;
use crate::lab::peer::{Kind, Peer, PeerConfig, Route, prefix};
use crate::lab::wait::{LONG, wait_for, wait_until};
use crate::scenario::{
    KERNEL_PROTOCOL, NODE_AS, TOR_AS, addresses, wait_established, wait_kernel, wait_learned,
};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

const BOTH_FAMILIES: (&str, &str) = ("families", "ipv4-unicast,ipv6-unicast");

#[test]
fn both_families_on_an_ipv4_session() {
    one_session_carries_both_families(Kind::Bird, "ipv4");
    one_session_carries_both_families(Kind::Frr, "ipv4");
}

#[test]
fn both_families_on_an_ipv6_session() {
    one_session_carries_both_families(Kind::Bird, "ipv6");
}

/// RFC 2545 §3, RFC 4760 §3: each route has a next hop of its own family, whatever the session runs over.
fn one_session_carries_both_families(kind: Kind, over: &str) {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return;
    };
    stage.peering(TOR_AS, &[BOTH_FAMILIES], &[]);
    let mut tor = alone(kind, &stage, over, &["ipv4", "ipv6"], &[], &[]);
    tor.start();
    stage.node.start();
    let routes = wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    assert_next_hops(&routes, addresses(&stage.node_host));
    let routes = wait_learned("the node", &stage.node, &TOR_PREFIXES.map(prefix));
    assert_next_hops(&routes, addresses(&stage.tor_host));
    wait_kernel(&stage.node_host, &TOR_PREFIXES.map(prefix), &stage.tor_host);
}

fn assert_next_hops(routes: &BTreeSet<Route>, [ipv4, ipv6]: [IpAddr; 2]) {
    for route in routes {
        let expected = if route.prefix.addr().is_ipv4() {
            ipv4
        } else {
            ipv6
        };
        assert_eq!(route.next_hop, expected, "{}", route.prefix);
    }
}

/// A router that has only the session over one family, with these settings.
fn alone(
    kind: Kind,
    stage: &Stage,
    over: &str,
    families: &[&'static str],
    settings: &[&str],
    family_settings: &[&str],
) -> Box<dyn Peer> {
    let mut config = stage
        .tor_config(TOR_AS)
        .with(settings)
        .with_per_family(family_settings)
        .with_sessions(|session| session.families = families.to_vec());
    config
        .neighbors
        .retain(|session| session.address.is_ipv4() == (over == "ipv4"));
    kind.on(&stage.tor_host, config)
}

#[test]
fn ipv4_routes_with_ipv6_next_hops_bird() {
    let settings = ["extended next hop on;"];
    ipv4_is_routed_over_ipv6(Kind::Bird, &[], &settings);
}

#[test]
fn ipv4_routes_with_ipv6_next_hops_frr() {
    ipv4_is_routed_over_ipv6(Kind::Frr, &["capability extended-nexthop"], &[]);
}

/// RFC 8950: no IPv4 address is needed between the two, and none is used.
fn ipv4_is_routed_over_ipv6(kind: Kind, settings: &[&str], family_settings: &[&str]) {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return;
    };
    stage.peering(TOR_AS, &[BOTH_FAMILIES, ("extended-next-hop", "true")], &[]);
    let families = ["ipv4", "ipv6"];
    let mut tor = alone(kind, &stage, "ipv6", &families, settings, family_settings);
    let capture = stage.capture();
    tor.start();
    stage.node.start();
    let routes = wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    let node: IpAddr = stage.node_host.ipv6.into();
    assert_next_hops(&routes, [node, node]);
    wait_learned("the node", &stage.node, &TOR_PREFIXES.map(prefix));
    let [over_ipv6, _] = TOR_PREFIXES.map(prefix);
    let routers = [stage.tor_host.ipv6.into(), stage.tor_host.link_local()];
    wait_until("the IPv4 route via inet6", LONG, || {
        let found = kernel_route(&stage, over_ipv6)?;
        let via_router = found.gateways.len() == 1 && found.gateways.is_subset(&routers.into());
        via_router.then_some(()).ok_or_else(|| format!("{found:?}"))
    });
    tor.withdraw(over_ipv6);
    wait_for("the IPv4 route to go", LONG, || {
        kernel_route(&stage, over_ipv6).is_err()
    });
    capture.finish().assert_well_formed(node);
}

fn kernel_route(stage: &Stage, prefix: IpNet) -> Result<KernelRoute, String> {
    let routes = stage.node_host.kernel_routes(KERNEL_PROTOCOL);
    let mut found = routes.into_iter().filter(|route| route.prefix == prefix);
    found.next().ok_or_else(|| format!("no route to {prefix}"))
}

#[test]
fn add_path_off() {
    additional_paths("off", &[]);
}

#[test]
fn add_path_receive() {
    additional_paths("receive", &["RX"]);
}

#[test]
fn add_path_send() {
    additional_paths("send", &["TX"]);
}

#[test]
fn add_path_both() {
    additional_paths("both", &["RX", "TX"]);
}

/// The node has two paths for one prefix in its pool from two routers, and an observer that takes and sends all paths.
fn additional_paths(value: &str, announced: &[&str]) {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let sources = [stage.lab.host("source1", 2), stage.lab.host("source2", 3)];
    stage.peering(TOR_AS, &[("add-path", value)], &[]);
    let twice = "10.244.9.0/26";
    let routers = sources.iter().zip([65001, 65002]).map(|(host, asn)| {
        stage.peering_with(host, asn, &[], &[]);
        let node = [(&*stage.node_host, NODE_AS)];
        let config = PeerConfig::on_lan(host, asn, &node);
        Kind::Bird.on(host, config.announcing(&[twice]))
    });
    let mut routers: Vec<_> = routers.collect();
    let observer = stage.tor_config(TOR_AS).with_per_family(&["add paths on;"]);
    let mut observer = Kind::Bird.on(&stage.tor_host, observer);
    routers.iter_mut().for_each(|router| router.start());
    stage.raise(&mut *observer);
    for source in &sources {
        wait_established("the node", &stage.node, source);
    }

    let node: IpAddr = stage.node_host.ipv4.into();
    let words = observer.describe(node).expect("the session is up");
    assert_eq!(add_path_of_neighbor(&words), announced, "{words}");
    let sends = announced.contains(&"TX");
    let expected = if sends { 2 } else { 1 };
    wait_until("the paths of one prefix at the observer", LONG, || {
        let routes = observer.routes()?;
        let paths = routes.iter().filter(|route| route.prefix == prefix(twice));
        match paths.count() {
            count if count == expected => Ok(()),
            count => Err(format!("{count} paths")),
        }
    });
}

/// The lines below `ADD-PATH` among the capabilities that BIRD shows for the neighbour.
fn add_path_of_neighbor(words: &str) -> Vec<&str> {
    let neighbor = words.split_once("Neighbor capabilities");
    let (_, neighbor) = neighbor.unwrap_or_default();
    let mut lines = neighbor.lines().map(str::trim);
    if !lines.any(|line| line == "ADD-PATH") {
        return Vec::new();
    }
    let directions = lines.map_while(|line| line.split_once(':'));
    let of_ipv4 = directions.filter(|(_, families)| families.trim() == "ipv4");
    of_ipv4.map(|(direction, _)| direction).collect()
}

/// RFC 8654: more than 4096 octets, both ways.
#[test]
fn extended_messages_are_longer_than_others() {
    let Some(stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let longest = longest_messages(stage, "true", &TOR_PREFIXES);
    assert!(longest.iter().all(|length| *length > 4096), "{longest:?}");
}

/// What does not fit into a message is not sent.
#[test]
fn without_extended_messages_none_is_longer() {
    let Some(stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let longest = longest_messages(stage, "false", &[]);
    assert!(longest.iter().all(|length| *length <= 4096), "{longest:?}");
}

/// Of those that the node and the router sent, when the node had many blocks, and the router's routes many communities.
fn longest_messages(mut stage: Stage, value: &str, learned: &[&str]) -> [u32; 2] {
    stage.peering(TOR_AS, &[("extended-messages", value)], &[]);
    stage.cluster.put("many-blocks", &many_blocks(&stage));
    let communities = (0..MANY).map(|index| format!("bgp_community.add((65000, {index}));"));
    let long_routes = format!(
        "export filter {{ if source != RTS_STATIC then reject; {} accept; }};",
        communities.collect::<String>()
    );
    let config = stage.tor_config(TOR_AS);
    let config = config.with(&["enable extended messages on;"]);
    let config = config.with_per_family(&[&long_routes]);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    let capture = stage.capture();
    stage.raise(&mut *tor);
    wait_for("all blocks at the router", LONG, || {
        tor.routes()
            .is_ok_and(|routes| routes.len() == MANY + BLOCKS.len())
    });
    let learned: Vec<IpNet> = learned.iter().map(|text| prefix(text)).collect();
    wait_learned("the node", &stage.node, &learned);
    let trace = capture.finish();
    let ends = [stage.node_host.ipv4, stage.tor_host.ipv4];
    ends.map(|sender| trace.longest_message(sender.into()))
}

/// Prefixes of 5 octets or communities of 4: more than 4096 octets.
const MANY: usize = 2000;

fn many_blocks(stage: &Stage) -> String {
    let node = &stage.node_host.name;
    let block = |index: usize| {
        format!(
            "apiVersion: projectcalico.org/v3\nkind: BlockAffinity\nmetadata:\n  name: many-{index}\nspec:\n\
             \x20 node: {node}\n  cidr: 10.244.{}.{}/30\n  state: confirmed\n  deleted: \"false\"\n",
            128 + index / 64,
            index % 64 * 4
        )
    };
    let blocks: Vec<String> = (0..MANY).map(block).collect();
    blocks.join("---\n")
}
