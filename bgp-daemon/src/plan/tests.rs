//! Each rule separately, on the smallest cluster that shows it. Whole clusters are in `tests/plan.rs`.

use super::*;
use crate::resources::{Severity, parse};
use bgp_core::types::{Asn, Family};

/// A cluster with nodes `a`, `b` and `c`, and the objects in `more`.
fn cluster(more: &str) -> ResourceSet {
    let text = format!("{}---\n{more}", ["a", "b", "c"].map(node).join("---\n"));
    let parsed = parse("test.yaml", &text);
    let errors: Vec<_> = parsed
        .problems
        .iter()
        .filter(|p| p.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    ResourceSet::from_documents(parsed.documents).set
}

/// `a` is 10.0.0.9, `b` 10.0.0.10, `c` 10.0.0.11; in text `b` < `c` < `a`.
fn node(name: &str) -> String {
    let last = match name {
        "a" => 9,
        "b" => 10,
        _ => 11,
    };
    calico(
        "Node",
        name,
        &format!("bgp: {{ipv4Address: 10.0.0.{last}/24}}"),
    )
    .replace(
        "metadata: {",
        &format!("metadata: {{labels: {{name: {name}, rack: r{last}}}, "),
    )
}

fn calico(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: projectcalico.org/v3, kind: {kind}, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n"
    )
}

fn config(spec: &str) -> String {
    format!("---\n{}", calico("BGPConfiguration", "default", spec))
}

fn peer(name: &str, spec: &str) -> String {
    format!("---\n{}", calico("BGPPeer", name, spec))
}

fn annotated(kind: &str, name: &str, spec: &str, annotations: &str) -> String {
    let object = calico(kind, name, spec);
    let metadata = format!("metadata: {{annotations: {{{annotations}}}, ");
    format!("---\n{}", object.replace("metadata: {", &metadata))
}

const NO_MESH: &str = "nodeToNodeMeshEnabled: false";

fn plan_for(node: &str, more: &str) -> Plan {
    plan(&cluster(more), node, &Environment::default())
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.peers.iter().map(|peer| peer.name.as_str()).collect()
}

fn only(plan: &Plan) -> &Peer {
    match &plan.peers[..] {
        [peer] => peer,
        peers => panic!("{peers:?}"),
    }
}

/// Promises 2.2, 3.1.
#[test]
fn without_any_configuration_the_mesh_is_on_with_calicos_defaults() {
    let plan = plan_for("a", "");
    assert_eq!(names(&plan), ["Mesh_10_0_0_10", "Mesh_10_0_0_11"]);
    assert_eq!((plan.local_as, plan.listen_port), (Asn(64512), 179));
    assert_eq!(
        plan.router_id.map(|id| id.to_string()).as_deref(),
        Some("10.0.0.9")
    );
    assert!(
        plan.peers
            .iter()
            .all(|peer| peer.internal && peer.peer_as == Asn(64512))
    );
    assert_eq!(plan.problems, []);
}

/// Promise 4.1.
#[test]
fn string_order_decides_who_is_passive() {
    let passive = |node: &str| {
        plan_for(node, "")
            .peers
            .iter()
            .map(|p| p.passive)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        passive("a"),
        [false, false],
        "10.0.0.9 is the greatest text: it dials both"
    );
    assert_eq!(passive("b"), [true, true]);
    assert_eq!(
        passive("c"),
        [false, true],
        "dials 10.0.0.10, waits for 10.0.0.9"
    );
}

/// Promise 1.16.
#[test]
fn a_typing_error_in_the_clusters_settings_changes_nothing_else() {
    let wrong = "nodeToNodeMeshEnabled: false, asNumber: 64600, listenPort: 1790, bindMode: All, \
                 prefixAdvertisements: [{cidr: 10/8, communities: ['1:2']}]";
    let parsed = parse("test.yaml", &format!("{}{}", node("a"), config(wrong)));
    assert_eq!(parsed.problems.len(), 2);
    let resources = ResourceSet::from_documents(parsed.documents).set;
    let plan = plan(&resources, "a", &Environment::default());
    assert_eq!(names(&plan), [] as [&str; 0]);
    assert_eq!((plan.local_as, plan.listen_port), (Asn(64600), 1790));
}

/// Only IPv4 has the tunnel, so an IPv6 pool has no effect there.
///
/// Promise 1.16.
#[test]
fn encapsulation_that_cannot_be_is_left_out_alone() {
    let pools = "---\n".to_owned()
        + &calico("IPPool", "six", "cidr: 'fd00:1::/48', ipipMode: Always")
        + "---\n"
        + &calico(
            "IPPool",
            "both",
            "cidr: 10.7.0.0/16, ipipMode: Always, vxlanMode: Always",
        );
    let parsed = parse("test.yaml", &(node("a") + &pools));
    let fields: Vec<_> = parsed.problems.iter().map(|p| p.field.as_deref()).collect();
    assert_eq!(fields, [Some("spec.ipipMode"); 2]);
    let resources = ResourceSet::from_documents(parsed.documents).set;
    let plan = plan(&resources, "a", &Environment::default());
    let kernel = serde_json::to_value(&plan.kernel.ipv6).unwrap();
    assert_eq!(kernel["rejectPools"], serde_json::json!([]));
    let kernel = serde_json::to_value(&plan.kernel.ipv4).unwrap();
    assert_eq!(kernel["rejectPools"], serde_json::json!(["10.7.0.0/16"]));
    assert_eq!(plan.export.ipv6.accept_prefixes.len(), 1);
}

