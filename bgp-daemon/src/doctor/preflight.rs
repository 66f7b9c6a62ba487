//! The examination of a node before a daemon runs: the problems that it would have. Talks to no peer.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use bgp_speaker::kernel::query::KernelQuery;
use bgp_speaker::listener::any_address;
use jiff::{SignedDuration, Timestamp};

use super::facts::{Clock, Drops, Facts, KernelAlarms, Node, Others, Peer, Port};
use super::finding::Report;
use super::online::{families, ports};
use super::probe::{machine, programs};
use super::{examination, rules, stored};
use crate::agent;
use crate::datastore::{self, DatastoreSpec, Examination, Settings};
use crate::occupant::Occupants;
use crate::plan::{BGP_PORT, Environment, Plan, load_workloads, plan};

/// Limit of the datastore's answer.
const STORE: Duration = Duration::from_secs(20);

/// The settings that a daemon would have.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// The node's name and the source of resources; `None` examines only the machine.
    pub resources: Option<(String, DatastoreSpec)>,
    /// The settings of the datastore.
    pub settings: Settings,
    /// The environment of the planner.
    pub environment: Environment,
    /// The port to listen on, if it is not that of the resources.
    pub listen_port: Option<u16>,
    /// Routes will be written into the kernel.
    pub kernel: bool,
}

impl Preflight {
    /// Examines the node. Must be called within a tokio runtime.
    pub async fn examine(mut self) -> Report {
        let asked = self.ask_store().await;
        let loaded = asked
            .as_ref()
            .and_then(|(_, asked)| asked.as_ref().ok()?.loaded.as_ref());
        self.environment.workloads =
            load_workloads(Path::new(&self.environment.endpoint_status_dir())).0;
        let planned = asked
            .as_ref()
            .zip(loaded)
            .map(|((node, _), loaded)| plan(&loaded.set, node, &self.environment));
        let mut store = match &asked {
            Some((node, answers)) => stored::answers(node, answers.as_ref().map_err(Clone::clone)),
            None => Default::default(),
        };
        if let Some(plan) = &planned {
            stored::add_plan(&mut store, plan);
        }
        let mut peers = peers(planned.as_ref());
        let mut others = Others::default();
        if let Ok(mut query) = KernelQuery::open() {
            examination::look_at_ways(&mut query, &mut peers).await;
            store.foreign = foreign_addresses(&mut query, planned.as_ref()).await;
            let is_of_others =
                |protocol| protocol == BIRD || examination::is_of_routing_program(protocol);
            let routes = examination::routes_of_others(&mut query, is_of_others).await;
            others.routes = examination::summed_up(routes);
        }
        others.programs = programs::routing_programs();
        let ahead = asked.and_then(|(_, answers)| answers.ok()?.ahead);
        let facts = Facts {
            now: Instant::now(),
            node: self.node(planned.as_ref(), &peers, others, ahead),
            store,
            peers,
            asked: None,
        };
        rules::report(&facts)
    }

    async fn ask_store(&self) -> Option<(String, Result<Examination, String>)> {
        let (node, datastore) = self.resources.as_ref()?;
        let interest = agent::interest(node, &self.environment);
        let asked = datastore::examine(datastore, interest, &self.settings, STORE).await;
        Some((node.clone(), asked.map_err(|error| error.to_string())))
    }

    fn node(
        &self,
        plan: Option<&Plan>,
        peers: &[Peer],
        others: Others,
        ahead: Option<SignedDuration>,
    ) -> Node {
        Node {
            is_running: false,
            writes_kernel: self.kernel,
            ports: match plan {
                Some(plan) => ports(plan, self.listen_port, Occupants::default()),
                None => usual_ports(self.listen_port),
            },
            capabilities: machine::own_capabilities(),
            passwords: peers.iter().filter(|peer| peer.password).count(),
            option_memory: machine::option_memory(),
            families: families(plan),
            interfaces: examination::interfaces(peers),
            dropped: Drops::default(),
            dropped_now: Drops::default(),
            kernel: KernelAlarms::default(),
            others,
            clock: Clock {
                now: Timestamp::now(),
                jumped: SignedDuration::ZERO,
                datastore_ahead: ahead,
            },
        }
    }
}

fn peers(plan: Option<&Plan>) -> Vec<Peer> {
    let planned = plan.map_or(&[][..], |plan| &plan.peers);
    planned
        .iter()
        .map(|peer| examination::of_plan(peer))
        .collect()
}

fn usual_ports(port: Option<u16>) -> Vec<Port> {
    let mut occupants = Occupants::default();
    let usual = any_address(port.unwrap_or(BGP_PORT));
    let query = |address: SocketAddr| Port {
        is_ours: false,
        taken_by: occupants.at(address),
        address,
    };
    usual.into_iter().map(query).collect()
}

/// Source addresses of the node's sessions that this machine does not have.
async fn foreign_addresses(query: &mut KernelQuery, plan: Option<&Plan>) -> Vec<IpAddr> {
    let planned = plan.map_or(&[][..], |plan| &plan.peers);
    let sources: BTreeSet<IpAddr> = planned
        .iter()
        .filter_map(|peer| peer.source_address)
        .collect();
    let mut foreign = Vec::new();
    for source in sources {
        if !query.path(source, None).await.is_ok_and(|way| way.is_local) {
            foreign.push(source);
        }
    }
    foreign
}

/// The protocol number of BIRD's routes, and of ours.
const BIRD: u8 = 12;
