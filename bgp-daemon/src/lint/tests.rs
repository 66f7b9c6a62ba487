//! Each mistake is found by its id, at its object and field, without any other finding.

use super::*;
use crate::resources::{ResourceSet, Severity, parse};

const NODES: &str = "
{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: a, labels: {rack: r1}}, spec: {bgp: {ipv4Address: 192.0.2.2/24}}}
---
{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: b, labels: {rack: r2}}, spec: {bgp: {ipv4Address: 192.0.2.3/24}}}
---
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pool}, spec: {cidr: 10.1.0.0/16}}
";

fn object(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: projectcalico.org/v3, kind: {kind}, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n"
    )
}

fn peer(name: &str, spec: &str) -> String {
    object("BGPPeer", name, spec)
}

fn tor(filters: &str) -> String {
    peer(
        "tor",
        &format!("peerIP: 192.0.2.1, asNumber: 65001, filters: [{filters}]"),
    )
}

fn annotated(kind: &str, name: &str, annotation: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: projectcalico.org/v3, kind: {kind}, metadata: {{name: {name}, annotations: {{bgp-daemon.io/{annotation}}}}}, spec: {{{spec}}}}}\n"
    )
}

fn found(documents: &str) -> Vec<Finding> {
    let parsed = parse("cluster.yaml", &format!("{NODES}{documents}"));
    let mut loaded = ResourceSet::from_documents(parsed.documents);
    loaded.problems.extend(parsed.problems);
    lint(&loaded, &Environment::default())
}

/// Ids with object and field.
fn ids(documents: &str) -> Vec<String> {
    let found = found(documents).into_iter().map(|finding| {
        let field = finding.field.unwrap_or_default();
        format!("{} {} {field}", finding.id, finding.object)
            .trim_end()
            .to_owned()
    });
    found.collect()
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let fine = [
        tor("export"),
        peer(
            "rack",
            "nodeSelector: rack == 'r1', peerIP: 192.0.2.9, asNumber: 65001, keepaliveTime: 80s",
        ),
        object(
            "BGPFilter",
            "export",
            "exportV4: [{action: Accept, cidr: 10.1.0.0/16, matchOperator: In}, {action: Accept, cidr: 10.96.0.0/12, matchOperator: Equal}, {action: Reject}]",
        ),
        object(
            "BGPConfiguration",
            "default",
            "serviceClusterIPs: [{cidr: 10.96.0.0/12}], communities: [{name: c, value: '64512:1'}], prefixAdvertisements: [{cidr: 10.96.0.0/12, communities: [c, '64512:2']}]",
        ),
    ];
    assert_eq!(found(&fine.concat()), []);
}

#[test]
fn selectors_and_names_that_mean_nobody() {
    for (documents, id) in [
        (
            peer(
                "p",
                "nodeSelector: rack == 'r9', peerIP: 192.0.2.1, asNumber: 65001",
            ),
            "selector-matches-nothing BGPPeer/p spec.nodeSelector",
        ),
        (
            peer("p", "peerSelector: has(reflector)"),
            "selector-matches-nothing BGPPeer/p spec.peerSelector",
        ),
        (
            object(
                "IPPool",
                "q",
                "cidr: 10.2.0.0/16, nodeSelector: rack == 'r9'",
            ),
            "selector-matches-nothing IPPool/q spec.nodeSelector",
        ),
        (
            peer("p", "node: c, peerIP: 192.0.2.1, asNumber: 65001"),
            "node-unknown BGPPeer/p spec.node",
        ),
        (
            object("BGPConfiguration", "node.c", "listenPort: 1179"),
            "node-unknown BGPConfiguration/node.c metadata.name",
        ),
    ] {
        assert_eq!(ids(&documents), [id]);
    }
    // Without nodes there are no findings about nodes.
    let text = peer(
        "p",
        "nodeSelector: rack == 'r9', peerIP: 192.0.2.1, asNumber: 65001",
    );
    let loaded = ResourceSet::from_documents(parse("p.yaml", &text).documents);
    assert_eq!(lint(&loaded, &Environment::default()), []);
}

