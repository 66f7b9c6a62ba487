//! Peers that are accepted from ranges, beside BIRD and FRR: from YAML to every view, and back.

use std::net::IpAddr;
use std::rc::Rc;

use crate::lab::cluster::Cluster;
use crate::lab::host::Host;
use crate::lab::http;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer, PeerConfig, prefix};
use crate::lab::samples::Samples;
use crate::lab::wait::{LONG, wait_for, wait_until};
use crate::scenario::{NODE_AS, TOR_AS, addresses, wait_established, wait_learned};
use crate::stage::{BLOCKS, Stage, described};

/// Hosts 1 to 63, and not 200.
const RANGES: &str = "10.0.0.0/26, fd00::/120";
const OTHER_AS: u32 = 65_002;

/// A BGPPeer for whoever connects from [`RANGES`].
pub(crate) fn accept(cluster: &Cluster, name: &str, annotations: &[(&str, &str)], spec: &[&str]) {
    let mut text = format!(
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: {name}\n  annotations:\n\
         \x20   bgp-daemon.io/listen-range: \"{RANGES}\"\n"
    );
    for (key, value) in annotations {
        text += &format!("    bgp-daemon.io/{key}: \"{value}\"\n");
    }
    text += "spec:\n  sourceAddress: UseNodeIP\n";
    for line in spec {
        text += &format!("  {line}\n");
    }
    cluster.put(&format!("peer-{name}"), &text);
}

fn samples(node: &Node) -> Result<Samples, String> {
    let socket = node.run_dir().join("bgp-daemon.sock");
    let answer = http::get(&socket, "/metrics", &[]).map_err(|error| error.to_string())?;
    Ok(Samples::read(&answer.body))
}

fn flaps(node: &Node, host: &Host) -> Option<f64> {
    let label = format!("peer=\"{}\"", name(host.ipv4.into()));
    samples(node)
        .ok()?
        .sum("bgp_session_flaps_total", &[&label])
}

fn name(address: IpAddr) -> String {
    format!("Global_{}", address.to_string().replace(['.', ':'], "_"))
}

fn router(
    kind: Kind,
    host: &Rc<Host>,
    asn: u32,
    stage: &Stage,
    prefixes: &[&str],
) -> Box<dyn Peer> {
    let config = PeerConfig::on_lan(host, asn, &[(&stage.node_host, NODE_AS)]);
    kind.on(host, config.announcing(prefixes))
}

#[test]
fn routers_of_a_range_come_and_go() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let as_numbers = format!("{TOR_AS}, 65000-65009");
    accept(&stage.cluster, "tors", &[("listen-as", &as_numbers)], &[]);
    let bird_host = Rc::clone(&stage.tor_host);
    let frr_host = stage.lab.host("tor2", 2);
    let mut bird = router(
        Kind::Bird,
        &bird_host,
        TOR_AS,
        &stage,
        &["172.20.1.0/24", "fd20:1::/64"],
    );
    let mut frr = router(
        Kind::Frr,
        &frr_host,
        OTHER_AS,
        &stage,
        &["172.20.2.0/24", "fd20:2::/64"],
    );
    stage.node.start();
    for peer in [&mut bird, &mut frr] {
        peer.start();
    }
    for host in [&bird_host, &frr_host] {
        wait_established("the node", &stage.node, host);
    }
    let all = [
        "172.20.1.0/24",
        "fd20:1::/64",
        "172.20.2.0/24",
        "fd20:2::/64",
    ];
    wait_learned("the node", &stage.node, &all.map(prefix));
    let [_, ipv6] = BLOCKS.map(prefix);
    wait_learned("BIRD", &*bird, &BLOCKS.map(prefix));
    wait_learned("FRR", &*frr, &BLOCKS.map(prefix));

    every_view_has(&stage.node, &bird_host);
    // A new filter, and AS numbers without FRR's: only FRR's sessions end.
    let refuse = "exportV4: [{action: Reject, cidr: 10.0.0.0/8, matchOperator: In}]";
    stage.cluster.put("filter", &format!(
        "apiVersion: projectcalico.org/v3\nkind: BGPFilter\nmetadata:\n  name: none\nspec:\n  {refuse}\n"
    ));
    let only = TOR_AS.to_string();
    accept(
        &stage.cluster,
        "tors",
        &[("listen-as", &only)],
        &["filters: [none]"],
    );
    for address in addresses(&frr_host) {
        wait_until("FRR's session to be gone", LONG, || {
            match stage.node.session(address) {
                Ok(row) => Err(row),
                Err(_) => Ok(()),
            }
        });
    }
    wait_learned("BIRD", &*bird, &[ipv6]);
    assert_eq!(flaps(&stage.node, &bird_host), Some(0.0));
    wait_refused_for_its_as(&*frr, &stage.node_host);

    bird.stop();
    for address in addresses(&bird_host) {
        wait_for("BIRD's session to be gone", LONG, || {
            stage.node.session(address).is_err()
        });
    }
    wait_learned("the node", &stage.node, &[]);
    assert_eq!(flaps(&stage.node, &bird_host), None);
}

