//! A network of speakers under virtual time: the real code of this crate over simulated links, deterministic for a seed. Requires
//! the feature `sim`.
//!
//! [`Lab`] is a network for tests: speakers with their policies, custom nodes, faults, and access to the RIBs.
//!
//! [`Scenario::of_seed`] draws a network ([`Network`]), the behaviour of its links ([`Weather`]) and its events ([`Action`]).
//! [`run`] simulates it and returns a [`Report`], or the [`Failure`] that a checker found. A simulation is a function of its
//! scenario: equal seeds give equal traces. A [`Scenario`] can also be built by hand, to see how a network would behave.
//!
//! Links model TCP: octets arrive in order, late and in pieces, writers wait for readers; connections are refused, reset, or go
//! silent. Processes crash and come back, with and without graceful restart.
//!
//! Checked during the simulation: the best path is that of a naive model; no route outlives its session except by graceful
//! restart; no message is forbidden, redundant, or on a closed connection; without faults there is no NOTIFICATION and no lost
//! session (except by a collision); deadlines are neither past nor farther away than any timer. After the faults, the network
//! comes to rest, and then every speaker holds the routes that it was sent, and uses and installs those of the model's stable
//! state.
//!
//! Never reads a clock: the caller provides time zero, and only differences to it count.

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

/// Runs a scenario. `epoch` is the instant of time zero, and can be any. With `record`, a failure includes a trace, which takes
/// time.
///
/// # Errors
///
/// The first violation that a checker found.
pub fn run(scenario: &Scenario, epoch: Instant, record: bool) -> Result<Report, Box<Failure>> {
    world::run(scenario, epoch, record)
}
