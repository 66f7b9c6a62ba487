//! `node status` against sockets that replay transcripts: the output is calicoctl's, byte for byte.

#[path = "../../bgp-speaker/tests/skip/mod.rs"]
mod skip;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use bgp_daemon::cli::node_status::{self, Output, RunningRule, Surroundings};
use bgp_daemon::cli::processes::Processes;
use bgp_daemon::control::client::ControlConnection;
use skip::skip;
use tempfile::TempDir;

const MIXED: &str = "0001 BIRD v0.3.3+birdv1.6.8 ready.
2002-name     proto    table    state  since       info
1002-static1  Static   master   up     2024-05-01  \n \
kernel1  Kernel   master   up     2024-05-01  \n \
device1  Device   master   up     2024-05-01  \n \
direct1  Direct   master   up     2024-05-01  \n \
Mesh_172_17_8_102 BGP      master   up     23:30:04    Established   \n \
Mesh_172_17_8_103 BGP      master   start  23:31:10    Active        Socket: Connection refused\n \
Node_10_0_0_1 BGP      master   start  23:31:12    OpenSent      Received: Bad peer AS\n \
Global_192_0_2_1 BGP      master   up     2024-05-01  Established   \n \
Global_192_0_2_2_port_1790 BGP      master   start  23:31:12    Connect       \n \
Local_Workload_10_65_0_2 BGP      master   start  23:31:12    Passive       \n\
0000 \n";

const MIXED_TABLE: &str = "\
+---------------------+-------------------+-------+------------+-----------------------------------+
| PEER ADDRESS        | PEER TYPE         | STATE | SINCE      | INFO                              |
+---------------------+-------------------+-------+------------+-----------------------------------+
| 172.17.8.102        | node-to-node mesh | up    | 23:30:04   | Established                       |
| 172.17.8.103        | node-to-node mesh | start | 23:31:10   | Active Socket: Connection refused |
| 10.0.0.1            | node specific     | start | 23:31:12   | OpenSent Received: Bad peer AS    |
| 192.0.2.1           | global            | up    | 2024-05-01 | Established                       |
| 192.0.2.2.port.1790 | global            | start | 23:31:12   | Connect                           |
+---------------------+-------------------+-------+------------+-----------------------------------+
";

const IPV6: &str = "0001 BIRD v0.3.3+birdv1.6.8 ready.
2002-name     proto    table    state  since       info
1002-static1  Static   master   up     2024-05-01  \n \
Mesh_fd80_24e2_f998_72d7__2 BGP      master   up     23:30:04    Established   \n \
Node_2001_db8__1_port_1790 BGP      master   start  23:31:12    Active        Socket: Connection closed\n\
0000 \n";

const IPV6_TABLE: &str = "\
+------------------------+-------------------+-------+----------+----------------------------------+
| PEER ADDRESS           | PEER TYPE         | STATE | SINCE    | INFO                             |
+------------------------+-------------------+-------+----------+----------------------------------+
| fd80:24e2:f998:72d7::2 | node-to-node mesh | up    | 23:30:04 | Established                      |
| 2001:db8::1:port:1790  | node specific     | start | 23:31:12 | Active Socket: Connection closed |
+------------------------+-------------------+-------+----------+----------------------------------+
";

const RUNNING: &str = "Calico process is running.\n";
const NO_BIRD6: &str = "\nINFO: BIRDv6 process: 'bird6' is not running.\n";
const NO_BIRD: &str = "\nINFO: BIRDv4 process: 'bird' is not running.\n";
const IPV4_HEAD: &str = "\nIPv4 BGP status\n";
const IPV6_HEAD: &str = "\nIPv6 BGP status\n";

/// Promise 12.11.
#[test]
fn ipv4_only() {
    let node = FakeNode::new();
    node.serve("bird.ctl", MIXED);
    assert_eq!(
        node.status().expect("a status"),
        format!("{RUNNING}{IPV4_HEAD}{MIXED_TABLE}{NO_BIRD6}\n")
    );
}

