//! Metrics beside what the wire, BIRD, the kernel and Prometheus say.

mod aliases;
mod prometheus;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::lab::bird_socket::ask;
use crate::lab::capture::{Capture, Trace};
use crate::lab::http;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer, prefix};
use crate::lab::samples::Samples;
use crate::lab::wait::{LONG, wait_until};
use crate::scenario::{KERNEL_PROTOCOL, TOR_AS, addresses, wait_down, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

/// What the node tells now.
fn samples(node: &Node) -> Result<Samples, String> {
    let socket = node.run_dir().join("bgp-daemon.sock");
    let answer = http::get(&socket, "/metrics", &[]).map_err(|error| error.to_string())?;
    assert_eq!(answer.code, 200, "{answer:?}");
    Ok(Samples::read(&answer.body))
}

fn session_name(neighbor: IpAddr) -> String {
    format!("Global_{}", neighbor.to_string().replace(['.', ':'], "_"))
}

/// The label `peer` of the session with a neighbour.
fn peer_label(neighbor: IpAddr) -> String {
    format!("peer=\"{}\"", session_name(neighbor))
}

/// A session that was lost twice, once by each side.
#[test]
fn metrics_are_what_the_wire_and_bird_say() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[("max-prefixes", "10")], &[]);
    let config = stage.tor_config(TOR_AS);
    // One side dials, so that there is one connection at a time.
    let config = config.with_sessions(|session| session.passive = true);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    let capture = stage.capture();
    stage.raise(&mut *tor);
    wait_learned("the node", &stage.node, &TOR_PREFIXES.map(prefix));
    let more = "10.244.1.64/26";
    stage.cluster.block(&stage.node_host, prefix(more));
    let [ipv4, ipv6] = BLOCKS;
    wait_learned("the router", &*tor, &[ipv4, ipv6, more].map(prefix));
    stage.cluster.remove_block(&stage.node_host, prefix(more));
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    settle(&stage, &*tor);
    tor.stop();
    wait_down("the node", &stage.node, &stage.tor_host);
    tor.start();
    stage.wait_up(&*tor);
    settle(&stage, &*tor);
    switch(&stage, "disable");
    wait_down("the node", &stage.node, &stage.tor_host);
    switch(&stage, "enable");
    stage.wait_up(&*tor);
    settle(&stage, &*tor);

    for address in addresses(&stage.tor_host) {
        let own = stage.node_host.address_facing(address);
        wait_until("the numbers of the wire", LONG, || {
            messages(&stage, &capture, address, own)
        });
        wait_until("the numbers of BIRD", LONG, || {
            routes(&stage, &*tor, address, own)
        });
        states(&stage, address);
    }
    wait_until("the numbers of the kernel", LONG, || kernel(&stage));
    assert_eq!(
        samples(&stage.node)
            .expect("an answer")
            .sum("bgp_speaker_info", &["node=\"node1\""]),
        Some(1.0)
    );
}

/// Waits until both sides have said all: what comes when a session ends is read no more.
fn settle(stage: &Stage, tor: &dyn Peer) {
    wait_learned("the node", &stage.node, &TOR_PREFIXES.map(prefix));
    wait_learned("the router", tor, &BLOCKS.map(prefix));
    let socket = stage.node.run_dir().join("bgp-daemon.sock");
    wait_until("End-of-RIB of the router", LONG, || {
        let answer = http::get(&socket, "/v1/sessions", &[]).map_err(|error| error.to_string())?;
        let ends = answer.body.matches("\"endOfRib\":true").count();
        (ends == 2).then_some(()).ok_or(answer.body)
    });
}

fn switch(stage: &Stage, how: &str) {
    for address in addresses(&stage.tor_host) {
        let socket = match address {
            IpAddr::V4(_) => "bird.ctl",
            IpAddr::V6(_) => "bird6.ctl",
        };
        let command = format!("{how} {}", session_name(address));
        ask(&stage.node.run_dir().join(socket), &command).expect("a reply");
    }
}

