//! The daemon's privileges on the machine, and others' access to the daemon.

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::net::UnixStream;
use std::process::Output;

use serde_json::Value;

use crate::lab::node::Node;
use crate::lab::peer::{Kind, PeerConfig, prefix};
use crate::lab::requirement::{Requirement, skip};
use crate::scenario::{NODE_AS, TOR_AS, wait_kernel, wait_learned};
use crate::stage::{BLOCKS, Stage, TOR_PREFIXES};

/// CAP_NET_BIND_SERVICE and CAP_NET_ADMIN.
const TWO: &str = "0000000000001400";
const NONE: &str = "0000000000000000";
/// Nobody.
const USER: u32 = 65534;

/// Every thread has two capabilities at most, and no way to more.
fn assert_confined(node: &Node) {
    let tasks = fs::read_dir(format!("/proc/{}/task", node.id())).expect("a process");
    let statuses = tasks.map(|task| {
        let status = task.expect("a thread").path().join("status");
        fs::read_to_string(status).expect("its status")
    });
    let statuses: Vec<String> = statuses.collect();
    assert!(statuses.len() > 2, "{statuses:?}");
    for status in statuses {
        for (key, wanted) in [
            ("CapEff", TWO),
            ("CapPrm", TWO),
            ("CapBnd", TWO),
            ("CapInh", NONE),
            ("CapAmb", NONE),
            ("NoNewPrivs", "1"),
        ] {
            let line = format!("{key}:\t{wanted}\n");
            assert!(status.contains(&line), "{line}{status}");
        }
    }
}

fn speaks_with_bird(stage: &mut Stage) {
    stage.peering(TOR_AS, &[], &[]);
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS));
    stage.raise(&mut *tor);
    wait_learned("the router", &*tor, &BLOCKS.map(prefix));
    wait_kernel(&stage.node_host, &TOR_PREFIXES.map(prefix), &stage.tor_host);
}

#[test]
fn root_keeps_two_capabilities() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    speaks_with_bird(&mut stage);
    assert_confined(&stage.node);
}

/// As systemd does with `User=`, `AmbientCapabilities=` and `CapabilityBoundingSet=`.
#[test]
fn another_user_with_the_two_capabilities_speaks_too() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    if let Some(reason) = Requirement::OtherUsers.missing() {
        return skip(&reason);
    }
    chown(&stage.node_host.directory, Some(USER), Some(USER)).expect("root may");
    let user = USER.to_string();
    stage.node.launch_by(&[
        "setpriv",
        "--reuid",
        &user,
        "--regid",
        &user,
        "--clear-groups",
        "--bounding-set=-all,+net_admin,+net_bind_service",
        "--inh-caps=-all,+net_admin,+net_bind_service",
        "--ambient-caps=-all,+net_admin,+net_bind_service",
    ]);
    speaks_with_bird(&mut stage);
    assert_confined(&stage.node);
    let socket = fs::metadata(stage.node.run_dir().join("bird.ctl")).expect("a socket");
    assert_eq!((socket.uid(), socket.mode() & 0o777), (USER, 0o660));
}

fn status_as_nobody(node: &Node, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_bgp-daemon");
    let user = USER.to_string();
    let mut command = node.host.ns.command("setpriv");
    command
        .args([
            "--reuid",
            &user,
            "--regid",
            &user,
            "--clear-groups",
            program,
        ])
        .args(["node", "status"])
        .args(arguments)
        .env("BGP_DAEMON_RUN_DIR", node.run_dir());
    command.output().expect("setpriv")
}

