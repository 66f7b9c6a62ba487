//! The cost of one changed endpoint for a route reflector with thousands of clients that announces a thousand services. Not a
//! test:
//!
//! `cargo test --release -p bgp-daemon --lib -- --ignored --nocapture desired::measure`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use bgp_core::rib::{Input, Output, PeerUp, Rib};
use bgp_core::types::{Asn, PeerId, PerFamily, RouterId};
use bgp_core::wire::Context;

use super::{Earlier, of};
use crate::plan::{Environment, Plan, Planner};
use crate::resources::{Resource, ResourceSet, parse};
use bgp_speaker::pool::Pool;
use bgp_speaker::{ApplyStep, Desired, SpeakerConfig};

const CLIENTS: usize = 5_000;
const SERVICES: usize = 1_000;

fn resources() -> ResourceSet {
    let api = "apiVersion: projectcalico.org/v3";
    let mut text = format!(
        "{{{api}, kind: BGPConfiguration, metadata: {{name: default}}, spec: {{nodeToNodeMeshEnabled: false, serviceClusterIPs: [{{cidr: 10.96.0.0/12}}]}}}}\n---\n\
         {{{api}, kind: Node, metadata: {{name: a, labels: {{rr: 'true'}}}}, spec: {{bgp: {{ipv4Address: 10.8.0.1/16, routeReflectorClusterID: 1.0.0.1}}}}}}\n---\n\
         {{{api}, kind: BGPPeer, metadata: {{name: clients}}, spec: {{nodeSelector: has(rr), peerSelector: '!has(rr)'}}}}\n"
    );
    for i in 0..CLIENTS {
        let (high, low) = (i / 250, i % 250 + 1);
        write!(text, "---\n{{{api}, kind: Node, metadata: {{name: n{i}}}, spec: {{bgp: {{ipv4Address: 10.9.{high}.{low}/16}}}}}}\n").unwrap();
    }
    for i in 0..SERVICES {
        let (high, low) = (i / 250, i % 250 + 1);
        write!(text, "---\n{{apiVersion: v1, kind: Service, metadata: {{name: s{i}, namespace: d}}, spec: {{type: NodePort, clusterIP: 10.96.{high}.{low}, externalTrafficPolicy: Local}}}}\n{}", slice(i, "a")).unwrap();
    }
    ResourceSet::from_documents(parse("cluster.yaml", &text).documents).set
}

fn slice(service: usize, node: &str) -> String {
    format!(
        "---\n{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: s{service}-x, namespace: d, labels: {{kubernetes.io/service-name: s{service}}}}}, addressType: IPv4, endpoints: [{{addresses: [10.1.0.1], nodeName: {node}, conditions: {{ready: true}}}}]}}\n"
    )
}

fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

fn config() -> SpeakerConfig {
    SpeakerConfig::new(Asn(64512), RouterId([9, 9, 9, 9].into()))
}

/// The RIB with all clients up.
struct World {
    rib: Rib,
    ids: BTreeMap<Arc<str>, PeerId>,
}

impl World {
    fn take(&mut self, steps: Vec<ApplyStep>) {
        for step in steps {
            match step {
                ApplyStep::AtOnce { inputs, peers, .. } => {
                    for (name, spec) in peers {
                        let config = spec.settings(&config()).neighbour.routes;
                        let peer = self.ids[&name];
                        self.handle(Input::Configure { peer, config });
                    }
                    inputs.into_iter().for_each(|input| self.handle(input));
                }
                ApplyStep::Start(name, spec) => {
                    let peer = PeerId(self.ids.len() as u32);
                    self.ids.insert(name, peer);
                    let config = spec.settings(&config()).neighbour.routes;
                    let peer_id = RouterId(std::net::Ipv4Addr::from_bits(peer.0 + 1));
                    let mut context = Context::default();
                    context.families.ipv4 = true;
                    let mut up = PeerUp::new(peer_id, context);
                    up.own_next_hop.ipv4 = Some(std::net::IpAddr::from([10, 8, 0, 1]).into());
                    up.sends_end_of_rib = true;
                    self.handle(Input::Configure { peer, config });
                    let preserved = PerFamily::default();
                    self.handle(Input::Up {
                        peer,
                        up,
                        preserved,
                    });
                }
                ApplyStep::Remove(_) => unreachable!("no peer goes"),
            }
        }
        self.drain();
    }

    fn handle(&mut self, input: Input) {
        self.rib.handle(Instant::now(), input);
    }

    fn drain(&mut self) {
        while let Some(output) = self.rib.poll_output() {
            if let Output::Send { peer, messages } = output {
                let octets = messages.len();
                self.handle(Input::Written { peer, octets });
            }
        }
    }
}

#[test]
#[ignore = "measures"]
#[allow(clippy::print_stdout, reason = "the result")]
fn one_endpoint_changes() {
    let mut set = resources();
    let environment = Environment::default();
    println!("resources: {} KiB", resident_kib());
    let mut world = World {
        rib: Rib::new(config().rib, Instant::now(), 0),
        ids: BTreeMap::new(),
    };
    let (mut target, mut policies) = (Desired::default(), Pool::default());
    let (mut planner, mut earlier) = (Planner::default(), Earlier::default());
    let mut kept: Option<Plan> = None;
    for node in ["a", "n1", "a", "n1", "a"] {
        for document in parse("slice.yaml", &slice(7, node)).documents {
            let changed = ResourceSet::from_documents(vec![document]).set;
            let changed: Vec<Resource> = changed.iter().map(|(_, r)| r.clone()).collect();
            changed
                .into_iter()
                .for_each(|resource| drop(set.insert(resource)));
        }
        let start = Instant::now();
        let planned = planner.plan(&set, "a", &environment);
        let planned_in = start.elapsed();
        let start = Instant::now();
        let (new, _) = of(&planned, &config(), &mut policies, &mut earlier);
        let of = start.elapsed();
        let start = Instant::now();
        let steps = target.steps_to(&new);
        let compared = start.elapsed();
        target = new;
        policies.forget_unused();
        let start = Instant::now();
        world.take(steps);
        println!(
            "{} peers, {} prefixes: plan {planned_in:?}, target {of:?}, steps {compared:?}, RIB {:?}, {} KiB",
            planned.peers.len(),
            planned.originate.len(),
            start.elapsed(),
            resident_kib()
        );
        kept = Some(planned);
    }
    drop(kept);
}
