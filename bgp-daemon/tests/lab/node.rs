//! Our daemon as a node of a cluster: `bgp-daemon run`, queried through its control sockets and its own commands.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::rc::Rc;
use std::time::Duration;

use ipnet::IpNet;

use super::bird_socket::{self, ask};
use super::cluster::Cluster;
use super::host::Host;
use super::peer::{Peer, Route};
use super::process::Process;
use super::wait::{LONG, SHORT, wait_for, wait_until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_bgp-daemon");

/// A node; it is named as its host.
pub(crate) struct Node {
    pub(crate) host: Rc<Host>,
    datastore: PathBuf,
    environment: Vec<(String, String)>,
    launcher: Vec<String>,
    process: Option<Process>,
}

impl Node {
    /// A node that reads the given datastore, not started yet.
    pub(crate) fn new(host: &Rc<Host>, datastore: &Path) -> Self {
        Self {
            host: Rc::clone(host),
            datastore: datastore.to_owned(),
            environment: Vec::new(),
            launcher: Vec::new(),
            process: None,
        }
    }

    /// Sets a variable for the daemon and its commands.
    pub(crate) fn set(&mut self, name: &str, value: impl ToString) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_string()));
    }

    /// Has the daemon started by another program, of which these are the words, and which becomes it.
    pub(crate) fn launch_by(&mut self, launcher: &[&str]) {
        self.launcher = launcher.iter().map(ToString::to_string).collect();
    }

    /// The daemon's process.
    pub(crate) fn id(&self) -> u32 {
        self.process.as_ref().expect("the node was started").id()
    }

    /// Starts the daemon, with the host's directory in the place of `/var/run/calico`, where Felix names workloads; returns when both of its control sockets answer.
    pub(crate) fn start(&mut self) {
        self.process = Some(self.launch());
        self.wait_for_answers();
    }

    /// Starts the daemon once more beside the one that runs, which it is to replace. Returns how that one ended, when the new one
    /// answers.
    pub(crate) fn succeed(&mut self) -> ExitStatus {
        self.succeed_within(LONG, || ())
    }

    /// The same within a time, looking at the old process again and again.
    pub(crate) fn succeed_within(&mut self, limit: Duration, mut look: impl FnMut()) -> ExitStatus {
        let new = self.launch();
        let old = self.process.replace(new);
        let mut old = old.expect("the node was started");
        wait_for("the old process to end", limit, || {
            look();
            old.has_ended()
        });
        let status = old.wait_for_exit();
        self.wait_for_answers();
        status
    }

    /// Has the next process read another folder.
    pub(crate) fn read_from(&mut self, datastore: &Path) {
        self.datastore = datastore.to_owned();
    }

    /// Starts the daemon once more, and leaves it to the caller.
    pub(crate) fn launch(&self) -> Process {
        let datastore = self.datastore.display().to_string();
        let run_dir = self.run_dir().display().to_string();
        let arguments = [
            "run",
            "--node",
            &self.host.name,
            "--datastore",
            &datastore,
            "--run-dir",
            &run_dir,
        ];
        // For measurements.
        let other = std::env::var("BGP_LAB_PROGRAM");
        let program = other.as_deref().unwrap_or(PROGRAM);
        let mut words = self.launcher.iter().map(String::as_str).chain([program]);
        let mut command = self.host.ns.daemon(words.next().unwrap_or(program));
        command
            .args(words)
            .args(arguments)
            .env("CALICO_ENDPOINT_STATUS_PATH_PREFIX", &self.host.directory)
            .envs(self.environment.iter().cloned())
            .current_dir(&self.host.directory);
        Process::spawn(&self.host, "bgp-daemon", &mut command)
    }

    fn wait_for_answers(&mut self) {
        let run_dir = self.run_dir();
        for socket in ["bird.ctl", "bird6.ctl"] {
            wait_until(&format!("bgp-daemon to answer on {socket}"), SHORT, || {
                self.process.as_mut().map(Process::assert_running);
                ask(&run_dir.join(socket), "show status")
            });
        }
    }

    /// Replaces the process by another one, which the caller started.
    pub(crate) fn goes_on_as(&mut self, process: Process) {
        self.process = Some(process);
        self.wait_for_answers();
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.process
            .take()
            .expect("the node was started")
            .terminate()
    }

    /// Ends the daemon without asking it.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Sends a signal by its name, for example `HUP`.
    pub(crate) fn signal(&self, signal: &str) {
        self.process
            .as_ref()
            .expect("the node was started")
            .signal(signal);
    }

    /// What the daemon has printed until now.
    pub(crate) fn log(&self) -> String {
        let process = self.process.as_ref().expect("the node was started");
        process.log()
    }

    /// What all daemons of this node have printed until now.
    pub(crate) fn log_of_all(&self) -> String {
        let log = self.host.directory.join("bgp-daemon.log");
        std::fs::read_to_string(log).unwrap_or_default()
    }

    /// Runs a command of the daemon's binary on this node, with its run directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let mut command: Command = self.host.ns.command(PROGRAM);
        command
            .args(arguments)
            .env("BGP_DAEMON_RUN_DIR", self.run_dir())
            .envs(self.environment.iter().cloned());
        command
            .output()
            .unwrap_or_else(|error| panic!("bgp-daemon {arguments:?}: {error}"))
    }

    /// What a command of the daemon's binary prints; it must succeed.
    pub(crate) fn print(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "bgp-daemon {arguments:?}: {errors}"
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The session's row of `show protocols`, or why there is none. Its name ends with the neighbour's address, in
    /// which dots and colons are underscores.
    pub(crate) fn session(&self, neighbor: IpAddr) -> Result<String, String> {
        let suffix = format!("_{}", neighbor.to_string().replace(['.', ':'], "_"));
        let lines = ask(&self.socket(neighbor), "show protocols")?;
        let row = lines.iter().find(|line| {
            line.split_whitespace()
                .next()
                .is_some_and(|name| name.ends_with(&suffix))
        });
        row.cloned()
            .ok_or_else(|| format!("no session for {neighbor} in {lines:?}"))
    }

    /// The session's part of `show protocols all`.
    pub(crate) fn describe(&self, neighbor: IpAddr) -> Result<String, String> {
        let row = self.session(neighbor)?;
        let name = row.split_whitespace().next().unwrap_or_default();
        let command = format!("show protocols all {name}");
        Ok(ask(&self.socket(neighbor), &command)?.join("\n"))
    }

    /// Whether the session with `neighbor` is Established.
    pub(crate) fn established(&self, neighbor: IpAddr) -> bool {
        self.session(neighbor)
            .is_ok_and(|row| row.contains("Established"))
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.host.directory.join("run")
    }

    fn socket(&self, neighbor: IpAddr) -> PathBuf {
        self.run_dir().join(if neighbor.is_ipv4() {
            "bird.ctl"
        } else {
            "bird6.ctl"
        })
    }
}

impl Peer for Node {
    fn start(&mut self) {
        self.start();
    }

    fn stop(&mut self) {
        self.terminate();
    }

    fn kill(&mut self) {
        self.kill();
    }

    fn established(&self, neighbor: IpAddr) -> bool {
        self.established(neighbor)
    }

    fn describe(&self, neighbor: IpAddr) -> Result<String, String> {
        self.describe(neighbor)
    }

    fn routes(&self) -> Result<BTreeSet<Route>, String> {
        let mut routes = BTreeSet::new();
        for socket in ["bird.ctl", "bird6.ctl"] {
            routes.extend(bird_socket::routes(
                &self.run_dir().join(socket),
                "show route all",
            )?);
        }
        Ok(routes)
    }

    fn routes_to(&self, prefix: IpNet) -> Result<BTreeSet<Route>, String> {
        let socket = self.socket(prefix.addr());
        bird_socket::routes(&socket, &format!("show route all {prefix}"))
    }

    fn announce(&mut self, prefix: IpNet) {
        Cluster::create(&self.datastore).block(&self.host, prefix);
    }

    fn withdraw(&mut self, prefix: IpNet) {
        Cluster::create(&self.datastore).remove_block(&self.host, prefix);
    }
}
