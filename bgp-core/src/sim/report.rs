//! The result of a simulation.

use std::fmt;
use std::time::Duration;

use super::network::Network;

/// Statistics of a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Speakers.
    pub nodes: usize,
    /// Sessions that were configured.
    pub links: usize,
    /// Events.
    pub events: u64,
    /// How often one side of a session came up.
    pub sessions: u64,
    /// How often one side of a session went down.
    pub losses: u64,
    /// From start to end.
    pub virtual_time: Duration,
    /// Hash of all messages, and of their times.
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

/// A violated invariant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The seed of the scenario.
    pub seed: u64,
    /// Virtual time since the start.
    pub at: Duration,
    /// The checker that found it.
    pub checker: &'static str,
    /// The violation.
    pub text: String,
    /// The last lines of the trace, if it was recorded.
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
