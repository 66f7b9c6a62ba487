//! The faults, and what must hold: the stable columns of `docs/faults.md`.

use std::time::Duration;

/// A fault.
pub(super) struct Fault {
    pub(super) name: &'static str,
    /// What happens.
    pub(super) what: &'static str,
    /// What must hold, apart from the times.
    pub(super) holds: &'static str,
    /// The longest time without an answer of what goes through the router with the fault, or through any if the fault is the node's.
    pub(super) broken: Duration,
}

/// The longest time without an answer of what goes through the other router: none, but for a packet or two on a busy machine.
pub(super) const OTHER: Duration = Duration::from_millis(100);
/// BFD of 100 ms x 3, and then a busy machine has to move the routes.
const DETECTED: Duration = Duration::from_secs(3);
const NEVER: Duration = OTHER;

impl Fault {
    pub(super) fn named(name: &str) -> &'static Self {
        let found = FAULTS.iter().find(|fault| fault.name == name);
        found.unwrap_or_else(|| panic!("{name} is not in the table"))
    }
}

#[rustfmt::skip]
pub(super) const FAULTS: [Fault; 16] = [
    Fault { name: "link down", what: "the router's link loses its carrier", holds: "its routes go, traffic moves to the other router and back", broken: DETECTED },
    Fault { name: "silent link", what: "the router's link carries nothing, and stays up", holds: "its routes go, traffic moves to the other router and back", broken: DETECTED },
    Fault { name: "one-way loss", what: "nothing arrives at the router, what it sends does", holds: "its routes go, traffic moves to the other router and back", broken: DETECTED },
    Fault { name: "flapping link", what: "five times the router's link is silent until its routes go, then well for a second", holds: "each time traffic moves; in the end all is as before", broken: DETECTED },
    Fault { name: "peer killed", what: "the router's programs are killed and started again", holds: "its routes stay (graceful restart), as its kernel forwards", broken: NEVER },
    Fault { name: "peer frozen", what: "the router's programs are stopped for longer than the hold time of 9 s", holds: "its routes go, traffic moves to the other router and back", broken: DETECTED },
    Fault { name: "our process killed", what: "SIGKILL, and a new start", holds: "routes stay (graceful restart), although BFD ends with the process", broken: Duration::from_secs(1) },
    Fault { name: "our process frozen", what: "SIGSTOP for two seconds, longer than BFD waits", holds: "the kernel's routes stay; the routers keep theirs", broken: Duration::from_secs(1) },
    Fault { name: "out of descriptors", what: "the process may open none for three seconds, and BIRD ends its sessions meanwhile", holds: "FRR's sessions stay; BIRD's come back, and what changed takes effect, once there are some", broken: Duration::from_secs(10) },
    Fault { name: "out of memory", what: "the kernel kills the process in its memory cgroup, and it is started again", holds: "as if killed", broken: Duration::from_secs(1) },
    Fault { name: "datastore away", what: "the folder of resources is gone", holds: "the last state stays; what changes later takes effect", broken: NEVER },
    Fault { name: "disk full", what: "neither the log nor the run directory can be written", holds: "no session ends, routes go on", broken: NEVER },
    Fault { name: "netlink overrun", what: "more events than the socket holds, one of them the loss of a route of ours", holds: "the route is put back, nothing is stale", broken: Duration::from_secs(20) },
    Fault { name: "clock set", what: "the wall clock jumps a day ahead, and a day back", holds: "no session ends, no route goes", broken: NEVER },
    Fault { name: "address changed", what: "the interface gets another address in place of its own, and the Node a second later; then both change back in good order", holds: "routes lead to the new address, and to the old one no longer than the restart time, here 10 s", broken: Duration::from_secs(30) },
    Fault { name: "kernel table flushed", what: "all our routes are deleted from the kernel at once", holds: "they are put back, no session ends", broken: Duration::from_secs(3) },
];
