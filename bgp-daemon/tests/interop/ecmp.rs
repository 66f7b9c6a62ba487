//! Two nodes advertise one prefix to one router, as with a service address: the router uses both, and when one node stops, it
//! continues with the other without a moment without a route.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;

use ipnet::IpNet;

use crate::lab::Lab;
use crate::lab::host::{Host, KernelRoute};
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer, PeerConfig, lab_for, prefix};
use crate::lab::process::Process;
use crate::lab::wait::{LONG, wait_until};
use crate::scenario::{NODE_AS, TOR_AS};

/// Promise 11.8.
#[test]
fn bird_keeps_the_other_node() {
    the_router_keeps_the_other_node(Kind::Bird, "bird");
}

#[test]
fn frr_keeps_the_other_node() {
    the_router_keeps_the_other_node(Kind::Frr, "bgp");
}

#[test]
fn our_own_keeps_the_other_node() {
    the_router_keeps_the_other_node(Kind::Own, "bird");
}

/// The laboratory and the routers can do it: here the nodes are BIRD.
#[test]
fn lab_self_check_bird_keeps_the_other_bird() {
    with_nodes_of_bird(Kind::Bird, "bird");
}

#[test]
fn lab_self_check_frr_keeps_the_other_bird() {
    with_nodes_of_bird(Kind::Frr, "bgp");
}

const SHARED: &str = "10.96.0.0/28";

/// `protocol` is what the router's routes carry in the kernel, as iproute2 names it.
fn the_router_keeps_the_other_node(kind: Kind, protocol: &str) {
    let Some(lab) = lab_for(&[kind]) else { return };
    let [tor, first, second] = hosts(&lab);
    let cluster = lab.cluster();
    cluster
        .bgp_configuration(NODE_AS, false, &[])
        .peer_host(&tor, TOR_AS)
        .pool("services", "10.96.0.0/16");
    let nodes = [&first, &second].map(|host| -> Box<dyn Peer> {
        cluster.node(host).block(host, prefix(SHARED));
        let mut node = Node::new(host, cluster.directory());
        node.set("BGP_DAEMON_ON_STOP", "withdraw");
        Box::new(node)
    });
    stop_one_of(nodes, kind, protocol, [&tor, &first, &second]);
}

fn with_nodes_of_bird(kind: Kind, protocol: &str) {
    let Some(lab) = lab_for(&[kind, Kind::Bird]) else {
        return;
    };
    let [tor, first, second] = hosts(&lab);
    let nodes = [&first, &second].map(|host| {
        let config = PeerConfig::on_lan(host, NODE_AS, &[(&tor, TOR_AS)]);
        Kind::Bird.on(host, config.announcing(&[SHARED]))
    });
    stop_one_of(nodes, kind, protocol, [&tor, &first, &second]);
}

fn hosts(lab: &Lab) -> [Rc<Host>; 3] {
    [
        lab.host("tor", 1),
        lab.host("node1", 11),
        lab.host("node2", 12),
    ]
}

fn stop_one_of(
    mut nodes: [Box<dyn Peer>; 2],
    kind: Kind,
    protocol: &str,
    [tor, first, second]: [&Rc<Host>; 3],
) {
    let neighbors: [(&Host, u32); 2] = [(first, NODE_AS), (second, NODE_AS)];
    let mut router = kind.on(tor, PeerConfig::on_lan(tor, TOR_AS, &neighbors));
    router.start();
    for node in &mut nodes {
        node.start();
    }
    wait_gateways(tor, protocol, &[first, second]);

    let monitor = Monitor::start(tor);
    nodes[0].stop();
    wait_gateways(tor, protocol, &[second]);
    monitor.assert_never_deleted(prefix(SHARED));
}

/// Waits until the router's kernel leads the shared prefix to exactly these hosts.
fn wait_gateways(tor: &Host, protocol: &str, hosts: &[&Rc<Host>]) {
    let gateways: BTreeSet<IpAddr> = hosts.iter().map(|host| host.ipv4.into()).collect();
    let wanted = KernelRoute {
        prefix: prefix(SHARED),
        gateways,
    };
    wait_until(
        &format!("the router's kernel to have {wanted:?}"),
        LONG,
        || {
            let routes = tor.kernel_routes(protocol);
            if routes.contains(&wanted) {
                Ok(())
            } else {
                Err(format!("{routes:?}"))
            }
        },
    );
}

/// `ip monitor route`: each change of the kernel's routes, in order.
struct Monitor<'a> {
    host: &'a Host,
    process: Process,
}

impl<'a> Monitor<'a> {
    /// Returns when a change would be seen.
    fn start(host: &'a Host) -> Self {
        let process = Process::start(host, "ip-monitor", "ip", &["monitor", "route"]);
        let monitor = Self { host, process };
        monitor.wait_mark("192.0.2.1");
        monitor
    }

    fn assert_never_deleted(&self, prefix: IpNet) {
        self.wait_mark("192.0.2.2");
        let log = self.process.log();
        let deleted = log
            .lines()
            .find(|line| line.starts_with(&format!("Deleted {prefix}")));
        assert_eq!(
            deleted, None,
            "the router lost {prefix} for a moment:\n{log}"
        );
    }

    /// Makes a route of no meaning come and go until it shows: what happened before it has shown as well.
    fn wait_mark(&self, address: &str) {
        wait_until("ip monitor to see changes", LONG, || {
            self.host
                .ns
                .run(&format!("ip route replace blackhole {address}"));
            self.host
                .ns
                .run(&format!("ip route del blackhole {address}"));
            let log = self.process.log();
            if log.contains(&format!("Deleted blackhole {address}")) {
                Ok(())
            } else {
                Err(log)
            }
        });
    }
}
