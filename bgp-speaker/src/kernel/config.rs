//! Which routes are ours, and how often the kernel is read.

use std::time::Duration;

use crate::namespace::Namespace;

/// Which routes are ours, and the pace of the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelConfig {
    /// Routing table to write to and learn from.
    pub table: u32,
    /// `RTPROT_*` number that marks our routes. Every route of the table with this number belongs to us.
    pub protocol: u8,
    /// How often the table is read in full though nothing asked for it: the net under lost or unexpected events.
    pub scan_interval: Duration,
    /// Length of the channels in each direction. A full command channel makes the speaker wait; a full event channel
    /// makes the task collect changes (the newest state of each object once) until there is room.
    pub queue: usize,
    /// Where the netlink sockets are opened; `None`: in the network namespace of the thread that opens them.
    pub namespace: Option<Namespace>,
}

impl Default for KernelConfig {
    fn default() -> Self {
        Self {
            table: 254,
            protocol: 12,
            scan_interval: Duration::from_secs(60),
            queue: 1024,
            namespace: None,
        }
    }
}