/// Messages and NOTIFICATIONs of both directions, each as often as they were seen on the wire.
fn messages(stage: &Stage, capture: &Capture, router: IpAddr, own: IpAddr) -> Result<(), String> {
    let told = samples(&stage.node)?;
    let trace = capture.so_far();
    let peer = peer_label(router);
    let types = [
        (1, "open"),
        (2, "update"),
        (3, "notification"),
        (4, "keepalive"),
        (5, "route_refresh"),
    ];
    for (direction, sender) in [("sent", own), ("received", router)] {
        let direction = format!("direction=\"{direction}\"");
        for (number, name) in types {
            let kind = format!("type=\"{name}\"");
            let told = told.sum("bgp_messages_total", &[&peer, &direction, &kind]);
            let seen = trace.messages(sender, number);
            if told != Some(seen as f64) {
                return Err(format!("{peer} {direction} {kind}: {told:?}, seen {seen}"));
            }
        }
        notifications(&told, &trace, &[&peer, &direction], sender)?;
    }
    Ok(())
}

fn notifications(
    told: &Samples,
    trace: &Trace,
    labels: &[&str; 2],
    sender: IpAddr,
) -> Result<(), String> {
    let mut seen: BTreeMap<(u8, u8), usize> = BTreeMap::new();
    for codes in trace.notifications(sender) {
        *seen.entry(codes).or_default() += 1;
    }
    assert!(!seen.is_empty(), "{sender} has sent none");
    let all: usize = seen.values().sum();
    if told.sum("bgp_notifications_total", labels) != Some(all as f64) {
        return Err(format!("{told:?}, seen {seen:?}"));
    }
    for ((code, subcode), count) in seen {
        let codes = [format!("code=\"{code}\""), format!("subcode=\"{subcode}\"")];
        let labels = [labels[0], labels[1], &codes[0], &codes[1]];
        if told.sum("bgp_notifications_total", &labels) != Some(count as f64) {
            return Err(format!("{told:?}, seen {code}/{subcode} {count} times"));
        }
    }
    Ok(())
}

/// What BIRD imported was told to it, and what it exported was received.
fn routes(stage: &Stage, tor: &dyn Peer, router: IpAddr, own: IpAddr) -> Result<(), String> {
    let told = samples(&stage.node)?;
    let text = tor.describe(own)?;
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Routes:"));
    let words = line.unwrap_or_default().split_whitespace();
    let theirs: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
    let view = |view: &str| {
        let view = format!("view=\"{view}\"");
        told.sum("bgp_routes", &[&peer_label(router), &view])
    };
    let ours = ["told", "received", "accepted", "stale"].map(view);
    let expected = [theirs[0], theirs[1], theirs[1], 0.0].map(Some);
    (ours == expected && theirs[..2] == [1.0, 1.0])
        .then_some(())
        .ok_or_else(|| format!("{ours:?}\n{text}"))
}