fn wait_refused_for_its_as(frr: &dyn Peer, node: &Host) {
    wait_until("FRR to be refused for its AS", LONG, || {
        let sessions = described(frr, node);
        let is_told = |session: &serde_json::Value| {
            session["lastNotificationReason"] == "OPEN Message Error/Bad Peer AS"
        };
        match sessions.iter().all(is_told) {
            true => Ok(()),
            false => Err(format!("{sessions:?}")),
        }
    });
}

fn every_view_has(node: &Node, host: &Host) {
    let name = name(host.ipv4.into());
    assert_eq!(flaps(node, host), Some(0.0));
    let status = node.print(&["node", "status"]);
    let row = format!("| {}", host.ipv4);
    let row = status.lines().find(|line| line.starts_with(&row));
    assert!(
        row.is_some_and(|row| row.contains("global") && row.contains("Established")),
        "{status}"
    );
    let status = node.print(&["node", "status", "-o", "json"]);
    assert!(status.contains(&host.ipv4.to_string()), "{status}");
    let socket = node.run_dir().join("bgp-daemon.sock");
    let get = |path: &str| {
        let answer = http::get(&socket, path, &[]).expect("it answers");
        assert_eq!(answer.code, 200, "{path}: {}", answer.body);
        answer.body
    };
    assert!(get("/v1/sessions").contains(&name));
    assert!(get("/v1/plan").contains("10.0.0.0/26"));
    let explained = node.print(&["explain", BLOCKS[0], "--peer", &name]);
    assert!(explained.contains(&name), "{explained}");
    // A name that it does not know is an error.
    let output = node.command(&["doctor", &name]);
    assert!(output.stderr.is_empty(), "{output:?}");
}

/// A stranger inside the range gets a limit, one outside gets no word, and a configured address is not the range's.
#[test]
fn limits_strangers_and_configured_addresses() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let as_number = TOR_AS.to_string();
    let annotations = [("listen-as", &*as_number), ("listen-limit", "1")];
    accept(&stage.cluster, "tors", &annotations, &["ttlSecurity: 1"]);
    let inside = Rc::clone(&stage.tor_host);
    let secured = |host: &Rc<Host>, stage: &Stage| {
        let config = PeerConfig::on_lan(host, TOR_AS, &[(&stage.node_host, NODE_AS)]);
        Kind::Bird.on(host, config.with(&["ttl security on;"]))
    };
    let mut first = secured(&inside, &stage);
    stage.node.start();
    first.start();
    wait_established("the node", &stage.node, &inside);

    let (second, outside) = (stage.lab.host("tor2", 2), stage.lab.host("outside", 200));
    let mut second_peer = secured(&second, &stage);
    let mut stranger = secured(&outside, &stage);
    second_peer.start();
    stranger.start();
    for address in addresses(&stage.node_host) {
        wait_until("the second router to be rejected", LONG, || {
            let text = second_peer.describe(address)?;
            text.contains("Received: Connection rejected")
                .then_some(())
                .ok_or(text)
        });
        wait_until("the stranger to be cut off", LONG, || {
            let text = stranger.describe(address)?;
            text.contains("Socket: Connection")
                .then_some(())
                .ok_or(text)
        });
        let text = stranger.describe(address).expect("it answers");
        assert!(!text.contains("Received:"), "{text}");
    }
    // The second router is configured: now it is no longer a matter of the range.
    stage.peering_with(&second, TOR_AS, &[], &["ttlSecurity: 1"]);
    wait_established("the node", &stage.node, &second);
    wait_established("the node", &stage.node, &inside);
    assert_eq!(flaps(&stage.node, &inside), Some(0.0));
}

