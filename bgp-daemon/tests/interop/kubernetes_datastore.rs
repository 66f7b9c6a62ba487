//! The Kubernetes API as the datastore, with a real server and a real router. The daemon has the permissions of a node's agent in
//! Calico's manifest, and no more.

use std::path::Path;
use std::rc::Rc;

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::lab::apiserver::{
    ApiServer, CRDS, CRDS_V3, OWN_CRDS, RBAC, REQUIREMENTS, User, secret_role,
};
use crate::lab::host::Host;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer, PeerConfig, prefix};
use crate::lab::wait::{LONG, wait_for, wait_until};
use crate::scenario::{NODE_AS, TOR_AS, addresses, wait_established, wait_kernel, wait_learned};
use crate::stage::{BLOCKS, TOR_PREFIXES};

const PASSWORD: &str = "correct horse battery staple";

/// Lets the agent write the status of a CalicoNodeStatus, which Calico's manifest forgets.
const STATUS_ROLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: node-status}
rules:
  - {apiGroups: [crd.projectcalico.org], resources: [caliconodestatuses/status], verbs: [update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: node-status}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: node-status}
subjects:
  - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: bgp-agents}
";

const SPEAKER_STATUSES: &str = include_str!("../../../deploy/kubernetes/crds/speakerstatuses.yaml");
const REPORTS_RBAC: &str =
    include_str!("../../../deploy/kubernetes/overlays/in-calico-node/rbac.yaml");
const SPEAKER_STATUS: &str = "/apis/bgp-daemon.io/v1alpha1/speakerstatuses/node1";

/// A cluster of one node and a router, none of them started.
struct Scene {
    node: Node,
    node_host: Rc<Host>,
    tor: Box<dyn Peer>,
    tor_host: Rc<Host>,
    server: ApiServer,
    _lab: Lab,
}

impl Scene {
    /// `None` where something is missing: the test is skipped.
    fn open() -> Option<Self> {
        let requirements = [&REQUIREMENTS[..], Kind::Bird.requirements()].concat();
        let lab = Lab::open(&requirements)?;
        let server = ApiServer::start(&lab.host("control", 2));
        server.apply(CRDS);
        server.apply(RBAC);
        server.apply(&secret_role("bgp"));
        let (tor_host, node_host) = (lab.host("tor", 1), lab.host("node1", 11));
        let mut config = PeerConfig::on_lan(&tor_host, TOR_AS, &[(&node_host, NODE_AS)])
            .announcing(&TOR_PREFIXES);
        for neighbor in &mut config.neighbors {
            neighbor.password = Some(PASSWORD.to_owned());
        }
        let scene = Self {
            node: agent(&node_host, &server),
            tor: Kind::Bird.on(&tor_host, config),
            node_host,
            tor_host,
            server,
            _lab: lab,
        };
        scene.fill();
        Some(scene)
    }

    /// What makes the node peer with the router.
    fn fill(&self) {
        let (node, server) = (&self.node_host, &self.server);
        server.create(&json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "node1", "annotations": {
                "projectcalico.org/IPv4Address": format!("{}/24", node.ipv4),
                "projectcalico.org/IPv6Address": format!("{}/64", node.ipv6),
            }},
        }));
        let spec = json!({"asNumber": NODE_AS, "nodeToNodeMeshEnabled": false});
        server.create(&custom("BGPConfiguration", "default", &spec));
        for (name, cidr) in [("four", "10.244.0.0/16"), ("six", "fd10:244::/64")] {
            server.create(&custom("IPPool", name, &json!({"cidr": cidr})));
        }
        for block in BLOCKS {
            server.create(&affinity("node1", block));
        }
        server.create(&affinity("node2", "10.244.2.0/26"));
        server.create(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "bgp", "namespace": "kube-system"},
            "stringData": {"password": PASSWORD},
        }));
        for address in addresses(&self.tor_host) {
            let name = if address.is_ipv4() {
                "tor-four"
            } else {
                "tor-six"
            };
            let password = json!({"secretKeyRef": {"name": "bgp", "key": "password"}});
            let spec = json!({"peerIP": address, "asNumber": TOR_AS, "password": password});
            server.create(&custom("BGPPeer", name, &spec));
        }
    }

    fn raise(&mut self) {
        self.tor.start();
        self.node.start();
        wait_established("the node", &self.node, &self.tor_host);
        wait_established("the router", &*self.tor, &self.node_host);
    }

    fn wait_told(&self, more: &[&str]) {
        let prefixes: Vec<IpNet> = BLOCKS.iter().chain(more).map(|text| prefix(text)).collect();
        wait_learned("the router", &*self.tor, &prefixes);
    }
}

