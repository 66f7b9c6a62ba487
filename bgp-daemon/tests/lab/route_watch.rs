//! The changes of routes in a host's kernel over time: `ip monitor`, which also shows a route that was removed and came back.
//!
//! The record begins and ends with a mark: the test awaits a route to [`MARK`], which is used for nothing else.

use std::rc::Rc;

use ipnet::IpNet;

use super::host::Host;
use super::process::Process;
use super::wait::{SHORT, wait_for};

/// A running record.
pub(crate) struct RouteWatch {
    host: Rc<Host>,
    monitor: Process,
}

/// A finished record.
pub(crate) struct RouteRecord(String);

/// For documentation only (RFC 5737).
const MARK: &str = "192.0.2.1";

impl RouteWatch {
    /// Starts to record; returns when changes are recorded.
    pub(crate) fn start(host: &Rc<Host>) -> Self {
        let monitor = Process::start(host, "ip-monitor", "ip", &["-o", "monitor", "route"]);
        let watch = Self {
            host: Rc::clone(host),
            monitor,
        };
        wait_for("ip monitor to begin", SHORT, || {
            watch.set_mark();
            watch.monitor.log().contains(MARK)
        });
        watch
    }

    /// Everything up to now.
    pub(crate) fn finish(self) -> RouteRecord {
        let marks = || self.monitor.log().matches(MARK).count();
        let before = marks();
        self.set_mark();
        wait_for("the mark of ip monitor", SHORT, || marks() >= before + 2);
        RouteRecord(self.monitor.log())
    }

    fn set_mark(&self) {
        self.host.ns.run(&format!("ip route add {MARK} dev lo"));
        self.host.ns.run(&format!("ip route del {MARK} dev lo"));
    }
}

impl RouteRecord {
    /// Whether the route to a prefix was removed at some time.
    pub(crate) fn removed(&self, prefix: IpNet) -> bool {
        let prefix = prefix.to_string();
        self.0.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some("Deleted") && words.any(|word| word == prefix)
        })
    }
}
