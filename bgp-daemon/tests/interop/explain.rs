//! The answers of `explain` match the peer's routes, octet for octet; routes reported as withheld are missing there.

use std::net::IpAddr;

use serde_json::Value;

use crate::lab::peer::{Kind, Peer, Route, prefix};
use crate::lab::wait::{LONG, wait_for, wait_until};
use crate::scenario::{NODE_AS, SessionType, TOR_AS, addresses};
use crate::stage::{BLOCKS, Stage};

/// A second block, which a filter keeps from the router.
const FILTERED: &str = "10.244.1.64/26";
/// A block in a pool that is not exported.
const CLOSED: &str = "10.245.1.0/26";
/// The address of a service with an endpoint on the node.
const HERE: &str = "203.0.113.1/32";
/// The address of a service with an endpoint elsewhere.
const THERE: &str = "203.0.113.2/32";
/// The range that both are from.
const RANGE: &str = "203.0.113.0/24";
/// What the router announces: written into the kernel, refused by it, left to Felix.
const LEARNED: [&str; 3] = ["172.20.1.0/24", "172.20.9.0/24", "10.246.3.0/24"];

fn document(kind: &str, name: &str, rest: &str) -> String {
    let (group, namespace) = match kind {
        "Service" => ("v1", ", namespace: shop"),
        "EndpointSlice" => ("discovery.k8s.io/v1", ", namespace: shop"),
        _ => ("projectcalico.org/v3", ""),
    };
    let labels = match kind {
        "EndpointSlice" => format!(", labels: {{kubernetes.io/service-name: {name}}}"),
        _ => String::new(),
    };
    format!(
        "{{apiVersion: {group}, kind: {kind}, metadata: {{name: {name}{namespace}{labels}}}, {rest}}}\n---\n"
    )
}

/// A service with local traffic policy, with an endpoint on one node.
fn service(name: &str, cluster_ip: &str, address: &str, node: &str) -> String {
    let spec = format!(
        "spec: {{type: LoadBalancer, externalTrafficPolicy: Local, clusterIP: {cluster_ip}, externalIPs: [{address}]}}"
    );
    let endpoint =
        format!("addressType: IPv4, endpoints: [{{addresses: [10.244.1.9], nodeName: {node}}}]");
    document("Service", name, &spec) + &document("EndpointSlice", name, &endpoint)
}

fn cluster(stage: &Stage) {
    let node = &stage.node_host.name;
    let configuration = format!(
        "spec: {{asNumber: {NODE_AS}, nodeToNodeMeshEnabled: false, serviceExternalIPs: [{{cidr: {RANGE}}}], \
         prefixAdvertisements: [{{cidr: 10.244.0.0/16, communities: ['{NODE_AS}:7']}}]}}"
    );
    stage
        .cluster
        .block(&stage.node_host, prefix(FILTERED))
        .block(&stage.node_host, prefix(CLOSED))
        .put("bgp-configuration", &document("BGPConfiguration", "default", &configuration))
        .put("closed", &document("IPPool", "closed", "spec: {cidr: 10.245.0.0/16, disableBGPExport: true}"))
        .put("vxlan", &document("IPPool", "vxlan", "spec: {cidr: 10.246.0.0/16, vxlanMode: Always}"))
        .put(
            "filter",
            &document(
                "BGPFilter",
                "keep",
                &format!("spec: {{exportV4: [{{action: Reject, cidr: {FILTERED}, matchOperator: Equal}}]}}"),
            ),
        )
        .put("here", &service("here", "10.96.0.1", "203.0.113.1", node))
        .put("there", &service("there", "10.96.0.2", "203.0.113.2", "node2"));
}

/// The answer of the running daemon about a peer.
fn ask(stage: &Stage, asked: &str, peer: &str) -> Value {
    let text = stage
        .node
        .print(&["explain", asked, "--peer", peer, "-o", "json"]);
    serde_json::from_str(&text).expect("JSON")
}

/// The same of all peers.
fn ask_all(stage: &Stage, asked: &str) -> Value {
    let text = stage.node.print(&["explain", asked, "-o", "json"]);
    serde_json::from_str(&text).expect("JSON")
}

/// Verdict, stage, object and rule of the only peer.
fn why(answer: &Value) -> [&str; 4] {
    let peer = &answer["peers"][0];
    let text = |value: &'static str| peer["because"][value].as_str().unwrap_or_default();
    [
        peer["verdict"].as_str().unwrap_or_default(),
        text("stage"),
        text("object"),
        text("rule"),
    ]
}