/// A lower limit ends the newest sessions above it; a higher one lets them come back.
#[test]
fn a_lower_limit_ends_the_newest() {
    let Some(mut stage) = Stage::open(&[Kind::Bird, Kind::Frr]) else {
        return;
    };
    let as_numbers = format!("{TOR_AS}, {OTHER_AS}");
    let limit = |stage: &Stage, limit: &str| {
        let annotations = [("listen-as", &*as_numbers), ("listen-limit", limit)];
        accept(&stage.cluster, "tors", &annotations, &[]);
    };
    limit(&stage, "2");
    let (older, newer) = (Rc::clone(&stage.tor_host), stage.lab.host("tor2", 2));
    let mut frr = router(Kind::Frr, &older, OTHER_AS, &stage, &["172.20.1.0/24"]);
    let mut bird = router(Kind::Bird, &newer, TOR_AS, &stage, &["172.20.2.0/24"]);
    stage.node.start();
    frr.start();
    wait_established("the node", &stage.node, &older);
    bird.start();
    wait_established("the node", &stage.node, &newer);
    limit(&stage, "1");
    for address in addresses(&stage.node_host) {
        wait_until("BIRD to be rejected", LONG, || {
            let text = bird.describe(address)?;
            let is_rejected = text.contains("Received: Connection rejected");
            is_rejected.then_some(()).ok_or(text)
        });
    }
    wait_learned("the node", &stage.node, &[prefix("172.20.1.0/24")]);
    limit(&stage, "2");
    wait_established("the node", &stage.node, &newer);
    wait_established("the node", &stage.node, &older);
    assert_eq!(flaps(&stage.node, &older), Some(0.0));
}

/// The settings of the BGPPeer are those of its peers: here a password and BFD.
#[test]
fn password_and_bfd() {
    let Some(mut stage) = Stage::open(&[Kind::Frr]) else {
        return;
    };
    stage.cluster.secret("tors", "password", "hunter2");
    let spec = [
        format!("asNumber: {TOR_AS}"),
        "password: {secretKeyRef: {name: tors, key: password}}".into(),
    ];
    let spec: Vec<_> = spec.iter().map(String::as_str).collect();
    accept(&stage.cluster, "tors", &[("bfd", "300ms/300ms/3")], &spec);
    let host = Rc::clone(&stage.tor_host);
    let config = stage.tor_config(TOR_AS).with(&["bfd"]);
    let config = config.with_sessions(|session| session.password = Some("hunter2".into()));
    let mut tor = Kind::Frr.on(&host, config);
    tor.start();
    stage.node.start();
    stage.wait_up(&*tor);
    wait_until("BFD to be up", LONG, || {
        let up = samples(&stage.node)?.sum("bgp_bfd_session_up", &[]);
        (up == Some(2.0))
            .then_some(())
            .ok_or_else(|| format!("{up:?}"))
    });
    // Another password ends the sessions, and the router cannot come back.
    stage.cluster.secret("tors", "password", "hunter3");
    for address in addresses(&host) {
        wait_for("the session to be gone", LONG, || {
            stage.node.session(address).is_err()
        });
    }
}