/// Promise 12.11.
#[test]
fn both_families() {
    let node = FakeNode::new();
    node.serve("bird.ctl", MIXED);
    node.serve("bird6.ctl", IPV6);
    assert_eq!(
        node.status().expect("a status"),
        format!("{RUNNING}{IPV4_HEAD}{MIXED_TABLE}{IPV6_HEAD}{IPV6_TABLE}\n")
    );
}

/// Promise 12.11.
#[test]
fn ipv6_only() {
    let node = FakeNode::new();
    node.serve("bird6.ctl", IPV6);
    assert_eq!(
        node.status().expect("a status"),
        format!("{RUNNING}{NO_BIRD}{IPV6_HEAD}{IPV6_TABLE}\n")
    );
}

/// Promise 12.11.
#[test]
fn no_peers() {
    for reply in [
        "0001 BIRD v1 ready.\n0000 \n",
        "0000 \n",
        "",
        "0001 BIRD v1 ready.\n",
        // An established peer with an empty info column is not seen.
        " Mesh_10_0_0_2 BGP      master   down   09:00:01    \n0000 \n",
        " Mesh_10_0_0_2 Pipe     master   up     09:00:01    x\n0000 \n",
    ] {
        let node = FakeNode::new();
        node.serve("bird.ctl", reply);
        assert_eq!(
            node.status().expect("a status"),
            format!("{RUNNING}{IPV4_HEAD}No IPv4 peers found.\n{NO_BIRD6}\n"),
            "{reply:?}"
        );
    }
}

#[test]
fn a_single_row_whatever_stands_around_it() {
    let table = "\
+--------------+-------------------+-------+----------+-------------+
| PEER ADDRESS | PEER TYPE         | STATE | SINCE    | INFO        |
+--------------+-------------------+-------+----------+-------------+
| 10.0.0.2     | node-to-node mesh | up    | 09:00:01 | Established |
+--------------+-------------------+-------+----------+-------------+
";
    let heading = "2002-name     proto    table    state  since       info\n";
    let row = "Mesh_10_0_0_2 BGP      master   up     09:00:01    Established   ";
    for reply in [
        format!("0001 BIRD v1 ready.\n{heading}1002-{row}\n0000 \n"),
        format!("{heading}1002 {row}\n0000 \n"),
        format!(" {row}\n0000 \n"),
        format!(" {row}"),
        format!(" {row}\r\n0000 \r\n1006-never read\n"),
        "2002 name proto table state since info\n 1002\n1002-Mesh_10_0_0_2 BGP x up 09:00:01 Established\n0000\n"
            .to_owned(),
    ] {
        let node = FakeNode::new();
        node.serve("bird.ctl", &reply);
        assert_eq!(
            node.status().expect("a status"),
            format!("{RUNNING}{IPV4_HEAD}{table}{NO_BIRD6}\n"),
            "{reply:?}"
        );
    }
}

#[test]
fn replies_that_readers_reject() {
    let unexpected = "error executing command: unexpected output line from BIRD";
    let heading = "error executing command: unknown BIRD table output format";
    let too_long = "error executing command: bufio.Scanner: token too long";
    let endless = "x".repeat(70_000);
    for (line, error) in [
        ("1006-  Description:    x\n", unexpected),
        ("\n", unexpected),
        ("8001 Network not in table\n", unexpected),
        ("9001 syntax error\n", unexpected),
        ("+log\n", unexpected),
        ("1002\n", unexpected),
        ("2002\n", unexpected),
        ("äöü\n", unexpected),
        ("2002-name proto table state info since\n", heading),
        (endless.as_str(), too_long),
    ] {
        let node = FakeNode::new();
        node.serve("bird.ctl", &format!("0001 BIRD v1 ready.\n{line}0000 \n"));
        node.serve("bird6.ctl", IPV6);
        let (printed, failure) = node.status().expect_err("a rejected reply");
        assert_eq!(failure, error, "{line:.40?}");
        assert_eq!(
            printed,
            format!("{RUNNING}{IPV4_HEAD}"),
            "IPv6 is not tried"
        );
    }
}

#[test]
fn a_daemon_that_says_nothing() {
    let node = FakeNode::new();
    let listener = UnixListener::bind(node.run_dir().join("bird.ctl")).expect("a socket");
    let (_, failure) = node.status().expect_err("a deadline");
    let path = node.run_dir().join("bird.ctl");
    assert_eq!(
        failure,
        format!(
            "error executing command: read unix @->{}: i/o timeout",
            path.display()
        )
    );
    drop(listener);
}

