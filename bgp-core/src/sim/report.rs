//! How a simulation ended.

use std::fmt;
use std::time::Duration;

use super::network::Network;

/// What a simulation was like.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Speakers.
    pub nodes: usize,
    /// Sessions that were configured.
    pub links: usize,
    /// Things that happened.
    pub events: u64,
    /// How often one side of a session came up.
    pub sessions: u64,
    /// How often one side of a session went down.
    pub losses: u64,
    /// From start to end.
    pub virtual_time: Duration,
    /// Stands for everything that was sent, and when.
    pub trace_hash: u64,
}

impl Report {
    pub(super) fn of(network: &Network) -> Self {
        Self {
            nodes: network.nodes.len(),
            links: network.links.len(),
            events: 0,
            sessions: 0,
            losses: 0,
            virtual_time: Duration::ZERO,
            trace_hash: 0,
        }
    }
}

/// What must not be, and was.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Of the scenario.
    pub seed: u64,
    /// Virtual time since the start.
    pub at: Duration,
    /// Which checker found it.
    pub checker: &'static str,
    /// What it found.
    pub text: String,
    /// What happened before, if that was recorded: the last lines of it.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trace
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))?;
        write!(
            f,
            "seed {} after {:?}: {}: {}",
            self.seed, self.at, self.checker, self.text
        )
    }
}

impl std::error::Error for Failure {}