/// Promises 18.1, 18.4.
#[test]
fn a_node_follows_its_cluster() {
    let Some(mut scene) = Scene::open() else {
        return;
    };
    scene.raise();
    scene.wait_told(&[]);
    let learned = TOR_PREFIXES.map(prefix);
    wait_kernel(&scene.node_host, &learned, &scene.tor_host);

    let more = affinity("node1", "10.244.3.0/26");
    scene.server.create(&more);
    scene.wait_told(&["10.244.3.0/26"]);
    let services = json!({"spec": {"serviceClusterIPs": [{"cidr": "10.96.0.0/16"}]}});
    scene
        .server
        .patch(&path("bgpconfigurations", "default"), &services);
    scene.wait_told(&["10.244.3.0/26", "10.96.0.0/16"]);
    scene
        .server
        .delete(&path("blockaffinities", name_of(&more)));
    scene.wait_told(&["10.96.0.0/16"]);
    let filter =
        json!({"exportV4": [{"action": "Reject", "matchOperator": "In", "cidr": "10.96.0.0/16"}]});
    scene
        .server
        .create(&custom("BGPFilter", "no-services", &filter));
    let filters = json!({"spec": {"filters": ["no-services"]}});
    scene.server.patch(&path("bgppeers", "tor-four"), &filters);
    scene.wait_told(&[]);
    let problems = problems(&scene.node);
    assert!(problems.is_empty(), "{problems:?}");
}

/// The server comes back without the memory of what has changed meanwhile.
/// Promise 18.3.
#[test]
fn a_server_that_goes_takes_nothing_with_it() {
    let Some(mut scene) = Scene::open() else {
        return;
    };
    let last = affinity("node1", "10.244.3.0/26");
    scene.server.create(&last);
    scene.raise();
    scene.wait_told(&["10.244.3.0/26"]);
    scene.server.kill();
    wait_until("the outage to be a problem", LONG, || {
        match &problems(&scene.node)[..] {
            [one] if one.contains("the last state is kept") => Ok(()),
            others => Err(format!("{others:?}")),
        }
    });
    scene.wait_told(&["10.244.3.0/26"]);
    scene.server.restart();
    wait_for("the problem to be over", LONG, || {
        problems(&scene.node).is_empty()
    });
    // What happens now is not seen.
    scene.node.signal("STOP");
    scene
        .server
        .delete(&path("blockaffinities", name_of(&last)));
    scene.server.create(&affinity("node1", "10.244.4.0/26"));
    scene.server.compact();
    scene.server.restart();
    scene.node.signal("CONT");
    scene.wait_told(&["10.244.4.0/26"]);
    for address in addresses(&scene.tor_host) {
        assert!(scene.node.established(address));
    }
    let ups = scene.node.log().matches("session established").count();
    assert_eq!(ups, 2, "no session was lost");
}

/// Neither the Secret nor the status of the CalicoNodeStatus is the agent's, until somebody allows it.
/// Promises 18.1, 18.4.
#[test]
fn what_is_not_allowed_is_named_and_the_rest_works() {
    let Some(mut scene) = Scene::open() else {
        return;
    };
    let role = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings/bgp";
    scene.server.delete(role);
    let spec = json!({"node": "node1", "classes": ["BGP"], "updatePeriodSeconds": 1});
    scene
        .server
        .create(&custom("CalicoNodeStatus", "mine", &spec));
    scene.tor.start();
    scene.node.start();
    wait_until("the Secret to be named", LONG, || {
        let problems = problems(&scene.node);
        match problems
            .iter()
            .any(|problem| problem.contains("secrets \"bgp\" is forbidden"))
        {
            true => Ok(()),
            false => Err(format!("{problems:?}")),
        }
    });
    wait_for("the status to be refused", LONG, || {
        scene
            .node
            .log()
            .contains("CalicoNodeStatus cannot be written")
    });
    scene.server.apply(&secret_role("bgp"));
    scene.server.apply(STATUS_ROLE);
    wait_established("the node", &scene.node, &scene.tor_host);
    let status = path("caliconodestatuses", "mine");
    wait_until("the status to say so", LONG, || {
        let object = scene.server.get(User::Admin, &status).object;
        match &object["status"]["bgp"]["numberEstablishedV4"] {
            count if *count == json!(1) => Ok(()),
            _ => Err(object.to_string()),
        }
    });
    let log = scene.node.log();
    assert!(!log.contains(PASSWORD) && !log.contains("token-of-agent"));
}