/// Promise 3.1.
#[test]
fn a_route_reflector_is_not_in_the_mesh_on_either_side() {
    let reflector = "---\n".to_owned()
        + &calico(
            "Node",
            "d",
            "bgp: {ipv4Address: 10.0.0.20/24, routeReflectorClusterID: 1.1.1.1}",
        );
    assert_eq!(
        names(&plan_for("a", &reflector)),
        ["Mesh_10_0_0_10", "Mesh_10_0_0_11"]
    );
    let plan = plan_for("d", &reflector);
    assert_eq!(names(&plan), [] as [&str; 0]);
    assert_eq!(
        plan.cluster_id.map(|id| id.to_string()).as_deref(),
        Some("1.1.1.1")
    );
}

/// Promises 2.2, 3.3.
#[test]
fn a_mesh_peer_without_an_as_has_the_global_one_whatever_mine_is() {
    let more = config("asNumber: 65000")
        + "---\n"
        + &calico(
            "Node",
            "d",
            "bgp: {ipv4Address: 10.0.0.20/24, asNumber: 65001}",
        );
    let plan = plan_for("d", &more);
    assert_eq!(plan.local_as, Asn(65001));
    assert!(
        plan.peers
            .iter()
            .all(|peer| peer.peer_as == Asn(65000) && !peer.internal)
    );
    let towards_d = &plan_for("a", &more).peers[2];
    assert_eq!((towards_d.peer_as, towards_d.internal), (Asn(65001), false));
}

/// Promises 2.3, 3.4.
#[test]
fn ports_of_mesh_peers_are_theirs_and_not_in_the_name() {
    let more = config("listenPort: 180")
        + "---\n"
        + &calico("BGPConfiguration", "node.b", "listenPort: 181");
    let plan = plan_for("a", &more);
    assert_eq!(plan.listen_port, 180);
    let ports: Vec<_> = plan
        .peers
        .iter()
        .map(|peer| (peer.name.as_str(), peer.port))
        .collect();
    assert_eq!(ports, [("Mesh_10_0_0_10", 181), ("Mesh_10_0_0_11", 180)]);
    assert_eq!(plan_for("b", &more).listen_port, 181);
}

/// Promise 3.2.
#[test]
fn of_two_nodes_with_the_same_address_one_has_a_session() {
    let more = "---\n".to_owned() + &calico("Node", "d", "bgp: {ipv4Address: 10.0.0.10/24}");
    let plan = plan_for("a", &more);
    assert_eq!(names(&plan), ["Mesh_10_0_0_10", "Mesh_10_0_0_11"]);
    assert_eq!(plan.problems[0].object, "Node/d");
}

/// Promise 2.8.
#[test]
fn a_family_without_our_address_has_no_sessions() {
    let more = "---\n".to_owned()
        + &calico("Node", "d", "bgp: {ipv6Address: 'fd00::1/64'}")
        + &peer("tor", "peerIP: 192.0.2.1, asNumber: 65001");
    let plan = plan_for("d", &more);
    assert_eq!(names(&plan), [] as [&str; 0]);
    assert_eq!(plan.router_id, None);
    assert!(plan.problems[0].reason.contains("CALICO_ROUTER_ID"));
}

/// Promise 2.9.
#[test]
fn a_node_that_does_not_exist_is_a_problem_and_has_no_sessions() {
    let plan = plan_for("z", "");
    assert!(!plan.node_exists && plan.peers.is_empty());
    assert_eq!(plan.problems[0].to_string(), "Node/z: does not exist");
}

/// Promise 2.1.
#[test]
fn the_router_id_comes_from_the_environment_first() {
    let with = |text: &str| {
        let environment = Environment {
            router_id: Some(text.into()),
            ..Environment::default()
        };
        let plan = plan(&cluster(""), "a", &environment);
        (
            plan.router_id.map(|id| id.to_string()).unwrap_or_default(),
            plan.problems.len(),
        )
    };
    assert_eq!(with("192.0.2.99"), ("192.0.2.99".into(), 0));
    assert_ne!(with("hash").0, "10.0.0.9");
    assert_eq!(with("mine"), ("10.0.0.9".into(), 1));
}

/// Promise 5.1.
#[test]
fn a_global_peer_is_on_every_node_and_one_of_a_node_is_on_that() {
    let more = config(NO_MESH)
        + &peer("tor", "peerIP: 192.0.2.1, asNumber: 65001")
        + &peer("rack", "peerIP: 192.0.2.2, asNumber: 65001, node: a")
        + &peer(
            "row",
            "peerIP: 192.0.2.3, asNumber: 65001, nodeSelector: \"name in {'a', 'b'}\"",
        );
    assert_eq!(
        names(&plan_for("a", &more)),
        ["Global_192_0_2_1", "Node_192_0_2_2", "Node_192_0_2_3"]
    );
    assert_eq!(
        names(&plan_for("b", &more)),
        ["Global_192_0_2_1", "Node_192_0_2_3"]
    );
    assert_eq!(names(&plan_for("c", &more)), ["Global_192_0_2_1"]);
}