/// What the router has of a prefix.
fn held(tor: &dyn Peer, asked: &str) -> Option<Route> {
    let routes = tor.routes_to(prefix(asked)).expect("routes");
    routes.into_iter().next()
}

/// The peer has exactly what the answer says.
fn assert_same(answer: &Value, held: &Route, kind: SessionType) {
    let attributes = &answer["peers"][0]["attributes"];
    let next_hop: IpAddr = attributes["nextHop"]
        .as_str()
        .expect("a next hop")
        .parse()
        .expect("an address");
    assert_eq!(next_hop, held.next_hop, "{answer}");
    let path: Vec<String> = held.as_path.iter().map(ToString::to_string).collect();
    assert_eq!(attributes["asPath"], path.join(" "), "{answer}");
    let mut communities: Vec<&str> = ["communities", "largeCommunities"]
        .iter()
        .filter_map(|key| attributes[*key].as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    communities.sort_unstable();
    assert_eq!(communities, Vec::from_iter(&held.communities), "{answer}");
    match kind {
        SessionType::Internal => {
            let local_pref = held.local_pref.map(u64::from);
            assert_eq!(attributes["localPref"].as_u64(), local_pref, "{answer}");
        }
        SessionType::External => assert!(attributes["localPref"].is_null(), "{answer}"),
    }
}

/// Told and withheld, towards one router and in the kernel.
fn explains(kind: Kind, session: SessionType) {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return;
    };
    cluster(&stage);
    let both = [("families", "ipv4-unicast,ipv6-unicast")];
    let [ipv4, ipv6] = addresses(&stage.tor_host).map(|address| address.to_string());
    let asn = session.tor_as();
    stage.cluster.peer_with(
        "tor-ipv4",
        &ipv4,
        asn,
        &prefixed(&both),
        &["filters: [keep]"],
    );
    stage.cluster.peer_with("tor-ipv6", &ipv6, asn, &[], &[]);
    // Whoever has the same destination and metric, which a LOCAL_PREF of 100 becomes, stays in the way.
    stage
        .node_host
        .ns
        .run("ip route add blackhole 172.20.9.0/24 metric 2147483547 proto static");
    let config = stage.tor_config(asn);
    let mut tor = kind.on(&stage.tor_host, config.announcing(&LEARNED));
    stage.raise(&mut *tor);
    wait_for("the router to know the services", LONG, || {
        held(&*tor, HERE).is_some()
    });

    told(&stage, &*tor, session);
    kept(&stage, &*tor);
    not_negotiated(&stage, &*tor);
    in_the_kernel(&stage);
    down(&stage, &mut *tor);
}

/// What the answers call advertised, the router has.
fn told(stage: &Stage, tor: &dyn Peer, session: SessionType) {
    for asked in [BLOCKS[0], HERE, RANGE] {
        let answer = ask(stage, asked, "tor-ipv4");
        assert_eq!(answer["verdict"], "advertised", "{answer}");
        assert_eq!(why(&answer)[..2], ["advertised", "export"], "{answer}");
        let held = held(tor, asked).expect("the router has it");
        assert_same(&answer, &held, session);
        assert!(answer["peers"][0]["sentAt"].is_string(), "{answer}");
    }
    let [_, ipv6] = addresses(&stage.tor_host).map(|address| address.to_string());
    let answer = ask(stage, BLOCKS[1], &ipv6);
    assert_eq!(answer["peers"][0]["verdict"], "advertised", "{answer}");
    assert_same(
        &answer,
        &held(tor, BLOCKS[1]).expect("the router has it"),
        session,
    );
}

/// What the answers call withheld, the router does not have.
fn kept(stage: &Stage, tor: &dyn Peer) {
    for (asked, because) in [
        (
            FILTERED,
            [
                "withheld",
                "export",
                "BGPFilter/keep",
                "BGPFilter/keep exportV4[0]",
            ],
        ),
        (
            CLOSED,
            [
                "withheld",
                "export",
                "IPPool/closed",
                "IPPool/closed disableBGPExport",
            ],
        ),
        (
            THERE,
            [
                "withheld",
                "resource",
                "Service/shop/there",
                "spec.externalTrafficPolicy",
            ],
        ),
    ] {
        let answer = ask(stage, asked, "tor-ipv4");
        assert_eq!(why(&answer), because, "{answer}");
        assert_eq!(answer["verdict"], "not-advertised", "{answer}");
        assert_eq!(held(tor, asked), None, "{answer}");
    }
}