#[test]
fn filters_that_nobody_uses_or_reaches() {
    let all = object("BGPFilter", "all", "exportV4: [{action: Accept}]");
    let some = object(
        "BGPFilter",
        "some",
        "exportV4: [{action: Reject, cidr: 10.1.0.0/16, matchOperator: In}]",
    );
    assert_eq!(ids(&all), ["filter-unused BGPFilter/all"]);
    let missing = found(&tor("nobody"));
    assert_eq!(
        (missing[0].id, missing[0].severity),
        ("filter-missing", Severity::Error)
    );
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!(
        ids(&format!("{all}{some}{}", tor("all, some"))),
        ["filter-shadowed BGPPeer/tor spec.filters[1]"]
    );
    assert_eq!(ids(&format!("{all}{some}{}", tor("some, all"))), [""; 0]);
    assert_eq!(
        ids(&format!("{all}{}", tor("all, all"))),
        ["filter-twice BGPPeer/tor spec.filters[1]"]
    );
}

/// Whether the second of two rules is shadowed by the first.
fn check_pairs(pairs: &[(String, String, bool)]) {
    for (first, second, is_shadowed) in pairs {
        let rule = |conditions: &str| match conditions {
            "" => "{action: Accept}".to_owned(),
            conditions => format!("{{action: Reject, {conditions}}}"),
        };
        let spec = format!("importV4: [{}, {}]", rule(first), rule(second));
        let ids = ids(&format!("{}{}", object("BGPFilter", "f", &spec), tor("f")));
        let expected: &[&str] = match *is_shadowed {
            true => &["rule-shadowed BGPFilter/f spec.importV4[1]"],
            false => &[],
        };
        assert_eq!(ids, expected, "{first} / {second}");
    }
}

#[test]
fn rules_after_one_that_matches_more_prefixes() {
    let net = |net, operator| format!("cidr: {net}, matchOperator: {operator}");
    check_pairs(&[
        (String::new(), net("10.1.0.0/16", "In"), true),
        (net("10.1.0.0/16", "In"), net("10.1.2.0/24", "In"), true),
        (net("10.1.0.0/16", "In"), net("10.1.0.0/16", "Equal"), true),
        (net("10.1.0.0/16", "In"), net("10.1.0.0/16", "In"), true),
        (net("0.0.0.0/0", "In"), String::new(), true),
        (net("10.1.2.0/24", "In"), net("10.1.0.0/16", "In"), false),
        (net("10.1.0.0/16", "Equal"), net("10.1.0.0/16", "In"), false),
        (net("10.1.0.0/16", "NotIn"), net("10.2.0.0/16", "In"), true),
        (net("10.1.0.0/16", "NotIn"), net("10.1.0.0/24", "In"), false),
        (
            net("10.1.0.0/16", "NotIn"),
            net("10.0.0.0/8", "NotIn"),
            true,
        ),
        (
            net("10.0.0.0/8", "NotIn"),
            net("10.1.0.0/16", "NotIn"),
            false,
        ),
        (
            net("10.1.0.0/16", "NotEqual"),
            net("10.1.0.0/16", "NotIn"),
            true,
        ),
        (
            net("10.0.0.0/8", "In, prefixLength: {min: 8, max: 24}"),
            net("10.1.0.0/16", "In, prefixLength: {max: 24}"),
            true,
        ),
        (
            net("10.0.0.0/8", "In, prefixLength: {max: 24}"),
            net("10.1.0.0/16", "In"),
            false,
        ),
    ]);
}

#[test]
fn rules_after_one_that_matches_more_of_anything_else() {
    check_pairs(&[
        (
            "peerType: eBGP".into(),
            "peerType: eBGP, source: RemotePeers".into(),
            true,
        ),
        ("peerType: eBGP".into(), String::new(), false),
        ("peerType: eBGP".into(), "peerType: iBGP".into(), false),
        ("interface: 'eth*'".into(), "interface: eth0".into(), true),
        ("interface: eth0".into(), "interface: 'eth*'".into(), false),
        ("source: RemotePeers".into(), String::new(), false),
        ("priority: 100".into(), "priority: 100".into(), true),
        ("priority: 100".into(), "priority: 200".into(), false),
        (
            "asPathPrefix: [65001]".into(),
            "asPathPrefix: [65001, 65002]".into(),
            true,
        ),
        (
            "asPathPrefix: [65001, 65002]".into(),
            "asPathPrefix: [65001]".into(),
            false,
        ),
        (
            "communities: {values: ['1:1']}".into(),
            "communities: {values: ['1:1']}, priority: 5".into(),
            true,
        ),
        (
            "communities: {values: ['1:1']}".into(),
            "communities: {values: ['1:2']}".into(),
            false,
        ),
    ]);
}