#[test]
fn who_may_not_ask_is_told_so() {
    let Some(mut stage) = Stage::open(&[]) else {
        return;
    };
    if let Some(reason) = Requirement::OtherUsers.missing() {
        return skip(&reason);
    }
    stage.node.start();
    let socket = stage.node.run_dir().join("bird.ctl");
    let denied = format!("dial unix {}: connect: permission denied", socket.display());
    let refused = status_as_nobody(&stage.node, &[]);
    assert_eq!(refused.status.code(), Some(1));
    let why = format!("cannot tell whether Calico is running: {denied}\n");
    assert_eq!(String::from_utf8_lossy(&refused.stderr), why);
    let document = status_as_nobody(&stage.node, &["-o", "json"]);
    let document: Value = serde_json::from_slice(&document.stdout).expect("JSON");
    assert_eq!(document["running"], Value::Null);
    assert_eq!(document["sockets"][0]["error"], denied);

    stage.node.terminate();
    stage.node.set("BGP_DAEMON_SOCKET_GROUP", USER);
    stage.node.start();
    let file = fs::metadata(&socket).expect("a socket");
    assert_eq!(
        (file.uid(), file.gid(), file.mode() & 0o777),
        (0, USER, 0o660)
    );
    let allowed = status_as_nobody(&stage.node, &[]);
    assert_eq!(allowed.status.code(), Some(0), "{allowed:?}");
    assert_confined(&stage.node);
}

fn problems(node: &Node) -> Vec<String> {
    let document = node.print(&["node", "status", "-o", "json"]);
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let problems = document["problems"].as_array().expect("a list");
    let reasons = problems
        .iter()
        .filter_map(|problem| problem["reason"].as_str());
    reasons.map(str::to_owned).collect()
}

/// The problem about the port, and that the log has it once.
fn assert_told(node: &Node, words: &str) {
    let reasons = problems(node);
    let [reason] = &reasons[..] else {
        panic!("one problem: {reasons:?}");
    };
    assert!(reason.contains(words), "{reason}");
    let log = node.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("WARN") && line.contains(words));
    assert_eq!(lines.count(), 1, "{log}");
}

#[test]
fn a_port_that_is_taken_is_a_problem_with_a_name() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    stage.peering(TOR_AS, &[("passive", "true")], &[]);
    let here = PeerConfig::on_lan(&stage.node_host, NODE_AS, &[(&stage.tor_host, TOR_AS)]);
    let mut bird = Kind::Bird.on(&stage.node_host, here);
    bird.start();
    stage.node.start();
    let taken =
        "cannot listen on address 0.0.0.0 port 179: another program listens there: `bird` (pid ";
    assert_told(&stage.node, taken);
    bird.stop();
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS));
    tor.start();
    stage.wait_up(&*tor);
    assert_eq!(problems(&stage.node), [""; 0]);
    let over = stage
        .node
        .log()
        .lines()
        .filter(|line| line.contains("over: cannot listen"))
        .count();
    assert_eq!(over, 1);
}

#[test]
fn a_capability_that_is_missing_is_a_problem() {
    let Some(mut stage) = Stage::open(&[]) else {
        return;
    };
    stage.node.launch_by(&[
        "setpriv",
        "--bounding-set=-net_bind_service",
        "--inh-caps=-net_bind_service",
    ]);
    stage.node.start();
    assert_told(&stage.node, "CAP_NET_BIND_SERVICE");
}

/// An unread log loses lines, but costs no time.
#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let Some(mut stage) = Stage::open(&[Kind::Bird]) else {
        return;
    };
    let pipe = stage.node_host.directory.join("pipe");
    stage
        .node_host
        .ns
        .run(&format!("mkfifo {}", pipe.display()));
    // Whoever opens it for both does not wait for the other end.
    let script = format!("exec 2<>{}; exec \"$@\"", pipe.display());
    stage.node.launch_by(&["sh", "-c", &script, "sh"]);
    stage.node.set("BGP_DAEMON_LOG_LEVEL", "trace");
    stage.peering(TOR_AS, &[], &[]);
    let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS));
    stage.raise(&mut *tor);
    let socket = stage.node.run_dir().join("bird.ctl");
    // A line for each client that has to go for another.
    let mut clients = VecDeque::new();
    for _ in 0..10_000 {
        clients.push_back(UnixStream::connect(&socket).expect("a place"));
        if clients.len() > 100 {
            clients.pop_front();
        }
    }
    drop(clients);
    stage.wait_up(&*tor);
    wait_kernel(&stage.node_host, &TOR_PREFIXES.map(prefix), &stage.tor_host);
    let words = "lines.are.missing.here";
    let read = format!("timeout 40 grep -qm1 {words} {}", pipe.display());
    stage.node_host.ns.run(&read);
    assert!(stage.node.terminate().success());
}
