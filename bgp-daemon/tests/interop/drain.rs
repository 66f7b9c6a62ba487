//! Two nodes announce a range of service addresses to one router. One of them is drained and stopped, starts again, and the drain is
//! undone: a request every 10 ms is always answered.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;

use ipnet::IpNet;

use crate::graceful_restart::helping;
use crate::lab::host::Host;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, PeerConfig, lab_for, prefix};
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
    let Some(lab) = lab_for(&[kind]) else {
        return;
    };
    let tor = lab.host("tor", 1);
    let hosts = [lab.host("node1", 11), lab.host("node2", 12)];
    let cluster = lab.cluster();
    cluster
        .put(
            "bgp-configuration",
            &format!(
                "apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\nmetadata: {{name: default}}\n\
                 spec: {{asNumber: {NODE_AS}, nodeToNodeMeshEnabled: false, serviceExternalIPs: [{{cidr: {RANGE}}}]}}\n"
            ),
        )
        .pool("pods", "10.244.0.0/16")
        .block(&hosts[0], prefix(BLOCK))
        .peer_host(&tor, TOR_AS);
    for host in &hosts {
        cluster.node(host);
        host.ns.run(&format!("ip addr add {SERVICE}/32 dev lo"));
    }
    let mut nodes = hosts.each_ref().map(|host| {
        let mut node = Node::new(host, cluster.directory());
        node.set("BGP_DAEMON_DRAIN_AFTER", "5s");
        node.set("BGP_DAEMON_ON_STOP", "withdraw");
        node
    });
    let config = PeerConfig::on_lan(&tor, TOR_AS, &[(&hosts[0], NODE_AS), (&hosts[1], NODE_AS)]);
    let kernel = Kernel {
        tor: Rc::clone(&tor),
        protocol,
    };
    let mut router = kind.on(&tor, honouring(helping(kind, config)));
    router.start();
    for (node, host) in nodes.iter_mut().zip(&hosts) {
        node.start();
        wait_established("the router", &*router, host);
    }
    let [first, second] = hosts.each_ref().map(|host| IpAddr::from(host.ipv4));
    kernel.wait_range("one node or both", |ways| {
        ways.contains(&second) || ways.contains(&first)
    });
    let ping = Ping::start(&tor, "ping", &tor.ns, SERVICE.parse().expect("an address"));

    let datastore = cluster.directory().display().to_string();
    let name = hosts[0].name.clone();
    let drain = ["node", "drain", "--node", &name, "--datastore", &datastore];
    let told = nodes[0].print(&drain);
    assert!(told.contains("is drained"), "{told}");
    // First another path is preferred, while this one is still announced; then the announcement ends.
    wait_for("GRACEFUL_SHUTDOWN", LONG, || {
        explained(&nodes[0]).contains("communities 65535:0")
    });
    kernel.wait_range("the other node alone", |ways| {
        *ways == BTreeSet::from([second])
    });
    wait_for("the withdrawal", LONG, || {
        explained(&nodes[0]).contains(&format!("Node/{name} is drained"))
    });
    // Sessions and blocks stay.
    wait_established("the router", &*router, &hosts[0]);
    assert_eq!(kernel.ways(BLOCK), BTreeSet::from([first]));
    let status = nodes[0].print(&["node", "status", "-o", "json"]);
    assert!(status.contains("\"drain\": \"withdrawn\""), "{status}");

    // A stop, and a start that is still drained.
    assert!(nodes[0].terminate().success());
    nodes[0].start();
    wait_established("the router", &*router, &hosts[0]);
    wait_until("the block", LONG, || match kernel.ways(BLOCK) {
        ways if ways == BTreeSet::from([first]) => Ok(()),
        ways => Err(format!("{ways:?}")),
    });
    assert_eq!(kernel.ways(RANGE), BTreeSet::from([second]));

    let undo: Vec<&str> = drain.iter().copied().chain(["--undo"]).collect();
    nodes[0].print(&undo);
    wait_for("the announcement", LONG, || {
        explained(&nodes[0]).contains(": advertised")
    });
    assert!(nodes[1].terminate().success());
    kernel.wait_range("the first node alone", |ways| {
        *ways == BTreeSet::from([first])
    });
    let lost = ping.lost();
    assert!(lost.is_empty(), "lost {lost:?}");
}

fn explained(node: &Node) -> String {
    node.print(&["explain", RANGE])
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
