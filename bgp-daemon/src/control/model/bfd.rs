//! Snapshots of the watch over paths by BFD.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bgp_core::bfd::State;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// The watch over the path to a peer (RFC 5880).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BfdSnapshot {
    /// State of the BFD session.
    #[serde(serialize_with = "state_name")]
    pub state: State,
    /// When `state` began.
    #[serde(serialize_with = "optional_text")]
    pub since: Option<Timestamp>,
    /// Why it last left a state (RFC 5880 §4.1).
    pub diagnostic: Option<String>,
    /// The peer need not be on the same link (RFC 5883).
    pub multihop: bool,
    /// Interval between our packets, before jitter; zero if there are to be none. In JSON seconds.
    #[serde(serialize_with = "seconds")]
    pub interval: Duration,
    /// After so much time without a packet the path is dead; zero while the peer is not heard. In JSON seconds.
    #[serde(serialize_with = "seconds")]
    pub timeout: Duration,
    /// Why there is no session.
    pub problem: Option<String>,
}

/// A BFD session, for `show bfd sessions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BfdSessionSnapshot {
    /// The peer's address.
    pub address: IpAddr,
    /// The interface to the peer; `None` for a multihop session.
    pub interface: Option<Arc<str>>,
    /// The session.
    pub watch: BfdSnapshot,
}

fn state_name<S: Serializer>(state: &State, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(state)
}

fn optional_text<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.to_string()).serialize(to)
}

fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}
