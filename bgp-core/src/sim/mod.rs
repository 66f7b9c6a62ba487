//! A network of speakers under virtual time: the real code of this crate over simulated links, deterministic from one seed.
//! Only with the feature `sim`.
//!
//! [`Scenario::of_seed`] draws a network ([`Network`]), how its links behave ([`Weather`]) and what happens to it
//! ([`Action`]); [`run`] lives through it and answers with a [`Report`], or with the [`Failure`] that a checker found. A
//! simulation is a function of its scenario: equal seeds make equal traces. An operator may as well build a [`Scenario`]
//! by hand and ask what a network would do.
//!
//! Links are a model of TCP: octets arrive in order, late and in pieces, writers wait for readers; connections are refused,
//! reset, or fall silent. Processes crash and come back, with and without graceful restart.
//!
//! What is checked while it runs: the best path is what a naive model says; no route outlives its session unless graceful
//! restart keeps it; no message is sent that may not be, none needlessly, none on a closed connection; without faults no
//! NOTIFICATION and no loss of a session (but by a collision); deadlines are neither past nor farther than any timer. When
//! the faults are over, the network comes to rest, and then everybody holds what it was sent, and uses and installs what the
//! stable state of the model says.
//!
//! Never reads a clock: time zero is given by the caller, and only differences to it count.

mod check;
mod fault;
mod filter;
mod hostile;
mod link;
mod model;
mod network;
mod node;
mod random;
mod script;
mod tap;
mod topology;
mod trace;
mod world;

use std::fmt;
use std::time::{Duration, Instant};

pub use fault::Action;
pub use filter::Filter;
pub use hostile::{HostileReport, run_hostile};
pub use model::NaiveRoute;
pub use network::{EndSpec, LinkSpec, Network, NodeSpec, Terms};
pub use script::{Scenario, Weather};

/// What a simulation was like.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    fn of(network: &Network) -> Self {
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

/// Lives through a scenario. `epoch` is the instant of time zero; any will do. With `record`, a failure tells what happened
/// before, which takes time.
///
/// # Errors
///
/// What a checker found first.
pub fn run(scenario: &Scenario, epoch: Instant, record: bool) -> Result<Report, Box<Failure>> {
    let mut world = world::World::new(scenario, epoch, record);
    world.run(scenario).map_err(|violation| {
        Box::new(Failure {
            seed: scenario.seed,
            at: world.elapsed(),
            checker: violation.checker,
            text: violation.text,
            trace: world.trace.lines(),
        })
    })
}
