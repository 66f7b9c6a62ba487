//! A node and its top-of-rack router: each real peer, and our own daemon, over eBGP and iBGP, in IPv4 and IPv6.

use std::collections::BTreeSet;
use std::rc::Rc;

use ipnet::IpNet;

use crate::lab::Lab;
use crate::lab::capture::{Capture, Trace};
use crate::lab::cluster::Cluster;
use crate::lab::host::Host;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer, PeerConfig, Route, lab_for, prefix};
use crate::lab::wait::{SHORT, wait_for};
use crate::scenario::{
    BLOCK_LOCAL_PREF, KERNEL_PROTOCOL, NODE_AS, SessionType, addresses, wait_down,
    wait_established, wait_kernel, wait_learned,
};

/// The story of a node and its router, for each kind of router.
macro_rules! stories {
    ($($peer:ident: $kind:expr;)*) => {$(
        mod $peer {
            use super::{Kind, SessionType, tell};

            #[test]
            fn external() {
                tell($kind, SessionType::External);
            }

            #[test]
            fn internal() {
                tell($kind, SessionType::Internal);
            }
        }
    )*};
}

stories! {
    bird: Kind::Bird;
    gobgp: Kind::GoBgp;
    frr: Kind::Frr;
    openbgpd: Kind::OpenBgpd;
    exabgp: Kind::ExaBgp;
    own: Kind::Own;
}

const FIRST_BLOCKS: [&str; 2] = ["10.244.1.0/26", "fd10:244::/122"];
const SECOND_BLOCK: &str = "10.244.1.64/26";
const TOR_PREFIXES: [&str; 2] = ["172.20.1.0/24", "fd20:1::/64"];
const LATE_TOR_PREFIX: &str = "172.20.2.0/24";
/// Of the IPv4 blocks only.
const COMMUNITIES: [&str; 2] = ["64512:100", "64512:1:2"];

struct Story {
    session: SessionType,
    cluster: Cluster,
    node_host: Rc<Host>,
    tor_host: Rc<Host>,
    node: Node,
    tor: Box<dyn Peer>,
}

fn tell(kind: Kind, session: SessionType) {
    let Some(lab) = lab_for(&[kind]) else { return };
    let mut story = Story::begin(&lab, kind, session);
    let capture = Capture::start(&story.node_host);
    story.tor.start();
    story.node.start();
    story.sessions_come_up();
    story.routes_arrive_on_both_sides();
    // More than one OPEN to a neighbour if two connections collided.
    let node = addresses(&story.node_host);
    let opens = |trace: Trace| node.map(|address| trace.opens(address));
    let before = opens(capture.so_far());
    story.the_table_of_the_router_changes();
    story.the_blocks_of_the_node_change();
    assert_eq!(
        opens(capture.so_far()),
        before,
        "a change of blocks reset a session"
    );
    story.the_router_dies_and_returns();
    story.the_node_stops();
    let trace = capture.finish();
    for address in addresses(&story.node_host) {
        trace.assert_well_formed(address);
        let last = trace.notifications(address).last().copied();
        assert_eq!(last, Some((6, 2)), "the Cease of {address}");
    }
}

impl Story {
    fn begin(lab: &Lab, kind: Kind, session: SessionType) -> Self {
        let tor_host = lab.host("tor", 1);
        let node_host = lab.host("node1", 11);
        let cluster = lab.cluster();
        cluster
            .node(&node_host)
            .bgp_configuration(NODE_AS, false, &[("10.244.0.0/16", &COMMUNITIES)])
            .peer_host(&tor_host, session.tor_as())
            .pool("ipv4", "10.244.0.0/16")
            .pool("ipv6", "fd10:244::/64");
        for block in FIRST_BLOCKS {
            cluster.block(&node_host, prefix(block));
        }
        let config = PeerConfig::on_lan(&tor_host, session.tor_as(), &[(&node_host, NODE_AS)]);
        // Two connections that collide may keep ExaBGP 4.2 from a neighbour for long: its log shows an exception of its own.
        let config = config.with_sessions(|session| session.passive = kind == Kind::ExaBgp);
        let tor = kind.on(&tor_host, config.announcing(&TOR_PREFIXES));
        let mut node = Node::new(&node_host, cluster.directory());
        node.set("BGP_DAEMON_ON_STOP", "withdraw");
        Self {
            session,
            cluster,
            node_host,
            tor_host,
            node,
            tor,
        }
    }

