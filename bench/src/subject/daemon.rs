//! A running daemon: started, observed by its process id, ended.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use crate::usage::Usage;

/// Lines of its log that are shown when something goes wrong.
const LAST_WORDS: usize = 3;
/// How long a daemon may take to end by itself.
const GOODBYE: Duration = Duration::from_secs(5);

/// A command that is killed when this process ends.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args([
        OsStr::new("--pdeathsig"),
        OsStr::new("KILL"),
        OsStr::new("--"),
        program.as_os_str(),
    ]);
    command
}

/// A running daemon; dropped, it is ended.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it; what it prints goes to the file `log` in `directory`.
    pub(crate) fn start(mut command: Command, directory: &Path) -> anyhow::Result<Self> {
        let log = directory.join("log");
        let output = File::create(&log)?;
        let errors = output.try_clone()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn();
        let child = child.with_context(|| format!("{command:?}"))?;
        Ok(Self { child, log })
    }

    /// What it has used since its start.
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }

    /// An error with the end of what the daemon has printed, in one line.
    pub(crate) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
        anyhow!("{error:#}; the daemon said last: {}", last.join(" / "))
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Daemon {
    /// Asks first, so that a daemon of several processes takes them with it.
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
            && self.is_running()
        {
            // Fails only for a process that has ended.
            kill_process(pid, Signal::TERM).ok();
        }
        let deadline = Instant::now() + GOODBYE;
        while self.is_running() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
