//! A running daemon as the other programs of calico/node see it: by the names of processes, by its control sockets, through the
//! health probes, and under the supervision of runit.

#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "../../bgp-speaker/tests/skip/mod.rs"]
mod skip;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bgp_core::types::Family;
use bgp_daemon::cli::processes::Processes;
use bgp_daemon::control::client::{self, ControlConnection};
use skip::skip;
use tempfile::TempDir;

/// Only there so that a broken test ends.
const PATIENCE: Duration = Duration::from_secs(60);
const READY: &str = "control socket is ready";

/// Promise 13.1.
#[test]
fn the_processes_have_the_names_that_calicoctl_looks_for() {
    let node = Node::new();
    let bird = node.bird();
    let bird6 = node.bird6();
    let seen = |processes: &[&Program], name| scan(processes).any_position_equals(&[name]);
    assert!(seen(&[&bird], "bird") && !seen(&[&bird], "bird6"));
    assert!(seen(&[&bird6], "bird6") && !seen(&[&bird6], "bird"));
}

/// Promises 12.13, 13.2, 14.2.
#[test]
fn one_process_serves_both_sockets() {
    let node = Node::new();
    let _bird = node.bird();
    for (family, name) in [
        (Family::Ipv4Unicast, "bird.ctl"),
        (Family::Ipv6Unicast, "bird6.ctl"),
    ] {
        let file = fs::metadata(node.run_dir().join(name)).expect("a file");
        assert!(file.file_type().is_socket(), "{name}");
        let paths = [node.run_dir().join(name)];
        let mut connection = ControlConnection::dial(&paths, PATIENCE).expect("a connection");
        let peers = client::peers(&mut connection, family).expect("rows that readers understand");
        let names: Vec<_> = peers.iter().map(|peer| peer.name.as_str()).collect();
        let expected: &[&str] = match family {
            Family::Ipv4Unicast => &["Mesh_127_0_0_2"],
            Family::Ipv6Unicast => &[],
        };
        assert_eq!(names, expected);
    }
}

/// Promise 13.6.
#[test]
fn the_socket_may_have_any_name() {
    let node = Node::new();
    let _bird = node.bird_at("calico.sock");
    for name in ["calico.sock", "bird6.ctl"] {
        let reply = ask(&node.run_dir().join(name), "show status\n", "0013");
        assert!(reply.contains("1011-Router ID is 127.0.0.1\n"), "{reply}");
    }
    assert!(!node.run_dir().join("bird.ctl").exists());
}

/// Promises 12.10, 12.11, 13.1.
#[test]
fn calicoctl_node_status_shows_the_sessions_of_both_families() {
    let node = Node::new();
    let _bird = node.bird();
    let _bird6 = node.bird6();
    let _felix = Program::spawn(Command::new("sleep").arg0("calico-felix").arg("3600"));
    let output = node.run("calicoctl", &["node", "status", "--run-dir", &node.text()]);
    let printed = stdout(&output);
    if printed.starts_with("Need super user privileges") {
        skip("calicoctl node status wants root");
        return;
    }
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(
        lines[..3],
        ["Calico process is running.", "", "IPv4 BGP status"]
    );
    let row = lines.iter().find(|line| line.contains("127.0.0.2"));
    let columns: Vec<&str> = row.expect(&printed).split('|').map(str::trim).collect();
    assert_eq!(columns[1..4], ["127.0.0.2", "node-to-node mesh", "start"]);
    assert!(
        columns[5].starts_with("Active"),
        "it waits for the peer: {columns:?}"
    );
    assert!(
        printed.ends_with("\nIPv6 BGP status\nNo IPv6 peers found.\n\n"),
        "{printed}"
    );
    assert_eq!(output.status.code(), Some(0));
}

/// Promise 14.1.
#[test]
fn the_liveness_probe_is_answered_on_both_sockets() {
    let node = Node::new();
    let _bird = node.bird();
    for name in ["bird.ctl", "bird6.ctl"] {
        let socket = node.run_dir().join(name).display().to_string();
        let output = node.run("birdcl", &["-s", &socket, "show", "status"]);
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert!(stdout(&output).starts_with("BIRD"), "{name}");
    }
}

/// Promises 12.5, 14.2.
#[test]
fn the_readiness_probe_finds_only_the_codes_that_it_knows() {
    let node = Node::new();
    let _bird = node.bird();
    for name in ["bird.ctl", "bird6.ctl"] {
        let reply = ask(&node.run_dir().join(name), "show status\n", "0013 ");
        let codes: BTreeSet<&str> = reply.lines().filter_map(|line| line.get(..4)).collect();
        let known = ["0001", "1000", "1011", "0013", "0024"];
        let foreign = |code: &&&str| !code.starts_with(' ') && !known.contains(code);
        assert_eq!(codes.iter().find(foreign), None, "{reply}");
        assert!(
            !reply.contains("\n0024"),
            "nothing is recovered without a kernel: {reply}"
        );
        let version = reply
            .lines()
            .find_map(|line| line.strip_prefix("1000-BIRD "));
        assert!(
            version.is_some_and(|version| version.starts_with('v')),
            "{reply}"
        );
    }
}

