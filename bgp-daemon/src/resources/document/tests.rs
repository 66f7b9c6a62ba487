use super::*;
use crate::resources::{BgpPeer, Kind};
use proptest::prelude::*;

fn peers(parsed: &Parsed) -> Vec<&BgpPeer> {
    parsed
        .documents
        .iter()
        .filter_map(|document| match document.resource.as_ref() {
            Resource::BgpPeer(peer) => Some(peer),
            _ => None,
        })
        .collect()
}

fn peer(spec: &str) -> String {
    format!(
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: tor\nspec:\n{spec}"
    )
}

fn lines(parsed: &Parsed) -> Vec<String> {
    parsed.problems.iter().map(ToString::to_string).collect()
}

/// Promise 1.7.
#[test]
fn a_wrong_field_is_named_with_its_line_and_what_was_expected() {
    for (spec, expected) in [
        (
            "  peerIP: 10.0.0.300\n",
            "tor.yaml:6:11: BGPPeer/tor: spec.peerIP: expected an address, or",
        ),
        (
            "  asNumber: 4294967296\n",
            "tor.yaml:6:13: BGPPeer/tor: spec.asNumber: expected an AS number: 0 to 4294967295, or two 16-bit numbers in quotes such as \"1.10\", found 4294967296",
        ),
        (
            "  asNumber: 1.10\n",
            "tor.yaml:6:13: BGPPeer/tor: spec.asNumber: expected an AS number: 0 to 4294967295, or two 16-bit numbers in quotes such as \"1.10\", found 1.1",
        ),
        (
            "  sourceAddress: Mine\n",
            "tor.yaml:6:18: BGPPeer/tor: spec.sourceAddress: expected UseNodeIP or None, found \"Mine\"",
        ),
        (
            "  ttlSecurity: 256\n",
            "tor.yaml:6:16: BGPPeer/tor: spec.ttlSecurity: expected a whole number from 0 to 255, found 256",
        ),
        (
            "  keepaliveTime: soon\n",
            "tor.yaml:6:18: BGPPeer/tor: spec.keepaliveTime: expected a duration such as 90s, 2m0s or 1h15m, found \"soon\"",
        ),
        (
            "  nodeSelector: rack = 'a'\n",
            "tor.yaml:6:17: BGPPeer/tor: spec.nodeSelector: not a selector: expected ==, !=,",
        ),
        (
            "  filters:\n  - a\n  - [b]\n",
            "tor.yaml:8:5: BGPPeer/tor: spec.filters[1]: expected a text, found a list",
        ),
        (
            "  password:\n    secretKeyRef: {name: x}\n",
            "tor.yaml:7:5: BGPPeer/tor: spec.password.secretKeyRef.key: is required",
        ),
        (
            "  node: a\n  nodeSelector: all()\n  peerIP: 192.0.2.1\n  asNumber: 1\n",
            "tor.yaml:7:17: BGPPeer/tor: spec.nodeSelector: node and nodeSelector cannot both be set",
        ),
    ] {
        let parsed = parse("tor.yaml", &peer(spec));
        assert!(parsed.documents.is_empty(), "{spec}");
        assert_eq!(parsed.problems.len(), 1, "{:?}", lines(&parsed));
        assert!(
            lines(&parsed)[0].starts_with(expected),
            "{}",
            lines(&parsed)[0]
        );
        assert_eq!(parsed.problems[0].severity, Severity::Error);
    }
}

/// One BGPConfiguration or IPPool.
fn of_kind(kind: &str, name: &str, spec: &str) -> Parsed {
    let text = format!(
        "apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n{spec}"
    );
    parse("x.yaml", &text)
}

