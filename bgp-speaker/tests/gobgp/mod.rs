//! GoBGP on loopback, as a neighbour of the speaker under test.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// GoBGP, until it is dropped. One at a time in a network namespace: its API has a port of its own.
pub(crate) struct GoBgp {
    process: Child,
    _directory: TempDir,
}

impl GoBgp {
    /// Whether there is one on this machine.
    pub(crate) fn is_installed() -> bool {
        Command::new("gobgpd").arg("--version").output().is_ok()
    }

    /// Starts it with this configuration, and waits until it answers.
    pub(crate) async fn start(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("gobgpd.toml"), config).unwrap();
        let process = Command::new("gobgpd")
            .args(["-f", "gobgpd.toml", "--api-hosts", "127.0.0.1:50051"])
            .current_dir(&directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self {
            process,
            _directory: directory,
        };
        started.says("global", "Router-ID").await;
        started
    }

    pub(crate) fn ask(&self, question: &str) -> String {
        let output = Command::new("gobgp")
            .args(question.split_whitespace())
            .output();
        String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
    }

    /// Waits until GoBGP prints this.
    pub(crate) async fn says(&self, question: &str, wanted: &str) -> String {
        loop {
            let answer = self.ask(question);
            if answer.contains(wanted) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for GoBgp {
    fn drop(&mut self) {
        // It may have ended.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
