//! Sessions.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bfd::Bfd;

/// All sessions: `GET /v1/sessions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sessions {
    /// Sessions, by name.
    pub sessions: Vec<Session>,
}

/// A session: `GET /v1/sessions/NAME`, where the name may be an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The name, as in `show protocols`.
    pub name: String,
    /// `mesh`, `node`, `global` or `local`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The object that defines the session, such as `BGPPeer/tor`.
    pub from: String,
    /// Address of the peer.
    pub peer_address: IpAddr,
    /// TCP port of the peer.
    pub peer_port: u16,
    /// AS number of the peer, as configured.
    #[serde(rename = "peerAS")]
    pub peer_as: u32,
    /// Our AS number towards the peer.
    #[serde(rename = "localAS")]
    pub local_as: u32,
    /// Our address on the connection, while the session is up.
    pub local_address: Option<IpAddr>,
    /// State (RFC 4271 §8.2.2).
    pub state: SessionState,
    /// When the state last changed.
    pub since: Timestamp,
    /// When the session last came up or went down.
    pub changed: Timestamp,
    /// The session is not disabled by an operator.
    pub enabled: bool,
    /// Waits for the peer to connect.
    pub passive: bool,
    /// A TCP MD5 password is configured (RFC 2385).
    pub password: bool,
    /// Why the session is not up.
    pub last_error: Option<SessionError>,
    /// The last NOTIFICATION that we sent.
    pub last_sent: Option<NotificationEntry>,
    /// The last NOTIFICATION that the peer sent.
    pub last_received: Option<NotificationEntry>,
    /// The negotiated properties, while the session is up.
    pub negotiated: Option<Agreement>,
    /// The watch over the path to the peer, if there is one.
    #[serde(default)]
    pub bfd: Option<Bfd>,
    /// Messages from the peer.
    pub received: Messages,
    /// Messages to the peer.
    pub sent: Messages,
    /// How often the session has come up.
    pub established: u64,
    /// How often it has gone down.
    pub flaps: u64,
    /// The peer restarts, and its routes are kept meanwhile (RFC 4724 §4.2).
    pub restarting: bool,
    /// Octets of UPDATEs that the peer's TCP has not taken yet.
    pub outstanding_bytes: u64,
    /// Routes, for each family of the session.
    pub routes: Vec<SessionRoutes>,
}

/// States of a session.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[expect(missing_docs, reason = "the names are the RFC's own")]
pub enum SessionState {
    Idle,
    Connect,
    Active,
    OpenSent,
    OpenConfirm,
    Established,
}

impl SessionState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Idle,
        Self::Connect,
        Self::Active,
        Self::OpenSent,
        Self::OpenConfirm,
        Self::Established,
    ];
}

impl From<bgp_core::session::State> for SessionState {
    fn from(state: bgp_core::session::State) -> Self {
        use bgp_core::session::State;
        match state {
            State::Idle => Self::Idle,
            State::Connect => Self::Connect,
            State::Active => Self::Active,
            State::OpenSent => Self::OpenSent,
            State::OpenConfirm => Self::OpenConfirm,
            State::Established => Self::Established,
        }
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a session is not up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionError {
    /// `local`, `socket`, `received`, `sent` or `automatic-shutdown`.
    pub class: String,
    /// The error.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// A NOTIFICATION (RFC 4271 §4.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotificationEntry {
    /// Error code.
    pub code: u8,
    /// Error subcode.
    pub subcode: u8,
    /// Their meaning, such as `Administrative shutdown`.
    pub text: String,
    /// The message of the sender's operator (RFC 9003).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// The negotiated properties of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agreement {
    /// AS number that the peer sent.
    #[serde(rename = "peerAS")]
    pub peer_as: u32,
    /// BGP identifier of the peer.
    #[serde(rename = "peerID")]
    pub peer_id: String,
    /// Hold time, seconds; 0 is none.
    pub hold_time: u64,
    /// Interval of KEEPALIVEs, seconds; 0 is none.
    pub keepalive_time: u64,
    /// Families: `ipv4-unicast`, `ipv6-unicast`.
    pub families: Vec<String>,
    /// Families with additional paths (RFC 7911).
    pub add_path: Vec<AddPath>,
    /// Messages of up to 65,535 octets (RFC 8654).
    pub extended_messages: bool,
    /// AS numbers of four octets (RFC 6793).
    #[serde(rename = "fourOctetAS")]
    pub four_octet_as: bool,
    /// The peer supports ROUTE-REFRESH (RFC 2918).
    pub route_refresh: bool,
    /// Graceful restart, if both sides take part (RFC 4724).
    pub graceful_restart: Option<GracefulRestart>,
}

/// Additional paths (RFC 7911).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddPath {
    /// The family.
    pub family: String,
    /// From the peer.
    pub receive: bool,
    /// To the peer.
    pub send: bool,
}

/// The peer's graceful restart (RFC 4724).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GracefulRestart {
    /// Seconds that its routes are kept after the loss of the connection.
    pub restart_time: u64,
    /// Routes also survive a NOTIFICATION (RFC 8538).
    pub notification: bool,
    /// The families whose routes are kept.
    pub families: Vec<String>,
}

/// Messages by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the RFC's own")]
pub struct Messages {
    pub open: u64,
    pub update: u64,
    pub notification: u64,
    pub keepalive: u64,
    pub route_refresh: u64,
}

/// Routes of a session in one family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionRoutes {
    /// The family.
    pub family: String,
    /// The family was negotiated; `false` while the session is down.
    pub negotiated: bool,
    /// Announced by the peer.
    pub received: u64,
    /// Usable routes.
    pub accepted: u64,
    /// Routes that are the best of their prefix.
    pub best: u64,
    /// Routes advertised to the peer.
    pub told: u64,
    /// Routes announced before the peer restarted, and not again since.
    pub stale: u64,
    /// The peer has sent End-of-RIB.
    pub end_of_rib: bool,
    /// The prefix limit of the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}
