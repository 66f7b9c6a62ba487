//! Names of connections and their states.

use std::fmt;

/// A TCP connection, by a number that its owner uses only once per session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "lowercase")
)]
pub enum Direction {
    /// We dialled.
    Outgoing,
    /// The peer dialled.
    Incoming,
}

/// States of RFC 4271 §8.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum State {
    /// Refuses connections.
    Idle,
    /// Our connection is being opened.
    Connect,
    /// Waits for the next attempt, and for the peer to connect.
    Active,
    /// OPEN sent; waits for the peer's OPEN.
    OpenSent,
    /// Waits for the KEEPALIVE that confirms the OPEN.
    OpenConfirm,
    /// Exchanges routes.
    Established,
}

impl fmt::Display for State {
    /// The name as in `show protocols`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        })
    }
}