#[test]
fn rules_that_match_nothing() {
    let never = object(
        "BGPFilter",
        "f",
        "importV4: [{action: Accept, cidr: 0.0.0.0/0, matchOperator: NotIn}]",
    );
    assert_eq!(
        ids(&format!("{never}{}", tor("f"))),
        ["rule-never-matches BGPFilter/f spec.importV4[0]"]
    );
}

#[test]
fn a_priority_towards_another_as() {
    let filter = |peer_type: &str| {
        object(
            "BGPFilter",
            "f",
            &format!(
                "exportV4: [{{action: Accept, {peer_type}operations: [{{setPriority: {{value: 100}}}}]}}]"
            ),
        )
    };
    let inside = peer("in", "peerIP: 192.0.2.8, asNumber: 64512, filters: [f]");
    let warned = ["local-pref-to-external BGPFilter/f spec.exportV4[0].operations[0]"];
    assert_eq!(ids(&format!("{}{}", filter(""), tor("f"))), warned);
    assert_eq!(ids(&format!("{}{inside}", filter(""))), [""; 0]);
    assert_eq!(
        ids(&format!("{}{inside}", filter("peerType: eBGP, "))),
        warned
    );
    assert_eq!(
        ids(&format!("{}{}", filter("peerType: iBGP, "), tor("f"))),
        [""; 0]
    );
}

#[test]
fn a_peer_twice() {
    let global = |name| peer(name, "peerIP: 192.0.2.1, asNumber: 65001");
    let on = |name, spec| peer(name, &format!("{spec}, peerIP: 192.0.2.1, asNumber: 65001"));
    for documents in [
        [global("p"), global("q")],
        [global("p"), on("q", "node: a")],
        [on("p", "node: a"), on("q", "nodeSelector: rack == 'r1'")],
        [on("p", "node: a"), on("q", "node: a")],
    ] {
        assert_eq!(ids(&documents.concat()), ["peer-twice BGPPeer/q"]);
    }
    for documents in [
        [on("p", "node: a"), on("q", "node: b")],
        [
            on("p", "nodeSelector: rack == 'r1'"),
            on("q", "nodeSelector: rack == 'r2'"),
        ],
        [
            global("p"),
            peer("q", "peerIP: '192.0.2.1:1179', asNumber: 65001"),
        ],
    ] {
        assert_eq!(ids(&documents.concat()), [""; 0]);
    }
    let between = |name| {
        peer(
            name,
            "nodeSelector: rack == 'r1', peerSelector: rack == 'r2'",
        )
    };
    let no_mesh = object(
        "BGPConfiguration",
        "default",
        "nodeToNodeMeshEnabled: false",
    );
    assert_eq!(ids(&between("p")), ["peer-in-mesh BGPPeer/p"]);
    assert_eq!(ids(&format!("{no_mesh}{}", between("p"))), [""; 0]);
    assert_eq!(
        ids(&format!("{no_mesh}{}{}", between("p"), between("q"))),
        ["peer-twice BGPPeer/q"]
    );
}

#[test]
fn sessions_that_nobody_dials() {
    let waiting = annotated(
        "BGPConfiguration",
        "default",
        "passive: 'true'",
        "asNumber: 64512",
    );
    let both = ["both-passive BGPConfiguration/default metadata.annotations.bgp-daemon.io/passive"];
    assert_eq!(ids(&waiting), both);
    assert_eq!(found(&waiting)[0].severity, Severity::Error);
    let no_mesh = object(
        "BGPConfiguration",
        "default",
        "nodeToNodeMeshEnabled: false",
    );
    let between = annotated(
        "BGPPeer",
        "p",
        "passive: 'true'",
        "nodeSelector: rack == 'r1', peerSelector: rack == 'r2'",
    );
    let both = ["both-passive BGPPeer/p metadata.annotations.bgp-daemon.io/passive"];
    assert_eq!(ids(&format!("{no_mesh}{between}")), both);
    // A router may dial.
    let outside = annotated(
        "BGPPeer",
        "p",
        "passive: 'true'",
        "peerIP: 192.0.2.1, asNumber: 65001",
    );
    assert_eq!(ids(&outside), [""; 0]);
}

