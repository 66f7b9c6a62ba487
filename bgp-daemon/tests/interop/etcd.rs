//! A node with its resources in etcd, next to a router that runs BIRD; and commands that read and change them there.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::lab::Lab;
use crate::lab::etcd::{self, Etcd};
use crate::lab::host::Host;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer, PeerConfig, prefix};
use crate::lab::requirement::Requirement;
use crate::lab::wait::{LONG, wait_for, wait_until};
use crate::scenario::{
    NODE_AS, TOR_AS, addresses, wait_down, wait_established, wait_kernel, wait_learned,
};

const TOR_PREFIXES: [&str; 2] = ["172.20.1.0/24", "fd20:1::/64"];
const BLOCKS: [&str; 2] = ["10.244.1.0/26", "fd10:244::/122"];

/// A node that is not started yet, its router, and the cluster's etcd.
struct Scene {
    node: Node,
    node_host: Rc<Host>,
    tor_host: Rc<Host>,
    tor: Box<dyn Peer>,
    etcd: Etcd,
    /// Last, because all the others live in it.
    _lab: Lab,
}

impl Scene {
    fn open(start: impl Fn(&Rc<Host>) -> Etcd) -> Option<Self> {
        let bird = [Requirement::Program("bird")];
        let lab = Lab::open(&[&etcd::REQUIREMENTS[..], &bird].concat())?;
        let (tor_host, node_host) = (lab.host("tor", 1), lab.host("node1", 11));
        let etcd = start(&lab.host("etcd", 2));
        let mut node = Node::new(&node_host, Path::new("etcd"));
        node.set("ETCD_ENDPOINTS", etcd.url());
        // No Kubernetes API is there, wherever this test runs.
        node.set("KUBECONFIG", "");
        let config = PeerConfig::on_lan(&tor_host, TOR_AS, &[(&node_host, NODE_AS)]);
        let tor = Kind::Bird.on(&tor_host, config.announcing(&TOR_PREFIXES));
        Some(Self {
            node,
            node_host,
            tor_host,
            tor,
            etcd,
            _lab: lab,
        })
    }

    /// What a cluster has before it has peers.
    fn fill(&self) {
        let Host { ipv4, ipv6, .. } = &*self.node_host;
        let addresses =
            json!({"ipv4Address": format!("{ipv4}/24"), "ipv6Address": format!("{ipv6}/64")});
        let configuration = json!({"asNumber": NODE_AS, "nodeToNodeMeshEnabled": false});
        self.etcd
            .put("nodes", "node1", &json!({"spec": {"bgp": addresses}}))
            .put(
                "bgpconfigurations",
                "default",
                &json!({"spec": configuration}),
            )
            .put(
                "ippools",
                "ipv4",
                &json!({"spec": {"cidr": "10.244.0.0/16"}}),
            )
            .put(
                "ippools",
                "ipv6",
                &json!({"spec": {"cidr": "fd10:244::/64"}}),
            );
        // As older versions of Calico wrote it once it was confirmed.
        self.etcd.put_key(&claim("node1", BLOCKS[0]), "");
        self.etcd.put_key(&claim("node1", BLOCKS[1]), CONFIRMED);
        self.etcd
            .put_key(&claim("node2", "10.244.2.0/26"), CONFIRMED);
    }

    /// BGPPeers for both addresses of the router.
    fn peering(&self, settings: &Value) {
        for (family, address) in ["ipv4", "ipv6"].iter().zip(addresses(&self.tor_host)) {
            let mut spec = settings.clone();
            spec["peerIP"] = address.to_string().into();
            spec["asNumber"] = TOR_AS.into();
            let object = json!({"kind": "BGPPeer", "apiVersion": "projectcalico.org/v3",
                                "metadata": {"name": family}, "spec": spec});
            self.etcd.put("bgppeers", family, &object);
        }
    }

    fn start(&mut self) {
        self.tor.start();
        self.node.start();
    }