/// Promise 12.11.
#[test]
fn nothing_runs() {
    let node = FakeNode::new();
    assert_eq!(
        node.status().expect_err("nothing runs"),
        (String::new(), "Calico process is not running.".to_owned())
    );
    fs::write(node.run_dir().join("bird.ctl"), "").expect("no socket at all");
    drop(UnixListener::bind(node.run_dir().join("bird6.ctl")).expect("a stale socket"));
    assert_eq!(
        node.status().expect_err("nothing runs").1,
        "Calico process is not running."
    );
}

/// Promise 12.11.
#[test]
fn processes_without_sockets() {
    let mut node = FakeNode::new();
    node.processes(&["calico-node\0-felix\0"]);
    assert_eq!(
        node.status().expect("a status"),
        format!("{RUNNING}\nThe BGP backend process (BIRD) is not running.\n\n")
    );
    node.processes(&["calico-felix\0", "bird\0-R\0", "bird6\0"]);
    let error = |version: u8, name: &str| {
        format!(
            "Error querying BIRD: unable to connect to BIRDv{version} socket: \
             dial unix /var/run/bird/{name}: connect: no such file or directory"
        )
    };
    let sockets = ["/var/run/bird/bird.ctl", "/var/run/bird/bird6.ctl"];
    if sockets.iter().any(|socket| Path::new(socket).exists()) {
        skip("a BIRD of this machine runs");
        return;
    }
    assert_eq!(
        node.status().expect("a status"),
        format!(
            "{RUNNING}{IPV4_HEAD}{}{IPV6_HEAD}{}\n",
            error(4, "bird.ctl"),
            error(6, "bird6.ctl")
        )
    );
}

/// Promise 12.11.
#[test]
fn calicoctl_looks_for_processes_only() {
    let mut node = FakeNode::new();
    node.rule = RunningRule::Process;
    node.serve("bird.ctl", MIXED);
    assert_eq!(
        node.status().expect_err("no Felix").1,
        "Calico process is not running."
    );
    node.processes(&["calico-felix\0"]);
    assert_eq!(
        node.status().expect("a status"),
        format!("{RUNNING}\nThe BGP backend process (BIRD) is not running.\n\n")
    );
    node.processes(&["calico-felix\0", "bird\0-R\0"]);
    assert_eq!(
        node.status().expect("a status"),
        format!("{RUNNING}{IPV4_HEAD}{MIXED_TABLE}{NO_BIRD6}\n")
    );
}

#[test]
fn json_of_a_daemon_that_only_knows_rows() {
    let node = FakeNode::new();
    node.serve("bird.ctl", MIXED);
    let (printed, _) = node.print(Output::Json);
    let document: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(document["running"], true);
    assert_eq!(document["node"], serde_json::Value::Null);
    let socket = node.run_dir().join("bird.ctl").display().to_string();
    assert_eq!(document["sockets"][0]["path"], socket);
    assert_eq!(document["sockets"][0]["error"], serde_json::Value::Null);
    assert_eq!(document["sockets"][1]["family"], "ipv6-unicast");
    assert_eq!(document["sockets"][1]["running"], false);
    assert_eq!(document["peers"].as_array().map(Vec::len), Some(5));
    let peer = &document["peers"][1];
    assert_eq!(peer["type"], "mesh");
    assert_eq!(peer["address"], "172.17.8.103");
    assert_eq!(peer["family"], "ipv4-unicast");
    assert_eq!(peer["bgp"]["state"], "Active");
    assert_eq!(peer["bgp"]["lastError"], "Socket: Connection refused");
    assert_eq!(
        document["peers"][0]["bgp"]["lastError"],
        serde_json::Value::Null
    );
}

#[test]
fn json_when_nothing_runs_is_a_document_and_an_error() {
    let (printed, failure) = FakeNode::new().print(Output::Json);
    assert_eq!(failure.as_deref(), Some("Calico process is not running."));
    let document: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(document["running"], false);
    assert_eq!(document["peers"], serde_json::json!([]));
}

