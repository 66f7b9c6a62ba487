//! The changes of routes in GoBGP's table over time: `gobgp monitor global rib`.

use std::rc::Rc;

use super::host::Host;
use super::process::Process;
use super::wait::{SHORT, wait_for};

/// A running record of both families.
pub(crate) struct RibWatch(Vec<Process>);

impl RibWatch {
    /// Starts to record; returns when what is in the table is recorded. There must be something.
    pub(crate) fn start(host: &Rc<Host>) -> Self {
        let start = |family: &str| {
            let arguments = ["monitor", "global", "rib", "--current", "-a", family];
            let monitor = Process::start(host, &format!("monitor-{family}"), "gobgp", &arguments);
            wait_for("gobgp monitor to begin", SHORT, || {
                monitor.log().contains("ROUTE]")
            });
            monitor
        };
        Self(["ipv4", "ipv6"].map(start).into())
    }

    /// Whether the table was without a route to a prefix at some time.
    pub(crate) fn lost(&self, prefix: &str) -> bool {
        let gone = format!("[DELROUTE] {prefix} ");
        self.0.iter().any(|monitor| monitor.log().contains(&gone))
    }
}
