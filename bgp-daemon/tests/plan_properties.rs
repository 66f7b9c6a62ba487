//! Properties of the plans of any cluster, whatever its resources.

use std::collections::BTreeSet;

use bgp_daemon::plan::policy::Audience;
use bgp_daemon::plan::{Environment, Peer, PeerType, Plan, plan, render};
use bgp_daemon::resources::{ResourceSet, parse};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

const NODES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// One of these, or nothing.
fn maybe(values: &[&'static str]) -> impl Strategy<Value = Value> + use<> {
    let mut values: Vec<Value> = values.iter().map(|value| json!(value)).collect();
    values.insert(0, Value::Null);
    select(values)
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// Addresses of nodes; where they are shared, several nodes can have the same one.
#[derive(Clone, Copy)]
enum Addresses {
    Own,
    Shared,
}

const IPV4: [&str; 5] = [
    "10.0.0.9/24",
    "10.0.0.10/24",
    "10.0.0.100",
    "10.0.1.1/24",
    "192.168.9.9/16",
];
const IPV6: [&str; 5] = [
    "fd00::9/64",
    "fd00::10/64",
    "fd00::a",
    "fd00:1::1/64",
    "fd00::1:0:0:1/64",
];

fn node(at: usize, addresses: Addresses) -> impl Strategy<Value = Value> {
    let name = NODES[at];
    let range = match addresses {
        Addresses::Own => at..at + 1,
        Addresses::Shared => 0..NODES.len(),
    };
    (
        maybe(&IPV4[range.clone()]),
        maybe(&IPV6[range]),
        maybe(&["64512", "65001", "1.1"]),
        maybe(&["", "1.1.1.1"]),
        select(vec!["x", "y"]),
    )
        .prop_map(move |(v4, v6, asn, cluster, rack)| {
            let mut node = object(
                "Node",
                name,
                json!({"bgp": {"ipv4Address": v4, "ipv6Address": v6, "asNumber": asn, "routeReflectorClusterID": cluster}}),
            );
            node["metadata"]["labels"] = json!({"rack": rack, "name": name});
            node
        })
}

const SELECTORS: [&str; 5] = [
    "all()",
    "rack == 'x'",
    "name in {'a', 'b'}",
    "!has(rack)",
    "rack = 'x'",
];

fn bgp_peer(name: String) -> impl Strategy<Value = Value> {
    let whom = (
        maybe(&[
            "10.0.0.9",
            "10.0.0.10:1790",
            "192.0.2.1",
            "[fd00::9]:180",
            "fd00::a",
            "bad",
        ]),
        maybe(&SELECTORS),
        maybe(&["all()"]),
    );
    let on = (maybe(&NODES), maybe(&SELECTORS));
    let how = (
        maybe(&["64512", "65001", "0"]),
        maybe(&["65500"]),
        maybe(&["Auto", "Self", "Keep", "Other"]),
        maybe(&["Auto", "Manual"]),
        maybe(&["10.0.0.254", "fd00::254"]),
        subsequence(vec!["f", "g", "missing"], 0..3),
        maybe(&["9s", "1s", "never"]),
    );
    (whom, on, how).prop_map(move |((ip, peers, workloads), (node, nodes), how)| {
        let (asn, local_as, next_hop, reverse, via, filters, hold_time) = how;
        let mut peer = object(
            "BGPPeer",
            &name,
            json!({
                "peerIP": ip, "peerSelector": peers, "localWorkloadSelector": workloads, "node": node, "nodeSelector": nodes,
                "asNumber": asn, "localASNumber": local_as, "nextHopMode": next_hop, "reversePeering": reverse,
                "reachableBy": via, "filters": filters,
            }),
        );
        peer["metadata"]["annotations"] = json!({"bgp-daemon.io/hold-time": hold_time});
        peer
    })
}

/// A BGPPeer that only ever means nodes.
fn peer_of_nodes(name: String) -> impl Strategy<Value = Value> {
    (select(SELECTORS[..4].to_vec()), maybe(&SELECTORS[..4])).prop_map(move |(peers, nodes)| {
        object(
            "BGPPeer",
            &name,
            json!({"peerSelector": peers, "nodeSelector": nodes}),
        )
    })
}

fn settings(name: &'static str) -> impl Strategy<Value = Value> {
    (
        select(vec![Value::Null, json!(180), json!(1790), json!(0)]),
        maybe(&["65001", "many"]),
        maybe(&["Enabled", "EnabledIPIPOnly", "Disabled", "Sometimes"]),
        maybe(&["10.96.0.0/12", "fd96::/112", "10.96.0.1"]),
    )
        .prop_map(move |(port, asn, routes, services)| {
            object(
                "BGPConfiguration",
                name,
                json!({"listenPort": port, "asNumber": asn, "programClusterRoutes": routes, "serviceClusterIPs": [{"cidr": services}]}),
            )
        })
}

fn others() -> impl Strategy<Value = Vec<Value>> {
    let pool = (
        maybe(&["10.1.0.0/16", "10.0.0.0/8", "fd01::/48", "x"]),
        maybe(&["Always", "CrossSubnet", "Never"]),
        any::<bool>(),
    )
        .prop_map(|(cidr, ipip, hidden)| {
            object(
                "IPPool",
                "pool",
                json!({"cidr": cidr, "ipipMode": ipip, "disableBGPExport": hidden}),
            )
        });
    let block = (
        maybe(&["10.1.5.0/26", "fd01::/122"]),
        maybe(&["confirmed", "pending", "pendingDeletion", "lost"]),
        maybe(&NODES),
    )
        .prop_map(|(cidr, state, node)| {
            object(
                "BlockAffinity",
                "block",
                json!({"cidr": cidr, "state": state, "node": node}),
            )
        });
    let filter = |name: &'static str| {
        let rule = (maybe(&["In", "Equal", "NotIn"]), maybe(&["10.0.0.0/8", "fd00::/8"]), maybe(&["iBGP", "eBGP"]))
            .prop_map(|(operator, cidr, kind)| json!({"action": "Accept", "matchOperator": operator, "cidr": cidr, "peerType": kind}));
        prop::collection::vec(rule, 0..3).prop_map(move |rules| {
            object(
                "BGPFilter",
                name,
                json!({"importV4": rules, "exportV6": rules}),
            )
        })
    };
    let service = maybe(&["10.96.0.7", "None", "fd96::7"]).prop_map(|ip| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"clusterIP": ip, "type": "LoadBalancer"}})
    });
    (pool, block, filter("f"), filter("g"), service).prop_map(|(a, b, c, d, e)| vec![a, b, c, d, e])
}

