//! The configuration of an agent, and its fatal errors.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::view::Views;
use crate::datastore::Interest;
use crate::log::LogLevel;
use crate::occupant::Occupants;
use crate::plan::{Environment, OnStop};
use crate::takeover::TakeOver;
use bgp_speaker::tasks::Failure;
use bgp_speaker::unnumbered::DiscoverySocket;
use bgp_speaker::{Ended, SpeakerError};

/// The configuration of an agent.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Name of this node.
    pub node: String,
    /// Calico's settings from the environment.
    pub environment: Environment,
    /// Listen on this port instead of the planned one.
    pub listen_port: Option<u16>,
    /// Write routes to the kernel, and learn from it.
    pub kernel: bool,
    /// Routes of an earlier run may still be in use, here and at the peers (RFC 4724 §4.1).
    pub recover: bool,
    /// File with the peers that are up, for the next run; `None` keeps none.
    pub peers_file: Option<PathBuf>,
    /// Take over from a process that runs, and hand over to a successor.
    pub take_over: Option<TakeOver>,
    /// How sessions end at a stop; `None` follows the resources.
    pub on_stop: Option<OnStop>,
    /// How long service addresses of a drained node carry GRACEFUL_SHUTDOWN before they are withdrawn.
    pub drain_after: Duration,
    /// Memory limit for routes, octets; above it, the session of the peer that holds most is stopped.
    pub memory_limit: Option<usize>,
    /// The log level, which follows the resources.
    pub log: LogLevel,
    /// Finds routers on links; `None` if the process may not.
    pub discovery: Option<DiscoverySocket>,
    /// Finds the program that occupies a port.
    pub occupants: Occupants,
    /// Where the agent publishes its state and raises alarms.
    pub views: Views,
}

/// A fatal error of an agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The kernel's routes cannot be accessed.
    #[error("cannot open netlink sockets: {0}")]
    Kernel(#[from] io::Error),
    /// A task ended unexpectedly.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The speaker has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The speaker refused a request.
    #[error(transparent)]
    Speaker(#[from] SpeakerError),
    /// The datastore's task has ended.
    #[error("the datastore has ended")]
    Datastore,
}

/// The resources that a node's speaker needs from a datastore.
pub fn interest(node: &str, environment: &Environment) -> Interest {
    Interest {
        node: node.to_owned(),
        namespace: environment.namespace.clone(),
        standalone: environment.standalone,
        use_pod_cidr: environment.use_pod_cidr,
        services: environment.advertise_cluster_ips.is_some(),
    }
}