#[test]
fn a_socket_that_is_taken_up_is_not_one_that_nobody_serves() {
    let node = FakeNode::new();
    let listener = UnixListener::bind(node.run_dir().join("bird.ctl")).expect("a socket");
    let path = node.run_dir().join("bird.ctl");
    // It accepts nothing, and its queue is full.
    let mut queue = Vec::new();
    while let Ok(connection) = ControlConnection::dial(std::slice::from_ref(&path), Duration::ZERO)
    {
        queue.push(connection);
    }
    let why = format!(
        "cannot tell whether Calico is running: dial unix {}: connect: resource temporarily unavailable",
        path.display()
    );
    assert_eq!(node.status().expect_err("nobody knows").1, why);
    drop(listener);
    assert_eq!(
        node.status().expect_err("nobody listens").1,
        "Calico process is not running."
    );
}

#[test]
fn json_names_the_socket_that_failed() {
    let node = FakeNode::new();
    let stale = node.run_dir().join("bird.ctl");
    drop(UnixListener::bind(&stale).expect("a stale socket"));
    let document: serde_json::Value =
        serde_json::from_str(&node.print(Output::Json).0).expect("JSON");
    let error = |index: usize| document["sockets"][index]["error"].clone();
    let refused = format!("dial unix {}: connect: connection refused", stale.display());
    assert_eq!(error(0), refused);
    let other = node.run_dir().join("bird6.ctl");
    let missing = format!(
        "dial unix {}: connect: no such file or directory",
        other.display()
    );
    assert_eq!(error(1), missing);
}

#[test]
fn a_daemon_without_a_node_says_so() {
    let node = FakeNode::new();
    let why = "No speaker: the datastore does not say yet what it must be";
    node.serve("bird.ctl", &format!("0001 BIRD v1 ready.\n8004 {why}\n"));
    let failure = node.status().expect_err("no answer").1;
    assert_eq!(failure, format!("error executing command: {why}"));
    let (printed, _) = node.print(Output::Json);
    let document: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(document["sockets"][0]["error"], why);
}

/// A run directory with sockets that replay given answers, and a matching `/proc`.
struct FakeNode {
    directory: TempDir,
    processes: Processes,
    rule: RunningRule,
}

impl FakeNode {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
            processes: Processes::default(),
            rule: RunningRule::ProcessOrSocket,
        }
    }

    fn run_dir(&self) -> &Path {
        self.directory.path()
    }

    fn processes(&mut self, command_lines: &[&str]) {
        let proc = tempfile::tempdir().expect("a directory");
        for (index, line) in command_lines.iter().enumerate() {
            let process = proc.path().join((index + 1).to_string());
            fs::create_dir(&process).expect("a directory");
            fs::write(process.join("cmdline"), line).expect("a file");
        }
        self.processes = Processes::scan(proc.path()).expect("a list");
    }

    /// Answers any command with `reply`, and closes.
    fn serve(&self, name: &str, reply: &str) {
        let listener = UnixListener::bind(self.run_dir().join(name)).expect("a socket");
        let reply = reply.to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().take(8) {
                // A reader that rejects the reply leaves early.
                let _ = play(&stream.expect("a client"), &reply);
            }
        });
    }

    fn print(&self, output: Output) -> (String, Option<String>) {
        let surroundings = Surroundings {
            run_dir: self.run_dir().to_owned(),
            processes: self.processes.clone(),
            rule: self.rule,
        };
        let mut printed = Vec::new();
        let failure = node_status::print(&surroundings, output, &mut printed).err();
        let printed = String::from_utf8(printed).expect("UTF-8");
        (printed, failure.map(|error| error.to_string()))
    }

    fn status(&self) -> Result<String, (String, String)> {
        match self.print(Output::Table) {
            (printed, None) => Ok(printed),
            (printed, Some(failure)) => Err((printed, failure)),
        }
    }
}

fn play(mut stream: &UnixStream, reply: &str) -> std::io::Result<()> {
    let mut command = String::new();
    BufReader::new(stream).read_line(&mut command)?;
    assert!(
        ["show protocols\n", "show snapshot\n", ""].contains(&command.as_str()),
        "{command:?}"
    );
    stream.write_all(reply.as_bytes())
}
