//! User-defined networks under virtual time: see [`bgp_core::sim::Lab`].

#![cfg(feature = "sim")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bgp_core::rib::LocalRoute;
use bgp_core::sim::{Lab, LinkId, Node, NodeEvent, NodeId, NodeOutput};
use bgp_core::types::Asn;

#[path = "../examples/virtual_time.rs"]
mod virtual_time;

#[test]
fn the_example_runs() {
    virtual_time::main();
}

const PREFIX: &str = "198.51.100.0/24";

/// The number of nodes with the route, in a line of `length` ASes where the first one announces.
fn line(length: u32, seed: u64) -> (Lab, Vec<NodeId>, Vec<LinkId>) {
    let mut lab = Lab::new(seed);
    let nodes: Vec<_> = (0..length)
        .map(|at| lab.add_speaker(Asn(65001 + at)))
        .collect();
    let links = nodes
        .windows(2)
        .map(|pair| lab.connect(pair[0], pair[1]))
        .collect();
    lab.announce(
        nodes[0],
        PREFIX.parse().expect("a prefix"),
        LocalRoute::default(),
    );
    (lab, nodes, links)
}

fn path(lab: &Lab, node: NodeId) -> Option<String> {
    let best = lab.rib(node).best(PREFIX.parse().expect("a prefix"))?;
    Some(best.attributes.as_path.to_string())
}

#[test]
fn a_route_goes_down_a_line_and_comes_back_after_faults() {
    let (mut lab, nodes, links) = line(4, 1);
    lab.run_for(Duration::from_secs(10));
    let far = Some("65003 65002 65001".to_owned());
    assert_eq!(path(&lab, nodes[3]), far);
    lab.cut(links[1]);
    lab.run_for(Duration::from_secs(200));
    assert_eq!(path(&lab, nodes[3]), None, "the hold time is over");
    lab.mend(links[1]);
    lab.run_for(Duration::from_secs(200));
    assert_eq!(path(&lab, nodes[3]), far);
    lab.reset(links[0]);
    lab.run_for(Duration::from_millis(100));
    assert_eq!(
        path(&lab, nodes[3]),
        None,
        "a lost session takes its routes"
    );
    lab.run_for(Duration::from_secs(60));
    assert_eq!(path(&lab, nodes[3]), far);
}

#[test]
fn a_restarted_speaker_has_its_peers_and_routes_again() {
    let (mut lab, nodes, _) = line(3, 5);
    lab.run_for(Duration::from_secs(10));
    assert!(path(&lab, nodes[2]).is_some());
    lab.restart(nodes[0]);
    // The new process dials at once, so the route is soon back.
    let is_gone = (0..100).any(|_| {
        lab.run_for(Duration::from_millis(1));
        path(&lab, nodes[2]).is_none()
    });
    assert!(is_gone, "without graceful restart");
    lab.run_for(Duration::from_secs(60));
    assert_eq!(path(&lab, nodes[2]).as_deref(), Some("65002 65001"));
}

/// A node that listens and stays silent.
struct Listener {
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Node for Listener {
    fn handle(&mut self, _: Instant, event: NodeEvent) {
        if let NodeEvent::Received { octets, .. } = event {
            self.heard
                .lock()
                .expect("no panic")
                .extend_from_slice(&octets);
        }
    }

    fn poll_output(&mut self) -> Option<NodeOutput> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

#[test]
fn a_node_of_ones_own_hears_the_open() {
    let heard = Arc::default();
    let mut lab = Lab::new(3);
    let speaker = lab.add_speaker(Asn(65001));
    let own = lab.add(Listener {
        heard: Arc::clone(&heard),
    });
    lab.connect(speaker, own);
    lab.run_for(Duration::from_secs(1));
    let heard = heard.lock().expect("no panic");
    assert_eq!((&heard[..16], heard[18]), (&[0xff; 16][..], 1), "an OPEN");
}

#[test]
fn the_same_seed_does_the_same() {
    let run = |seed| {
        let (mut lab, nodes, links) = line(5, seed);
        let start = lab.now();
        lab.run_for(Duration::from_millis(20 + seed));
        lab.reset(links[2]);
        lab.run_for(Duration::from_millis(200));
        let paths: Vec<_> = nodes.iter().map(|node| path(&lab, *node)).collect();
        (lab.now() - start, paths)
    };
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed));
    }
}
