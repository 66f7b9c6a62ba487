//! Changes of resources while sessions are up: those that restart no session and send only the differences, and those that
//! restart one session and no other.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::lab::capture::Capture;
use crate::lab::host::Host;
use crate::lab::peer::{Kind, Peer, PeerConfig, prefix};
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::{NODE_AS, TOR_AS, addresses, wait_down, wait_kernel, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

/// Subcodes of Cease (RFC 4486 §4).
const DECONFIGURED: (u8, u8) = (6, 3);
const CONFIG_CHANGE: (u8, u8) = (6, 6);

#[test]
fn policy_changes_send_bird_what_differs() {
    policy_changes_send_what_differs(Kind::Bird);
}

#[test]
fn policy_changes_send_gobgp_what_differs() {
    policy_changes_send_what_differs(Kind::GoBgp);
}

const SECOND_BLOCK: &str = "10.244.1.64/26";

fn policy_changes_send_what_differs(kind: Kind) {
    let Some(mut stage) = Stage::open(&[kind]) else {
        return;
    };
    stage.peering(TOR_AS, &[], &[]);
    let mut tor = kind.on(&stage.tor_host, stage.tor_config(TOR_AS));
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    wait_kernel(&stage.node_host, &TOR_PREFIXES.map(prefix), &stage.tor_host);
    let mut told = Told::from_now_on(&stage, &*tor);
    let all = [BLOCKS[0], BLOCKS[1], SECOND_BLOCK];

    stage.cluster.block(&stage.node_host, prefix(SECOND_BLOCK));
    told.all_there_is(&all, &["+10.244.1.64"]);
    let communities: &[(&str, &[&str])] = &[("10.244.1.0/26", &["64512:7"])];
    stage.cluster.bgp_configuration(NODE_AS, false, communities);
    wait_for("the community", LONG, || {
        let routes = tor.routes().unwrap_or_default();
        let mut communities = routes.iter().flat_map(|route| &route.communities);
        communities.any(|found| found == "64512:7")
    });
    told.all_there_is(&all, &["+10.244.1.0"]);

    stage.cluster.put("filter", FILTER);
    stage.peering(TOR_AS, &[], &["filters: [no-second]"]);
    told.all_there_is(&BLOCKS, &["-10.244.1.64"]);
    wait_kernel(
        &stage.node_host,
        &[prefix(TOR_PREFIXES[1])],
        &stage.tor_host,
    );
    stage.cluster.put("pool-ipv6", POOL_WITHOUT_EXPORT);
    told.all_there_is(&BLOCKS[..1], &["-fd10:244::"]);
    stage.cluster.pool("ipv6", "fd10:244::/64");
    told.all_there_is(&BLOCKS, &["+fd10:244::"]);
    stage.peering(TOR_AS, &[], &[]);
    told.all_there_is(&all, &["+10.244.1.64"]);
    wait_kernel(&stage.node_host, &TOR_PREFIXES.map(prefix), &stage.tor_host);
    told.assert_no_reset();
}

/// Export and import; imported routes are evaluated again without a request to the peer.
const FILTER: &str = "\
apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata:
  name: no-second
spec:
  exportV4:
  - {action: Reject, matchOperator: Equal, cidr: 10.244.1.64/26}
  importV4:
  - {action: Reject, matchOperator: In, cidr: 172.20.0.0/16}
";

const POOL_WITHOUT_EXPORT: &str = "\
apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: ipv6
spec:
  cidr: fd10:244::/64
  disableBGPExport: true
";

/// The messages from the node to its router from some time on.
struct Told<'a> {
    stage: &'a Stage,
    tor: &'a dyn Peer,
    capture: Capture,
    /// How much of it has been looked at.
    seen: usize,
}

impl<'a> Told<'a> {
    fn from_now_on(stage: &'a Stage, tor: &'a dyn Peer) -> Self {
        Self {
            stage,
            tor,
            capture: stage.capture(),
            seen: 0,
        }
    }

    /// The router gets exactly these prefixes, and was sent no more messages than needed.
    fn all_there_is(&mut self, held: &[&str], told: &[&str]) {
        let held: Vec<_> = held.iter().map(|text| prefix(text)).collect();
        wait_learned("the router", self.tor, &held);
        let trace = self.capture.so_far();
        let routes = addresses(&self.stage.node_host).map(|address| trace.routes(address));
        let routes = routes.concat();
        // Each change concerns one session only, so what is new of both is what is new.
        assert_eq!(routes.len() - self.seen, told.len(), "{routes:?}");
        self.seen = routes.len();
        for route in told {
            assert!(routes.iter().any(|found| found == route), "{routes:?}");
        }
    }

    fn assert_no_reset(self) {
        let trace = self.capture.finish();
        for address in addresses(&self.stage.node_host) {
            assert_eq!(trace.opens(address), 0, "a change reset a session");
            trace.assert_well_formed(address);
        }
    }
}