/// Documents of a cluster, each with a name of its own, in any order.
fn cluster(
    addresses: Addresses,
    peers: impl Strategy<Value = Vec<Value>>,
) -> impl Strategy<Value = Vec<Value>> {
    let nodes = [0, 1, 2, 3, 4].map(|at| node(at, addresses));
    (
        nodes,
        peers,
        settings("default"),
        settings("node.a"),
        others(),
        any::<[bool; 2]>(),
    )
        .prop_map(
            |(nodes, peers, global, own, others, [with_global, with_own])| {
                let mut all: Vec<Value> = nodes.into_iter().chain(peers).chain(others).collect();
                all.extend(with_global.then_some(global));
                all.extend(with_own.then_some(own));
                all
            },
        )
        .prop_shuffle()
}

fn any_peers() -> impl Strategy<Value = Vec<Value>> {
    [0, 1, 2, 3]
        .map(|n| bgp_peer(format!("p{n}")))
        .prop_map(Vec::from)
}

fn peers_of_nodes() -> impl Strategy<Value = Vec<Value>> {
    [0, 1]
        .map(|n| peer_of_nodes(format!("p{n}")))
        .prop_map(Vec::from)
}

fn set(documents: &[Value]) -> ResourceSet {
    let texts: Vec<_> = documents.iter().map(Value::to_string).collect();
    ResourceSet::from_documents(parse("x.yaml", &texts.join("\n---\n")).documents).set
}

fn plans(set: &ResourceSet) -> Vec<Plan> {
    NODES
        .map(|node| plan(set, node, &Environment::default()))
        .into()
}

/// What the other end has for a session.
fn other_end<'a>(plans: &'a [Plan], peer: &Peer) -> Option<(&'a Plan, &'a Peer)> {
    let sessions = plans
        .iter()
        .flat_map(|plan| plan.peers.iter().map(move |peer| (plan, peer)));
    let mut back = sessions.filter(|(_, back)| {
        Some(back.address) == peer.source_address && back.source_address == Some(peer.address)
    });
    back.next().map(|(plan, peer)| (plan, &**peer))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plans_are_deterministic_and_complete(documents in cluster(Addresses::Shared, any_peers())) {
        let set = set(&documents);
        for planned in plans(&set) {
            prop_assert_eq!(&planned, &plan(&set, &planned.node, &Environment::default()));
            let names: BTreeSet<_> = planned.peers.iter().map(|peer| (&peer.name, peer.family)).collect();
            prop_assert_eq!(names.len(), planned.peers.len(), "names are unique");
            for peer in &planned.peers {
                prop_assert_eq!(peer.cluster_id.is_some(), peer.route_reflector_client);
                prop_assert_eq!(peer.internal, peer.local_as == peer.peer_as);
                prop_assert_ne!(Some(peer.address), peer.source_address);
                let policies = [Audience::importing(peer), Audience::exporting(peer)];
                let policies = policies.map(|audience| audience.policy(&planned));
                prop_assert!(policies.iter().all(|policy| !policy.rules().is_empty()));
            }
            prop_assert!(render::json(&planned).is_ok());
            prop_assert!(render::yaml(&planned).is_ok());
            prop_assert!(render::table(&planned).contains(&planned.node));
        }
    }

    #[test]
    fn the_order_of_documents_means_nothing(documents in cluster(Addresses::Shared, any_peers()), seed in any::<u64>()) {
        let mut other = documents.clone();
        let turn = usize::try_from(seed % documents.len() as u64).unwrap_or(0);
        other.rotate_left(turn);
        other.reverse();
        let (one, other) = (set(&documents), set(&other));
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(plans(&one), plans(&other));
    }

    #[test]
    fn both_ends_of_a_mesh_pair_agree_on_who_dials(documents in cluster(Addresses::Own, Just(Vec::new()))) {
        let plans = plans(&set(&documents));
        for plan in &plans {
            for peer in &plan.peers {
                prop_assert_eq!(peer.kind, PeerType::Mesh);
                let (other, back) = other_end(&plans, peer).expect("the mesh has both ends");
                prop_assert_ne!(peer.passive, back.passive, "{} and {}", plan.node, other.node);
                prop_assert_eq!((peer.local_as, peer.peer_as), (back.peer_as, back.local_as));
                prop_assert_eq!(peer.port, other.listen_port);
            }
        }
    }

    #[test]
    fn every_node_that_is_dialled_knows_the_caller(documents in cluster(Addresses::Own, peers_of_nodes())) {
        let plans = plans(&set(&documents));
        for peer in plans.iter().flat_map(|plan| &plan.peers) {
            prop_assert!(other_end(&plans, peer).is_some(), "nobody expects {peer:?}");
        }
    }
}
