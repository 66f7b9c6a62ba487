//! A Kubernetes API server that does not yet know its resources, and one that accepts a request and never answers.
//!
//! It is a few lines of this test: real servers are in these states only for a short time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use serde_json::{Value, json};

use super::*;
use crate::lab::node::Node;
use crate::lab::peer::PeerConfig;
use crate::scenario::{NODE_AS, wait_established, wait_learned};
use crate::stage::{BLOCKS, TOR_PREFIXES};

pub(crate) const PORT: u16 = 8001;
pub(crate) const CRD: &str = "/apis/crd.projectcalico.org/v1";

/// What it has, by path of a list.
#[derive(Default)]
pub(crate) struct Server {
    lists: BTreeMap<String, Vec<Value>>,
    /// How often a path is not found before it is.
    missing: Mutex<BTreeMap<String, u32>>,
    /// Requests that change something; none is answered.
    changes: AtomicUsize,
    /// Paths without read permission.
    pub(crate) forbidden: Mutex<BTreeSet<String>>,
    /// It answers nothing any more.
    pub(crate) is_mute: AtomicBool,
    /// The time that it reports, if any.
    pub(crate) date: Option<String>,
}

impl Server {
    pub(crate) fn serve(self, host: &Host) -> Arc<Self> {
        let server = Arc::new(self);
        let address = SocketAddr::new(host.ipv4.into(), PORT);
        let listener = host.ns.spawn(move || TcpListener::bind(address));
        let listener = listener
            .join()
            .expect("no panic")
            .expect("the port is free");
        let serving = Arc::clone(&server);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = Arc::clone(&serving);
                thread::spawn(move || server.converse(client));
            }
        });
        server
    }

    /// Until the client goes.
    fn converse(&self, mut client: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(client.try_clone().ok()?).lines();
        loop {
            let request = lines.next()?.ok()?;
            while !lines.next()?.ok()?.is_empty() {}
            let mut words = request.split(' ');
            let (method, target) = (words.next()?, words.next()?);
            if method != "GET" {
                self.changes.fetch_add(1, Ordering::Relaxed);
                // Any further input.
                lines.by_ref().last();
                return None;
            }
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            if self.is_mute.load(Ordering::Relaxed) {
                return None;
            }
            let date = self.date.iter().map(|date| format!("Date: {date}\r\n"));
            let date: String = date.collect();
            if self.forbidden.lock().expect("no panic").contains(path) {
                let status = json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden",
                    "message": format!("{path} is forbidden: User \"agent\" cannot list")});
                let body = status.to_string();
                let length = body.len();
                let head =
                    format!("HTTP/1.1 403 Forbidden\r\n{date}Content-Length: {length}\r\n\r\n");
                client.write_all((head + &body).as_bytes()).ok()?;
                continue;
            }
            if query.contains("watch=true") {
                // Nothing ever happens.
                client
                    .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    .ok()?;
                lines.by_ref().last();
                return None;
            }
            let (code, body) = match self.answer(path) {
                Some(object) => ("200 OK", object.to_string()),
                None => ("404 Not Found", "404 page not found\n".to_owned()),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {code}\r\n{date}Content-Length: {length}\r\n\r\n");
            client.write_all((head + &body).as_bytes()).ok()?;
        }
    }

    fn answer(&self, path: &str) -> Option<Value> {
        if path == "/apis" {
            let version = json!({"groupVersion": "crd.projectcalico.org/v1", "version": "v1"});
            let group = json!({"name": "crd.projectcalico.org", "versions": [version], "preferredVersion": version});
            return Some(json!({"kind": "APIGroupList", "groups": [group]}));
        }
        let mut missing = self.missing.lock().expect("no panic");
        if let Some(times) = missing.get_mut(path).filter(|times| **times > 0) {
            *times -= 1;
            return None;
        }
        if let Some(objects) = self.lists.get(path) {
            return Some(json!({"metadata": {"resourceVersion": "1"}, "items": objects}));
        }
        let (list, name) = path.rsplit_once('/')?;
        let mut objects = self.lists.get(list)?.iter();
        objects
            .find(|object| object["metadata"]["name"] == name)
            .cloned()
    }

    fn put(&mut self, path: &str, name: &str, spec: Value) {
        let object = json!({"metadata": {"name": name, "resourceVersion": "1"}, "spec": spec});
        self.lists.entry(path.to_owned()).or_default().push(object);
    }
}

/// A node, its router, another node that waits for connections, and a server for them.
struct Scene {
    node: Node,
    node_host: Rc<Host>,
    tor: Box<dyn Peer>,
    tor_host: Rc<Host>,
    other: TcpListener,
    server: Arc<Server>,
    _lab: Lab,
}