/// Promise 13.4.
#[test]
fn signals_do_what_they_do_to_bird() {
    let node = Node::new();
    let mut bird = node.bird();
    bird.signal("HUP");
    bird.wait_for("SIGHUP");
    bird.signal("USR1");
    bird.wait_for("SIGUSR1: state");
    let session = bird.wait_for("Mesh_127_0_0_2");
    assert!(session.contains("Active"), "{session}");
    bird.signal("TERM");
    assert_eq!(bird.end().code(), Some(0));
    for name in ["bird.ctl", "bird6.ctl"] {
        assert!(!node.run_dir().join(name).exists(), "{name} is left behind");
    }
}

/// Promises 12.1, 13.5.
#[test]
fn after_a_kill_the_stale_sockets_are_taken_over() {
    let node = Node::new();
    let mut bird = node.bird();
    bird.signal("KILL");
    bird.end();
    assert!(
        node.run_dir().join("bird.ctl").exists(),
        "nobody removed it"
    );
    let _again = node.bird();
    let reply = ask(&node.run_dir().join("bird.ctl"), "show status\n", "0013 ");
    assert!(reply.contains("up and running"), "{reply}");
}

/// Promise 13.3.
#[test]
fn the_services_of_runit_start_the_processes_by_their_names() {
    let node = Node::new();
    let stub = "#!/bin/sh\nprintf '%s' \"${0##*/}\"\nprintf ' %s' \"$@\"\n";
    let stubs = node.directory.path().join("stubs");
    fs::create_dir(&stubs).expect("a directory");
    fs::write(stubs.join("bird"), stub).expect("a file");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(stubs.join("bird"), mode).expect("a program");
    let output = node.service("bird", &stubs).output().expect("it runs");
    assert_eq!(
        stdout(&output),
        "bird -R -s /var/run/calico/bird.ctl -d",
        "the options of calico/node's own script, as far as they mean something"
    );
    for name in ["bird6", "confd"] {
        let mut service = Program::spawn(&mut node.service(name, node.directory.path()));
        service.wait_for(&format!("only has the name {name}"));
        assert!(scan(&[&service]).any_position_equals(&[name]), "{name}");
        service.signal("TERM");
        assert_eq!(service.end().code(), Some(0), "{name}");
    }
}

#[test]
fn the_scripts_of_the_image_are_clean() {
    let scripts =
        ["bird", "bird6", "confd"].map(|name| image().join("runit").join(name).join("run"));
    for script in &scripts {
        let mode = fs::metadata(script).expect("a script").permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{} can be started", script.display());
    }
    match Command::new("shellcheck").args(&scripts).output() {
        Ok(output) => assert!(output.status.success(), "{}", stdout(&output)),
        Err(error) => skip(&format!("shellcheck: {error}")),
    }
}

#[test]
fn the_image_holds_every_name_that_the_binary_answers_to() {
    let dockerfile = fs::read_to_string(image().join("Dockerfile")).expect("a file");
    let names = dockerfile.split_once("for name in ").expect("a loop").1;
    let names = names.split_once(';').expect("its end").0;
    for name in names.split(' ') {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bgp-daemon"));
        let output = command.arg0(name).arg("--help").output().expect("it runs");
        let printed = stdout(&output);
        let usage = printed.lines().find(|line| line.starts_with("Usage:"));
        assert!(
            usage.is_some_and(|usage| !usage.contains("bgp-daemon")),
            "{name} is a name of its own: {usage:?}"
        );
    }
}

/// Promises 15.1, 15.6.
#[test]
fn a_status_object_in_the_folder_is_filled() {
    let node = Node::new();
    let file = node.directory.path().join("resources/status.yaml");
    let wish = "# kept\napiVersion: projectcalico.org/v3\nkind: CalicoNodeStatus\nmetadata: {name: mine}\n\
                spec: {node: node1, classes: [Agent, BGP], updatePeriodSeconds: 10}\n";
    fs::write(&file, wish).expect("a file");
    let bird = node.bird();
    let end = Instant::now() + PATIENCE;
    let mut text = String::new();
    while !text.contains("lastUpdated") {
        assert!(Instant::now() < end, "never filled: {text}");
        thread::sleep(Duration::from_millis(20));
        text = fs::read_to_string(&file).expect("a file");
    }
    assert!(text.starts_with("# kept\n"), "{text}");
    assert!(
        text.contains("peerIP: 127.0.0.2") && text.contains("state: Active"),
        "{text}"
    );
    bird.signal("USR1");
    bird.wait_for("SIGUSR1: state");
}