/// Promise 5.3.
#[test]
fn of_equal_peerings_the_first_name_counts_and_global_beats_node() {
    let more = config(NO_MESH)
        + &peer("b-second", "peerIP: 192.0.2.1, asNumber: 65002")
        + &peer("a-first", "peerIP: 192.0.2.1, asNumber: 65001")
        + &peer("a-node", "peerIP: 192.0.2.1, asNumber: 65003, node: a")
        + &peer(
            "another-port",
            "peerIP: '192.0.2.1:1790', asNumber: 65004, node: a",
        );
    let plan = plan_for("a", &more);
    let seen: Vec<_> = plan
        .peers
        .iter()
        .map(|p| (p.name.as_str(), p.peer_as.0, p.port))
        .collect();
    assert_eq!(
        seen,
        [
            ("Global_192_0_2_1", 65001, 179),
            ("Node_192_0_2_1_port_1790", 65004, 1790)
        ]
    );
}

/// Promise 5.5.
#[test]
fn a_session_with_myself_is_skipped_on_any_port() {
    let more = config(NO_MESH)
        + &peer(
            "me",
            "peerIP: 10.0.0.9, asNumber: 64512, node: a, reversePeering: Manual",
        )
        + &peer(
            "me-too",
            "peerIP: '10.0.0.9:1790', asNumber: 64512, node: a, reversePeering: Manual",
        );
    assert_eq!(names(&plan_for("a", &more)), [] as [&str; 0]);
}

/// Promises 4.3, 5.2.
#[test]
fn selected_peers_bring_as_and_port_of_their_nodes() {
    let more = config(NO_MESH)
        + "---\n"
        + &calico(
            "Node",
            "d",
            "bgp: {ipv4Address: 10.0.0.20/24, ipv6Address: 'fd00::20/64', asNumber: 65009}",
        )
        + "---\n"
        + &calico("BGPConfiguration", "node.d", "listenPort: 1790")
        + &peer(
            "to-d",
            "node: a, peerSelector: '!has(name)', localASNumber: 65500, numAllowedLocalASNumbers: 3, ttlSecurity: 1",
        );
    let plan = plan_for("a", &more);
    let peer = only(&plan);
    assert_eq!(
        (peer.name.as_str(), peer.port, peer.peer_as),
        ("Node_10_0_0_20_port_1790", 1790, Asn(65009))
    );
    assert_eq!(
        (peer.local_as, peer.allowed_local_as),
        (Asn(64512), 0),
        "not for selected peers"
    );
    assert_eq!(peer.ttl_security, Some(1));
    assert!(!peer.passive, "both ends dial");
}

/// Promise 5.4.
#[test]
fn the_port_of_a_node_named_by_address_and_as_is_the_nodes() {
    let more = config(&format!("{NO_MESH}, listenPort: 180"))
        + &peer("b", "peerIP: 10.0.0.10, asNumber: 64512")
        + &peer("b-other-as", "peerIP: 10.0.0.11, asNumber: 65001");
    assert_eq!(
        names(&plan_for("a", &more)),
        ["Global_10_0_0_10_port_180", "Global_10_0_0_11"]
    );
}

/// Promises 4.2, 4.3.
#[test]
fn a_global_peer_that_is_a_node_follows_the_passive_rule() {
    let more = config(NO_MESH) + &peer("b", "peerIP: 10.0.0.10, asNumber: 64512");
    assert!(!only(&plan_for("a", &more)).passive, "a dials");
    let plan = plan_for(
        "b",
        &(config(NO_MESH)
            + &peer(
                "a",
                "peerIP: 10.0.0.9, asNumber: 64512, reversePeering: Manual",
            )),
    );
    assert!(only(&plan).passive, "b waits");
    let plan = plan_for(
        "b",
        &(config(NO_MESH)
            + &peer(
                "a",
                "peerIP: 10.0.0.9, asNumber: 64512, node: b, reversePeering: Manual",
            )),
    );
    assert!(!only(&plan).passive, "sessions of one node always dial");
}

/// Promises 5.6, 5.7.
#[test]
fn the_other_side_of_a_peering_between_nodes_comes_by_itself() {
    let spec = "node: a, peerSelector: name == 'b'";
    let more = config(NO_MESH) + &peer("ab", spec);
    assert_eq!(names(&plan_for("a", &more)), ["Node_10_0_0_10"]);
    assert_eq!(names(&plan_for("b", &more)), ["Node_10_0_0_9"]);
    assert_eq!(names(&plan_for("c", &more)), [] as [&str; 0]);
    let manual = config(NO_MESH) + &peer("ab", &format!("{spec}, reversePeering: Manual"));
    assert_eq!(names(&plan_for("b", &manual)), [] as [&str; 0]);
}

/// Promise 5.6.
#[test]
fn the_other_side_of_an_address_needs_the_same_as_and_port() {
    let reversed = |spec: &str, settings: &str| {
        let more =
            config(&format!("{NO_MESH}{settings}")) + &peer("ab", &format!("node: a, {spec}"));
        names(&plan_for("b", &more)).len()
    };
    assert_eq!(reversed("peerIP: 10.0.0.10, asNumber: 64512", ""), 1);
    assert_eq!(reversed("peerIP: 10.0.0.10, asNumber: 65001", ""), 0);
    assert_eq!(
        reversed("peerIP: '10.0.0.10:1790', asNumber: 64512", ""),
        1,
        "any port without a configured one"
    );
    assert_eq!(
        reversed(
            "peerIP: '10.0.0.10:1790', asNumber: 64512",
            ", listenPort: 1790"
        ),
        1
    );
    assert_eq!(
        reversed(
            "peerIP: '10.0.0.10:1790', asNumber: 64512",
            ", listenPort: 180"
        ),
        0
    );
}