#[test]
fn hold_times_below_three_keepalives() {
    let late = |name| {
        vec![format!(
            "hold-time-below-keepalives BGPPeer/{name} spec.keepaliveTime"
        )]
    };
    let spec =
        |keepalive| format!("peerIP: 192.0.2.1, asNumber: 65001, keepaliveTime: {keepalive}");
    let with = |hold: &str, keepalive| {
        annotated(
            "BGPPeer",
            "p",
            &format!("hold-time: {hold}"),
            &spec(keepalive),
        )
    };
    assert_eq!(ids(&with("30s", "11s")), late("p"));
    assert_eq!(ids(&with("30s", "10s")), [""; 0]);
    assert_eq!(ids(&with("'0'", "11s")), [""; 0]);
    assert_eq!(ids(&peer("p", &spec("81s"))), late("p"));
    let global = annotated(
        "BGPConfiguration",
        "default",
        "hold-time: 9s",
        "asNumber: 64512",
    );
    assert_eq!(
        ids(&format!("{global}{}", peer("p", &spec("4s")))),
        late("p")
    );
}

#[test]
fn pools_outside_of_all_filters() {
    let filter = object(
        "BGPFilter",
        "f",
        "exportV4: [{action: Accept, cidr: 10.1.0.0/16, matchOperator: In}, {action: Reject}]",
    );
    let second = object("IPPool", "second", "cidr: 10.2.0.0/16");
    let outside = ["pool-outside-filters IPPool/second spec.cidr"];
    assert_eq!(ids(&format!("{filter}{second}{}", tor("f"))), outside);
    let hidden = object(
        "IPPool",
        "second",
        "cidr: 10.2.0.0/16, disableBGPExport: true",
    );
    assert_eq!(ids(&format!("{filter}{hidden}{}", tor("f"))), [""; 0]);
    assert_eq!(ids(&second), [""; 0], "no filter names ranges");
}

#[test]
fn ranges_and_communities() {
    let configuration = |spec| object("BGPConfiguration", "default", spec);
    for (documents, id) in [
        (
            object("IPPool", "q", "cidr: 10.1.128.0/17"),
            "pools-overlap IPPool/q spec.cidr",
        ),
        (
            configuration("serviceClusterIPs: [{cidr: 10.1.0.0/24}]"),
            "ranges-overlap BGPConfiguration/default spec.serviceClusterIPs[0].cidr",
        ),
        (
            configuration("serviceExternalIPs: [{cidr: 0.0.0.0/0}]"),
            "default-route-announced BGPConfiguration/default spec.serviceExternalIPs[0].cidr",
        ),
        (
            configuration("communities: [{name: c, value: '1:1'}]"),
            "community-unused BGPConfiguration/default spec.communities[0].name",
        ),
        (
            configuration("prefixAdvertisements: [{cidr: 10.1.0.0/16, communities: [nobody]}]"),
            "community-unknown BGPConfiguration/default spec.prefixAdvertisements[0].communities[0]",
        ),
        (
            configuration("prefixAdvertisements: [{cidr: 10.9.0.0/16, communities: ['1:1']}]"),
            "advertisement-matches-nothing BGPConfiguration/default spec.prefixAdvertisements[0].cidr",
        ),
    ] {
        assert_eq!(ids(&documents), [id]);
    }
}