    fn wait_up(&self) {
        wait_established("the node", &self.node, &self.tor_host);
        self.wait_blocks(&BLOCKS);
        let prefixes = TOR_PREFIXES.map(prefix);
        wait_kernel(&self.node_host, &prefixes, &self.tor_host);
    }

    /// Waits until the router has just these blocks of the node.
    fn wait_blocks(&self, blocks: &[&str]) {
        let blocks: Vec<_> = blocks.iter().map(|block| prefix(block)).collect();
        wait_learned("the router", &*self.tor, &blocks);
    }

    /// Adds a CalicoNodeStatus of the node, and waits until it is filled.
    fn wait_status(&self, name: &str) {
        let kind = "caliconodestatuses";
        let spec = json!({"node": "node1", "classes": ["BGP"], "updatePeriodSeconds": 1});
        self.etcd.put(kind, name, &json!({"spec": spec}));
        wait_until("a status", LONG, || {
            let object = self.etcd.get(kind, name);
            assert_eq!(object["spec"], spec);
            match object["status"]["lastUpdated"].is_string() {
                true => Ok(()),
                false => Err(object.to_string()),
            }
        });
    }

    fn wait_problem(&self, wanted: &str) {
        wait_until("the problem", LONG, || {
            let problems = self.node.print(&["node", "status", "-o", "json"]);
            if problems.contains(wanted) {
                Ok(())
            } else {
                Err(problems)
            }
        });
    }

    /// Runs a command on the cluster, whatever comes of it: whether it worked, and what it printed.
    fn command(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.node.command(arguments);
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        (output.status.success(), printed)
    }

    /// The same with `--datastore etcd`.
    fn on_etcd(&self, arguments: &[&str]) -> (bool, String) {
        self.command(&[&["--datastore", "etcd"], arguments].concat())
    }

    fn works(&self, arguments: &[&str]) -> String {
        let (done, text) = self.on_etcd(arguments);
        assert!(done, "{arguments:?}: {text}");
        text
    }

    fn fails(&self, arguments: &[&str], words: &str) {
        let (done, text) = self.on_etcd(arguments);
        assert!(!done && text.contains(words), "{arguments:?}: {text}");
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.node_host.directory.join(name);
        fs::write(&path, text).expect("the host's directory is writable");
        path.display().to_string()
    }
}

const CONFIRMED: &str = r#"{"state":"confirmed","deleted":false}"#;

fn claim(node: &str, block: &str) -> String {
    let family = if block.contains(':') { "ipv6" } else { "ipv4" };
    let block = block.replace('/', "-");
    format!("/calico/ipam/v2/host/{node}/{family}/block/{block}")
}

/// Promises 19.1, 19.2, 19.3.
#[test]
fn a_node_follows_its_resources() {
    let Some(mut scene) = Scene::open(Etcd::start) else {
        return;
    };
    scene.fill();
    scene.start();
    scene.peering(&json!({}));
    scene.wait_up();

    let second = "10.244.1.64/26";
    scene.etcd.put_key(&claim("node1", second), CONFIRMED);
    scene.wait_blocks(&[BLOCKS[0], BLOCKS[1], second]);
    let given_back = r#"{"state":"pendingDeletion","deleted":true}"#;
    scene.etcd.put_key(&claim("node1", second), given_back);
    scene.wait_blocks(&BLOCKS);
    scene.etcd.ctl(&["del", &claim("node1", BLOCKS[1])]);
    scene.wait_blocks(&BLOCKS[..1]);

    let key = "/calico/resources/v3/projectcalico.org/bgpfilters/cut";
    scene.etcd.put_key(key, "{\"spec\": {");
    scene.wait_problem(key);
    scene.peering(&json!({"filters": ["none"]}));
    scene.etcd.put(
        "bgpfilters",
        "none",
        &json!({"spec": {
            "exportV4": [{"action": "Reject"}],
        }}),
    );
    scene.wait_blocks(&[]);

    for name in ["ipv4", "ipv6"] {
        scene.etcd.delete("bgppeers", name);
    }
    wait_down("the router", &*scene.tor, &scene.node_host);
}