/// Settings of a cluster, half of them wrong.
const HALF_WRONG: &str = "  asNumber: 64600
  nodeToNodeMeshEnabled: false
  listenPort: 70000
  bindMode: Everywhere
  communities:
  - {name: a, value: '1:70000'}
  - {name: b, value: '1:2'}
  - {name: c, value: ''}
  - {name: d, value: '1:4', colour: red}
  prefixAdvertisements:
  - {cidr: 10/8, communities: [b]}
  - {cidr: 10.0.0.0/8, communities: [b, [d], d]}
  serviceClusterIPs:
  - cidr: 10.96.0.0/12
  - 10.97.0.0/16
  - cidr: nowhere
  ignoredInterfaces: [eth1, '*']
  programClusterRoutes: Sometimes
  localWorkloadPeeringIPV4: fd00::1
  ipv4NormalRoutePriority: 2147483647
";

/// Promises 1.7, 1.16.
#[test]
fn a_wrong_field_of_the_clusters_settings_is_left_out_alone() {
    let parsed = of_kind("BGPConfiguration", "default", HALF_WRONG);
    let expected = [
        (8, "spec.listenPort", Severity::Error),
        (9, "spec.bindMode", Severity::Error),
        (11, "spec.communities[0].value", Severity::Error),
        (13, "spec.communities[2].value", Severity::Error),
        (14, "spec.communities[3].colour", Severity::Warning),
        (16, "spec.prefixAdvertisements[0].cidr", Severity::Error),
        (
            17,
            "spec.prefixAdvertisements[1].communities[1]",
            Severity::Error,
        ),
        (20, "spec.serviceClusterIPs[1]", Severity::Error),
        (21, "spec.serviceClusterIPs[2].cidr", Severity::Error),
        (22, "spec.ignoredInterfaces[1]", Severity::Error),
        (23, "spec.programClusterRoutes", Severity::Error),
        (24, "spec.localWorkloadPeeringIPV4", Severity::Warning),
        (25, "spec.ipv4NormalRoutePriority", Severity::Error),
    ];
    let found: Vec<_> = parsed
        .problems
        .iter()
        .map(|p| {
            (
                p.location.as_ref().unwrap().line,
                p.field.as_deref().unwrap(),
                p.severity,
            )
        })
        .collect();
    assert_eq!(found, expected, "{:#?}", lines(&parsed));
    assert_eq!(
        lines(&parsed)[0],
        "x.yaml:8:15: BGPConfiguration/default: spec.listenPort: expected a port, 1 to 65535, \
         found 70000; only this is left out"
    );
    let Resource::BgpConfiguration(configuration) = parsed.documents[0].resource.as_ref() else {
        panic!("{:?}", parsed.documents)
    };
    let spec = &configuration.spec;
    assert_eq!(spec.as_number, Some(bgp_core::types::Asn(64600)));
    assert_eq!(spec.node_to_node_mesh_enabled, Some(false));
    let names: Vec<_> = spec.communities.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["b", "d"]);
    assert_eq!(spec.prefix_advertisements.len(), 1);
    assert_eq!(spec.prefix_advertisements[0].communities, ["b", "d"]);
    assert_eq!(spec.service_cluster_ips.len(), 1);
    assert_eq!(
        (spec.listen_port, spec.program_cluster_routes),
        (None, None)
    );
}

/// Promise 1.16.
#[test]
fn a_pool_outlives_a_wrong_field_but_not_one_that_says_what_is_announced() {
    let good = "  cidr: 10.1.0.0/16\n";
    for (wrong, severity) in [
        ("allowedUses: [Workload, Games]", Severity::Warning),
        ("assignmentMode: Sometimes", Severity::Warning),
        ("blockSize: 1000", Severity::Warning),
        ("nodeSelector: rack =", Severity::Warning),
        ("vxlanMode: Now", Severity::Error),
    ] {
        let parsed = of_kind("IPPool", "p", &format!("{good}  {wrong}\n"));
        assert_eq!(parsed.documents.len(), 1, "{wrong}: {:?}", lines(&parsed));
        let [problem] = &parsed.problems[..] else {
            panic!("{wrong}: {:?}", lines(&parsed))
        };
        assert_eq!(
            (problem.severity, problem.field_only),
            (severity, true),
            "{wrong}"
        );
    }
    for wrong in [
        "  cidr: 10.1/16\n",
        "  cidr: 10.1.0.0/16\n  disableBGPExport: 'yes'\n",
    ] {
        let parsed = of_kind("IPPool", "p", wrong);
        assert_eq!(
            (parsed.documents.len(), parsed.problems.len()),
            (0, 1),
            "{wrong}"
        );
        assert!(!parsed.problems[0].field_only, "{wrong}");
    }
}

