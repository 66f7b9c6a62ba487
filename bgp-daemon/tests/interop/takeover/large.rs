//! A large table, part of which comes and goes while the process is exchanged.
//!
//! `BGP_LAB_ROUTES` sets the number of routes, and `BGP_LAB_PROGRAM` the program, for measurements by hand: each exchange prints
//! how long it took, for how long nobody served the sessions, and the memory of both processes.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{assert_quiet, ping_a_pod};
use crate::lab::bird_socket::ask;
use crate::lab::capture::Trace;
use crate::lab::peer::{Kind, prefix};
use crate::lab::wait::wait_until;
use crate::scenario::{TOR_AS, addresses, wait_learned};
use crate::stage::{BLOCKS, Stage};

/// Of the table, what CI can afford.
const ROUTES: u32 = 200_000;
const CHURNING: u32 = 2_000;
const EXCHANGES: usize = 2;
const LOADED: Duration = Duration::from_secs(300);

/// Static routes of BIRD, to consecutive /24s.
pub(crate) fn lines(first: Ipv4Addr, count: u32) -> String {
    let mut text = String::new();
    for number in 0..count {
        let address = Ipv4Addr::from(u32::from(first) + (number << 8));
        writeln!(text, "route {address}/24 blackhole;").expect("a String takes all");
    }
    text
}

/// A number in the environment.
pub(crate) fn number(name: &str) -> Option<u32> {
    std::env::var(name).ok()?.parse().ok()
}

/// Has a part of BIRD's routes come and go, until dropped.
struct Churn {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<u32>>,
}

impl Churn {
    fn start(socket: PathBuf) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut rounds = 0;
            while !is_over.load(Ordering::Relaxed) {
                for command in ["disable churn", "enable churn"] {
                    ask(&socket, command).expect("BIRD answers");
                    thread::sleep(Duration::from_millis(50));
                }
                rounds += 1;
            }
            rounds
        });
        Self {
            over,
            thread: Some(thread),
        }
    }

    /// Ends it; all routes are there. Returns how often they were gone.
    fn finish(mut self) -> u32 {
        self.over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it runs");
        thread.join().expect("BIRD answered")
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The routes of our daemon in the kernel that lead to a router.
pub(crate) fn kernel_count(stage: &Stage) -> u32 {
    let count = ["-c", "ip route show proto 12 | grep -c via"];
    let text = stage.node_host.ns.exec("sh", &count);
    text.ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_default()
}

fn wait_loaded(stage: &Stage, wanted: u32) {
    wait_until("the table in the kernel", LOADED, || {
        let count = kernel_count(stage);
        (count == wanted)
            .then_some(())
            .ok_or_else(|| format!("{count} of {wanted}"))
    });
}

/// Peak memory of a process, in MB.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or_default() / 1024
}

/// Starts the successor, and waits for the end of the old process; returns what it cost.
fn exchange(stage: &mut Stage) -> String {
    let (old, began) = (stage.node.id(), Instant::now());
    let mut before = 0;
    let status = stage
        .node
        .succeed_within(LOADED, || before = peak(old).max(before));
    let took = began.elapsed();
    assert!(status.success(), "the old process ended with {status}");
    format!(
        "took {took:?}; memory: {before} MB before, {} MB after",
        peak(stage.node.id()),
    )
}

#[test]
fn a_large_table_goes_on() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let routes = number("BGP_LAB_ROUTES").unwrap_or(ROUTES);
    stage.peering(
        TOR_AS,
        &[("hold-time", "3s"), ("bfd", "300ms/300ms/3")],
        &[],
    );
    stage.node.set("BGP_DAEMON_TAKE_OVER", true);
    stage.node_host.enable_forwarding();
    stage.tor_host.enable_forwarding();
    let table = lines(Ipv4Addr::new(20, 0, 0, 0), routes);
    let churning = lines(Ipv4Addr::new(172, 24, 0, 0), CHURNING);
    let config = stage.tor_config(TOR_AS).with(&["bfd;"]).with_global(&[
        "protocol bfd { interface \"*\" { interval 300 ms; multiplier 3; }; }",
        &format!("protocol static many {{ ipv4;\n{table}}}"),
        &format!("protocol static churn {{ ipv4;\n{churning}}}"),
    ]);
    let mut tor = Kind::Bird.on(&stage.tor_host, config);
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    // One more of `tor_config`.
    let all = routes + CHURNING + 1;
    wait_loaded(&stage, all);
    super::wait_bfd(&stage);
    let (_pod, ping) = ping_a_pod(&stage, Kind::Bird);
    let capture = stage.capture();
    let churn = Churn::start(stage.tor_host.directory.join("bird2.ctl"));
    for number in 1..=EXCHANGES {
        let cost = exchange(&mut stage);
        println!("exchange {number} of {routes} routes {cost}");
    }
    let rounds = churn.finish();
    assert!(rounds > 0);
    wait_loaded(&stage, all);
    let log = stage.node.log();
    for line in log
        .lines()
        .filter(|line| line.contains("which nobody served"))
    {
        println!("{line}");
    }
    assert_eq!(
        log.matches("took 2 sessions over, and ended 0").count(),
        EXCHANGES,
        "{log}"
    );
    assert_eq!(log.matches("session down").count(), 0, "{log}");
    assert_only_churn(&stage, &capture.finish());
    let lost = ping.lost();
    assert!(lost.is_empty(), "lost {lost:?}");
}

/// No session began or ended, and nothing was told of but what comes and goes.
fn assert_only_churn(stage: &Stage, trace: &Trace) {
    for address in addresses(&stage.node_host) {
        assert_quiet(trace, address);
    }
    for address in addresses(&stage.tor_host) {
        assert_eq!(trace.dials(address) + trace.opens(address), 0);
        assert_eq!(trace.notifications(address), []);
        let told = trace.routes(address);
        let other = told.iter().find(|route| route[1..].starts_with("20."));
        assert_eq!(
            other, None,
            "{address} told of a route that does not come and go"
        );
    }
}