    fn sessions_come_up(&self) {
        wait_established("the node", &self.node, &self.tor_host);
        wait_established("the router", &*self.tor, &self.node_host);
        let status = self.node.print(&["node", "status"]);
        for address in addresses(&self.tor_host) {
            let row = status
                .lines()
                .find(|line| line.contains(&format!("| {address} ")));
            let row = row.unwrap_or_else(|| panic!("no {address} in:\n{status}"));
            let established = ["global", "up", "Established"]
                .iter()
                .all(|word| row.contains(word));
            assert!(established, "{row}");
        }
    }

    fn routes_arrive_on_both_sides(&self) {
        self.wait_tor_has_blocks(&FIRST_BLOCKS);
        self.wait_node_has(&TOR_PREFIXES);
        let blocks: BTreeSet<IpNet> = prefixes(&FIRST_BLOCKS).into_iter().collect();
        wait_for("the node's own blocks to be blackholes", SHORT, || {
            self.node_host.blackholes(KERNEL_PROTOCOL) == blocks
        });
    }

    fn the_table_of_the_router_changes(&mut self) {
        self.tor.announce(prefix(LATE_TOR_PREFIX));
        self.wait_node_has(&[&TOR_PREFIXES[..], &[LATE_TOR_PREFIX]].concat());
        self.tor.withdraw(prefix(LATE_TOR_PREFIX));
        self.wait_node_has(&TOR_PREFIXES);
    }

    fn the_blocks_of_the_node_change(&self) {
        self.node.signal("HUP"); // Means nothing to us, and must not end the daemon.
        self.cluster.block(&self.node_host, prefix(SECOND_BLOCK));
        self.wait_tor_has_blocks(&[&FIRST_BLOCKS[..], &[SECOND_BLOCK]].concat());
        self.cluster
            .remove_block(&self.node_host, prefix(SECOND_BLOCK));
        self.wait_tor_has_blocks(&FIRST_BLOCKS);
    }

    fn the_router_dies_and_returns(&mut self) {
        self.tor.kill();
        wait_down("the node", &self.node, &self.tor_host);
        self.tor.start();
        wait_established("the node", &self.node, &self.tor_host);
        self.wait_tor_has_blocks(&FIRST_BLOCKS);
        self.wait_node_has(&TOR_PREFIXES);
    }

    /// Its routes stay in the kernel, where pods still use them.
    fn the_node_stops(&mut self) {
        let routes = self.node_host.kernel_routes(KERNEL_PROTOCOL);
        let status = self.node.terminate();
        assert!(status.success(), "the node ended with {status}");
        wait_down("the router", &*self.tor, &self.node_host);
        wait_learned("the router", &*self.tor, &[]);
        assert_eq!(self.node_host.kernel_routes(KERNEL_PROTOCOL), routes);
    }

    fn wait_tor_has_blocks(&self, blocks: &[&str]) {
        let routes = wait_learned("the router", &*self.tor, &prefixes(blocks));
        let expected: BTreeSet<Route> =
            routes.iter().map(|route| self.block_route(route)).collect();
        assert_eq!(routes, expected);
    }

    /// What a block of the node must look like at the router. Over eBGP there is no LOCAL_PREF on the wire; what some
    /// routers show in its place is their default.
    fn block_route(&self, received: &Route) -> Route {
        let external = self.session == SessionType::External;
        let default = received.local_pref.filter(|value| *value == 100);
        let communities: &[&str] = if received.prefix.addr().is_ipv4() {
            &COMMUNITIES
        } else {
            &[]
        };
        Route {
            prefix: received.prefix,
            next_hop: self.node_host.address_facing(received.prefix.addr()),
            as_path: if external { vec![NODE_AS] } else { Vec::new() },
            local_pref: if external {
                default
            } else {
                Some(BLOCK_LOCAL_PREF)
            },
            communities: communities.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    fn wait_node_has(&self, expected: &[&str]) {
        let routes = wait_learned("the node", &self.node, &prefixes(expected));
        for route in routes {
            assert_eq!(
                route.next_hop,
                self.tor_host.address_facing(route.prefix.addr())
            );
        }
        wait_kernel(&self.node_host, &prefixes(expected), &self.tor_host);
    }
}

fn prefixes(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| prefix(text)).collect()
}