/// Promises 18.3, 19.6.
#[test]
fn etcd_goes_away_and_comes_back() {
    let Some(mut scene) = Scene::open(Etcd::start) else {
        return;
    };
    scene.fill();
    scene.peering(&json!({}));
    scene.start();
    scene.wait_up();

    scene.etcd.kill();
    scene.wait_problem("etcd cannot be reached");
    scene.wait_up();
    scene.etcd.resume();
    let second = "10.244.1.64/26";
    scene.etcd.put_key(&claim("node1", second), CONFIRMED);
    scene.wait_blocks(&[BLOCKS[0], BLOCKS[1], second]);
    wait_for("the problem to be gone", LONG, || {
        let status = scene.node.print(&["node", "status", "-o", "json"]);
        !status.contains("cannot be reached")
    });

    // Changes in the meantime are compacted before they could be delivered.
    scene.etcd.kill();
    scene.etcd.resume_in_secret();
    let secret = "--endpoints=http://127.0.0.1:1379";
    scene.etcd.ctl(&[secret, "del", &claim("node1", second)]);
    scene.etcd.compact("http://127.0.0.1:1379");
    scene.etcd.kill();
    scene.wait_problem("etcd cannot be reached");
    scene.etcd.resume();
    scene.wait_blocks(&BLOCKS);
    scene.wait_up();
}

/// Promises 15.6, 19.5, 19.7, 19.8.
#[test]
fn etcd_asks_for_certificates_and_passwords() {
    let Some(mut scene) = Scene::open(Etcd::start_secured) else {
        return;
    };
    scene.fill();
    let (root, own) = ("master-key", "open-sesame");
    scene.etcd.enable_users(root, own);
    let read = ["get", "bgppeers"];

    let refused = |scene: &Scene, words: &[&str]| {
        let (done, text) = scene.on_etcd(&read);
        assert!(!done, "{text}");
        let url = scene.etcd.url();
        let wanted = words.iter().copied().chain([url.as_str()]);
        wanted.for_each(|words| assert!(text.contains(words), "{words:?} is not in {text}"));
        assert_eq!(text.trim().lines().count(), 1, "{text}");
        assert!(!text.contains("sesame"), "{text}");
    };
    let plain = scene.etcd.url().replace("https", "http");
    scene.node.set("ETCD_ENDPOINTS", plain);
    scene.fails(&read, "does it speak TLS?");
    scene.node.set("ETCD_ENDPOINTS", scene.etcd.url());
    refused(&scene, &["certificate"]);
    let set_file = |scene: &mut Scene, name: &str, file: &str| {
        let file = scene.etcd.file(file).display().to_string();
        scene.node.set(name, file);
    };
    set_file(&mut scene, "ETCD_CA_CERT_FILE", "ca.pem");
    refused(&scene, &["ETCD_CERT_FILE and ETCD_KEY_FILE are not set"]);
    set_file(&mut scene, "ETCD_CERT_FILE", "client.pem");
    set_file(&mut scene, "ETCD_KEY_FILE", "client.key");
    refused(&scene, &["permission denied"]);
    scene.node.set("ETCD_USERNAME", "calico");
    scene.node.set("ETCD_PASSWORD", "closed-sesame");
    refused(&scene, &["authentication failed", "the user calico"]);
    scene.node.set("ETCD_PASSWORD", own);
    // The first of these is not there.
    let members = format!("https://{}:1,{}", scene.etcd.host.ipv4, scene.etcd.url());
    scene.node.set("ETCD_ENDPOINTS", members);
    assert!(scene.on_etcd(&read).0);

    scene.peering(&json!({}));
    scene.start();
    scene.wait_up();
    scene.wait_status("first");
    // The tokens that were given out are void.
    scene.etcd.ctl(&["auth", "disable"]);
    scene.etcd.ctl(&["auth", "enable"]);
    scene.wait_status("second");

    // Another authority, and what it has signed.
    scene.etcd.kill();
    scene.etcd.make_certificates();
    scene.etcd.resume();
    let second = "10.244.1.64/26";
    scene.etcd.put_key(&claim("node1", second), CONFIRMED);
    scene.wait_blocks(&[BLOCKS[0], BLOCKS[1], second]);
    let log = scene.node.log();
    assert!(!log.contains(own) && !log.contains(root), "{log}");
}

