//! BIRD on loopback, as a neighbour of the speaker under test.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// BIRD, until it is dropped.
pub(crate) struct Bird {
    process: Child,
    directory: TempDir,
}

impl Bird {
    /// Whether there is one on this machine.
    pub(crate) fn is_installed() -> bool {
        Command::new("bird").arg("--version").output().is_ok()
    }

    /// Starts it with this configuration.
    pub(crate) fn start(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("bird.conf"), config).unwrap();
        let process = Command::new("bird")
            .args(["-f", "-c", "bird.conf", "-s", "bird.ctl"])
            .current_dir(&directory)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, directory }
    }

    /// Gives it another configuration.
    pub(crate) fn configure(&self, config: &str) {
        std::fs::write(self.directory.path().join("bird.conf"), config).unwrap();
        let answer = self.ask("configure");
        assert!(answer.contains("Reconfigur"), "{answer}");
    }

    pub(crate) fn ask(&self, question: &str) -> String {
        let socket = self.directory.path().join("bird.ctl");
        let output = Command::new("birdc")
            .arg("-s")
            .arg(socket)
            .args(question.split_whitespace())
            .output();
        String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
    }

    /// Waits until BIRD's answer is as wanted.
    pub(crate) async fn answers(&self, question: &str, is_it: impl Fn(&str) -> bool) -> String {
        loop {
            let answer = self.ask(question);
            if is_it(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until BIRD prints this.
    pub(crate) async fn says(&self, question: &str, wanted: &str) -> String {
        let has = |answer: &str| answer.contains(wanted);
        self.answers(question, has).await
    }
}

impl Drop for Bird {
    fn drop(&mut self) {
        // It may have ended.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
