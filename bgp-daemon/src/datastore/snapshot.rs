//! What a speaker asks of a source, and what it gets.

use std::sync::Arc;

use crate::resources::Loaded;

/// All resources at one moment, and what is wrong with some.
pub type Snapshot = Arc<Loaded>;

/// What a speaker wants to know, beside what every speaker does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The node whose blocks are wanted.
    pub node: String,
    /// Where Secrets with passwords are.
    pub namespace: String,
    /// The node's pod CIDRs take the place of block affinities.
    pub use_pod_cidr: bool,
    /// Services are wanted even if no BGPConfiguration says so.
    pub services: bool,
}
