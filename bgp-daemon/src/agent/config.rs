//! What an agent is started with, and why one cannot go on.

use std::io;
use std::path::PathBuf;

use super::view::Views;
use crate::datastore::Interest;
use crate::log::LogLevel;
use crate::occupant::Occupants;
use crate::plan::{Environment, OnStop};
use bgp_speaker::tasks::Failure;
use bgp_speaker::{Ended, SpeakerError};

/// What an agent is started with.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Name of this node.
    pub node: String,
    /// Calico's settings from the environment.
    pub environment: Environment,
    /// Listen here instead of where the plan says.
    pub listen_port: Option<u16>,
    /// Write routes to the kernel, and learn from it.
    pub kernel: bool,
    /// Routes of an earlier run may still be in use, here and at the peers (RFC 4724 §4.1).
    pub recover: bool,
    /// Where it is kept which peers are up, for the next run; `None`: nowhere.
    pub peers_file: Option<PathBuf>,
    /// What peers are told at the end; `None`: what the resources say.
    pub on_stop: Option<OnStop>,
    /// Octets that routes may take up in memory; beyond, the peer that holds most is stopped.
    pub memory_limit: Option<usize>,
    /// The log, to follow what the resources say of it.
    pub log: LogLevel,
    /// Who listens where others want to.
    pub occupants: Occupants,
    /// Where it publishes what others may look at, and raises its alarms.
    pub views: Views,
}

/// Why an agent cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The kernel's routes are out of reach.
    #[error("cannot open netlink sockets: {0}")]
    Kernel(#[from] io::Error),
    /// A task has ended, and nobody had asked it to.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The speaker ends.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The speaker does not do as told.
    #[error(transparent)]
    Speaker(#[from] SpeakerError),
    /// Nobody brings resources any more.
    #[error("the datastore has ended")]
    Datastore,
}

/// What the speaker of a node wants of a datastore.
pub fn interest(node: &str, environment: &Environment) -> Interest {
    Interest {
        node: node.to_owned(),
        namespace: environment.namespace.clone(),
        use_pod_cidr: environment.use_pod_cidr,
        services: environment.advertise_cluster_ips.is_some(),
    }
}
