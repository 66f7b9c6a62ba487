//! Peers that a node finds: its default gateways, and routers on unnumbered links.

use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;

use crate::bfd::wait_sum;
use crate::lab::capture::Trace;
use crate::lab::cluster::Cluster;
use crate::lab::http;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer, PeerConfig, prefix};
use crate::lab::process::Process;
use crate::lab::samples::Samples;
use crate::lab::wait::{LONG, wait_for, wait_until};
use crate::scenario::{NODE_AS, TOR_AS, wait_learned};
use crate::stage::{BLOCKS, Stage};

/// A BGPPeer with these annotations, without a configured address.
pub(crate) fn find(cluster: &Cluster, annotations: &[(&str, &str)]) {
    let mut text =
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: tor\n  annotations:\n"
            .to_owned();
    for (key, value) in annotations {
        text += &format!("    bgp-daemon.io/{key}: \"{value}\"\n");
    }
    text += &format!("spec:\n  asNumber: {TOR_AS}\n");
    cluster.put("peer-tor", &text);
}

pub(crate) fn is_up(node: &Node, name: &str) -> Result<(), String> {
    let status = node.print(&["show", "protocols"]);
    let status = status + &node.print(&["show", "-6", "protocols"]);
    let mut rows = status.lines().filter(|row| row.contains(name));
    rows.any(|row| row.contains("Established"))
        .then_some(())
        .ok_or(status)
}

fn flaps(node: &Node) -> Option<f64> {
    let socket = node.run_dir().join("bgp-daemon.sock");
    let answer = http::get(&socket, "/metrics", &[]).ok()?;
    Samples::read(&answer.body).sum("bgp_session_flaps_total", &[])
}

/// The router is the gateway, and another one after the route has changed.
#[test]
fn the_peer_is_the_default_gateway() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage
        .cluster
        .peer_with("tor", "auto-gateway", TOR_AS, &[], &[]);
    let hosts = [Rc::clone(&stage.tor_host), stage.lab.host("tor2", 2)];
    let mut tors: Vec<_> = hosts
        .iter()
        .map(|host| {
            Kind::Bird.on(
                host,
                PeerConfig::on_lan(host, TOR_AS, &[(&stage.node_host, NODE_AS)]),
            )
        })
        .collect();
    tors.iter_mut().for_each(|tor| tor.start());
    let route = |command: &str| drop(stage.node_host.ns.run(&format!("ip {command}")));
    let up = |node: &Node, address: IpAddr| {
        wait_for(&format!("{address} to be up"), LONG, || {
            node.established(address)
        })
    };
    let gone = |node: &Node, address: IpAddr| {
        wait_for(&format!("{address} to be gone"), LONG, || {
            node.session(address).is_err()
        })
    };
    let [first, second] = [&hosts[0], &hosts[1]];
    route("route add default via 10.0.0.1 metric 100");
    route("-6 route add default via fd00::1");
    stage.node.start();
    up(&stage.node, first.ipv4.into());
    up(&stage.node, first.ipv6.into());
    wait_learned("the router", &*tors[0], &BLOCKS.map(prefix));
    // The annotation says the same: nothing changes.
    find(&stage.cluster, &[("peer", "default-gateway")]);
    // A route with a better metric, and back.
    route("route add default via 10.0.0.2 metric 50");
    up(&stage.node, second.ipv4.into());
    gone(&stage.node, first.ipv4.into());
    route("route del default via 10.0.0.2 metric 50");
    up(&stage.node, first.ipv4.into());
    gone(&stage.node, second.ipv4.into());
    // Both, with ECMP.
    route("-6 route replace default nexthop via fd00::1 nexthop via fd00::2");
    up(&stage.node, second.ipv6.into());
    up(&stage.node, first.ipv6.into());
    route("-6 route del default");
    gone(&stage.node, second.ipv6.into());
    gone(&stage.node, first.ipv6.into());
    let status = stage.node.print(&["node", "status", "-o", "json"]);
    assert!(
        !status.contains("no default route"),
        "IPv4 has one: {status}"
    );
    route("route del default via 10.0.0.1 metric 100");
    wait_until("the problem", LONG, || {
        let status = stage.node.print(&["node", "status", "-o", "json"]);
        status
            .contains("this node has no default route with a gateway")
            .then_some(())
            .ok_or(status)
    });
}