/// The session with a router that is no longer configured ends, and its routes go; the other one notices nothing.
#[test]
fn a_removed_peer_is_told() {
    let Some((stage, mut tor, mut other)) = two_routers(Kind::Frr) else {
        return;
    };
    let other_capture = Capture::start(&other.host);
    let capture = stage.capture();
    for name in ["tor-ipv4", "tor-ipv6"] {
        stage.cluster.remove_peer(name);
    }
    wait_down("the router", &*tor, &stage.node_host);
    wait_kernel(&stage.node_host, &OTHER_PREFIXES.map(prefix), &other.host);
    assert_cease(&capture, &stage.node_host, DECONFIGURED);
    assert_untouched(&other_capture, &stage.node_host);
    tor.stop();
    other.router.stop();
}

/// The session is closed and opened anew with the other AS, when the router has it.
#[test]
fn a_peer_gets_another_as() {
    let Some((stage, mut tor, other)) = two_routers(Kind::Bird) else {
        return;
    };
    let other_capture = Capture::start(&other.host);
    let capture = stage.capture();
    stage.peering(OTHER_AS, &[], &[]);
    wait_down("the router", &*tor, &stage.node_host);
    assert_cease(&capture, &stage.node_host, CONFIG_CHANGE);
    tor.stop();
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(OTHER_AS));
    tor.start();
    stage.wait_up(&*tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    assert_untouched(&other_capture, &stage.node_host);
}

/// The session moves to the other port.
#[test]
fn a_peer_gets_another_port() {
    let Some((stage, mut tor, other)) = two_routers(Kind::Bird) else {
        return;
    };
    let other_capture = Capture::start(&other.host);
    tor.stop();
    let config = stage.tor_config(TOR_AS).with(&["local port 1790;"]);
    let config = config.with_sessions(|session| session.passive = true);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    tor.start();
    for (name, address) in [
        ("tor-ipv4", "10.0.0.1:1790"),
        ("tor-ipv6", "[fd00::1]:1790"),
    ] {
        stage.cluster.peer_with(name, address, TOR_AS, &[], &[]);
    }
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    assert_untouched(&other_capture, &stage.node_host);
}

/// The node is reached there at once, no longer where it was, and sessions that are up stay so.
#[test]
fn the_node_listens_on_another_port() {
    let Some((stage, mut tor, other)) = two_routers(Kind::Bird) else {
        return;
    };
    let other_capture = Capture::start(&other.host);
    stage.peering(TOR_AS, &[("passive", "true")], &[]);
    tor.stop();
    stage.cluster.put("bgp-configuration", LISTEN_PORT);
    wait_for("the other port, and it alone", LONG, || {
        listening(&stage.node_host) == BTreeSet::from([1790])
    });
    let config = stage.tor_config(TOR_AS).with(&["neighbor port 1790;"]);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    tor.start();
    stage.wait_up(&*tor);
    assert_untouched(&other_capture, &stage.node_host);
}

const LISTEN_PORT: &str = "\
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata:
  name: default
spec:
  asNumber: 64512
  nodeToNodeMeshEnabled: false
  listenPort: 1790
";

/// TCP ports on which the daemon listens.
fn listening(host: &Host) -> BTreeSet<u16> {
    let sockets = host.ns.run("ss -Hltn");
    let addresses = sockets
        .lines()
        .filter_map(|line| line.split_whitespace().nth(3));
    addresses
        .filter_map(|address| address.rsplit(':').next()?.parse().ok())
        .collect()
}

const OTHER_AS: u32 = 65_002;
const OTHER_PREFIXES: [&str; 2] = ["172.30.1.0/24", "fd30:1::/64"];

/// A second router, which must not notice what concerns the first.
struct Other {
    router: Box<dyn Peer>,
    host: Rc<Host>,
}

/// A node with sessions to its router, which is of the kind, and to another one.
fn two_routers(kind: Kind) -> Option<(Stage, Box<dyn Peer>, Other)> {
    let mut stage = Stage::open(&[kind, Kind::Bird])?;
    let host = stage.lab.host("other", 2);
    stage.peering(TOR_AS, &[], &[]);
    stage.peering_with(&host, OTHER_AS, &[], &[]);
    let config = PeerConfig::on_lan(&host, OTHER_AS, &[(&stage.node_host, NODE_AS)]);
    let mut router = Kind::Bird.on(&host, config.announcing(&OTHER_PREFIXES));
    let mut tor = kind.on(&stage.tor_host, stage.tor_config(TOR_AS));
    router.start();
    stage.raise(&mut *tor);
    wait_learned("the other router", &*router, &BLOCKS.map(prefix));
    Some((stage, tor, Other { router, host }))
}

/// The node's first messages.
fn assert_cease(capture: &Capture, node: &Host, expected: (u8, u8)) {
    let trace = capture.so_far();
    for address in addresses(node) {
        let told = trace.notifications(address).first().copied();
        assert_eq!(told, Some(expected), "{address}");
    }
}

/// Neither an OPEN nor a NOTIFICATION passed by.
fn assert_untouched(capture: &Capture, node: &Host) {
    let trace = capture.so_far();
    for address in addresses(node) {
        assert_eq!(trace.opens(address), 0, "the other session was reset");
        assert_eq!(trace.notifications(address), []);
    }
}