/// Promise 5.8.
#[test]
fn a_reflector_reflects_to_everyone_in_its_as_but_reflectors_of_its_cluster() {
    let reflector = |name: &str, last: u8, id: &str| {
        "---\n".to_owned()
            + &calico(
                "Node",
                name,
                &format!("bgp: {{ipv4Address: 10.0.0.{last}/24, routeReflectorClusterID: {id}}}"),
            )
    };
    let more = config(NO_MESH)
        + &reflector("r1", 21, "1.1.1.1")
        + &reflector("r2", 22, "1.1.1.1")
        + &reflector("r3", 23, "3.3.3.3")
        + &peer("all", "node: r1, peerSelector: all()")
        + &peer("tor", "node: r1, peerIP: 192.0.2.1, asNumber: 65001")
        + &peer(
            "external-rr",
            "node: r1, peerIP: 192.0.2.2, asNumber: 64512",
        );
    let plan = plan_for("r1", &more);
    let clients: Vec<_> = plan
        .peers
        .iter()
        .filter(|p| p.route_reflector_client)
        .map(|p| p.name.as_str())
        .collect();
    assert_eq!(
        clients,
        [
            "Node_10_0_0_10",
            "Node_10_0_0_11",
            "Node_10_0_0_23",
            "Node_10_0_0_9",
            "Node_192_0_2_2"
        ]
    );
    assert!(
        plan.peers
            .iter()
            .all(|p| p.cluster_id.is_some() == p.route_reflector_client)
    );
}

/// Promises 5.9, 5.10.
#[test]
fn local_as_makes_the_session_external() {
    let more = config(NO_MESH)
        + &peer(
            "tor",
            "peerIP: 192.0.2.1, asNumber: 64512, localASNumber: 65500, numAllowedLocalASNumbers: 2",
        );
    let plan = plan_for("a", &more);
    let peer = only(&plan);
    assert_eq!(
        (peer.local_as, peer.internal, peer.allowed_local_as),
        (Asn(65500), false, 2)
    );
}

/// Promise 5.11.
#[test]
fn next_hop_modes() {
    let next_hop = |spec: &str| {
        only(&plan_for(
            "a",
            &(config(NO_MESH) + &peer("tor", &format!("peerIP: 192.0.2.1, {spec}"))),
        ))
        .next_hop
    };
    assert_eq!(next_hop("asNumber: 65001"), PlannedNextHop::None);
    assert_eq!(
        next_hop("asNumber: 65001, keepOriginalNextHop: true"),
        PlannedNextHop::Keep
    );
    assert_eq!(
        next_hop("asNumber: 64512, keepOriginalNextHop: true"),
        PlannedNextHop::None,
        "eBGP only"
    );
    assert_eq!(
        next_hop("asNumber: 64512, nextHopMode: Keep"),
        PlannedNextHop::Keep
    );
    assert_eq!(
        next_hop("asNumber: 65001, nextHopMode: Self"),
        PlannedNextHop::Own
    );
    assert_eq!(
        next_hop("asNumber: 65001, nextHopMode: Auto, keepOriginalNextHop: true"),
        PlannedNextHop::None,
        "nextHopMode counts"
    );
}

/// Promises 1.10, 5.14.
#[test]
fn a_missing_password_is_a_problem_and_a_wrong_namespace_is_missing() {
    let more = config(NO_MESH)
        + &peer(
            "tor",
            "peerIP: 192.0.2.1, asNumber: 65001, password: {secretKeyRef: {name: bgp, key: tor}}",
        )
        + "---\n{apiVersion: v1, kind: Secret, metadata: {name: bgp, namespace: calico-system}, stringData: {tor: hunter2}}\n";
    let in_namespace = |namespace: &str| {
        let environment = Environment {
            namespace: namespace.into(),
            ..Environment::default()
        };
        plan(&cluster(&more), "a", &environment)
    };
    let with = in_namespace("calico-system");
    assert_eq!(
        only(&with).password.as_ref().map(Password::expose),
        Some(&b"hunter2"[..])
    );
    assert_eq!(with.problems, []);
    let without = in_namespace("kube-system");
    assert_eq!(only(&without).password, None);
    assert!(
        without.problems[0].reason.contains("kube-system/bgp"),
        "{}",
        without.problems[0]
    );
    for shown in [
        format!("{with:?}"),
        render::json(&with).unwrap(),
        render::yaml(&with).unwrap(),
        render::table(&with),
    ] {
        assert!(!shown.contains("hunter2"));
    }
    assert_ne!(with, without, "a password that appears is a change");
}

/// Promise 5.21.
#[test]
fn a_session_that_requires_a_password_is_kept_down_without_it() {
    let reference = "password: {secretKeyRef: {name: bgp, key: tor, optional: true}}";
    let spec = format!("peerIP: 192.0.2.1, asNumber: 65001, {reference}");
    let required = "bgp-daemon.io/require-password: 'true'";
    let secret = "---\n{apiVersion: v1, kind: Secret, metadata: {name: bgp, namespace: kube-system}, stringData: {tor: x}}\n";
    let of_peer = config(NO_MESH) + &annotated("BGPPeer", "tor", &spec, required);
    let of_cluster =
        annotated("BGPConfiguration", "default", NO_MESH, required) + &peer("tor", &spec);
    let mesh = annotated(
        "BGPConfiguration",
        "default",
        &reference.replace("password", "nodeMeshPassword"),
        required,
    );
    for more in [of_peer, of_cluster, mesh] {
        let without = plan_for("a", &more);
        assert_eq!(names(&without), [] as [&str; 0], "{more}");
        let [problem] = &without.problems[..] else {
            panic!("{:?}", without.problems)
        };
        assert_eq!(problem.severity, Severity::Error);
        assert_eq!(
            problem.reason,
            "kept down until its password is there: Secret kube-system/bgp does not exist or cannot be read"
        );
        let with = plan_for("a", &(more + secret));
        assert!(!with.peers.is_empty());
        assert!(with.peers.iter().all(|peer| peer.password.is_some()));
        assert_eq!(with.problems, []);
    }
}