/// The node would carry IPv6 over the session of IPv4 too, the router does not.
fn not_negotiated(stage: &Stage, tor: &dyn Peer) {
    let answer = ask_all(stage, BLOCKS[1]);
    let peers = answer["peers"].as_array().expect("peers");
    let verdict = |family: &str| {
        let of_family = |peer: &&Value| {
            peer["address"]
                .as_str()
                .is_some_and(|it| it.contains(family))
        };
        let peer = peers.iter().find(of_family).expect("a peer");
        peer["verdict"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(
        [verdict("."), verdict(":")],
        ["not-negotiated", "advertised"],
        "{answer}"
    );
    assert_eq!(answer["verdict"], "partly-advertised", "{answer}");
    assert!(held(tor, BLOCKS[1]).is_some());
}

fn in_the_kernel(stage: &Stage) {
    let [installed, refused, felix] = LEARNED;
    for (asked, state, words) in [
        (installed, "installed", "via "),
        (refused, "refused", "in the way"),
        (felix, "left-to-felix", "IPPool/vxlan"),
        (BLOCKS[0], "installed", "blackhole"),
        (HERE, "not-wanted", "kube-proxy"),
    ] {
        wait_until(&format!("{asked} to be {state}"), LONG, || {
            let answer = ask(stage, asked, "tor-ipv4");
            let kernel = &answer["kernel"];
            let text = kernel["text"].as_str().unwrap_or_default();
            match kernel["state"] == state && text.contains(words) {
                true => Ok(()),
                false => Err(kernel.to_string()),
            }
        });
    }
    let shown = stage.node_host.ns.run("ip route show proto 12");
    assert!(
        shown.contains(installed) && !shown.contains(felix),
        "{shown}"
    );
    assert!(!shown.contains(refused), "{shown}");
}

/// The router is stopped.
fn down(stage: &Stage, tor: &mut dyn Peer) {
    tor.kill();
    for address in addresses(&stage.tor_host) {
        wait_for("the session to end", LONG, || {
            !stage.node.established(address)
        });
    }
    let answer = ask(stage, BLOCKS[0], "tor-ipv4");
    assert_eq!(
        why(&answer)[..3],
        ["session-down", "session", "BGPPeer/tor-ipv4"],
        "{answer}"
    );
    assert_eq!(answer["peers"][0]["attributes"], Value::Null);
    let answer = ask(stage, FILTERED, "tor-ipv4");
    let because = answer["peers"][0]["because"]["text"]
        .as_str()
        .unwrap_or_default();
    assert!(because.contains("BGPFilter/keep exportV4[0]"), "{answer}");
    // Without a daemon, the same words from the same resources.
    let directory = stage.cluster.directory().display().to_string();
    let offline = |asked: &str| {
        let arguments = [
            "explain",
            asked,
            "-f",
            &directory,
            "--node",
            &stage.node_host.name,
            "-o",
            "json",
        ];
        let text = stage.node.print(&arguments);
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    assert_eq!(offline(HERE)["verdict"], "advertised");
    assert_eq!(
        offline(THERE)["peers"][0]["because"],
        ask(stage, THERE, "tor-ipv4")["peers"][0]["because"]
    );
}

fn prefixed<'a>(annotations: &[(&str, &'a str)]) -> Vec<(&'static str, &'a str)> {
    let named = annotations.iter();
    named
        .map(|(_, value)| ("bgp-daemon.io/families", *value))
        .collect()
}

#[test]
fn bird_has_what_explain_says_over_ebgp() {
    explains(Kind::Bird, SessionType::External);
}

#[test]
fn frr_has_what_explain_says_over_ibgp() {
    explains(Kind::Frr, SessionType::Internal);
}

#[test]
fn a_question_without_an_answer_ends_with_its_reason() {
    let Some(mut stage) = Stage::open(&[]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[]);
    let refuses = |arguments: &[&str], code: i32, words: &str| {
        let output = stage.node.command(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    };
    refuses(
        &["explain", "10.244.1.0/26"],
        1,
        "bgp-daemon is not running",
    );
    refuses(&["explain", "10.244.1.3/26"], 2, "10.244.1.0/26");
    refuses(&["explain", "web"], 2, "expected a prefix");
    stage.node.start();
    let name = format!(
        "Global_{}",
        stage.tor_host.ipv4.to_string().replace('.', "_")
    );
    let nearly = format!("{name}7");
    let refuses = |arguments: &[&str], words: &str| {
        let output = stage.node.command(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    };
    refuses(
        &["explain", "10.244.1.0/26", "--peer", &nearly],
        &format!("did you mean {name}"),
    );
    let answer = ask_all(&stage, "198.18.0.1");
    assert_eq!(answer["verdict"], "unknown-prefix", "{answer}");
}