impl Scene {
    fn open(prepare: impl FnOnce(&mut Server)) -> Option<Self> {
        let lab = Lab::open(Kind::Bird.requirements())?;
        let (control, tor_host) = (lab.host("control", 2), lab.host("tor", 1));
        let (node_host, other_host) = (lab.host("node1", 11), lab.host("node2", 12));
        let mut server = resources(&tor_host, &[&node_host, &other_host]);
        prepare(&mut server);
        let mut node = Node::new(&node_host, Path::new("kubernetes"));
        node.set(
            "K8S_API_ENDPOINT",
            format!("http://{}:{PORT}", control.ipv4),
        );
        let config = PeerConfig::on_lan(&tor_host, TOR_AS, &[(&node_host, NODE_AS)]);
        let address = SocketAddr::new(other_host.ipv4.into(), 179);
        let other = other_host.ns.spawn(move || TcpListener::bind(address));
        Some(Self {
            node,
            tor: Kind::Bird.on(&tor_host, config.announcing(&TOR_PREFIXES)),
            node_host,
            tor_host,
            other: other.join().expect("no panic").expect("the port is free"),
            server: server.serve(&control),
            _lab: lab,
        })
    }

    fn raise(&mut self) {
        self.tor.start();
        self.node.start();
        wait_established("the node", &self.node, &self.tor_host);
        wait_established("the router", &*self.tor, &self.node_host);
        wait_learned("the router", &*self.tor, &BLOCKS.map(prefix));
    }
}

/// Two nodes that peer with a router and not with each other; blocks of the first.
pub(crate) fn resources(tor: &Host, nodes: &[&Host]) -> Server {
    let mut server = Server::default();
    for node in nodes {
        let annotations = json!({
            "projectcalico.org/IPv4Address": format!("{}/24", node.ipv4),
            "projectcalico.org/IPv6Address": format!("{}/64", node.ipv6),
        });
        let metadata =
            json!({"name": node.name, "resourceVersion": "1", "annotations": annotations});
        let all = server.lists.entry("/api/v1/nodes".to_owned()).or_default();
        all.push(json!({"metadata": metadata}));
    }
    let configuration = json!({"asNumber": NODE_AS, "nodeToNodeMeshEnabled": false});
    server.put(
        &format!("{CRD}/bgpconfigurations"),
        "default",
        configuration,
    );
    for (name, cidr) in [("four", "10.244.0.0/16"), ("six", "fd10:244::/64")] {
        server.put(&format!("{CRD}/ippools"), name, json!({"cidr": cidr}));
    }
    for (name, cidr) in [("four", BLOCKS[0]), ("six", BLOCKS[1])] {
        let spec = json!({"node": "node1", "cidr": cidr, "state": "confirmed", "deleted": "false"});
        server.put(&format!("{CRD}/blockaffinities"), name, spec);
    }
    for (name, address) in ["four", "six"].into_iter().zip(addresses(tor)) {
        let spec = json!({"peerIP": address, "asNumber": TOR_AS});
        server.put(&format!("{CRD}/bgppeers"), name, spec);
    }
    for kind in ["bgpfilters", "caliconodestatuses"] {
        server.lists.insert(format!("{CRD}/{kind}"), Vec::new());
    }
    server
}

/// At first it answers 404 where it will have the configuration and the pools. What would follow from there being none is done
/// at no time: there is no mesh.
#[test]
fn kinds_that_are_not_served_yet() {
    let kinds = ["bgpconfigurations", "ippools"].map(|kind| format!("{CRD}/{kind}"));
    let late = |server: &mut Server| {
        let times = kinds.iter().map(|kind| (kind.clone(), 3));
        server.missing = Mutex::new(times.collect());
    };
    let Some(mut scene) = Scene::open(late) else {
        return;
    };
    scene.raise();
    for (kind, times) in &*scene.server.missing.lock().expect("no panic") {
        assert_eq!(*times, 0, "{kind} was asked for again");
    }
    let log = scene.node.log();
    assert!(
        log.contains("are not served by the Kubernetes API yet"),
        "{log}"
    );
    scene.other.set_nonblocking(true).expect("it is a socket");
    let called = scene.other.accept();
    assert!(called.is_err(), "the other node was called: {called:?}");
}

/// A write hangs: routes go on, and so does the end of the process.
#[test]
fn a_write_that_is_never_answered() {
    let mine = |server: &mut Server| {
        let spec = json!({"node": "node1", "classes": ["BGP"], "updatePeriodSeconds": 1});
        server.put(&format!("{CRD}/caliconodestatuses"), "mine", spec);
    };
    let Some(mut scene) = Scene::open(mine) else {
        return;
    };
    scene.raise();
    wait_for("a write", LONG, || {
        scene.server.changes.load(Ordering::Relaxed) > 0
    });
    let theirs = prefix("172.20.66.0/24");
    scene.tor.announce(theirs);
    wait_for("the route", SHORT, || has(&scene.node, theirs));
    let status = scene.node.terminate();
    assert!(status.success(), "{status}");
}