/// Promise 5.22.
#[test]
fn without_an_as_number_a_peer_is_in_the_as_of_the_cluster_on_both_ends() {
    let more = config("nodeToNodeMeshEnabled: false, asNumber: 64999")
        + &peer("tor", "peerIP: 192.0.2.1")
        + &peer("pair", "node: b, peerIP: 10.0.0.9");
    let a = plan_for("a", &more);
    let seen = |plan: &Plan| -> Vec<(String, Asn, bool)> {
        let peers = plan.peers.iter();
        peers
            .map(|peer| (peer.name.clone(), peer.peer_as, peer.internal))
            .collect()
    };
    let session = |name: &str| (name.to_owned(), Asn(64999), true);
    assert_eq!(
        seen(&a),
        [session("Global_192_0_2_1"), session("Node_10_0_0_10")]
    );
    let b = plan_for("b", &more);
    assert_eq!(
        seen(&b),
        [session("Global_192_0_2_1"), session("Node_10_0_0_9")]
    );
}

/// Promise 5.19.
#[test]
fn a_filter_that_does_not_exist_is_a_problem_on_every_node() {
    let more = config(NO_MESH)
        + &peer(
            "tor",
            "node: b, peerIP: 192.0.2.1, asNumber: 65001, filters: [keep-in, nope]",
        )
        + &format!(
            "---\n{}",
            calico("BGPFilter", "keepin", "exportV4: [{action: Reject}]")
        );
    for node in ["a", "b"] {
        let problems: Vec<String> = plan_for(node, &more)
            .problems
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            problems,
            [
                "BGPPeer/tor: spec.filters[0]: BGPFilter/keep-in does not exist and is skipped (did you mean keepin?)",
                "BGPPeer/tor: spec.filters[1]: BGPFilter/nope does not exist and is skipped",
            ]
        );
    }
}

/// Promises 1.10, 5.15.
#[test]
fn a_second_password_for_an_address_is_a_problem() {
    let with = |port: u16, key: &str| {
        format!(
            "peerIP: '192.0.2.1:{port}', asNumber: 65001, password: {{secretKeyRef: {{name: bgp, key: {key}}}}}"
        )
    };
    let problems = |second: &str| {
        let more = config(NO_MESH)
            + &peer("one", &with(1790, "a"))
            + &peer("two", second)
            + "---\n{apiVersion: v1, kind: Secret, metadata: {name: bgp, namespace: calico-system}, stringData: {a: first, b: second}}\n";
        let environment = Environment {
            namespace: "calico-system".into(),
            ..Environment::default()
        };
        let plan = plan(&cluster(&more), "a", &environment);
        assert_eq!(plan.peers.len(), 2);
        plan.problems
    };
    assert_eq!(problems(&with(1791, "a")), []);
    let elsewhere = with(1791, "b").replace("192.0.2.1", "192.0.2.2");
    assert_eq!(problems(&elsewhere), []);
    let without = "peerIP: '192.0.2.1:1791', asNumber: 65001";
    for second in [with(1791, "b").as_str(), without] {
        let problems = problems(second);
        let [problem] = &problems[..] else {
            panic!("{problems:?}");
        };
        assert_eq!(problem.object, "BGPPeer/two");
        assert_eq!(problem.field.as_deref(), Some("spec.password"));
        assert!(problem.reason.contains("BGPPeer/one"), "{problem}");
    }
}

/// Promise 5.19.
#[test]
fn only_filters_with_rules_for_family_and_direction_are_named() {
    let more = config(NO_MESH)
        + "---\n"
        + &calico(
            "BGPFilter",
            "in",
            "importV4: [{action: Accept}], importV6: [{action: Accept}]",
        )
        + "---\n"
        + &calico("BGPFilter", "six", "exportV6: [{action: Accept}]")
        + &peer(
            "tor",
            "peerIP: 192.0.2.1, asNumber: 65001, filters: [six, missing, in]",
        );
    let plan = plan_for("a", &more);
    let peer = only(&plan);
    assert_eq!(peer.import_filters, ["in"]);
    assert_eq!(peer.export_filters, [] as [&str; 0]);
    assert_eq!(plan.filters.keys().collect::<Vec<_>>(), ["in"]);
}

