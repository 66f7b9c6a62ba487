//! forbidden, datastore, no-node, no-address, clock.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::hostile::api_server::{CRD, PORT, Server, resources};
use crate::lab::Lab;
use crate::scenario::{NODE_AS, addresses};

/// A node of a cluster with an API server that the test runs.
struct Cluster {
    node: Node,
    _tor: Box<dyn Peer>,
    tor_host: Rc<Host>,
    server: Arc<Server>,
    _lab: Lab,
}

impl Cluster {
    fn open(prepare: impl FnOnce(&mut Server)) -> Option<Self> {
        let lab = Lab::open(Kind::Bird.requirements())?;
        let (control, tor_host) = (lab.host("control", 2), lab.host("tor", 1));
        let node_host = lab.host("node1", 11);
        node_host.enable_forwarding();
        let mut server = resources(&tor_host, &[&node_host]);
        prepare(&mut server);
        let mut node = Node::new(&node_host, Path::new("kubernetes"));
        let endpoint = format!("http://{}:{PORT}", control.ipv4);
        node.set("K8S_API_ENDPOINT", endpoint);
        node.set("BGP_DAEMON_DATASTORE", "kubernetes");
        node.set("BGP_DAEMON_NODE", "node1");
        let config = PeerConfig::on_lan(&tor_host, TOR_AS, &[(&node_host, NODE_AS)]);
        let mut tor = Kind::Bird.on(&tor_host, config.without_kernel());
        tor.start();
        Some(Self {
            node,
            _tor: tor,
            tor_host,
            server: server.serve(&control),
            _lab: lab,
        })
    }

    fn raise(&mut self) {
        self.node.start();
        for address in addresses(&self.tor_host) {
            wait_for("the session", LONG, || self.node.established(address));
        }
    }

    fn diagnose(&self, arguments: &[&str]) -> Diagnosis {
        Diagnosis::of(&self.node, arguments)
    }
}

/// Before the daemon runs, and when the right is taken away while it does.
#[test]
fn forbidden() {
    let Some(mut cluster) = Cluster::open(|_| ()) else {
        return;
    };
    cluster.raise();
    cluster.diagnose(&[]).assert_ids(&[]);
    let path = format!("{CRD}/bgppeers");
    let forbid = |server: &Server| {
        server
            .forbidden
            .lock()
            .expect("no panic")
            .insert(path.clone())
    };
    forbid(&cluster.server);
    let found = cluster.diagnose(&[]);
    found.assert_ids(&["forbidden"]);
    assert!(found.text("forbidden").contains("bgppeers"), "{found:?}");
    cluster.node.terminate();
    cluster
        .diagnose(&["--preflight"])
        .assert_ids(&["forbidden"]);
}

#[test]
fn datastore() {
    let Some(mut cluster) = Cluster::open(|_| ()) else {
        return;
    };
    cluster.diagnose(&["--preflight"]).assert_ids(&[]);
    cluster.raise();
    cluster.server.is_mute.store(true, Ordering::Relaxed);
    let found = cluster.diagnose(&[]);
    found.assert_ids(&["datastore"]);
    cluster.node.terminate();
    cluster
        .diagnose(&["--preflight"])
        .assert_ids(&["datastore"]);
    cluster.node.set("K8S_API_ENDPOINT", "http://10.0.0.2:9");
    let found = cluster.diagnose(&["--preflight"]);
    found.assert_ids(&["datastore"]);
    assert!(
        found.text("datastore").contains("Connection refused"),
        "{found:?}"
    );
}

/// The daemon waits for its datastore from the start, and reports so.
#[test]
fn datastore_that_is_a_folder() {
    let Some(ward) = Ward::open(&[]) else {
        return;
    };
    let nothing = [
        "--preflight",
        "--node",
        "node1",
        "--datastore",
        "/nonexistent",
    ];
    let found = ward.diagnose(&nothing);
    found.assert_ids(&["datastore"]);
    assert!(
        found.text("datastore").contains("No such file"),
        "{found:?}"
    );
}

/// The clock of the API server is an hour ahead.
#[test]
fn clock() {
    let late = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&late);
    let Some(mut cluster) = Cluster::open(|server| server.date = date.ok()) else {
        return;
    };
    cluster.diagnose(&["--preflight"]).assert_ids(&["clock"]);
    cluster.raise();
    let found = cluster.diagnose(&[]);
    found.assert_ids(&["clock"]);
    assert!(
        found
            .text("clock")
            .contains("behind that of the Kubernetes API"),
        "{found:?}"
    );
}

#[test]
fn no_node() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &[]);
    ward.stage.cluster.put(
        "node-node1",
        "{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: other}, spec: {bgp: {ipv4Address: 10.0.0.12/24}}}",
    );
    let datastore = ward.stage.cluster.directory().display().to_string();
    let before = ["--preflight", "--node", "node1", "--datastore", &datastore];
    ward.diagnose(&before).assert_ids(&["no-node"]);
    ward.stage.node.start();
    let found = ward.assert_ids(&["no-node"]).text("no-node");
    assert!(found.contains("node1"), "{found}");
}

#[test]
fn no_address() {
    let Some(mut ward) = Ward::open(&[Kind::Bird]) else {
        return;
    };
    ward.peering(TOR_AS, &[], &[]);
    let node = |bgp: &str| {
        let text = format!(
            "{{apiVersion: projectcalico.org/v3, kind: Node, metadata: {{name: node1}}, spec: {{bgp: {{{bgp}}}}}}}"
        );
        ward.stage.cluster.put("node-node1", &text);
    };
    node("");
    let datastore = ward.stage.cluster.directory().display().to_string();
    let before = ["--preflight", "--node", "node1", "--datastore", &datastore];
    ward.diagnose(&before).assert_ids(&["no-address"]);
    // It has one of the other family, and an identifier.
    node("ipv6Address: fd00::11/64");
    ward.stage.node.set("CALICO_ROUTER_ID", "10.0.0.11");
    ward.stage.node.start();
    let found = ward.assert_ids(&["no-address"]).text("no-address");
    assert!(found.contains("BGPPeer/tor (10.0.0.1)"), "{found}");
}
