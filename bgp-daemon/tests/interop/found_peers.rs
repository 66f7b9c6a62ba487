//! Peers that a node finds: its default gateways, and routers on unnumbered links.

use std::net::IpAddr;
use std::rc::Rc;

use crate::lab::cluster::Cluster;
use crate::lab::http;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, PeerConfig, prefix};
use crate::lab::samples::Samples;
use crate::lab::wait::{LONG, wait_for, wait_until};
use crate::scenario::{NODE_AS, TOR_AS, wait_learned};
use crate::stage::{BLOCKS, Stage};

/// A BGPPeer with these annotations, without a configured address.
fn find(cluster: &Cluster, annotations: &[(&str, &str)]) {
    let mut text =
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: tor\n  annotations:\n"
            .to_owned();
    for (key, value) in annotations {
        text += &format!("    bgp-daemon.io/{key}: \"{value}\"\n");
    }
    text += &format!("spec:\n  asNumber: {TOR_AS}\n");
    cluster.put("peer-tor", &text);
}

fn is_up(node: &Node, name: &str) -> Result<(), String> {
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
    find(&stage.cluster, &[("peer", "default-gateway")]);
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
fn cable(stage: &Stage) {
    let (node, tor) = (&stage.node_host, &stage.tor_host);
    for host in [node, tor] {
        host.ns.sysctl("net/ipv6/conf/default/accept_dad", "0");
    }
    node.ns.link("eth1", &tor.ns, "eth1");
    for host in [node, tor] {
        host.ns.run("ip link set eth1 up");
    }
}

fn link_local(stage: &Stage, of_tor: bool) -> IpAddr {
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
fn wait_routes(stage: &Stage, gateway: IpAddr, prefixes: &[&str]) {
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
    config.settings = [
        "neighbor eth1 interface remote-as external",
        "neighbor eth1 timers connect 2",
        "neighbor eth1 capability extended-nexthop",
        "address-family ipv4 unicast",
        " neighbor eth1 activate",
        "exit-address-family",
        "address-family ipv6 unicast",
        " neighbor eth1 activate",
        "exit-address-family",
    ]
    .map(str::to_owned)
    .into();
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
    // Without the link there is no peer.
    stage.cluster.remove_peer("tor");
    wait_for("the session to be gone", LONG, || {
        is_up(&stage.node, &name).is_err()
    });
    wait_learned("the router", &*tor, &[]);
}

/// As BIRD does it: a session with the link-local address, and the radv protocol. A restart loses nothing.
#[test]
fn beside_bird() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    cable(&stage);
    find(&stage.cluster, &[("interface", "eth1")]);
    let (own, gateway) = (link_local(&stage, false), link_local(&stage, true));
    let mut config = PeerConfig::on_lan(&stage.tor_host, TOR_AS, &[]).announcing(&TOR);
    config.settings = vec![format!(
        "protocol radv {{ interface \"eth1\" {{ max ra interval 5; }}; }}\n\
         protocol bgp unnumbered {{ local as {TOR_AS}; neighbor {own}%eth1 as {NODE_AS};\n\
         connect retry time 2; connect delay time 1; error wait time 1, 2;\n\
         ipv4 {{ import all; export where source = RTS_STATIC; extended next hop on; }};\n\
         ipv6 {{ import all; export where source = RTS_STATIC; }}; }}"
    )];
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
}