/// Joins the hosts by a cable of their own, `eth1` on both ends, without addresses but the link-local ones.
pub(crate) fn cable(stage: &Stage) {
    let (node, tor) = (&stage.node_host, &stage.tor_host);
    for host in [node, tor] {
        host.ns.sysctl("net/ipv6/conf/default/accept_dad", "0");
    }
    node.ns.link("eth1", &tor.ns, "eth1");
    for (host, hardware) in [(node, "02:00:00:00:01:0b"), (tor, "02:00:00:00:01:01")] {
        // The same link-local addresses each time.
        host.ns.run(&format!("ip link set eth1 address {hardware}"));
        host.ns.run("ip link set eth1 up");
    }
}

/// The cable is gone, and another one is there.
fn replace_cable(stage: &Stage, name: &str) {
    stage.node_host.ns.run("ip link del eth1");
    wait_for("the session to be gone", LONG, || {
        is_up(&stage.node, name).is_err()
    });
    cable(stage);
}

/// Nothing but multicast arrives on either end of the cable, or everything again.
fn mislead(stage: &Stage, misled: bool) {
    let ends = [(&stage.node_host, true), (&stage.tor_host, false)];
    for (host, of_tor) in ends {
        let other = link_local(stage, of_tor);
        host.ns.run(&match misled {
            true => {
                format!("ip neigh replace {other} lladdr 02:00:00:00:00:99 dev eth1 nud permanent")
            }
            false => format!("ip neigh del {other} dev eth1"),
        });
    }
}

/// Router advertisements of the node as the router sees them.
struct Advertisements {
    _dumpcap: Process,
    file: PathBuf,
    node: IpAddr,
}

impl Advertisements {
    fn watch(stage: &Stage) -> Self {
        let file = stage.tor_host.directory.join("eth1.pcapng");
        let path = file.display().to_string();
        let arguments = [
            "-q",
            "-i",
            "eth1",
            "-f",
            "icmp6 and ip6[40] == 134",
            "-w",
            &path,
        ];
        let dumpcap = Process::start(&stage.tor_host, "dumpcap", "dumpcap", &arguments);
        wait_for("dumpcap to begin", LONG, || dumpcap.log().contains("File:"));
        let node = link_local(stage, false);
        Self {
            _dumpcap: dumpcap,
            file,
            node,
        }
    }

    /// The router lifetimes, in seconds.
    fn lifetimes(&self) -> Vec<String> {
        let from = format!("ipv6.src == {}", self.node);
        let rows = Trace::open(&self.file).fields(&from, &["icmpv6.nd.ra.router_lifetime"]);
        rows.into_iter().flatten().collect()
    }

    fn wait_for_end(&self) {
        wait_until("an advertisement with lifetime 0", LONG, || {
            let lifetimes = self.lifetimes();
            let ends = lifetimes.last().is_some_and(|last| last == "0");
            let others = lifetimes.iter().filter(|lifetime| *lifetime != "1800");
            (ends && others.count() == 1)
                .then_some(())
                .ok_or_else(|| format!("{lifetimes:?}"))
        });
    }
}

pub(crate) fn link_local(stage: &Stage, of_tor: bool) -> IpAddr {
    let host = if of_tor {
        &stage.tor_host
    } else {
        &stage.node_host
    };
    let text = host.ns.run("ip -j -6 addr show dev eth1 scope link");
    let links: serde_json::Value = serde_json::from_str(&text).expect("ip -j prints JSON");
    let addresses = links[0]["addr_info"].as_array().into_iter().flatten();
    let mut addresses = addresses.filter_map(|found| found["local"].as_str()?.parse().ok());
    addresses.next().expect("an address")
}

/// The kernel's routes lead over the link, for IPv4 with an IPv6 gateway.
pub(crate) fn wait_routes(stage: &Stage, gateway: IpAddr, prefixes: &[&str]) {
    for text in prefixes {
        wait_until(&format!("the route to {text}"), LONG, || {
            let routes = stage.node_host.kernel_routes("12");
            let mut leading = routes.iter().filter(|route| route.prefix == prefix(text));
            let leads = leading.any(|route| route.gateways == [gateway].into());
            leads.then_some(()).ok_or_else(|| format!("{routes:?}"))
        });
    }
}

const TOR: [&str; 2] = ["172.20.1.0/24", "fd20:1::/64"];

