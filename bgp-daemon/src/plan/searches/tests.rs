use std::net::IpAddr;

use super::super::{Environment, Link, Plan, Router, plan};
use crate::resources::{ResourceSet, parse};

const NODE: &str = "{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: a}, spec: {bgp: {ipv4Address: 10.0.0.9/24}}}";

fn peer(name: &str, annotations: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: {name}, annotations: {{{annotations}}}}}, spec: {{{spec}}}}}"
    )
}

fn routers(found: &[(&str, &str, u32)]) -> Option<Vec<Router>> {
    let router = |(address, name, index): &(&str, &str, u32)| Router {
        address: address.parse::<IpAddr>().expect("an address"),
        link: Link {
            name: (*name).to_owned(),
            index: *index,
        },
    };
    Some(found.iter().map(router).collect())
}

fn plan_of(documents: &[String], environment: &Environment) -> Plan {
    let text = [NODE.to_owned()]
        .iter()
        .chain(documents)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n---\n");
    let parsed = parse("test.yaml", &text);
    assert_eq!(parsed.problems, []);
    plan(
        &ResourceSet::from_documents(parsed.documents).set,
        "a",
        environment,
    )
}

fn problems(plan: &Plan) -> Vec<String> {
    plan.problems.iter().map(ToString::to_string).collect()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.peers.iter().map(|peer| peer.name.as_str()).collect()
}

const GATEWAY: &str = "bgp-daemon.io/peer: default-gateway";
const LINK: &str = "bgp-daemon.io/interface: eth1";

#[test]
fn every_gateway_is_a_peer_and_one_with_a_link_local_address_has_its_link() {
    let documents = [peer("tor", GATEWAY, "asNumber: 65001")];
    let gateways = routers(&[
        ("10.0.0.1", "eth0", 2),
        ("10.0.0.2", "eth0", 2),
        ("fe80::1", "eth0", 2),
    ]);
    let environment = Environment {
        gateways,
        ..Environment::default()
    };
    let plan_now = plan_of(&documents, &environment);
    assert_eq!(problems(&plan_now), [] as [String; 0]);
    assert_eq!(
        names(&plan_now),
        [
            "Global_10_0_0_1",
            "Global_10_0_0_2",
            "Global_fe80__1_dev_eth0"
        ]
    );
    let links = plan_now
        .peers
        .iter()
        .map(|peer| peer.link.as_ref().map(|link| link.index));
    assert_eq!(links.collect::<Vec<_>>(), [None, None, Some(2)]);
    let none = Environment {
        gateways: routers(&[]),
        ..Environment::default()
    };
    assert_eq!(
        problems(&plan_of(&documents, &none)),
        [
            "BGPPeer/tor: metadata.annotations.bgp-daemon.io/peer: this node has no default route with a gateway"
        ]
    );
    // `peerIP: auto-gateway` is the same, with and without the annotation.
    for annotations in ["", GATEWAY] {
        let documents = [peer(
            "tor",
            annotations,
            "peerIP: auto-gateway, asNumber: 65001",
        )];
        assert_eq!(plan_of(&documents, &environment), plan_now);
        assert_eq!(
            problems(&plan_of(&documents, &none)),
            ["BGPPeer/tor: spec.peerIP: this node has no default route with a gateway"]
        );
    }
    let unknown = plan_of(&documents, &Environment::default());
    assert_eq!(
        (
            problems(&unknown).len(),
            unknown.peers.len(),
            unknown.searches.len()
        ),
        (0, 0, 1)
    );
}

#[test]
fn a_link_has_one_router() {
    let documents = [peer("tor", LINK, "asNumber: 65001, nodeSelector: all()")];
    let on = |routers| Environment {
        routers,
        ..Environment::default()
    };
    let found = plan_of(
        &documents,
        &on(routers(&[("fe80::1", "eth1", 3), ("fe80::1", "eth2", 4)])),
    );
    assert_eq!(problems(&found), [] as [String; 0]);
    assert_eq!(names(&found), ["Node_fe80__1_dev_eth1"]);
    let peer = &found.peers[0];
    assert_eq!(
        (peer.options.families.len(), peer.options.extended_next_hop),
        (2, true)
    );
    assert_eq!(peer.source_address, None, "the kernel chooses");
    assert!(
        found.searches[0].is_name(&peer.name)
            && !found.searches[0].is_name("Node_fe80__1_dev_eth11")
    );
    let field = "BGPPeer/tor: metadata.annotations.bgp-daemon.io/interface";
    let two = plan_of(
        &documents,
        &on(routers(&[("fe80::1", "eth1", 3), ("fe80::2", "eth1", 3)])),
    );
    assert_eq!(
        problems(&two),
        [format!(
            "{field}: several routers are on eth1, and a peering takes one: fe80::1, fe80::2"
        )]
    );
    assert_eq!(names(&two), [] as [&str; 0]);
    let nobody = plan_of(&documents, &on(routers(&[])));
    assert_eq!(
        problems(&nobody),
        [format!("{field}: no router was heard on eth1 so far")]
    );
}

#[test]
fn what_contradicts_itself_is_named() {
    let field = "metadata.annotations.bgp-daemon.io";
    for (documents, wanted) in [
        (
            vec![peer("a", GATEWAY, "peerIP: 10.0.0.1")],
            format!("BGPPeer/a: {field}/peer: cannot be set together with spec.peerIP"),
        ),
        (
            vec![peer("a", LINK, "peerIP: 10.0.0.1")],
            format!("BGPPeer/a: {field}/interface: cannot be set together with spec.peerIP"),
        ),
        (
            vec![peer("a", &format!("{LINK}, {GATEWAY}"), "")],
            format!("BGPPeer/a: {field}/interface: cannot be set together with bgp-daemon.io/peer"),
        ),
        (
            vec![peer("a", LINK, "peerIP: auto-gateway")],
            format!("BGPPeer/a: {field}/interface: cannot be set together with spec.peerIP"),
        ),
        (
            vec![
                peer("a", GATEWAY, ""),
                peer("b", "", "peerIP: auto-gateway"),
            ],
            "BGPPeer/b: spec.peerIP: BGPPeer/a names the same peer".to_owned(),
        ),
        (
            vec![peer("a", LINK, ""), peer("b", LINK, "")],
            format!("BGPPeer/b: {field}/interface: BGPPeer/a names the same peer"),
        ),
    ] {
        assert_eq!(
            problems(&plan_of(&documents, &Environment::default())),
            [wanted]
        );
    }
}

#[test]
fn wrong_values_are_named() {
    let field = "metadata.annotations.bgp-daemon.io";
    for (documents, wanted) in [
        (
            vec![peer("a", "bgp-daemon.io/peer: gateway", "peerIP: 10.0.0.1")],
            format!("BGPPeer/a: {field}/peer: expected default-gateway, found \"gateway\""),
        ),
        (
            vec![peer(
                "a",
                "bgp-daemon.io/interface: 'eth1, eth2'",
                "peerIP: 10.0.0.1",
            )],
            format!(
                "BGPPeer/a: {field}/interface: expected the name of one interface, as eth1, found \"eth1, eth2\""
            ),
        ),
        (
            vec![peer(
                "a",
                "bgp-daemon.io/next-hop-length: '24'",
                "peerIP: 10.0.0.1",
            )],
            format!("BGPPeer/a: {field}/next-hop-length: expected 16 or 32, found \"24\""),
        ),
    ] {
        assert_eq!(
            problems(&plan_of(&documents, &Environment::default())),
            [wanted]
        );
    }
}
