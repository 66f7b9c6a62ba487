//! A node with a pod and two routers. Each router leads to its own half of a network best, and to the other half as the last resort.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use ipnet::IpNet;

use super::report;
use super::table::{Fault, OTHER};
use crate::bfd::wait_sum;
use crate::lab::bird_socket::ask;
use crate::lab::host::Host;
use crate::lab::peer::{Kind, Peer, PeerConfig, prefix};
use crate::lab::ping::Ping;
use crate::lab::pod::Pod;
use crate::lab::wait::{LONG, wait_for, wait_until};
use crate::scenario::{KERNEL_PROTOCOL, NODE_AS, TOR_AS, addresses, wait_established};
use crate::stage::{BLOCKS, Stage};

/// The routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Router {
    Bird,
    Frr,
}

pub(super) const ROUTERS: [Router; 2] = [Router::Bird, Router::Frr];

/// What each leads to best, an address in that, and what it announces for a while.
const HALVES: [(&str, &str, &str); 2] = [
    ("172.20.0.0/24", "172.20.0.1", "172.21.0.0/24"),
    ("172.20.1.0/24", "172.20.1.1", "172.21.1.0/24"),
];
/// What both lead to.
const WHOLE: &str = "172.20.0.0/23";
/// Of FRR; both must be known to the node.
const FRR_AS: u32 = 65_102;
pub(super) const NOWHERE: &str = "10.0.0.250";
/// Another address of the node, which the routers have as a neighbour, too.
pub(super) const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 12);

pub(super) struct Scene {
    fault: &'static Fault,
    pub(super) stage: Stage,
    pub(super) hosts: [Rc<Host>; 2],
    pub(super) peers: [Box<dyn Peer>; 2],
    pub(super) pod: Pod,
    /// Time without an answer: by stream.
    seen: BTreeMap<String, Duration>,
}

/// What runs while a fault is played.
pub(super) struct Streams(Vec<(String, Duration, Ping)>);

impl Router {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bird => "BIRD",
            Self::Frr => "FRR",
        }
    }

    fn protocol(self) -> &'static str {
        match self {
            Self::Bird => "bird",
            Self::Frr => "bgp",
        }
    }

    fn half(self) -> (&'static str, IpAddr) {
        let (half, address, _) = HALVES[self as usize];
        (half, address.parse().expect("an address"))
    }

    fn passing(self) -> IpNet {
        prefix(HALVES[self as usize].2)
    }
}

impl Scene {
    /// All sessions are up with BFD, and packets go all ways.
    pub(super) fn open(fault: &str) -> Option<Self> {
        Self::prepare(fault, &[], |_| ())
    }

    /// The same with more lines of the BGPPeers' spec, and more settings before the node starts.
    pub(super) fn prepare(
        fault: &str,
        spec: &[&str],
        more: impl FnOnce(&mut Stage),
    ) -> Option<Self> {
        let fault = Fault::named(fault);
        let stage = Stage::open(&[Kind::Bird, Kind::Frr])?;
        let hosts = [Rc::clone(&stage.tor_host), stage.lab.host("tor2", 2)];
        for host in hosts.iter().chain([&stage.node_host]) {
            host.enable_forwarding();
            host.ns.sysctl("net/ipv6/conf/all/keep_addr_on_down", "1");
        }
        for host in &hosts {
            for (_, address, _) in HALVES {
                host.ns.run(&format!("ip addr add {address} dev lo"));
            }
        }
        // Without a default route the kernel would not answer ARP for 169.254.1.1.
        let nowhere = format!("ip route add default via {NOWHERE}");
        stage.node_host.ns.run(&nowhere);
        let pod = Pod::on(
            &stage.node_host,
            "pod",
            [10, 244, 1, 5].into(),
            "fd10:244::5".parse().expect("it is an address"),
        );
        let settings = [
            ("bfd", "100ms/100ms/3"),
            ("hold-time", "9s"),
            ("connect-retry-time", "1s"),
        ];
        stage.peering_with(&hosts[0], TOR_AS, &settings, spec);
        stage.peering_with(&hosts[1], FRR_AS, &settings, spec);
        let bird = config(&stage, &hosts[0], TOR_AS, Router::Bird)
            .with_global(&[BIRD_BFD])
            .with(&["bfd graceful;", "hold time 9;"]);
        let frr = config(&stage, &hosts[1], FRR_AS, Router::Frr).with(&[
            "bfd",
            "bfd 3 100 100",
            "bfd check-control-plane-failure",
            "timers 3 9",
        ]);
        let peers = [Kind::Bird.on(&hosts[0], bird), Kind::Frr.on(&hosts[1], frr)];
        let mut scene = Self {
            fault,
            stage,
            hosts,
            peers,
            pod,
            seen: BTreeMap::new(),
        };
        more(&mut scene.stage);
        scene.peers.iter_mut().for_each(|peer| peer.start());
        scene.stage.node.start();
        scene.wait_whole();
        Some(scene)
    }