/// Promise 1.16.
#[test]
fn a_label_that_is_no_text_is_left_out_alone() {
    let text = "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata:\n  name: p\n  labels: {a: 1, b: x}\nspec: {cidr: 10.1.0.0/16}\n";
    let parsed = parse("x.yaml", text);
    assert_eq!(parsed.problems.len(), 1);
    assert_eq!(
        parsed.problems[0].field.as_deref(),
        Some("metadata.labels.a")
    );
    let labels = &parsed.documents[0].resource.metadata().labels;
    assert_eq!(labels.keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn thousands_of_wrong_entries_take_the_field() {
    let entries = "  - {name: a, value: x}\n".repeat(5000);
    let spec = format!("  asNumber: 1\n  communities:\n{entries}");
    let parsed = of_kind("BGPConfiguration", "default", &spec);
    assert_eq!((parsed.documents.len(), parsed.problems.len()), (1, 101));
}

/// Promise 5.10.
#[test]
fn an_allowance_of_any_size_is_taken() {
    for (given, taken, problems) in [("3", 3, 0), ("70000", 65535, 1), ("-1", 0, 1)] {
        let spec =
            format!("  peerIP: 192.0.2.1\n  asNumber: 1\n  numAllowedLocalASNumbers: {given}\n");
        let parsed = parse("tor.yaml", &peer(&spec));
        assert_eq!(peers(&parsed)[0].spec.allowed_local_as(), taken);
        assert_eq!(parsed.problems.len(), problems, "{:?}", lines(&parsed));
    }
}

/// Promise 1.8.
#[test]
fn an_unknown_field_is_a_warning_and_the_object_is_used() {
    let parsed = parse(
        "tor.yaml",
        &peer(
            "  peerIP: 192.0.2.1\n  asNumber: 65001\n  peerIp: 192.0.2.2\n  password:\n    secretKeyRef: {name: a, key: b, kez: c}\n",
        ),
    );
    assert_eq!(peers(&parsed).len(), 1);
    assert_eq!(
        lines(&parsed),
        [
            "tor.yaml:8:3: BGPPeer/tor: spec.peerIp: unknown field (did you mean peerIP?)",
            "tor.yaml:10:37: BGPPeer/tor: spec.password.secretKeyRef.kez: unknown field (did you mean key?)",
        ]
    );
    assert!(
        parsed
            .problems
            .iter()
            .all(|p| p.severity == Severity::Warning)
    );
    let drawn = parsed.problems[0].render();
    assert!(
        drawn.contains("8 |   peerIp: 192.0.2.2\n") && drawn.contains("^^^^^^"),
        "{drawn}"
    );
}

#[test]
fn bookkeeping_of_the_server_is_not_unknown() {
    let text = "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: tor, uid: x, generation: 3, managedFields: [{manager: kubectl}]}\nspec: {peerIP: 192.0.2.1, asNumber: 1, filters: null, node: ''}\nstatus: {x: y}\n";
    let parsed = parse("tor.yaml", text);
    assert_eq!(lines(&parsed), [] as [String; 0]);
    assert_eq!(peers(&parsed)[0].spec.node, None, "empty text is absent");
}

/// Promise 1.7.
#[test]
fn a_broken_document_does_not_take_its_neighbours() {
    let good = peer("  peerIP: 192.0.2.1\n  asNumber: 65001\n");
    let text = format!(
        "{}---\nkind: [\n--- # next\n{}---\nspec: 'x\n---\n{}",
        good.replace("tor", "a"),
        good.replace("tor", "b"),
        good.replace("tor", "c")
    );
    let parsed = parse("all.yaml", &text);
    let names: Vec<_> = peers(&parsed)
        .iter()
        .map(|p| p.metadata.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(parsed.problems.len(), 2, "{:?}", lines(&parsed));
    assert!(
        parsed
            .problems
            .iter()
            .all(|p| p.object == "all.yaml" && p.reason.starts_with("not valid YAML: "))
    );
    let line = |n: usize| parsed.problems[n].location.as_ref().map(|l| l.line);
    assert!((9..=10).contains(&line(0).unwrap()), "{:?}", line(0));
    assert_eq!(
        parsed.documents[2].location.line,
        text.lines().position(|l| l == "spec: 'x").unwrap() + 3
    );
}

#[test]
fn lists_of_all_forms() {
    let item = |name: &str| {
        format!("{{metadata: {{name: {name}}}, spec: {{peerIP: 192.0.2.1, asNumber: 1}}}}")
    };
    let full = |name: &str| {
        item(name).replacen('{', "{apiVersion: projectcalico.org/v3, kind: BGPPeer, ", 1)
    };
    let text = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}\n- {}\n---\napiVersion: projectcalico.org/v3\nkind: BGPPeerList\nitems:\n- {}\n- {}\n---\n- {}\n",
        full("a"),
        full("b"),
        item("c"),
        full("d"),
        full("e")
    );
    let parsed = parse("list.yaml", &text);
    assert_eq!(lines(&parsed), [] as [String; 0]);
    let names: Vec<_> = peers(&parsed)
        .iter()
        .map(|p| p.metadata.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    assert_eq!(parsed.documents[3].location.line, 11);
}

#[test]
fn json_has_lines_too() {
    let text = "{\n  \"apiVersion\": \"projectcalico.org/v3\",\n  \"kind\": \"BGPPeer\",\n  \"metadata\": {\"name\": \"tor\"},\n  \"spec\": {\n    \"peerIP\": true\n  }\n}\n";
    let parsed = parse("tor.json", text);
    assert!(
        lines(&parsed)[0]
            .starts_with("tor.json:6:15: BGPPeer/tor: spec.peerIP: expected an address"),
        "{}",
        lines(&parsed)[0]
    );
}

#[test]
fn what_is_of_another_kind_is_ignored_and_of_another_version_is_not() {
    let parsed = parse(
        "x.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n---\n# nothing\n---\napiVersion: projectcalico.org/v2\nkind: BGPPeer\nmetadata: {name: x}\n---\nname: x\n",
    );
    assert!(parsed.documents.is_empty());
    assert_eq!(
        lines(&parsed),
        [
            "x.yaml:7:13: BGPPeer: apiVersion: expected projectcalico.org/v3, found projectcalico.org/v2",
            "x.yaml:11:1: expected an object with apiVersion and kind",
        ]
    );
}

/// Promise 1.2.
#[test]
fn old_documents_become_new_ones() {
    let text = "\
- apiVersion: v1
  kind: bgpPeer
  metadata: {scope: node, node: Rack1_Host1, peerIP: 192.168.1.1}
  spec: {asNumber: '1.10'}
- apiVersion: v1
  kind: bgpPeer
  metadata: {scope: global, peerIP: 'fd00::1'}
  spec: {asNumber: 64512}
- apiVersion: v1
  kind: ipPool
  metadata: {cidr: 192.168.0.0/16}
  spec: {ipip: {enabled: true, mode: cross-subnet}, nat-outgoing: true}
- apiVersion: v1
  kind: node
  metadata: {name: Host1}
  spec: {bgp: {asNumber: 64513, ipv4Address: 10.0.0.1}}
- apiVersion: v1
  kind: profile
  metadata: {name: web, tags: [a], labels: {b: c}}
";
    let parsed = parse("old.yaml", text);
    assert_eq!(lines(&parsed), [] as [String; 0]);
    let keys: Vec<_> = parsed.documents.iter().map(|d| d.key.to_string()).collect();
    assert_eq!(
        keys,
        [
            "BGPPeer/rack1-host1.192-168-1-1",
            "BGPPeer/fd00-0000-0000-0000-0000-0000-0000-0001",
            "IPPool/192-168-0-0-16",
            "Node/host1",
            "Profile/web",
        ]
    );
    let Resource::BgpPeer(peer) = parsed.documents[0].resource.as_ref() else {
        panic!("{:?}", parsed.documents[0])
    };
    assert_eq!(peer.spec.node.as_deref(), Some("rack1-host1"));
    assert_eq!(peer.spec.as_number.map(|asn| asn.0), Some(65546));
    let Resource::IpPool(pool) = parsed.documents[2].resource.as_ref() else {
        panic!("{:?}", parsed.documents[2])
    };
    assert_eq!(
        pool.spec.ipip_mode,
        crate::resources::EncapsulationMode::CrossSubnet
    );
    assert_eq!(parsed.documents[3].key.kind, Kind::Node);
}

/// Promise 1.2.
#[test]
fn an_old_global_peer_has_no_node() {
    let text = "apiVersion: v1\nkind: bgpPeer\nmetadata:\n  scope: global\n  node: host1\n  peerIP: 192.0.2.1\nspec:\n  asNumber: 1\n";
    assert_eq!(
        lines(&parse("old.yaml", text)),
        [
            "old.yaml:5:9: bgpPeer: metadata.node: no BGP Peer node name should be specified when scope is global"
        ]
    );
}

proptest! {
    #[test]
    fn never_panics_on_any_text(text in "\\PC{0,200}") {
        let parsed = parse("x", &text);
        parsed.problems.iter().for_each(|problem| drop(problem.render()));
    }

    #[test]
    fn never_panics_on_damaged_documents(at in 0usize..400, with in "[-\\[\\]{}:#'\"&*!|>%@`,\n\t a0\u{e9}]{0,4}") {
        let mut text = peer("  peerIP: \"192.0.2.1\"\n  asNumber: 1\n  filters: [a, b]\n  nodeSelector: has(x)\n---\n") + &peer("  peerSelector: all()\n");
        let at = text.floor_char_boundary(at.min(text.len()));
        text.insert_str(at, &with);
        let parsed = parse("x", &text);
        parsed.problems.iter().for_each(|problem| drop(problem.render()));
    }
}

/// A text of any order of known parts, some of them wrong.
fn any_text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        peer("  peerIP: 192.0.2.1\n"),
        peer("  peerIP: 192.0.2.2\n  filters: [nope]\n").replace("tor", "spine"),
        peer("  peerIP: 10.0.0.300\n"),
        "a: [\n".to_owned(),
        "# nothing\n\n".to_owned(),
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a, namespace: b}\n".to_owned(),
    ]);
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.join("---\n"))
}

