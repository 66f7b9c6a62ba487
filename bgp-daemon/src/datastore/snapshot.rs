//! A speaker's needs, and a source's snapshots.

use std::sync::Arc;

use crate::resources::Loaded;

/// All resources at one moment, and their problems.
pub type Snapshot = Arc<Loaded>;

/// The resources that a speaker needs, in addition to those that every speaker needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The node whose blocks are needed.
    pub node: String,
    /// The namespace of Secrets with passwords.
    pub namespace: String,
    /// A cluster without Calico: the kinds of our own group are needed, none of Calico's.
    pub standalone: bool,
    /// The node's pod CIDRs replace block affinities.
    pub use_pod_cidr: bool,
    /// Services are needed even if no BGPConfiguration says so.
    pub services: bool,
}