#[test]
fn peers_without_configured_addresses() {
    let found =
        |name: &str, annotation: &str, spec: &str| annotated("BGPPeer", name, annotation, spec);
    let range = |name: &str, range: &str| {
        found(name, &format!("listen-range: '{range}'"), "asNumber: 65001")
    };
    let at = "metadata.annotations.bgp-daemon.io";
    let interfaces =
        "interfaces: [{name: eth0, addresses: [192.0.2.2]}], bgp: {ipv4Address: 192.0.2.4/24}";
    let listed = object("Node", "c", interfaces);
    for (documents, wanted) in [
        (range("a", "192.0.2.128/25"), vec![]),
        (
            range("wide", "192.0.2.0/24") + &range("small", "192.0.2.128/25"),
            vec![format!(
                "listen-ranges-overlap BGPPeer/small {at}/listen-range"
            )],
        ),
        (
            range("a", "192.0.2.128/25") + &peer("b", "peerIP: 192.0.2.130, asNumber: 65001"),
            vec![format!("peer-in-listen-range BGPPeer/a {at}/listen-range")],
        ),
        (
            range("a", "192.0.2.128/25") + &peer("b", "peerIP: 192.0.2.1, asNumber: 65001"),
            vec![],
        ),
        (
            range("a", "10.0.0.0/8"),
            vec![format!("listen-range-in-pool BGPPeer/a {at}/listen-range")],
        ),
        (
            range("a", "fd00::/64"),
            vec![format!("listen-range-unused BGPPeer/a {at}/listen-range")],
        ),
        (
            found("a", "interface: eth1", "") + &found("b", "interface: eth1", ""),
            vec![format!("peer-twice BGPPeer/b {at}/interface")],
        ),
        (
            found("a", "interface: eth1", "node: a") + &found("b", "interface: eth1", "node: b"),
            vec![],
        ),
        (
            found("a", "peer: default-gateway", "") + &peer("b", "peerIP: auto-gateway"),
            vec!["peer-twice BGPPeer/b spec.peerIP".to_owned()],
        ),
        (
            found("a", "interface: eth1", "node: c") + &listed,
            vec![format!("interface-unknown BGPPeer/a {at}/interface")],
        ),
        (found("a", "interface: eth0", "node: c") + &listed, vec![]),
        (
            found("a", "next-hop-length: '32'", "peerIP: 192.0.2.1"),
            vec![format!(
                "next-hop-length-unused BGPPeer/a {at}/next-hop-length"
            )],
        ),
    ] {
        assert_eq!(ids(&documents), wanted, "{documents}");
    }
}

#[test]
fn nodes_and_reflectors() {
    let bare = object("Node", "c", "");
    assert_eq!(ids(&bare), ["node-without-address Node/c"]);
    let again = object("Node", "c", "bgp: {ipv4Address: 192.0.2.3/24}");
    assert!(ids(&again).contains(&"node-address-twice Node/c spec.bgp".to_owned()));
    let reflector = object(
        "Node",
        "c",
        "bgp: {ipv4Address: 192.0.2.4/24, routeReflectorClusterID: 1.0.0.1}",
    );
    let clients = peer(
        "clients",
        "nodeSelector: '!has(rr)', peerIP: 192.0.2.4, asNumber: 64512",
    );
    let alone = "reflector-alone Node/c spec.bgp.routeReflectorClusterID";
    assert_eq!(ids(&format!("{reflector}{clients}")), [alone]);
    assert_eq!(ids(&reflector), ["node-without-sessions Node/c", alone]);
}

#[test]
fn passwords_that_are_missing_where_secrets_are_known() {
    let peer = peer(
        "p",
        "peerIP: 192.0.2.1, asNumber: 65001, password: {secretKeyRef: {name: s, key: k}}",
    );
    let missing = found(&peer);
    assert_eq!(
        (missing[0].id, missing[0].severity),
        ("password-missing", Severity::Warning)
    );
    let secret = "---\n{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: kube-system}, data: {other: eA==}}\n";
    let missing = found(&format!("{peer}{secret}"));
    assert_eq!(
        (missing[0].id, missing[0].severity),
        ("password-missing", Severity::Error)
    );
    assert_eq!(missing.len(), 1);
}

#[test]
fn what_cannot_be_read_is_found_too_with_its_line() {
    let bad = found(&peer("p", "peerIP: 192.0.2.300"));
    assert_eq!((bad[0].id, bad[0].severity), ("invalid", Severity::Error));
    assert_eq!(bad[0].file.as_deref(), Some("cluster.yaml"));
    assert_eq!(bad[0].line, Some(8));
    let unused = found(&object("BGPFilter", "f", ""));
    assert_eq!(unused[0].line, Some(8));
    assert!(
        unused[0]
            .to_string()
            .contains("cluster.yaml:8: BGPFilter/f\n  no BGPPeer names")
    );
}
