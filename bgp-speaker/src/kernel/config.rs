//! Which routes are ours, and how often the kernel is read.

use std::time::Duration;

use crate::namespace::Namespace;

/// Which routes are ours, and the intervals of the kernel task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelConfig {
    /// Routing table to write to and to learn from.
    pub table: u32,
    /// `RTPROT_*` number of our routes. Every route of the table with this number belongs to us.
    pub protocol: u8,
    /// Interval of full readings of the table, as a safety net for lost events.
    pub scan_interval: Duration,
    /// Length of the channels in each direction. When the command channel is full, the speaker waits. When the event channel is
    /// full, the task collects changes (the newest state of each object once) until there is room.
    pub queue: usize,
    /// The network namespace of the netlink sockets; `None` is the namespace of the thread that opens them.
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