proptest! {
    /// A text that is read after another one means what it means by itself, to the line.
    #[test]
    fn what_was_read_before_makes_no_difference(texts in prop::collection::vec(any_text(), 1..6)) {
        let mut before = None;
        for text in &texts {
            let read = Text::read("x.yaml", text, before.as_ref());
            let (parsed, fresh) = (read.parsed(), parse("x.yaml", text));
            prop_assert_eq!(&parsed, &fresh);
            let places = |parsed: Parsed, field: &str| {
                let loaded = crate::resources::ResourceSet::from_documents(parsed.documents);
                loaded.located(Problem::error("BGPPeer/spine", "").at_field(field)).location
            };
            prop_assert_eq!(places(parsed, "spec.filters[0]"), places(fresh, "spec.filters[0]"));
            before = Some(read);
        }
    }
}

#[test]
fn a_part_that_was_read_before_is_the_same_object() {
    let text = format!("# first\n---\n{}", peer("  peerIP: 192.0.2.1\n"));
    let first = Text::read("x.yaml", &text, None);
    let second = Text::read("x.yaml", &format!("# one more line\n{text}"), Some(&first));
    let [first, second] = [first.parsed(), second.parsed()];
    let [first, second] = [&first.documents[0], &second.documents[0]];
    assert!(Arc::ptr_eq(&first.resource, &second.resource));
    assert_eq!(first.location.line + 1, second.location.line);
}
