//! Network namespaces without names.
//!
//! A namespace is held by one small process, which waits for the end of its standard input. When the test ends in any
//! way, that input closes, the process ends, and with it go the namespace, its interfaces and its routes: nothing is
//! left for a later run to clean. Other programs enter it through `/proc/PID/ns/net`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace; it ends when this value is dropped and the last program in it has ended.
pub(crate) struct Netns {
    name: String,
    holder: Child,
}

impl Netns {
    /// Makes a namespace with a loopback interface that is up. `name` appears in failure texts only.
    pub(crate) fn create(name: &str) -> Result<Self, String> {
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo ready && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let mut line = String::new();
        let stdout = holder.stdout.as_mut().expect("stdout was piped above");
        if BufReader::new(stdout).read_line(&mut line).is_err() || line != "ready\n" {
            return Err(last_words(holder));
        }
        let ns = Self {
            name: name.to_owned(),
            holder,
        };
        ns.run("ip link set lo up");
        Ok(ns)
    }

    /// A command that starts `program` in this namespace.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args([&format!("--net={}", self.path()), "--", program]);
        command
    }

    /// A command that starts `program` in this namespace and ends it when the calling thread ends.
    pub(crate) fn daemon(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "nsenter"]);
        command.args([&format!("--net={}", self.path()), "--", program]);
        command
    }

    /// A thread in this namespace: sockets that it makes stay there.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let namespace = File::open(self.path()).expect("the namespace is there");
        std::thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("root may enter a namespace");
            work()
        })
    }

    /// Runs a command and returns what it printed, or what it complained about.
    pub(crate) fn exec(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let output = self
            .command(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{program}: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "{program} {arguments:?} in {}: {}: {text}{complaint}",
            self.name, output.status
        ))
    }

    /// Runs a command line, split at blanks, that cannot fail in a working laboratory.
    pub(crate) fn run(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let program = words.next().expect("a command line has a first word");
        let arguments: Vec<&str> = words.collect();
        self.exec(program, &arguments)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sets a kernel parameter of this namespace, for example `net/ipv4/ip_forward`.
    pub(crate) fn sysctl(&self, key: &str, value: &str) {
        self.exec("sh", &["-c", &format!("echo {value} >/proc/sys/{key}")])
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Joins this namespace and `other` with a veth pair.
    pub(crate) fn link(&self, device: &str, other: &Self, other_device: &str) {
        self.run(&format!(
            "ip link add {device} type veth peer name {other_device} netns {}",
            other.holder.id()
        ));
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        drop(self.holder.wait());
    }
}

fn last_words(mut holder: Child) -> String {
    let mut text = String::new();
    if let Some(stderr) = holder.stderr.as_mut() {
        drop(stderr.read_to_string(&mut text));
    }
    drop(holder.wait());
    text.trim().to_owned()
}