/// Promises 4.4, 6.1, 6.2.
#[test]
fn workloads_take_filters_and_as_numbers_and_nothing_else() {
    let more = config(NO_MESH)
        + "---\n"
        + &calico("BGPFilter", "f", "importV4: [{action: Accept}]")
        + &peer(
            "vm",
            "localWorkloadSelector: has(bgp), asNumber: 65010, localASNumber: 65020, filters: [f], maxRestartTime: 10s, keepaliveTime: 5s, ttlSecurity: 1, nextHopMode: Keep",
        )
        + &peer(
            "elsewhere",
            "localWorkloadSelector: has(bgp), asNumber: 65010, node: b",
        );
    let workload = |peer: &str, ip: &str| Workload {
        peer_name: peer.into(),
        ipv4: ip.parse().ok(),
        ipv6: None,
    };
    let environment = Environment {
        workloads: vec![
            workload("vm", "10.1.0.5"),
            workload("elsewhere", "10.1.0.6"),
            workload("gone", "10.1.0.7"),
        ],
        ..Environment::default()
    };
    let plan = plan(&cluster(&more), "a", &environment);
    let peer = only(&plan);
    assert_eq!(
        (peer.name.as_str(), peer.kind),
        ("Local_Workload_10_1_0_5", PeerType::Local)
    );
    assert_eq!((peer.local_as, peer.peer_as), (Asn(65020), Asn(65010)));
    assert_eq!((peer.passive, peer.source_address), (true, None));
    assert_eq!(
        (
            peer.graceful_restart_time,
            peer.keepalive_time,
            peer.ttl_security
        ),
        (None, None, None)
    );
    assert_eq!(
        (peer.next_hop, &peer.import_filters[..]),
        (PlannedNextHop::None, &["f".to_owned()][..])
    );
    assert_eq!(
        plan.problems.len(),
        1,
        "the BGPPeer of one workload is gone: {:?}",
        plan.problems
    );
}

/// Promise 2.11.
#[test]
fn annotations_of_the_peer_win_over_those_of_the_node_and_of_the_cluster() {
    let more = annotated(
        "BGPConfiguration",
        "default",
        NO_MESH,
        "bgp-daemon.io/hold-time: 90s, bgp-daemon.io/max-prefixes: '5', bgp-daemon.io/role: customer",
    ) + &annotated(
        "BGPConfiguration",
        "node.a",
        "",
        "bgp-daemon.io/hold-time: 60s, bgp-daemon.io/max-prefixes: '6'",
    ) + &annotated(
        "BGPPeer",
        "tor",
        "peerIP: 192.0.2.1, asNumber: 65001",
        "bgp-daemon.io/hold-time: 30s, bgp-daemon.io/passive: 'true', bgp-daemon.io/bfd: maybe",
    );
    let plan = plan_for("a", &more);
    let peer = only(&plan);
    assert_eq!(
        (
            peer.options.hold_time.as_secs(),
            peer.options.max_prefixes,
            peer.passive
        ),
        (30, Some(6), true)
    );
    assert!(peer.options.role.is_some());
    assert_eq!(plan.problems.len(), 1);
    assert_eq!(
        plan.problems[0].field.as_deref(),
        Some("metadata.annotations.bgp-daemon.io/bfd")
    );
}

/// Promise 5.13.
#[test]
fn host_routes_lead_to_peers_of_this_node_only() {
    let more = config(NO_MESH)
        + &peer(
            "a",
            "node: a, peerIP: 192.0.2.1, asNumber: 65001, reachableBy: 10.0.0.254",
        )
        + &peer(
            "b",
            "node: b, peerIP: 192.0.2.2, asNumber: 65001, reachableBy: 10.0.0.254",
        );
    let plan = plan_for("a", &more);
    let routes: Vec<_> = plan
        .reachable_by
        .iter()
        .map(|r| format!("{} via {}", r.prefix, r.via))
        .collect();
    assert_eq!(routes, ["192.0.2.1/32 via 10.0.0.254"]);
}

fn affinity(name: &str, cidr: &str, rest: &str) -> String {
    format!(
        "---\n{}",
        calico("BlockAffinity", name, &format!("cidr: {cidr}, {rest}"))
    )
}

/// Promises 8.2, 11.7.
#[test]
fn blocks_count_by_their_state() {
    let more = affinity("a1", "10.1.0.0/26", "node: a, state: confirmed")
        + &affinity("a2", "10.1.0.64/26", "node: a, state: ''")
        + &affinity("a3", "10.1.0.128/26", "node: a, state: pending")
        + &affinity("a4", "10.1.0.192/26", "node: a, state: pendingDeletion")
        + &affinity(
            "a5",
            "10.1.1.0/26",
            "node: a, state: confirmed, deleted: 'true'",
        )
        + &affinity("a6", "10.1.1.64/26", "node: b, state: confirmed")
        + &affinity(
            "a7",
            "10.1.1.128/26",
            "node: a, state: confirmed, type: virtual",
        )
        + &affinity("a8", "10.1.2.1/32", "node: a, state: confirmed");
    let plan = plan_for("a", &more);
    let aggregated: Vec<_> = plan
        .aggregated
        .iter()
        .map(|b| b.prefix.to_string())
        .collect();
    assert_eq!(aggregated, ["10.1.0.0/26", "10.1.0.64/26", "10.1.2.1/32"]);
    let originated: Vec<_> = plan
        .originate
        .iter()
        .map(|o| o.prefix.to_string())
        .collect();
    assert_eq!(originated, ["10.1.0.0/26", "10.1.0.64/26", "10.1.0.192/26"]);
}

/// Promise 8.3.
#[test]
fn pod_cidrs_take_the_place_of_blocks() {
    let more = affinity("a1", "10.1.0.0/26", "node: a")
        + "---\n{apiVersion: v1, kind: Node, metadata: {name: a}, spec: {podCIDRs: [10.8.1.0/24]}}\n";
    let environment = Environment {
        use_pod_cidr: true,
        ..Environment::default()
    };
    let plan = plan(&cluster(&more), "a", &environment);
    assert_eq!(
        plan.originate
            .iter()
            .map(|o| o.prefix.to_string())
            .collect::<Vec<_>>(),
        ["10.8.1.0/24"]
    );
}

