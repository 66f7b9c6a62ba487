//! Events of the kernel task.

use std::sync::Arc;

use ipnet::IpNet;

use super::interface::Interface;
use super::route::{ForeignRoute, InstallError};

/// The state of the kernel, one object at a time. Each event carries the complete state of its object, so a receiver replaces
/// what it had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelEvent {
    /// An interface, its state or one of its addresses changed; `None` means that the interface is gone.
    Interface {
        /// Interface index.
        index: u32,
        /// The state of the interface.
        interface: Option<Interface>,
    },
    /// The interfaces that are directly connected to a prefix; empty if none is left.
    Direct {
        /// Prefix of an interface address.
        prefix: IpNet,
        /// Index and name of each such interface, by index.
        interfaces: Vec<(u32, Arc<str>)>,
    },
    /// The routes of other owners for a prefix, by metric; empty if none is left.
    Routes {
        /// Destination.
        prefix: IpNet,
        /// Unicast, blackhole, unreachable and prohibit routes, without ours and the kernel's own.
        routes: Vec<ForeignRoute>,
    },
    /// All objects that existed at the start have been reported.
    Synced,
    /// A wanted route is not in the kernel.
    RouteRejected {
        /// Destination.
        prefix: IpNet,
        /// The reason.
        error: InstallError,
    },
    /// A rejected prefix is no longer rejected: its route was installed, or is no longer wanted.
    RejectionCleared {
        /// Destination.
        prefix: IpNet,
    },
}

/// Counters for status and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelStatus {
    /// Routes that the speaker wants.
    pub wanted: usize,
    /// Those of the wanted routes that are in the kernel.
    pub installed: usize,
    /// Those of the wanted routes that were rejected.
    pub rejected: usize,
    /// Routes of our protocol number in the table that are not wanted: leftovers of the last run, kept until recovery ends.
    pub unclaimed: usize,
    /// Full readings of the table.
    pub scans: u64,
    /// How often the kernel dropped events because our buffer was full.
    pub overruns: u64,
}