/// Promise 19.8.
#[test]
fn a_user_is_asked_for() {
    let Some(scene) = Scene::open(Etcd::start) else {
        return;
    };
    scene.etcd.enable_users("master-key", "open-sesame");
    scene.fails(
        &["get", "nodes"],
        "ETCD_USERNAME and ETCD_PASSWORD are not set",
    );
}

/// Promise 19.4.
#[test]
fn commands_change_resources_in_etcd() {
    let Some(scene) = Scene::open(Etcd::start) else {
        return;
    };
    let manifest = scene.file("peer.yaml", &peer(65001));
    scene.works(&["create", "-f", &manifest]);
    scene.fails(&["create", "-f", &manifest], "resource already exists");
    let created = scene.etcd.get("bgppeers", "tor");
    let metadata = &created["metadata"];
    assert!(metadata["uid"].is_string() && metadata["creationTimestamp"].is_string());
    assert!(metadata["resourceVersion"].is_null(), "{created}");

    let read = scene.works(&["get", "bgppeer", "tor", "-o", "yaml"]);
    let read = scene.file("read.yaml", &read);
    let changed = scene.file("changed.yaml", &peer(65002));
    scene.works(&["replace", "-f", &changed]);
    for command in ["replace", "delete"] {
        scene.fails(&[command, "-f", &read], "update conflict: BGPPeer(tor)");
    }
    let patch = r#"{"spec": {"asNumber": 65003}}"#;
    scene.works(&["patch", "bgppeer", "tor", "-p", patch]);
    let stored = scene.etcd.get("bgppeers", "tor");
    assert_eq!(stored["spec"]["asNumber"], 65003);
    assert_eq!(stored["metadata"], created["metadata"]);
    scene.works(&["apply", "-f", &read]);
    assert_eq!(scene.etcd.get("bgppeers", "tor"), created);

    scene.works(&["delete", "bgppeer", "tor"]);
    scene.fails(&["delete", "bgppeer", "tor"], "resource does not exist");
    scene.fails(&["replace", "-f", &manifest], "resource does not exist");
}

fn peer(asn: u32) -> String {
    format!(
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: tor\n  labels: {{rack: a}}\n\
         spec:\n  peerIP: 192.0.2.1\n  asNumber: {asn}\n"
    )
}

/// Promises 17.11, 18.1.
#[test]
fn commands_show_resources_in_etcd() {
    let Some(scene) = Scene::open(Etcd::start) else {
        return;
    };
    scene.fill();
    scene.works(&["create", "-f", &scene.file("peer.yaml", &peer(65001))]);
    let url = scene.etcd.url();
    let config = format!(
        "apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nmetadata:\nspec:\n  datastoreType: etcdv3\n\
         \x20 etcdEndpoints: {url}\n"
    );
    let config = scene.file("calicoctl.cfg", &config);
    let (done, table) = scene.command(&["get", "bgppeers", "-c", &config]);
    assert!(done && table.contains("192.0.2.1"), "{table}");
    let nodes = scene.works(&["get", "nodes", "-o", "wide"]);
    assert!(nodes.contains("10.0.0.11/24"), "{nodes}");
    let plan = scene.works(&["plan", "--node", "node1"]);
    let is_whole = plan.contains("192.0.2.1") && plan.contains(BLOCKS[0]);
    assert!(is_whole && !plan.contains("10.244.2.0"), "{plan}");
}
