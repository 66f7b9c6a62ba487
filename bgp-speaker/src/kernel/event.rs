//! What the kernel task tells.

use std::sync::Arc;

use ipnet::IpNet;

use super::interface::Interface;
use super::route::{ForeignRoute, InstallError};

/// What the kernel looks like, one object at a time. Each event carries the full present state of its object, so a
/// receiver replaces what it knew.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelEvent {
    /// An interface, its state or one of its addresses changed; `None`: it is gone.
    Interface {
        /// Interface index.
        index: u32,
        /// Its state.
        interface: Option<Interface>,
    },
    /// The interfaces that are directly connected to a prefix; empty: none any more.
    Direct {
        /// Prefix of an interface address.
        prefix: IpNet,
        /// Index and name of each interface that has it, by index.
        interfaces: Vec<(u32, Arc<str>)>,
    },
    /// The routes that others have for a prefix, by metric; empty: none any more.
    Routes {
        /// Destination.
        prefix: IpNet,
        /// Unicast, blackhole, unreachable and prohibit routes, without those of the kernel itself and ours.
        routes: Vec<ForeignRoute>,
    },
    /// Everything present at start has been told.
    Synced,
    /// A wanted route is not in the kernel.
    RouteRejected {
        /// Destination.
        prefix: IpNet,
        /// The reason.
        error: InstallError,
    },
    /// A prefix that was rejected no longer is: its route went in, or is no longer wanted.
    RejectionCleared {
        /// Destination.
        prefix: IpNet,
    },
}

/// Numbers for status and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelStatus {
    /// Routes that the speaker wants.
    pub wanted: usize,
    /// Of those, in the kernel.
    pub installed: usize,
    /// Of those, rejected.
    pub rejected: usize,
    /// Routes of our protocol number in the table that nobody asked for: left by the last run, kept until recovery ends.
    pub unclaimed: usize,
    /// Times that the whole table was read.
    pub scans: u64,
    /// Times that the kernel lost events for us.
    pub overruns: u64,
}