    /// Plays the fault once for each router.
    pub(super) fn play_for_each(mut self, fault: impl Fn(&mut Self, Router)) {
        for router in ROUTERS {
            let streams = self.streams(&[router]);
            fault(&mut self, router);
            self.finish(streams, router.name());
        }
        report::write(self.fault, &self.seen);
    }

    /// Plays a fault of the node.
    pub(super) fn play(mut self, fault: impl FnOnce(&mut Self)) {
        let streams = self.streams(&ROUTERS);
        fault(&mut self);
        self.finish(streams, "both");
        report::write(self.fault, &self.seen);
    }

    /// A packet every 10 ms to what each router leads to, and from each router to the pod.
    fn streams(&self, touched: &[Router]) -> Streams {
        let pod = IpAddr::V4(self.pod.ipv4);
        let streams = ROUTERS.into_iter().flat_map(|router| {
            let limit = match touched.contains(&router) {
                true => self.fault.broken,
                false => OTHER,
            };
            let from = &self.hosts[router as usize].ns;
            let (_, beyond) = router.half();
            [
                (format!("to {}", router.name()), &self.pod.ns, beyond, limit),
                (format!("from {}", router.name()), from, pod, limit),
            ]
        });
        let started = streams.map(|(name, from, to, limit)| {
            let file = format!("ping {name} {}", self.seen.len());
            let ping = Ping::start(&self.stage.node_host, &file, from, to);
            (name, limit, ping)
        });
        Streams(started.collect())
    }

    /// Everything is as before, and all packets that were lost are accounted for.
    fn finish(&mut self, streams: Streams, about: &str) {
        self.wait_whole();
        for (name, _, ping) in &streams.0 {
            wait_for(&format!("{name} to be answered"), LONG, || {
                ping.is_answered()
            });
        }
        self.assert_alive();
        for (name, limit, ping) in streams.0 {
            let gap = ping.longest_gap();
            // A router whose link is cut has no way to the pod.
            let is_cut_off = name == format!("from {about}");
            assert!(
                gap <= limit || is_cut_off,
                "{name}: {gap:?} without an answer ({about})"
            );
            if !is_cut_off && (about == "both" || name.ends_with(about)) {
                self.seen.insert(name, gap);
            }
        }
    }

    /// All sessions are up with BFD, and the kernels have all routes.
    pub(super) fn wait_whole(&self) {
        for (router, host) in ROUTERS.into_iter().zip(&self.hosts) {
            wait_established("the node", &self.stage.node, host);
            let peer = &*self.peers[router as usize];
            wait_established(router.name(), peer, &self.stage.node_host);
        }
        wait_sum(&self.stage.node, "bgp_bfd_session_up", "", 4.0);
        for router in ROUTERS {
            self.wait_routed(router);
            self.wait_forwarded(router);
        }
    }