/// Sessions fall with their router, and come back with it.
#[test]
fn the_cluster_is_told_of_sessions() {
    let Some(mut scene) = Scene::open() else {
        return;
    };
    scene.server.apply(SPEAKER_STATUSES);
    scene.server.apply(&reports_role());
    scene.raise();
    let status = || {
        let answer = scene.server.get(User::Admin, SPEAKER_STATUS);
        answer.object["status"].clone()
    };
    let wait_status = |what: &str, holds: &dyn Fn(&Value) -> bool| {
        wait_until(what, LONG, || match status() {
            status if holds(&status) => Ok(()),
            status => Err(status.to_string()),
        });
    };
    wait_status("both sessions to be in the object", &|status| {
        status["established"] == json!(2) && status["ready"] == json!(true)
    });
    let uid =
        scene.server.get(User::Admin, "/api/v1/nodes/node1").object["metadata"]["uid"].clone();
    let object = scene.server.get(User::Admin, SPEAKER_STATUS).object;
    assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], uid);
    assert_eq!(object["status"]["localAS"], json!(NODE_AS));
    assert!(
        events(&scene.server).is_empty(),
        "the first time is no news"
    );

    scene.tor.kill();
    wait_status("the fall to be in the object", &|status| {
        status["established"] == json!(0) && !status["sessions"][0]["reason"].is_null()
    });
    wait_until("Events of the fall", LONG, || {
        told(&scene.server, "BGPSessionDown", "Warning", 2)
    });
    scene.tor.start();
    wait_until("Events of the return", LONG, || {
        told(&scene.server, "BGPSessionUp", "Normal", 2)
    });
    wait_status("the return to be in the object", &|status| {
        status["established"] == json!(2)
    });

    for event in events(&scene.server) {
        assert_eq!(event["involvedObject"]["uid"], uid);
        assert_eq!(event["involvedObject"]["name"], json!("node1"));
    }
    let problems = problems(&scene.node);
    assert!(problems.is_empty(), "{problems:?}");
}

