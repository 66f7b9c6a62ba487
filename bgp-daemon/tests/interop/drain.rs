//! Two nodes announce a range of service addresses to one router. One of them is drained and stopped, starts again, and the drain is
//! undone: a request every 10 ms is always answered.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;

use ipnet::IpNet;

use crate::lab::Lab;
use crate::lab::cluster::Cluster;
use crate::lab::host::Host;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer, PeerConfig, lab_for, prefix};
use crate::lab::ping::Ping;
use crate::lab::wait::{LONG, wait_for, wait_until};
use crate::scenario::{NODE_AS, TOR_AS, wait_established};

const RANGE: &str = "203.0.113.0/24";
const SERVICE: &str = "203.0.113.7";
/// The block of the node that is drained.
const BLOCK: &str = "10.244.1.0/26";

#[test]
fn no_request_is_lost_with_bird_above() {
    // RFC 8326 §4.1, as an operator of BIRD writes it.
    let honour =
        "import filter { if (65535, 0) ~ bgp_community then bgp_local_pref = 0; accept; };";
    no_request_is_lost(Kind::Bird, "bird", |config| {
        config.with_per_family(&[honour])
    });
}

#[test]
fn no_request_is_lost_with_frr_above() {
    no_request_is_lost(Kind::Frr, "bgp", |config| config);
}

/// `protocol` is the origin of the router's routes in its kernel, as iproute2 names it.
fn no_request_is_lost(kind: Kind, protocol: &str, honouring: impl Fn(PeerConfig) -> PeerConfig) {
    let Some(mut scene) = Scene::open(kind, protocol, honouring) else {
        return;
    };
    let [first, second] = scene.hosts.each_ref().map(|host| IpAddr::from(host.ipv4));
    let kernel = &scene.kernel;
    let is_either = |ways: &BTreeSet<IpAddr>| ways.contains(&second) || ways.contains(&first);
    kernel.wait_range("one node or both", is_either);
    let service = SERVICE.parse().expect("an address");
    let ping = Ping::start(&kernel.tor, "ping", &kernel.tor.ns, service);

    let told = scene.drain(&[]);
    assert!(told.contains("is drained"), "{told}");
    // First another path is preferred, while this one is still announced; then the announcement ends.
    scene.wait_explained("communities 65535:0");
    let kernel = &scene.kernel;
    kernel.wait_range("the other node", |ways| *ways == BTreeSet::from([second]));
    scene.wait_explained("is drained: its service addresses are withdrawn");
    // Sessions and blocks stay.
    wait_established("the router", &*scene.router, &scene.hosts[0]);
    assert_eq!(scene.kernel.ways(BLOCK), BTreeSet::from([first]));
    let status = scene.nodes[0].print(&["node", "status", "-o", "json"]);
    assert!(status.contains("\"drain\": \"withdrawn\""), "{status}");

    // A stop, and a start that is still drained.
    assert!(scene.nodes[0].terminate().success());
    scene.nodes[0].start();
    wait_established("the router", &*scene.router, &scene.hosts[0]);
    wait_until("the block", LONG, || match scene.kernel.ways(BLOCK) {
        ways if ways == BTreeSet::from([first]) => Ok(()),
        ways => Err(format!("{ways:?}")),
    });
    assert_eq!(scene.kernel.ways(RANGE), BTreeSet::from([second]));

    scene.drain(&["--undo"]);
    scene.wait_explained(": advertised");
    assert!(scene.nodes[1].terminate().success());
    let kernel = &scene.kernel;
    kernel.wait_range("the first node", |ways| *ways == BTreeSet::from([first]));
    let lost = ping.lost();
    assert!(lost.is_empty(), "lost {lost:?}");
}

/// Two nodes and their router.
struct Scene<'a> {
    nodes: [Node; 2],
    router: Box<dyn Peer>,
    kernel: Kernel<'a>,
    hosts: [Rc<Host>; 2],
    cluster: Cluster,
    /// Last, because all the others live in it.
    _lab: Lab,
}

impl<'a> Scene<'a> {
    /// With all sessions up; `None` if the test is skipped.
    fn open(
        kind: Kind,
        protocol: &'a str,
        honouring: impl Fn(PeerConfig) -> PeerConfig,
    ) -> Option<Self> {
        let lab = lab_for(&[kind])?;
        let tor = lab.host("tor", 1);
        let hosts = [lab.host("node1", 11), lab.host("node2", 12)];
        let cluster = lab.cluster();
        let spec = format!(
            "{{asNumber: {NODE_AS}, nodeToNodeMeshEnabled: false, serviceExternalIPs: [{{cidr: {RANGE}}}]}}"
        );
        let configuration = format!(
            "apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nmetadata: {{name: default}}\nspec: {spec}\n"
        );
        cluster
            .put("bgp-configuration", &configuration)
            .pool("pods", "10.244.0.0/16")
            .block(&hosts[0], prefix(BLOCK))
            .peer_host(&tor, TOR_AS);
        let mut nodes = hosts.each_ref().map(|host| {
            cluster.node(host);
            host.ns.run(&format!("ip addr add {SERVICE}/32 dev lo"));
            let mut node = Node::new(host, cluster.directory());
            node.set("BGP_DAEMON_DRAIN_AFTER", "5s");
            node.set("BGP_DAEMON_ON_STOP", "withdraw");
            node
        });
        let neighbours: [(&Host, u32); 2] = [(&hosts[0], NODE_AS), (&hosts[1], NODE_AS)];
        let config = PeerConfig::on_lan(&tor, TOR_AS, &neighbours);
        let mut router = kind.on(&tor, honouring(config));
        router.start();
        for (node, host) in nodes.iter_mut().zip(&hosts) {
            node.start();
            wait_established("the router", &*router, host);
        }
        Some(Self {
            nodes,
            router,
            kernel: Kernel { tor, protocol },
            hosts,
            cluster,
            _lab: lab,
        })
    }

    /// Runs `node drain` for the first node.
    fn drain(&self, more: &[&str]) -> String {
        let datastore = self.cluster.directory().display().to_string();
        let name = &self.hosts[0].name;
        let arguments = ["node", "drain", "--node", name, "--datastore", &datastore];
        self.nodes[0].print(&[&arguments, more].concat())
    }

    /// Waits until `explain` says this of the range on the first node.
    fn wait_explained(&self, words: &str) {
        wait_for(words, LONG, || {
            self.nodes[0].print(&["explain", RANGE]).contains(words)
        });
    }
}

/// The routes in the router's kernel.
struct Kernel<'a> {
    tor: Rc<Host>,
    protocol: &'a str,
}

impl Kernel<'_> {
    /// The next hops of a prefix.
    fn ways(&self, wanted: &str) -> BTreeSet<IpAddr> {
        let wanted: IpNet = prefix(wanted);
        let routes = self.tor.kernel_routes(self.protocol).into_iter();
        let routes = routes.filter(|route| route.prefix == wanted);
        routes.flat_map(|route| route.gateways).collect()
    }

    fn wait_range(&self, what: &str, is: impl Fn(&BTreeSet<IpAddr>) -> bool) {
        wait_until(&format!("{RANGE} by {what}"), LONG, || {
            let ways = self.ways(RANGE);
            if is(&ways) {
                Ok(())
            } else {
                Err(format!("{ways:?}"))
            }
        });
    }
}