/// The link's other side, and more lines about it.
fn unnumbered_frr(more: &[&str]) -> Vec<String> {
    let neighbour = [
        "neighbor eth1 interface remote-as external",
        "neighbor eth1 timers connect 2",
        "neighbor eth1 capability extended-nexthop",
    ];
    let families = [
        "address-family ipv4 unicast",
        " neighbor eth1 activate",
        "exit-address-family",
        "address-family ipv6 unicast",
        " neighbor eth1 activate",
        "exit-address-family",
    ];
    let lines = neighbour.iter().chain(more).chain(&families);
    lines.map(|line| (*line).to_owned()).collect()
}

/// As FRR does it: `neighbor eth1 interface remote-as external`.
#[test]
fn beside_frr() {
    let Some(mut stage) = Stage::open(&[Kind::Frr]) else {
        return;
    };
    cable(&stage);
    find(
        &stage.cluster,
        &[("interface", "eth1"), ("bfd", "300ms/300ms/3")],
    );
    let mut config = PeerConfig::on_lan(&stage.tor_host, TOR_AS, &[]).announcing(&TOR);
    config.settings = unnumbered_frr(&[]);
    let mut tor = Kind::Frr.on(&stage.tor_host, config);
    tor.start();
    stage.node.start();
    let gateway = link_local(&stage, true);
    let name = format!("Global_{}_dev_eth1", gateway.to_string().replace(':', "_"));
    wait_until("the session", LONG, || is_up(&stage.node, &name));
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    wait_routes(&stage, gateway, &TOR);
    let status = stage.node.print(&["node", "status"]);
    assert!(status.contains(&format!("{gateway}%eth1")), "{status}");
    let table = stage.node.print(&["show", "route"]);
    assert!(table.contains(&format!("via {gateway} on eth1")), "{table}");
    // Next hops of 32 octets are a new session.
    find(
        &stage.cluster,
        &[("interface", "eth1"), ("next-hop-length", "32")],
    );
    wait_until("the session", LONG, || is_up(&stage.node, &name));
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    // A packet to what the router has, over the link.
    stage.tor_host.ns.run("ip addr add 172.20.1.1/32 dev lo");
    stage.node_host.ns.run("ip addr add 10.244.1.1/32 dev lo");
    stage
        .node_host
        .ns
        .run("ping -c 1 -w 10 -I 10.244.1.1 172.20.1.1");
    // Another interface of the same name.
    replace_cable(&stage, &name);
    wait_until("the session", LONG, || is_up(&stage.node, &name));
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    wait_routes(&stage, gateway, &TOR);
    // Without the link there is no peer, and the router knows.
    let advertisements = Advertisements::watch(&stage);
    stage.cluster.remove_peer("tor");
    wait_for("the session to be gone", LONG, || {
        is_up(&stage.node, &name).is_err()
    });
    wait_learned("the router", &*tor, &[]);
    advertisements.wait_for_end();
}

/// BFD over link-local addresses ends a session whose link is silent.
#[test]
fn bfd_beside_frr() {
    let Some(mut stage) = Stage::open(&[Kind::Frr]) else {
        return;
    };
    cable(&stage);
    let annotations = [
        ("interface", "eth1"),
        ("bfd", "100ms/100ms/3"),
        ("connect-retry-time", "1s"),
    ];
    find(&stage.cluster, &annotations);
    let mut config = PeerConfig::on_lan(&stage.tor_host, TOR_AS, &[]).announcing(&TOR);
    config.settings = unnumbered_frr(&["neighbor eth1 bfd 3 100 100"]);
    let mut tor = Kind::Frr.on(&stage.tor_host, config);
    tor.start();
    stage.node.start();
    watches_and_ends(&stage, &*tor);
}

#[test]
fn bfd_beside_bird() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    cable(&stage);
    let annotations = [
        ("interface", "eth1"),
        ("bfd", "100ms/100ms/3"),
        ("connect-retry-time", "1s"),
    ];
    find(&stage.cluster, &annotations);
    let mut config = PeerConfig::on_lan(&stage.tor_host, TOR_AS, &[]).announcing(&TOR);
    config.settings = vec![
        "protocol bfd { interface \"eth1\" { interval 100 ms; multiplier 3; }; }".to_owned(),
        unnumbered_bird(&stage, "bfd;"),
    ];
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    tor.start();
    stage.node.start();
    watches_and_ends(&stage, &*tor);
}

