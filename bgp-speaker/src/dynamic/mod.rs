//! Peers that are accepted from ranges of addresses, without being configured.
//!
//! A connection from an address within a range waits for the peer's OPEN. The owner then decides whether to accept the peer, and
//! with which settings. A dynamic peer works like any other peer until its session ends; then the peer is removed.

mod config;
mod handover;
mod opened;
mod registry;

pub use config::{Admission, Candidate, DynamicPeer, DynamicPeers, PeerRange, PeersByName};
pub(crate) use handover::GivenPeer;
pub(crate) use registry::Registry;
