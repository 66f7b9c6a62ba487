//! Watches the paths to peers by BFD (RFC 5880 to 5883), so that a BGP session ends within fractions of a second when its path is
//! dead.
//!
//! The state machine is [`bgp_core::bfd`]. One [`thread`] has the timers and sockets of all paths, so that no work on routes makes a
//! packet late; it starts with the first path. Each neighbour has a [`Watchdog`], which tells it how its path is.

mod command;
mod handover;
mod key;
mod path;
mod socket;
mod spec;
mod status;
mod thread;
mod watchdog;

pub(crate) use handover::{Given, GivenPath};
pub use spec::{BfdPath, BfdSpec};
pub use status::{BfdStatus, Packets};
pub(crate) use watchdog::{Bfd, Watchdog};
