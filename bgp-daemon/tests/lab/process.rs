//! A program that runs on a host: started, ended by its process id, its output kept in a file.
//!
//! When the test fails, the end of that file is printed with the failure.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use super::host::Host;
use super::wait::{LONG, wait_until};

/// A running (or ended) program; dropped, it is killed.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` on `host`. Its output goes to `name.log` (a new run of the same name appends).
    pub(crate) fn start(host: &Host, name: &str, program: &str, arguments: &[&str]) -> Self {
        let mut command = host.ns.daemon(program);
        command.args(arguments).current_dir(&host.directory);
        Self::spawn(host, name, &mut command)
    }

    /// Starts a command that was made with [`super::netns::Netns::daemon`].
    pub(crate) fn spawn(host: &Host, name: &str, command: &mut Command) -> Self {
        let log = host.directory.join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the host's directory is writable");
        let errors = output.try_clone().expect("a file can be opened twice");
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            name: format!("{name} on {}", host.name),
            child,
            log,
        }
    }

    /// Its process id, if it is started by programs that become it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the program has printed until now.
    pub(crate) fn log(&self) -> String {
        fs::read(&self.log).map_or_else(
            |error| format!("(no log: {error})"),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    /// Fails the test if the program has ended.
    pub(crate) fn assert_running(&mut self) {
        let ended = self
            .child
            .try_wait()
            .expect("the child is ours to wait for");
        assert!(ended.is_none(), "{} has ended: {ended:?}", self.name);
    }

    /// Sends a signal by its name, for example `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let line = format!("kill -{signal} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &line]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{line} ({}) failed",
            self.name
        );
    }

    /// Asks the program to end and waits until it has.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_for_exit()
    }

    /// Whether the program has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits until the program has ended by itself.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        let what = format!("{} to end", self.name);
        wait_until(&what, LONG, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it still runs".to_owned()),
            Err(error) => Err(error.to_string()),
        })
    }

    /// Ends the program without asking it.
    pub(crate) fn kill(&mut self) {
        // Fails only for a program that has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            println!("---- log of {} ----\n{}", self.name, tail(&self.log()));
        }
    }
}

fn tail(text: &str) -> String {
    const LINES: usize = 60;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