/// A node with a mesh of one other node, which never answers and has the greater address as text.
struct Node {
    directory: TempDir,
}

impl Node {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["bird", "bird6", "birdcl", "calicoctl", "confd"] {
            let link = directory.path().join(name);
            symlink(env!("CARGO_BIN_EXE_bgp-daemon"), link).expect("a link");
        }
        let node = |name: &str, address: &str| {
            format!(
                "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {{name: {name}}}\n\
                 spec: {{bgp: {{ipv4Address: {address}/8}}}}\n"
            )
        };
        let resources = directory.path().join("resources");
        fs::create_dir(&resources).expect("a directory");
        let text = format!(
            "{}---\n{}",
            node("node1", "127.0.0.1"),
            node("node2", "127.0.0.2")
        );
        fs::write(resources.join("cluster.yaml"), text).expect("a file");
        Self { directory }
    }

    fn run_dir(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    fn text(&self) -> String {
        self.run_dir().display().to_string()
    }

    /// As runit's script starts it, but away from the machine's own sockets, ports and routes.
    fn bird(&self) -> Program {
        self.bird_at("bird.ctl")
    }

    /// The same with its socket at another place in the run directory.
    fn bird_at(&self, name: &str) -> Program {
        let socket = self.run_dir().join(name);
        let mut command = self.command("bird");
        command.args(["-R", "-d", "-s"]).arg(socket);
        let program = Program::spawn(&mut command);
        program.wait_for(READY);
        program.wait_for(READY);
        program
    }

    fn bird6(&self) -> Program {
        let mut command = self.command("bird6");
        command
            .args(["-R", "-d", "-s"])
            .arg(self.run_dir().join("bird6.ctl"));
        let program = Program::spawn(&mut command);
        program.wait_for("only has the name bird6");
        program
    }

    /// The binary by a link of that name, which is also its first argument.
    fn command(&self, name: &str) -> Command {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let mut command = Command::new(self.directory.path().join(name));
        command
            .arg0(name)
            .env_clear()
            .env("PATH", self.directory.path())
            .env("NODENAME", "node1")
            .env(
                "BGP_DAEMON_DATASTORE",
                self.directory.path().join("resources"),
            )
            .env("BGP_DAEMON_NO_KERNEL", "true")
            .env(
                "BGP_DAEMON_LISTEN_PORT",
                port.expect("a port").port().to_string(),
            )
            .env("CALICO_ENDPOINT_STATUS_PATH_PREFIX", self.directory.path());
        command
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(name);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("it runs")
    }

    /// The script of a service, with its programs in `path`.
    fn service(&self, name: &str, path: &Path) -> Command {
        let mut command = Command::new(image().join("runit").join(name).join("run"));
        command.env_clear().env("PATH", path);
        command
    }
}

fn image() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../image")
}

/// A process and its output. Ends with the test.
struct Program {
    child: Child,
    said: mpsc::Receiver<String>,
}

impl Program {
    fn spawn(command: &mut Command) -> Self {
        let pipes = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = pipes.stderr(Stdio::piped()).spawn().expect("a process");
        let (sender, said) = mpsc::channel();
        let out = child
            .stdout
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        let log = child
            .stderr
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        for pipe in [out, log].into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                // A test that is over listens no more.
                let lines = BufReader::new(pipe).lines().map_while(Result::ok);
                lines
                    .take_while(|line| sender.send(line.clone()).is_ok())
                    .for_each(drop);
            });
        }
        Self { child, said }
    }

    /// The next line that contains `part`.
    fn wait_for(&self, part: &str) -> String {
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(_) => {}
                Err(error) => panic!("{part:?} was not said: {error}"),
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill").success(), "{name}: it is still there");
    }

    fn end(&mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended by itself cannot be ended again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What calicoctl would read of these processes, and of no others.
fn scan(programs: &[&Program]) -> Processes {
    let proc = tempfile::tempdir().expect("a directory");
    for program in programs {
        let id = program.child.id().to_string();
        symlink(Path::new("/proc").join(&id), proc.path().join(&id)).expect("a link");
    }
    Processes::scan(proc.path()).expect("a list")
}

/// Sends a command; reads until a line that begins with `last`.
fn ask(socket: &Path, command: &str, last: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    stream.write_all(command.as_bytes()).expect("it reads");
    let mut reply = String::new();
    for line in BufReader::new(stream).lines() {
        let line = line.expect("a line");
        reply.push_str(&line);
        reply.push('\n');
        if line.starts_with(last) {
            return reply;
        }
    }
    panic!("no line begins with {last:?}: {reply}");
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}