/// The session came up three times, went down twice, and is up.
fn states(stage: &Stage, router: IpAddr) {
    let told = samples(&stage.node).expect("an answer");
    let peer = peer_label(router);
    let sum = |metric, label: &str| told.sum(metric, &[&peer, label]);
    assert_eq!(sum("bgp_session_up", "type=\"global\""), Some(1.0));
    assert_eq!(sum("bgp_session_up", "peer_as=\"4200000001\""), Some(1.0));
    assert_eq!(sum("bgp_session_state", "state=\"Established\""), Some(1.0));
    assert_eq!(sum("bgp_session_state", ""), Some(1.0));
    assert_eq!(sum("bgp_session_flaps_total", ""), Some(2.0));
    let changes = |label: &str| sum("bgp_session_transitions_total", label);
    assert_eq!(changes("to=\"Established\""), Some(3.0));
    assert_eq!(changes("from=\"Established\""), Some(2.0));
    // However often a state was entered, it was left as often, unless it is the last one.
    for state in ["Connect", "Active", "OpenSent", "OpenConfirm"] {
        let (from, to) = (format!("from=\"{state}\""), format!("to=\"{state}\""));
        assert_eq!(changes(&from), changes(&to), "{state}: {told:?}");
    }
    assert_eq!(sum("bgp_route_limit", ""), Some(10.0));
    assert_eq!(sum("bgp_session_outstanding_bytes", ""), Some(0.0));
    let since = sum("bgp_session_established_timestamp_seconds", "");
    let start = told.sum("process_start_time_seconds", &[]);
    // The start is known to a hundredth of a second, and the clock of the kernel's to a second.
    assert!(
        since
            .zip(start)
            .is_some_and(|(since, start)| since > start - 2.0),
        "{told:?}"
    );
    for metric in [
        "bgp_change_to_update_seconds_count",
        "bgp_plan_seconds_count",
    ] {
        assert!(
            told.sum(metric, &[]).is_some_and(|count| count > 0.0),
            "{metric}"
        );
    }
    assert_eq!(told.sum("bgp_datastore_connected", &[]), Some(1.0));
    assert_eq!(told.sum("bgp_problems", &[]), Some(0.0));
}

/// As many prefixes have a route as `show route` lists, and the kernel has as many of our routes as it shows.
fn kernel(stage: &Stage) -> Result<(), String> {
    let told = samples(&stage.node)?;
    for (family, is_of, socket) in [("ipv4", true, "bird.ctl"), ("ipv6", false, "bird6.ctl")] {
        let listed = ask(&stage.node.run_dir().join(socket), "show route")?;
        let words = listed.iter().filter_map(|line| line.split(' ').next());
        let prefixes = words.filter(|word| word.parse::<IpNet>().is_ok()).count();
        let best = told.sum("bgp_best_routes", &[&format!("afi=\"{family}\"")]);
        // A block, a route of the router.
        assert!(best >= Some(2.0), "{told:?}");
        if best != Some(prefixes as f64) {
            return Err(format!("{best:?} best routes: {listed:?}"));
        }
        let family = format!("family=\"{family}\"");
        let installed = told.sum("bgp_kernel_routes", &[&family, "state=\"installed\""]);
        let unicast = stage.node_host.kernel_routes(KERNEL_PROTOCOL);
        let unicast = unicast.iter().map(|route| route.prefix);
        let all = unicast.chain(stage.node_host.blackholes(KERNEL_PROTOCOL));
        let count = all
            .filter(|prefix| prefix.addr().is_ipv4() == is_of)
            .count();
        if installed != Some(count as f64) {
            return Err(format!("{installed:?}, and the kernel has {count}"));
        }
    }
    Ok(())
}

/// Who asks for OpenMetrics gets it, and others the text format of Prometheus; both say the same.
#[test]
fn the_client_chooses_the_format() {
    let Some(mut stage) = Stage::open(&[]) else {
        return;
    };
    stage.node.start();
    let socket = stage.node.run_dir().join("bgp-daemon.sock");
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let open = http::get(&socket, "/metrics", &[accept]).expect("an answer");
    assert!(
        open.head
            .contains("application/openmetrics-text; version=1.0.0"),
        "{}",
        open.head
    );
    assert!(open.body.ends_with("# EOF\n"));
    assert!(open.body.contains("# TYPE process_cpu_seconds counter\n"));
    let text = http::get(&socket, "/metrics", &["Accept: */*"]).expect("an answer");
    assert!(
        text.head.contains("text/plain; version=0.0.4"),
        "{}",
        text.head
    );
    assert!(
        text.body
            .contains("# TYPE process_cpu_seconds_total counter\n")
    );
    let info = |text: &str| Samples::read(text).beginning("bgp_speaker_info");
    assert_eq!(info(&open.body), info(&text.body));
}