/// Promise 20.1.
#[test]
fn a_cluster_without_calico_has_internal_addresses_pod_cidrs_and_no_mesh() {
    let node = |name: &str, last: u8| {
        format!(
            "---\n{{apiVersion: v1, kind: Node, metadata: {{name: {name}}}, spec: {{podCIDRs: [10.8.{last}.0/24]}}, \
             status: {{addresses: [{{type: Hostname, address: {name}}}, {{type: InternalIP, address: 10.0.0.{last}}}]}}}}\n"
        )
    };
    let documents = |configuration: &str| {
        let own = "apiVersion: bgp-daemon.io/v1alpha1";
        let peer = format!(
            "---\n{{{own}, kind: BGPPeer, metadata: {{name: tor}}, spec: {{peerIP: 10.0.0.254, asNumber: 65001}}}}\n"
        );
        let configuration = format!(
            "---\n{{{own}, kind: BGPConfiguration, metadata: {{name: default}}, spec: {{asNumber: 65010{configuration}}}}}\n"
        );
        let text = node("a", 1) + &node("b", 2) + &peer + &configuration;
        ResourceSet::from_documents(parse("test", &text).documents).set
    };
    let environment = Environment {
        standalone: true,
        ..Environment::default()
    };
    let calico = plan(&documents(""), "a", &Environment::default());
    assert_eq!((calico.peers.len(), calico.originate.len()), (0, 0));
    let plan_of = |configuration| plan(&documents(configuration), "a", &environment);
    let alone = plan_of("");
    assert_eq!(alone.problems, []);
    assert_eq!(
        alone.router_id,
        Some(bgp_core::types::RouterId("10.0.0.1".parse().unwrap()))
    );
    let peers = |plan: &Plan| -> Vec<String> {
        let peers = plan.peers.iter();
        peers.map(|peer| peer.address.to_string()).collect()
    };
    assert_eq!(peers(&alone), ["10.0.0.254"]);
    assert_eq!(
        alone.peers[0].source_address,
        Some("10.0.0.1".parse().unwrap())
    );
    let originated: Vec<_> = alone
        .originate
        .iter()
        .map(|o| o.prefix.to_string())
        .collect();
    assert_eq!(originated, ["10.8.1.0/24"]);
    let block = CandidateRoute {
        prefix: alone.originate[0].prefix,
        next_hop: None,
        local_pref: None,
        source: CandidateSource::Block,
    };
    assert_eq!(alone.kernel.ipv4.left_out(block), Some(LeftOut::PodCidr));
    let meshed = plan_of(", nodeToNodeMeshEnabled: true");
    assert_eq!(peers(&meshed), ["10.0.0.254", "10.0.0.2"]);
}

fn communities(plan: &Plan) -> Vec<String> {
    let text = |entry: &AdvertisedCommunities| {
        let values: Vec<_> = entry.communities.iter().map(ToString::to_string).collect();
        format!("{} {}", entry.cidr, values.join(","))
    };
    plan.communities.iter().map(text).collect()
}

/// Promise 8.4.
#[test]
fn communities_of_the_node_take_the_place_of_the_clusters_in_each_family() {
    let global = config(
        "communities: [{name: x, value: '1:2'}], prefixAdvertisements: [{cidr: 10.0.0.0/8, communities: [x, '3:4', '1:2', nobody]}, {cidr: 'fd00::/8', communities: ['5:6:7']}]",
    );
    assert_eq!(
        communities(&plan_for("a", &global)),
        ["10.0.0.0/8 1:2,3:4", "fd00::/8 5:6:7"]
    );
    assert_eq!(plan_for("a", &global).problems.len(), 1, "an unknown name");
    let own = global
        + "---\n"
        + &calico(
            "BGPConfiguration",
            "node.a",
            "prefixAdvertisements: [{cidr: 10.1.0.0/16, communities: ['8:9']}]",
        );
    assert_eq!(
        communities(&plan_for("a", &own)),
        ["10.1.0.0/16 8:9", "fd00::/8 5:6:7"]
    );
}

/// Prefixes of services that node `a` announces.
fn services(settings: &str, service: &str, slice: &str) -> Vec<String> {
    let more = config(settings)
        + &format!(
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: shop}}, {service}}}\n"
        )
        + &format!(
            "---\n{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: web-1, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}, addressType: IPv4, {slice}}}\n"
        );
    let plan = plan_for("a", &more);
    assert_eq!(plan.problems, []);
    plan.originate
        .iter()
        .map(|originated| originated.prefix.to_string())
        .collect()
}

const RANGES: &str = "serviceClusterIPs: [{cidr: 10.96.0.0/12}, {}], serviceExternalIPs: [{cidr: 203.0.113.0/24}, {cidr: 198.51.100.1/32}], serviceLoadBalancerIPs: [{cidr: 192.0.2.0/24}, {cidr: 198.51.100.2/32}]";
const HERE: &str = "endpoints: [{nodeName: a}]";
const ELSEWHERE: &str = "endpoints: [{nodeName: b}, {nodeName: a, conditions: {ready: false}}]";
const WHOLE: [&str; 3] = ["10.96.0.0/12", "192.0.2.0/24", "203.0.113.0/24"];

