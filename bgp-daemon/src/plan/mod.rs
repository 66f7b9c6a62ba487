//! Derives what this node's speaker must be from the cluster's resources: the heart of the Calico contract.
//!
//! [`plan`] is a pure function. It reads no file, clock, socket or environment variable; what it needs of the
//! environment is an argument ([`Environment`]). Its result, a [`Plan`], is plain data: the daemon compares an old one
//! with a new one to find out what to do, `plan -o json` prints it, [`policy`] turns its rules into policies, and
//! [`KernelRules::decide`] says what goes into the kernel.
//!
//! | module          | content                                                            |
//! |-----------------|--------------------------------------------------------------------|
//! | `planner`       | plans one after the other, with less work                          |
//! | `cluster`       | the shared view: nodes, defaults, effective settings               |
//! | `speaker`       | router ID, listening, communities                                  |
//! | `mesh`          | sessions with every other node                                     |
//! | `peering`       | one peering of a BGPPeer, and the set of them                      |
//! | `peers`         | peerings of BGPPeers, and which of several with one address counts |
//! | `whom`          | annotations of a BGPPeer that name its peers, beside its spec      |
//! | `ranges`        | ranges from which peers are accepted                               |
//! | `reverse`       | the reverse side of BGPPeers between nodes                         |
//! | `searches`      | peers that are looked for: default gateways, routers on links      |
//! | `session`       | one session from one peering                                       |
//! | `session_rules` | names, passive sides and times of all sessions                     |
//! | `annotations`   | settings beyond Calico's API                                       |
//! | `bfd`           | how the paths to peers are watched                                 |
//! | `blocks`        | own blocks                                                         |
//! | `services`      | service addresses                                                  |
//! | `drain`         | service addresses of a node that is drained                        |
//! | `export`        | what is announced after the filters                                |
//! | `kernel`        | what is written into the kernel                                    |
//! | `trace`         | why a prefix is announced or not, on request                       |

pub mod annotations;
mod bfd;
mod bfd_times;
mod blocks;
mod cluster;
mod drain;
mod environment;
mod export;
mod kernel;
mod mesh;
mod model;
mod originated;
mod password;
mod peering;
mod peers;
mod planner;
pub mod policy;
mod ranges;
pub mod render;
mod reverse;
mod searches;
mod services;
mod session;
mod session_rules;
mod speaker;
pub mod trace;
mod whom;
mod workload;

use crate::resources::ResourceSet;
use cluster::Cluster;
use planner::SessionPart;

pub(crate) use annotations::PREFIX as ANNOTATION_PREFIX;
#[cfg(test)]
pub(crate) use annotations::names as annotation_names;
pub(crate) use annotations::{Annotations, Whom};
pub use annotations::{AsRanges, DRAIN, OnStop, PeerOptions};
pub use bfd::PlannedBfd;
pub use cluster::BGP_PORT;
pub(crate) use cluster::{NodeView, node_named, nodes};
pub use drain::{Drain, is_drained};
pub use environment::{Environment, Link, Neighbour, Router};
pub use export::{ExportRules, Sourced};
pub use kernel::{
    CandidateRoute, CandidateSource, KernelDecision, KernelRules, LeftOut, PoolRouting, PoolRule,
    Tunnel,
};
pub use mesh::MESH;
pub use model::{
    AdvertisedCommunities, HostRoute, ListenRange, Peer, PeerType, Plan, PlannedNextHop, Search,
    SearchPlace,
};
pub use originated::{Originated, RouteOrigin};
pub use password::Password;
pub use planner::Planner;
pub(crate) use ranges::of_address;
pub(crate) use session_rules::address_in;
pub use workload::{Workload, WorkloadFiles, load_workloads, read_workload_files};

/// The plan for the speaker of a node. The same arguments give the same plan.
pub fn plan(resources: &ResourceSet, node: &str, environment: &Environment) -> Plan {
    Planner::default().plan(resources, node, environment)
}

impl Planner {
    /// The next plan: equal to that of [`plan`], and made with less work the less has changed.
    pub fn plan(&mut self, resources: &ResourceSet, node: &str, environment: &Environment) -> Plan {
        let sessions = self.sessions(resources, node, environment);
        plan_with(&sessions, resources, node, environment)
    }
}

fn plan_with(
    sessions: &SessionPart,
    resources: &ResourceSet,
    node: &str,
    environment: &Environment,
) -> Plan {
    let mut problems = sessions.problems.clone();
    let cluster = Cluster::new(resources, node, environment, &mut problems);
    let blocks = blocks::own_blocks(&cluster);
    let drain = drain::drain(&cluster);
    let services = services::service_routes(&cluster, drain, &mut problems);
    let mut originate: Vec<Originated> = blocks.originated().chain(services.originated()).collect();
    originate.sort();
    let mut plan = Plan {
        node: node.to_owned(),
        node_exists: cluster.me.is_some(),
        leaving: cluster.is_leaving(),
        drain,
        router_id: speaker::router_id(&cluster, &mut problems),
        local_as: cluster.local_as(),
        cluster_id: cluster.cluster_id(),
        addresses: speaker::addresses(&cluster),
        listen_port: cluster.listen_port(),
        listen_address: speaker::listen_address(&cluster),
        ignored_interfaces: speaker::ignored_interfaces(&cluster),
        log_severity: cluster.log_severity(),
        filters: sessions.filters.clone(),
        peers: sessions.peers.clone(),
        listen_ranges: sessions.listen_ranges.clone(),
        searches: sessions.searches.clone(),
        originate,
        communities: speaker::communities(&cluster, &mut problems),
        reachable_by: sessions.reachable_by.clone(),
        unaddressed: sessions.unaddressed.clone(),
        export: export::rules(&cluster, &services),
        kernel: kernel::rules(&cluster, &services),
        aggregated: blocks.aggregated,
        problems: Vec::new(),
    };
    problems.sort();
    problems.dedup();
    plan.problems = problems;
    plan
}

#[cfg(test)]
mod tests;
