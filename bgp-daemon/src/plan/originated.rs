//! Prefixes that this node announces as its own.

use ipnet::IpNet;
use serde::Serialize;

/// A prefix to announce as our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Originated {
    /// The prefix.
    pub prefix: IpNet,
    /// Why it is announced.
    pub origin: RouteOrigin,
}

/// Why a prefix is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteOrigin {
    /// A block of addresses for this node's workloads.
    Block,
    /// A service's address, or a range of them.
    Service,
}