/// A drain is told by Events, in the status object, and as a condition of the Node.
#[test]
fn the_cluster_is_told_of_a_drain() {
    let Some(mut scene) = Scene::open() else {
        return;
    };
    scene.server.apply(SPEAKER_STATUSES);
    scene.server.apply(&reports_role());
    // Long enough for the object to be written in between.
    scene.node.set("BGP_DAEMON_DRAIN_AFTER", "15s");
    scene.raise();
    wait_until("the object", LONG, || {
        match &scene.server.get(User::Admin, SPEAKER_STATUS).object["status"] {
            status if status["established"] == json!(2) => Ok(()),
            status => Err(status.to_string()),
        }
    });
    let node = "/api/v1/nodes/node1";
    let condition = || {
        let node = scene.server.get(User::Admin, node).object;
        let conditions = node["status"]["conditions"].as_array().cloned();
        let mut conditions = conditions.unwrap_or_default().into_iter();
        conditions.find(|condition| condition["type"] == json!("BGPDrained"))
    };
    let drain = |value: Value| {
        let annotations = json!({"bgp-daemon.io/drain": value});
        scene
            .server
            .patch(node, &json!({"metadata": {"annotations": annotations}}));
    };
    assert_eq!(condition(), None);
    drain(json!("true"));
    for (state, reason) in [
        ("graceful-shutdown", "BGPDraining"),
        ("withdrawn", "BGPDrained"),
    ] {
        wait_until(reason, LONG, || told(&scene.server, reason, "Normal", 1));
        wait_until(state, LONG, || {
            match &scene.server.get(User::Admin, SPEAKER_STATUS).object["status"] {
                status if status["drain"] == json!(state) => Ok(()),
                status => Err(status.to_string()),
            }
        });
    }
    wait_until("the condition", LONG, || match condition() {
        Some(condition) if condition["status"] == json!("True") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    drain(Value::Null);
    wait_until("the end of the drain", LONG, || match condition() {
        Some(condition) if condition["status"] == json!("False") => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// The Events of the speaker.
fn events(server: &ApiServer) -> Vec<Value> {
    let list = server
        .get(User::Admin, "/api/v1/namespaces/default/events")
        .object;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let ours = |event: &Value| event["source"]["component"] == json!("bgp-daemon");
    items.into_iter().filter(ours).collect()
}

fn told(server: &ApiServer, reason: &str, kind: &str, count: usize) -> Result<(), String> {
    let all = events(server);
    let such = |event: &&Value| event["reason"] == json!(reason) && event["type"] == json!(kind);
    match all.iter().filter(such).count() == count {
        true => Ok(()),
        false => Err(format!("{all:?}")),
    }
}

/// What is installed, for the agent of the tests.
fn reports_role() -> String {
    let account = "{kind: ServiceAccount, name: calico-node, namespace: kube-system}";
    let group = "{apiGroup: rbac.authorization.k8s.io, kind: Group, name: bgp-agents}";
    assert_eq!(REPORTS_RBAC.matches(account).count(), 2);
    REPORTS_RBAC.replace(account, group)
}

/// Promises 18.1, 20.4.
#[test]
fn commands_change_the_cluster() {
    let own = OWN_CRDS.join("---\n");
    for (definitions, version) in [
        (CRDS, "crd.projectcalico.org/v1"),
        (CRDS_V3, "projectcalico.org/v3"),
        (&own, "bgp-daemon.io/v1alpha1"),
    ] {
        let Some(lab) = Lab::open(&REQUIREMENTS) else {
            return;
        };
        let server = ApiServer::start(&lab.host("control", 2));
        server.apply(definitions);
        let mut node = agent(&lab.host("node1", 11), &server);
        node.set("KUBECONFIG", server.kubeconfig(User::Admin).display());
        node.set("BGP_DAEMON_DATASTORE", "kubernetes");
        node.set("BGP_DAEMON_STANDALONE", version.starts_with("bgp-daemon"));
        change_objects(&node, &server, version);
    }
}

fn change_objects(node: &Node, server: &ApiServer, version: &str) {
    let file = |text: &str| {
        let file = node.host.directory.join("objects.yaml");
        std::fs::write(&file, text).expect("the directory is ours");
        file.display().to_string()
    };
    let peer = "apiVersion: projectcalico.org/v3\nkind: BGPPeer\n\
                metadata: {name: tor, labels: {rack: one}}\nspec: {peerIP: 10.0.0.1, asNumber: 65001}\n";
    let of_peer = file(peer);
    let created = node.print(&["create", "-f", &of_peer]);
    assert_eq!(
        created.trim(),
        "Successfully created 1 'BGPPeer' resource(s)"
    );
    let again = node.command(&["create", "-f", &of_peer]);
    let error = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        error.contains("resource already exists: BGPPeer(tor)"),
        "{error}"
    );

    let stored = format!("/apis/{version}/bgppeers/tor");
    let read = || server.get(User::Admin, &stored).object;
    assert_eq!(read()["spec"]["asNumber"], 65001);
    let shown = node.print(&["get", "bgppeer", "tor", "-o", "json"]);
    let mut shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["metadata"]["labels"], json!({"rack": "one"}));
    assert_eq!(
        shown["metadata"]["resourceVersion"],
        read()["metadata"]["resourceVersion"]
    );

    node.print(&[
        "patch",
        "bgppeer",
        "tor",
        "-p",
        r#"{"spec": {"asNumber": 65002}}"#,
    ]);
    assert_eq!(read()["spec"]["asNumber"], 65002);
    // Of the version before the patch.
    shown["spec"]["asNumber"] = json!(65003);
    let stale = node.command(&["replace", "-f", &file(&shown.to_string())]);
    let error = String::from_utf8_lossy(&stale.stderr).into_owned();
    assert!(error.contains("update conflict: BGPPeer(tor)"), "{error}");
    node.print(&["apply", "-f", &file(peer)]);
    assert_eq!(read()["spec"]["asNumber"], 65001);
    node.print(&["delete", "bgppeer", "tor"]);
    assert_eq!(server.get(User::Admin, &stored).code, 404);

    server.create(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}}));
    let patch = r#"{"spec": {"bgp": {"asNumber": "64999", "ipv4Address": "10.0.0.11/24"}}}"#;
    node.print(&["patch", "node", "node1", "-p", patch]);
    let annotations =
        &server.get(User::Admin, "/api/v1/nodes/node1").object["metadata"]["annotations"];
    assert_eq!(annotations["projectcalico.org/ASNumber"], "64999");
    let plan = node.print(&["plan", "--node", "node1", "-o", "json"]);
    let plan: Value = serde_json::from_str(&plan).expect("JSON");
    assert_eq!(plan["localAS"], 64999);
    let refused = node.command(&["delete", "node", "node1"]);
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.contains("it is the Node of Kubernetes"), "{error}");
}

fn agent(host: &Rc<Host>, server: &ApiServer) -> Node {
    let mut node = Node::new(host, Path::new("kubernetes"));
    node.set("KUBECONFIG", server.kubeconfig(User::Agent).display());
    node
}

fn custom(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "crd.projectcalico.org/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn affinity(node: &str, block: &str) -> Value {
    let name = format!("{node}-{}", block.replace(['.', ':', '/'], "-"));
    let spec = json!({"node": node, "cidr": block, "state": "confirmed", "deleted": "false", "type": "host"});
    custom("BlockAffinity", &name, &spec)
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("it has one")
}

fn path(plural: &str, name: &str) -> String {
    format!("/apis/crd.projectcalico.org/v1/{plural}/{name}")
}

/// The problems that the node reports.
fn problems(node: &Node) -> Vec<String> {
    let status = node.print(&["node", "status", "-o", "json"]);
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let problems = status["problems"].as_array().into_iter().flatten();
    let reasons = problems.filter_map(|problem| problem["reason"].as_str());
    reasons.map(str::to_owned).collect()
}