fn watches_and_ends(stage: &Stage, tor: &dyn Peer) {
    let gateway = link_local(stage, true);
    let name = format!("Global_{}_dev_eth1", gateway.to_string().replace(':', "_"));
    wait_until("the session", LONG, || is_up(&stage.node, &name));
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 1.0);
    wait_learned("the router", tor, &BLOCKS.map(prefix));
    mislead(stage, true);
    // The hold time is 240 s.
    wait_until("the end of the session", LONG, || {
        let log = stage.node.log();
        let ended = log.contains(&format!(
            "session down peer={name} reason=BGP Error: BFD down"
        ));
        ended.then_some(()).ok_or(log)
    });
    wait_learned("the router", tor, &[]);
    let log = stage.node.log();
    assert!(log.contains("BFD session down: "), "{log}");
    mislead(stage, false);
    wait_until("the session", LONG, || is_up(&stage.node, &name));
    wait_sum(&stage.node, "bgp_bfd_session_up", "", 1.0);
}

/// A BGPPeer that cannot be served for want of a capability says so, and the others work.
#[test]
fn a_missing_capability_is_named() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    cable(&stage);
    find(&stage.cluster, &[("interface", "eth1")]);
    stage.peering(TOR_AS, &[], &[]);
    stage.node.launch_by(&[
        "setpriv",
        "--bounding-set",
        "-net_raw",
        "--inh-caps",
        "-net_raw",
    ]);
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS));
    stage.raise(&mut *tor);
    let named = |stage: &Stage| {
        let status = stage.node.print(&["node", "status", "-o", "json"]);
        status.contains("CAP_NET_RAW").then_some(()).ok_or(status)
    };
    wait_until("the capability in the status", LONG, || named(&stage));
    assert!(stage.node.log().contains("CAP_NET_RAW"));
    stage.cluster.remove_peer("tor");
    wait_for("the problem to be gone", LONG, || named(&stage).is_err());
    stage.wait_up(&*tor);
}

/// As BIRD does it: a session with the link-local address, and the radv protocol. A restart loses nothing.
#[test]
fn beside_bird() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    cable(&stage);
    find(&stage.cluster, &[("interface", "eth1")]);
    let gateway = link_local(&stage, true);
    let mut config = PeerConfig::on_lan(&stage.tor_host, TOR_AS, &[]).announcing(&TOR);
    config.settings = vec![unnumbered_bird(&stage, "")];
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    tor.start();
    stage.node.start();
    let name = format!("Global_{}_dev_eth1", gateway.to_string().replace(':', "_"));
    wait_until("the session", LONG, || is_up(&stage.node, &name));
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    wait_routes(&stage, gateway, &TOR);
    assert_eq!(flaps(&stage.node), Some(0.0));

    // The router keeps its routes over a restart.
    let watch = crate::lab::route_watch::RouteWatch::start(&stage.tor_host);
    assert!(stage.node.terminate().success());
    stage.node.start();
    wait_until("the session", LONG, || is_up(&stage.node, &name));
    wait_routes(&stage, gateway, &TOR);
    let record = watch.finish();
    assert!(BLOCKS.iter().all(|block| !record.removed(prefix(block))));

    // Another interface of the same name.
    replace_cable(&stage, &name);
    wait_until("the session", LONG, || is_up(&stage.node, &name));
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    wait_routes(&stage, gateway, &TOR);
    // The end of the search is told.
    let advertisements = Advertisements::watch(&stage);
    stage.cluster.remove_peer("tor");
    wait_learned("the router", &*tor, &[]);
    advertisements.wait_for_end();
}

/// The protocols of BIRD for a session over link-local addresses.
pub(crate) fn unnumbered_bird(stage: &Stage, more: &str) -> String {
    let own = link_local(stage, false);
    format!(
        "protocol radv {{ interface \"eth1\" {{ max ra interval 5; }}; }}\n\
         protocol bgp unnumbered {{ local as {TOR_AS}; neighbor {own}%eth1 as {NODE_AS};\n\
         connect retry time 2; connect delay time 1; error wait time 1, 2; {more}\n\
         ipv4 {{ import all; export where source = RTS_STATIC; extended next hop on; }};\n\
         ipv6 {{ import all; export where source = RTS_STATIC; }}; }}"
    )
}
