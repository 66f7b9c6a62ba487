use super::super::{Environment, Neighbour, Plan, plan};
use super::*;
use crate::resources::{ResourceSet, parse};

const NODE: &str = "{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: a}, spec: {bgp: {ipv4Address: 10.0.0.9/24}}}";

/// A BGPPeer with annotations, as in YAML, and a spec.
fn peer(name: &str, annotations: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: {name}, annotations: {{{annotations}}}}}, spec: {{{spec}}}}}"
    )
}

fn plan_of(documents: &[String], neighbours: &[(&str, u32)]) -> Plan {
    let text = [NODE.to_owned()]
        .iter()
        .chain(documents)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n---\n");
    let parsed = parse("test.yaml", &text);
    assert_eq!(parsed.problems, []);
    let neighbours = neighbours.iter().map(|(address, asn)| Neighbour {
        address: address.parse().expect("an address"),
        asn: Asn(*asn),
    });
    let environment = Environment {
        neighbours: neighbours.collect(),
        ..Environment::default()
    };
    plan(
        &ResourceSet::from_documents(parsed.documents).set,
        "a",
        &environment,
    )
}

fn problems(plan: &Plan) -> Vec<String> {
    plan.problems.iter().map(ToString::to_string).collect()
}

const RANGE: &str = "bgp-daemon.io/listen-range: 10.0.0.0/16";

#[test]
fn a_peer_from_a_range_has_the_settings_of_its_peering() {
    let annotations = format!(
        "{RANGE}, bgp-daemon.io/listen-as: '64512,65000-65009', bgp-daemon.io/hold-time: 9s, bgp-daemon.io/bfd: 'on'"
    );
    let documents = [peer("tors", &annotations, "nextHopMode: Self")];
    let plan = plan_of(
        &documents,
        &[
            ("10.0.0.7", 65003),
            ("10.0.7.7", 64512),
            ("10.1.0.1", 65003),
            ("10.0.0.8", 65010),
        ],
    );
    assert_eq!(problems(&plan), [] as [String; 0]);
    let peers = plan
        .peers
        .iter()
        .map(|peer| (peer.name.as_str(), peer.internal));
    assert_eq!(
        peers.collect::<Vec<_>>(),
        [("Global_10_0_0_7", false), ("Global_10_0_7_7", true)]
    );
    for peer in &plan.peers {
        assert!(peer.passive && peer.range.is_some());
        assert_eq!(peer.options.hold_time.as_secs(), 9);
        assert_eq!(peer.resource, "BGPPeer/tors");
    }
    let is_multihop = plan
        .peers
        .iter()
        .map(|peer| peer.options.bfd.as_ref().expect("BFD").multihop);
    assert_eq!(is_multihop.collect::<Vec<_>>(), [false, true]);
    let range = &plan.listen_ranges[0];
    assert_eq!(
        (range.limit, range.peer_as.to_string()),
        (100, "64512,65000-65009".into())
    );
    assert!(range.is_name("Global_10_0_0_7"));
    assert!(!range.is_name("Node_10_0_0_7") && !range.is_name("Global_10_1_0_7"));
}

#[test]
fn the_smallest_range_and_a_configured_address_win() {
    let documents = [
        peer("all", RANGE, "asNumber: 65001"),
        peer(
            "few",
            "bgp-daemon.io/listen-range: 10.0.1.0/24",
            "asNumber: 65002",
        ),
        peer("one", "", "peerIP: 10.0.1.5, asNumber: 65001"),
    ];
    let plan = plan_of(
        &documents,
        &[
            ("10.0.1.5", 65002),
            ("10.0.1.6", 65001),
            ("10.0.1.7", 65002),
        ],
    );
    let peers = plan
        .peers
        .iter()
        .map(|peer| (peer.name.as_str(), peer.resource.as_str()));
    assert_eq!(
        peers.collect::<Vec<_>>(),
        [
            ("Global_10_0_1_5", "BGPPeer/one"),
            ("Global_10_0_1_7", "BGPPeer/few")
        ]
    );
    assert_eq!(
        problems(&plan),
        [
            "BGPPeer/few: metadata.annotations.bgp-daemon.io/listen-range: 10.0.1.0/24 lies within 10.0.0.0/16 of BGPPeer/all: the smaller range counts for its addresses"
        ]
    );
}

#[test]
fn what_contradicts_itself_is_named() {
    let pool = "{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pods}, spec: {cidr: 10.0.128.0/17}}";
    let field = "metadata.annotations.bgp-daemon.io";
    let cases = [
        (
            vec![peer("a", RANGE, "peerIP: 10.0.0.1")],
            format!("BGPPeer/a: {field}/listen-range: cannot be set together with spec.peerIP"),
        ),
        (
            vec![peer("a", RANGE, "peerSelector: all()")],
            format!(
                "BGPPeer/a: {field}/listen-range: cannot be set together with spec.peerSelector"
            ),
        ),
        (
            vec![peer(
                "a",
                &format!("{RANGE}, bgp-daemon.io/peer: default-gateway"),
                "",
            )],
            format!(
                "BGPPeer/a: {field}/peer: cannot be set together with bgp-daemon.io/listen-range"
            ),
        ),
        (
            vec![peer("a", RANGE, ""), peer("b", RANGE, "")],
            format!(
                "BGPPeer/b: {field}/listen-range: 10.0.0.0/16 is a range of BGPPeer/a too, which counts"
            ),
        ),
        (
            vec![peer("a", RANGE, ""), pool.into()],
            format!(
                "BGPPeer/a: {field}/listen-range: 10.0.0.0/16 overlaps IPPool/pods: workloads with these addresses can become peers"
            ),
        ),
        (
            vec![peer(
                "a",
                "bgp-daemon.io/listen-as: '65001'",
                "peerIP: 10.0.0.1",
            )],
            format!(
                "BGPPeer/a: {field}/listen-as: has no effect without bgp-daemon.io/listen-range"
            ),
        ),
        (
            vec![peer(
                "a",
                &format!("{RANGE}, bgp-daemon.io/listen-as: '65001'"),
                "asNumber: 65001",
            )],
            "BGPPeer/a: spec.asNumber: has no effect with bgp-daemon.io/listen-as".into(),
        ),
    ];
    assert_named(cases);
}

#[test]
fn wrong_values_are_named() {
    let field = "metadata.annotations.bgp-daemon.io";
    let cases = [
        (
            vec![peer("a", RANGE, "asNumber: 0")],
            "BGPPeer/a: spec.asNumber: 0 is no AS number; without asNumber the cluster's is meant"
                .into(),
        ),
        (
            vec![peer("a", "bgp-daemon.io/listen-range: 'fe80::/10'", "")],
            format!(
                "BGPPeer/a: {field}/listen-range: expected ranges of addresses with commas, as 10.0.0.0/16 or 10.0.0.0/16,fd00::/64, without link-local ones, found \"fe80::/10\""
            ),
        ),
        (
            vec![peer(
                "a",
                &format!("{RANGE}, bgp-daemon.io/listen-limit: none"),
                "",
            )],
            format!(
                "BGPPeer/a: {field}/listen-limit: expected a number of sessions from 1 to 10000, found \"none\""
            ),
        ),
    ];
    assert_named(cases);
}

fn assert_named<const N: usize>(cases: [(Vec<String>, String); N]) {
    for (documents, wanted) in cases {
        assert_eq!(problems(&plan_of(&documents, &[])), [wanted]);
    }
}
