//! The watch over the path to a peer.

use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The watch over the path to a peer by BFD (RFC 5880).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bfd {
    /// State: `AdminDown`, `Down`, `Init` or `Up`.
    pub state: String,
    /// When it began.
    pub since: Option<Timestamp>,
    /// Why our side last left a state (RFC 5880 §4.1).
    pub diagnostic: Option<String>,
    /// State of the peer's side; `null` while the peer is not heard.
    pub peer_state: Option<String>,
    /// Our address.
    pub local_address: Option<IpAddr>,
    /// The peer need not be on the same link (RFC 5883).
    pub multihop: bool,
    /// The BGP session waits for BFD.
    pub strict: bool,
    /// Interval between our packets, before jitter, seconds; `null` if there are to be none.
    pub interval: Option<f64>,
    /// Seconds without a packet after which the path is dead; `null` while the peer is not heard.
    pub detection_time: Option<f64>,
    /// How often the BFD session went up.
    pub ups: u64,
    /// How often it went from `Up` to another state.
    pub downs: u64,
    /// How often the path was found dead.
    pub failures: u64,
    /// Packets sent.
    pub packets_sent: u64,
    /// Good packets received.
    pub packets_received: u64,
    /// Why there is no BFD session.
    pub problem: Option<String>,
}
