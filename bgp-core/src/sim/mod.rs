//! A network of speakers under virtual time: the real code of this crate over simulated links, deterministic from one seed.
//! Only with the feature `sim`.
//!
//! [`Lab`] is a network of your own making: speakers with your policies, nodes of your own code, faults, and RIBs to look at.
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
mod lab;
mod link;
mod model;
mod naive;
mod network;
mod node;
mod own_node;
mod random;
mod report;
mod script;
mod tap;
mod topology;
mod trace;
mod world;

use std::time::Instant;

pub use fault::Action;
pub use filter::Filter;
pub use hostile::{HostileReport, run_hostile};
pub use lab::{Lab, LinkId, NodeId};
pub use naive::NaiveRoute;
pub use network::{EndSpec, LinkSpec, Network, NodeSpec, Terms};
pub use own_node::{Node, NodeEvent, NodeOutput};
pub use report::{Failure, Report};
pub use script::{Scenario, Weather};

/// Lives through a scenario. `epoch` is the instant of time zero; any will do. With `record`, a failure tells what happened
/// before, which takes time.
///
/// # Errors
///
/// What a checker found first.
pub fn run(scenario: &Scenario, epoch: Instant, record: bool) -> Result<Report, Box<Failure>> {
    world::run(scenario, epoch, record)
}
