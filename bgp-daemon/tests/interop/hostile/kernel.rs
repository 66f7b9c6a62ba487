//! A kernel that does not answer, or that sends more than can be read.

use std::fs;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::*;
use crate::stage::TOR_PREFIXES;

/// An unused netlink port.
const NOBODY: u32 = 1;

impl Siege {
    /// Another descriptor of a netlink socket of the daemon, and the socket's port: the one that hears of events, or the one that
    /// asks.
    fn netlink_socket(&self, hears_events: bool) -> Option<(OwnedFd, u32)> {
        let process = format!("/proc/{}", self.stage.node.id());
        let sockets = fs::read_to_string(format!("{process}/net/netlink")).ok()?;
        let of_routes = sockets.lines().skip(1).filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, protocol, port, groups, ..] = fields[..] else {
                return None;
            };
            let is_it = protocol == "0" && (groups != "00000000") == hears_events;
            is_it.then_some((port.parse().ok()?, format!("socket:[{}]", fields.get(9)?)))
        });
        let sockets: Vec<(u32, String)> = of_routes.collect();
        let mut descriptors = fs::read_dir(format!("{process}/fd")).ok()?.flatten();
        let (number, port) = descriptors.find_map(|entry| {
            let to = fs::read_link(entry.path()).ok()?;
            let (port, _) = sockets.iter().find(|(_, link)| to.to_str() == Some(link))?;
            Some((entry.file_name().to_str()?.parse().ok()?, *port))
        })?;
        let pid = Pid::from_raw(self.stage.node.id().try_into().ok()?)?;
        let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let socket = pidfd_getfd(process, number, PidfdGetfdFlags::empty()).ok()?;
        Some((socket, port))
    }

    /// From now on, what the daemon asks the kernel goes to this port instead.
    fn divert_requests(&self, port: u32) {
        let (requests, _) = wait_until("the socket for requests", SHORT, || {
            self.netlink_socket(false).ok_or_else(|| "none".to_owned())
        });
        rustix::net::connect(requests, &SocketAddrNetlink::new(port, 0)).expect("it may go there");
    }

    fn has_problem(&self, words: &str) -> bool {
        let status = self.stage.node.print(&["node", "status", "-o", "json"]);
        status.contains(words)
    }
}

/// Its sockets are opened anew, again and again, and each time one of them fails. Meanwhile that is a problem, and in the end all
/// routes are there.
#[test]
fn netlink_that_fails_again_and_again() {
    // An answer in flight when its socket is diverted never arrives; otherwise the connection is refused.
    const FAILS: &str = "netlink fails (";
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let mut last = prefix("172.21.0.0/24");
    // With each failure the next pause is longer: in the end, long enough to be seen.
    for round in 1..6 {
        last = prefix(&format!("172.21.{round}.0/24"));
        siege.divert_requests(NOBODY);
        siege.tor.announce(last);
        wait_for("the failure to be told", SHORT, || {
            siege.stage.node.log().matches(FAILS).count() >= 2 * round - 1
        });
        if round < 5 {
            wait_for("the route", SHORT, || siege.led_by_router(last));
        }
    }
    wait_for("the problem", SHORT, || siege.has_problem(FAILS));
    wait_for("the route", SHORT, || siege.led_by_router(last));
    wait_for("the problem to be over", SHORT, || {
        !siege.has_problem(FAILS)
    });
    siege.withstand();
}

/// Without answers, routes are still learned and announced, and forwarding follows when the kernel answers again.
#[test]
fn netlink_that_is_silent() {
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let (_, who_does_not_answer) = siege.netlink_socket(true).expect("a socket for events");
    siege.divert_requests(who_does_not_answer);
    siege.withstand();
    let log = siege.stage.node.log();
    assert!(
        log.contains("netlink fails (netlink does not answer"),
        "{log}"
    );
    assert!(log.contains("over: netlink fails"), "{log}");
    siege.withstand();
}

/// Events get lost, among them the removal of one of our routes.
#[test]
fn more_events_than_fit() {
    const ROUTES: u32 = 40_000;
    let Some(mut siege) = Siege::lay(&[]) else {
        return;
    };
    let ours = prefix(TOR_PREFIXES[0]);
    wait_for("the route", LONG, || siege.led_by_router(ours));
    let host = Rc::clone(&siege.stage.node_host);
    let batch = host.directory.join("routes");
    let lines = |verb: &str| -> String {
        let prefix = |number: u32| Ipv4Addr::from(0x1e00_0000 + (number << 8));
        let line = |number| format!("route {verb} blackhole {}/24 proto 80\n", prefix(number));
        (0..ROUTES).map(line).collect()
    };
    let run = |text: String| {
        fs::write(&batch, text).expect("the directory is ours");
        host.ns.run(&format!("ip -batch {}", batch.display()));
    };
    siege.stage.node.signal("STOP");
    run(lines("add"));
    host.ns.run(&format!("ip route del {ours} proto 12"));
    siege.stage.node.signal("CONT");
    wait_for("the route to be put back", SHORT, || {
        siege.led_by_router(ours)
    });
    let log = siege.stage.node.log();
    assert!(log.contains("netlink messages were lost"), "{log}");
    siege.withstand();
    // And while they come and go.
    for _ in 0..2 {
        run(lines("del"));
        siege.withstand();
        run(lines("add"));
        siege.withstand();
    }
}
