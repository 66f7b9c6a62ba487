//! `init` and `peer-config`: a first folder, and the router's side of it.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use super::{Node, stderr, stdout};

const INIT: [&str; 13] = [
    "init",
    "first",
    "--node",
    "node1",
    "--tor",
    "10.0.0.1",
    "--tor-as",
    "65001",
    "--address",
    "10.0.0.11/24",
    "--pods",
    "10.244.1.0/24",
    "--as",
];

#[test]
fn a_first_folder_is_whole_and_never_overwritten() {
    let node = Node::new(&[]);
    let root = node.directory.path();
    let init = |more: &[&str]| {
        let all = [&INIT[..], &["64513"], more].concat();
        node.command("bgp-daemon", &all)
            .current_dir(root)
            .output()
            .expect("it runs")
    };
    let done = init(&[]);
    assert_eq!(
        (done.status.code(), stderr(&done)),
        (Some(0), String::new())
    );
    let said = stdout(&done);
    let next = said.lines().last().expect("a next command").trim();
    assert_eq!(
        next, "bgp-daemon run --node node1 --datastore first",
        "{said}"
    );
    let path = root.join("first").display().to_string();
    let validated = node.run("bgp-daemon", &["validate", "-f", &path]);
    assert_eq!(validated.status.code(), Some(0), "{}", stderr(&validated));
    let plan = node.run(
        "bgp-daemon",
        &[
            "plan", "--node", "node1", "-f", &path, "-o", "json", "--strict",
        ],
    );
    let plan: serde_json::Value = serde_json::from_str(&stdout(&plan)).expect("JSON");
    assert_eq!(plan["problems"], serde_json::json!([]), "{plan}");
    assert_eq!(plan["peers"][0]["address"], "10.0.0.1");
    assert_eq!(
        (&plan["peers"][0]["localAS"], &plan["peers"][0]["peerAS"]),
        (&64513.into(), &65001.into())
    );
    assert_eq!(plan["originate"][0]["prefix"], "10.244.1.0/24");

    fs::remove_file(root.join("first/node.yaml")).expect("a file");
    fs::write(root.join("first/peers.yaml"), "# mine\n").expect("a file");
    let again = init(&[]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(
        stderr(&again),
        "first/peers.yaml exists, and is not overwritten\n"
    );
    assert!(
        !root.join("first/node.yaml").exists(),
        "nothing is written by halves"
    );
    assert_eq!(
        fs::read_to_string(root.join("first/peers.yaml")).expect("a file"),
        "# mine\n"
    );
}

#[test]
fn what_is_missing_is_asked_for_on_a_terminal_only() {
    let node = Node::new(&[]);
    let root = node.directory.path();
    let alone = node.run("bgp-daemon", &["init", "first", "--node", "node1"]);
    assert_eq!(alone.status.code(), Some(1));
    assert_eq!(
        stderr(&alone),
        "give --tor: address of the router to peer with\n"
    );
    let mut terminal = Command::new("script")
        .args([
            "-qec",
            "./bgp-daemon init first --node node1 --address 10.0.0.11/24",
            "/dev/null",
        ])
        .current_dir(root)
        .env_remove("BGP_DAEMON_NODE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script");
    let typed = "nowhere\n10.0.0.1\n65001\n\n";
    terminal
        .stdin
        .take()
        .expect("a pipe")
        .write_all(typed.as_bytes())
        .expect("it reads");
    let shown = stdout(&terminal.wait_with_output().expect("it ends"));
    assert!(
        shown.contains("`nowhere` is not valid") && shown.contains("AS of this node [64512]: "),
        "{shown}"
    );
    let peers = fs::read_to_string(root.join("first/peers.yaml")).expect("a file");
    assert!(
        peers.contains("peerIP: \"10.0.0.1\", asNumber: 65001"),
        "{peers}"
    );
    let own = fs::read_to_string(root.join("first/node.yaml")).expect("a file");
    assert!(own.contains("asNumber: 64512"), "{own}");
}

const CLUSTER: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: bgp, namespace: kube-system}
stringData: {tor: hidden-word}
---
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {nodeToNodeMeshEnabled: false, listenPort: 1790, serviceClusterIPs: [{cidr: 10.96.0.0/12}]}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.244.0.0/16}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: node1}
spec: {bgp: {ipv4Address: 10.0.0.11/24, ipv6Address: fd00::11/64}}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: node2}
spec: {bgp: {ipv4Address: 10.0.0.12/24}}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: 10.0.0.1, asNumber: 65001, password: {secretKeyRef: {name: bgp, key: tor}}}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor-v6, annotations: {bgp-daemon.io/bfd: 'on'}}
spec: {peerIP: 'fd00::1', asNumber: 65001, ttlSecurity: 1}
";

#[test]
fn every_vendor_has_all_sessions_and_no_password() {
    let node = Node::new(&[]);
    let file = node.directory.path().join("cluster.yaml");
    fs::write(&file, CLUSTER).expect("a file");
    let path = file.display().to_string();
    for vendor in [
        "frr", "bird", "gobgp", "openbgpd", "junos", "eos", "nxos", "ios-xr", "routeros", "sonic",
    ] {
        let printed = node.run(
            "bgp-daemon",
            &["peer-config", "--vendor", vendor, "-f", &path],
        );
        assert_eq!(
            (printed.status.code(), stderr(&printed)),
            (Some(0), String::new()),
            "{vendor}"
        );
        let text = stdout(&printed);
        for part in [
            "10.0.0.11",
            "10.0.0.12",
            "fd00::11",
            "10.0.0.1",
            "65001",
            "64512",
            "node1",
        ] {
            assert!(text.contains(part), "{vendor} lacks {part}:\n{text}");
        }
        assert!(!text.contains("hidden-word"), "{text}");
        assert_eq!(text.contains("PASSWORD"), vendor != "sonic", "{text}");
        assert_eq!(
            text.matches('{').count(),
            text.matches('}').count(),
            "{text}"
        );
        let knows_ranges = text.contains("10.244.0.0/16") && text.contains("10.96.0.0/12");
        assert!(knows_ranges || vendor == "sonic", "{text}");
        if vendor == "sonic" {
            let tables: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(tables["BGP_NEIGHBOR"]["fd00::11"]["asn"], "64512");
        }
    }
}

#[test]
fn one_router_at_a_time() {
    let node = Node::new(&[]);
    let file = node.directory.path().join("cluster.yaml");
    let other = "---\napiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: spine}\n\
                 spec: {peerIP: 10.0.0.2, asNumber: 65001}\n";
    fs::write(&file, format!("{CLUSTER}{other}")).expect("a file");
    let path = file.display().to_string();
    let print = |more: &[&str]| {
        let base = ["peer-config", "--vendor", "bird", "-f", &path];
        node.run("bgp-daemon", &[&base[..], more].concat())
    };
    let several = print(&[]);
    assert_eq!(several.status.code(), Some(1));
    assert_eq!(
        stderr(&several),
        "there are several routers: choose one with --router, of spine, tor, tor-v6\n"
    );
    for choice in ["spine", "10.0.0.2"] {
        let one = stdout(&print(&["--router", choice]));
        assert!(
            one.contains("local 10.0.0.2 as 65001") && !one.contains("fd00::"),
            "{one}"
        );
    }
    let unknown = print(&["--router", "leaf"]);
    assert_eq!(
        stderr(&unknown),
        "no node peers with leaf; there are spine, tor, tor-v6\n"
    );
}