    /// The node's kernel leads to the half of a router by it.
    pub(super) fn wait_routed(&self, router: Router) {
        let (half, _) = router.half();
        let way = IpAddr::V4(self.hosts[router as usize].ipv4);
        wait_until(&format!("{half} by {}", router.name()), LONG, || {
            let routes = self.stage.node_host.kernel_routes(KERNEL_PROTOCOL);
            let mut found = routes.iter().filter(|route| route.prefix == prefix(half));
            match found.next() {
                Some(route) if route.gateways.iter().eq([&way]) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }

    /// The node's kernel does not lead to the half of a router by it.
    pub(super) fn wait_moved(&self, router: Router) {
        let (half, _) = router.half();
        wait_for(&format!("the loss of {half}"), LONG, || {
            let routes = self.stage.node_host.kernel_routes(KERNEL_PROTOCOL);
            !routes.iter().any(|route| route.prefix == prefix(half))
        });
    }

    /// The router's kernel leads to the pod.
    fn wait_forwarded(&self, router: Router) {
        wait_for(&format!("the block at {}", router.name()), LONG, || {
            let routes = self.hosts[router as usize].kernel_routes(router.protocol());
            routes.iter().any(|route| route.prefix == prefix(BLOCKS[0]))
        });
    }

    /// The router's kernel leads to the pod by this address of the node.
    pub(super) fn wait_led_by(&self, router: Router, address: Ipv4Addr) {
        let what = format!("{} to lead to {address}", router.name());
        wait_until(&what, LONG, || {
            let routes = self.hosts[router as usize].kernel_routes(router.protocol());
            let mut found = routes
                .iter()
                .filter(|route| route.prefix == prefix(BLOCKS[0]));
            match found.next() {
                Some(route) if route.gateways.iter().eq([&IpAddr::V4(address)]) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }

    /// The Node says that the node has this address.
    pub(super) fn set_address(&self, ipv4: Ipv4Addr) {
        let Host { name, ipv6, .. } = &*self.stage.node_host;
        self.stage.cluster.put(
            &format!("node-{name}"),
            &format!(
                "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata:\n  name: {name}\nspec:\n  bgp:\n\
                 \x20   ipv4Address: {ipv4}/24\n    ipv6Address: {ipv6}/64\n"
            ),
        );
    }

    /// What comes and goes does so on all sides: nothing is stale.
    pub(super) fn assert_alive(&mut self) {
        let block = prefix("10.244.7.0/26");
        let cluster = &self.stage.cluster;
        cluster.block(&self.stage.node_host, block);
        for (router, peer) in ROUTERS.into_iter().zip(&mut self.peers) {
            peer.announce(router.passing());
            wait_for("a new block at the router", LONG, || {
                peer.routes_to(block).is_ok_and(|routes| !routes.is_empty())
            });
        }
        let passing = ROUTERS.map(Router::passing);
        let has = |prefix: &IpNet| {
            let routes = self.stage.node_host.kernel_routes(KERNEL_PROTOCOL);
            routes.iter().any(|route| route.prefix == *prefix)
        };
        wait_for("new routes", LONG, || passing.iter().all(has));
        cluster.remove_block(&self.stage.node_host, block);
        for (router, peer) in ROUTERS.into_iter().zip(&mut self.peers) {
            peer.withdraw(router.passing());
            wait_for("the block to go", LONG, || {
                peer.routes_to(block).is_ok_and(|routes| routes.is_empty())
            });
        }
        wait_for("the routes to go", LONG, || !passing.iter().any(has));
    }

    /// No session has fallen since the daemon runs.
    pub(super) fn assert_no_flap(&self) {
        wait_sum(&self.stage.node, FLAPS, "", 0.0);
    }

    /// No session with this router has.
    pub(super) fn assert_no_flap_of(&self, router: Router) {
        for address in addresses(&self.hosts[router as usize]) {
            let name = address.to_string().replace(['.', ':'], "_");
            let peer = format!("peer=\"Global_{name}\"");
            wait_sum(&self.stage.node, FLAPS, &peer, 0.0);
        }
    }

    /// BIRD ends its sessions with the node, and begins new ones.
    pub(super) fn restart_sessions_of_bird(&self) {
        let socket = self.hosts[Router::Bird as usize]
            .directory
            .join("bird2.ctl");
        for session in ["bgp0", "bgp1"] {
            let restarted = ask(&socket, &format!("restart {session}"));
            restarted.unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// Waits until no session with a router is up.
    pub(super) fn wait_session_down(&self, router: Router) {
        let host = &self.hosts[router as usize];
        for address in addresses(host) {
            wait_for(&format!("the loss of {address}"), LONG, || {
                !self.stage.node.established(address)
            });
        }
    }

    /// Sends a signal to all programs of a router.
    pub(super) fn signal(&self, router: Router, signal: &str) {
        let directory = &self.hosts[router as usize].directory;
        let files: &[&str] = match router {
            Router::Bird => &["bird.pid"],
            Router::Frr => &["frr/bgpd.pid", "frr/bfdd.pid", "frr/zebra.pid"],
        };
        for file in files {
            let text = fs::read_to_string(directory.join(file)).expect("a pid file");
            let id = text.trim().to_owned();
            let status = Command::new("kill")
                .args([format!("-{signal}"), id])
                .status();
            assert!(status.is_ok_and(|status| status.success()), "{file}");
        }
    }
}

const FLAPS: &str = "bgp_session_flaps_total";
const BIRD_BFD: &str = "protocol bfd { interface \"*\" { interval 100 ms; multiplier 3; }; }";

fn config(stage: &Stage, host: &Host, asn: u32, router: Router) -> PeerConfig {
    let (half, _) = router.half();
    let mut config = PeerConfig::on_lan(host, asn, &[(&stage.node_host, NODE_AS)]);
    let mut other = config.neighbors[0].clone();
    other.address = OTHER_ADDRESS.into();
    config.neighbors.push(other);
    config.announcing(&[half, WHOLE])
}