fn with_whole(more: &[&str]) -> Vec<String> {
    let mut all: Vec<ipnet::IpNet> = WHOLE
        .iter()
        .chain(more)
        .map(|net| net.parse().unwrap())
        .collect();
    all.sort();
    all.iter().map(ToString::to_string).collect()
}

/// Promises 10.1, 10.2.
#[test]
fn ranges_are_announced_but_single_addresses_only_with_their_service() {
    let cluster_ip = "spec: {clusterIP: 10.96.0.7}";
    assert_eq!(services(RANGES, cluster_ip, HERE), with_whole(&[]));
    let external = "spec: {clusterIP: 10.96.0.7, externalIPs: [198.51.100.1, 192.0.2.200]}";
    assert_eq!(
        services(RANGES, external, ELSEWHERE),
        with_whole(&["10.96.0.7/32", "198.51.100.1/32"])
    );
    let balanced = "spec: {type: LoadBalancer, clusterIP: 10.96.0.7}, status: {loadBalancer: {ingress: [{ip: 198.51.100.2}, {hostname: x}]}}";
    assert_eq!(
        services(RANGES, balanced, ELSEWHERE),
        with_whole(&["10.96.0.7/32", "198.51.100.2/32"])
    );
}

/// Promise 10.3.
#[test]
fn with_a_local_policy_a_ready_endpoint_must_be_here() {
    let local = "spec: {type: LoadBalancer, externalTrafficPolicy: Local, clusterIP: 10.96.0.7, externalIPs: [203.0.113.9]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.9}]}}";
    assert_eq!(
        services(RANGES, local, HERE),
        with_whole(&["10.96.0.7/32", "192.0.2.9/32", "203.0.113.9/32"])
    );
    assert_eq!(services(RANGES, local, ELSEWHERE), with_whole(&[]));
    let headless = "spec: {type: LoadBalancer, externalTrafficPolicy: Local, clusterIP: None, externalIPs: [203.0.113.9]}";
    assert_eq!(services(RANGES, headless, HERE), with_whole(&[]));
}

/// Promise 10.4.
#[test]
fn without_aggregation_each_service_with_ready_endpoints_is_announced() {
    let settings = format!("{RANGES}, serviceLoadBalancerAggregation: Disabled");
    let balanced = "spec: {type: LoadBalancer, clusterIP: 10.96.0.7}, status: {loadBalancer: {ingress: [{ip: 192.0.2.9}]}}";
    assert_eq!(
        services(&settings, balanced, ELSEWHERE),
        [
            "10.96.0.0/12",
            "10.96.0.7/32",
            "192.0.2.9/32",
            "203.0.113.0/24"
        ]
    );
    assert_eq!(
        services(&settings, balanced, "endpoints: []"),
        ["10.96.0.0/12", "203.0.113.0/24"]
    );
}

/// Promise 10.5.
#[test]
fn an_excluded_node_announces_no_service_but_keeps_them_out_of_the_kernel() {
    let more = config(RANGES)
        + "---\n{apiVersion: v1, kind: Node, metadata: {name: a, labels: {node.kubernetes.io/exclude-from-external-load-balancers: 'true'}}}\n";
    let plan = plan_for("a", &more);
    assert_eq!(plan.originate, []);
    assert_eq!(plan.kernel[Family::Ipv4Unicast].reject_services.len(), 3);
}

/// Promise 10.6.
#[test]
fn the_environment_replaces_the_cluster_ips() {
    let environment = Environment {
        advertise_cluster_ips: Some("10.100.0.0/16".into()),
        ..Environment::default()
    };
    let plan = plan(&cluster(&config(RANGES)), "a", &environment);
    let prefixes: Vec<_> = plan
        .originate
        .iter()
        .map(|o| o.prefix.to_string())
        .collect();
    assert_eq!(
        prefixes,
        ["10.100.0.0/16", "192.0.2.0/24", "203.0.113.0/24"]
    );
}

/// Promise 11.5.
#[test]
fn wireguard_routes_are_felix_where_both_ends_have_it() {
    let with_wireguard = |name: &str, last: u8| {
        "---\n".to_owned()
            + &calico(
                "Node",
                name,
                &format!(
                    "bgp: {{ipv4Address: 10.0.0.{last}/24}}, wireguard: {{interfaceIPv4Address: 10.9.0.{last}}}"
                ),
            )
    };
    let more = with_wireguard("d", 20) + &with_wireguard("e", 21);
    let hops = |node: &str| {
        plan_for(node, &more).kernel[Family::Ipv4Unicast]
            .reject_next_hops
            .clone()
    };
    assert_eq!(
        hops("d"),
        ["10.0.0.21".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(hops("a"), [] as [std::net::IpAddr; 0]);
}

/// Promise 1.4.
#[test]
fn both_node_apis_are_one_node() {
    let more = config(NO_MESH)
        + "---\n{apiVersion: v1, kind: Node, metadata: {name: a, labels: {zone: z1, rack: from-kubernetes}, annotations: {projectcalico.org/IPv4Address: 10.0.0.77/24}}}\n"
        + &peer(
            "z1",
            "peerIP: 192.0.2.1, asNumber: 65001, nodeSelector: zone == 'z1' && rack == 'from-kubernetes' && name == 'a'",
        );
    let plan = plan_for("a", &more);
    assert_eq!(
        only(&plan).source_address,
        "10.0.0.9".parse().ok(),
        "Calico's node counts"
    );
}
