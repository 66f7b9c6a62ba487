//! Snapshots of protocols: BGP sessions, and the parts of the speaker with routes of their own.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::types::{Asn, RouterId};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::bfd::BfdSnapshot;
use super::text::as_text;

/// A source or sink of routes: a BGP session, or a part of the speaker with routes of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProtocolSnapshot {
    /// A session name such as `Mesh_10_0_0_2`, or `kernel1`, `static1`, `direct1`, `device1`: readers derive the origin of a
    /// route from these prefixes.
    #[serde(serialize_with = "as_text")]
    pub name: Arc<str>,
    /// The kind.
    pub kind: ProtocolKind,
    /// The state.
    pub state: ProtocolState,
    /// When `state` began.
    #[serde(serialize_with = "as_text")]
    pub since: Timestamp,
    /// A description.
    pub description: Option<String>,
    /// Preference of its routes, compared before all BGP attributes.
    pub preference: u32,
    /// Name of its import policy, as `show protocols all` prints it.
    pub input_filter: String,
    /// Name of its export policy.
    pub output_filter: String,
    /// Current routes.
    pub routes: RouteCounts,
    /// Route changes since the protocol came up.
    pub changes: RouteChanges,
    /// Fields of BGP sessions only.
    pub bgp: Option<BgpSnapshot>,
}

impl ProtocolSnapshot {
    /// The last column of `show protocols`. A session that is down shows only its error: without one it has no sixth column, and
    /// readers skip it.
    pub fn info(&self) -> String {
        let Some(bgp) = &self.bgp else {
            return String::new();
        };
        let error = bgp
            .last_error
            .as_ref()
            .map_or_else(String::new, LastError::to_string);
        match self.state {
            ProtocolState::Down => error,
            ProtocolState::Start
            | ProtocolState::Wait
            | ProtocolState::Feed
            | ProtocolState::Up
            | ProtocolState::Stop
            | ProtocolState::Flush => format!("{:<14}{error}", bgp.state.word()),
        }
    }
}

/// The kinds of protocols, with BIRD's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are BIRD's own")]
pub enum ProtocolKind {
    #[serde(rename = "BGP")]
    Bgp,
    Static,
    Kernel,
    Device,
    Direct,
}

impl ProtocolKind {
    /// The word in the second column of `show protocols`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bgp => "BGP",
            Self::Static => "Static",
            Self::Kernel => "Kernel",
            Self::Device => "Device",
            Self::Direct => "Direct",
        }
    }
}

/// The state of a protocol; readers count a session as established if and only if this is `up`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolState {
    /// Disabled.
    Down,
    /// Starting: every BGP state before Established.
    Start,
    /// Up, waiting for its routes.
    Wait,
    /// Receiving its routes.
    Feed,
    /// Established.
    Up,
    /// Stopping.
    Stop,
    /// Down, its routes are being removed.
    Flush,
}

impl ProtocolState {
    /// The word in the fourth column of `show protocols`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Start => "start",
            Self::Wait => "wait",
            Self::Feed => "feed",
            Self::Up => "up",
            Self::Stop => "stop",
            Self::Flush => "flush",
        }
    }
}

/// Routes of a protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RouteCounts {
    /// In the table, learned from it.
    pub imported: u64,
    /// Announced to it.
    pub exported: u64,
    /// Learned from it and the best for their prefix.
    pub preferred: u64,
}

/// Route changes of a protocol since it came up. `None` is impossible or not counted, and printed as `---`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "rows of the table that BIRD prints")]
pub struct RouteChanges {
    pub import_updates: ChangeCounts,
    pub import_withdraws: ChangeCounts,
    pub export_updates: ChangeCounts,
    pub export_withdraws: ChangeCounts,
}

/// One row of [`RouteChanges`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangeCounts {
    /// Offered.
    pub received: Option<u64>,
    /// Invalid.
    pub rejected: Option<u64>,
    /// Refused by policy.
    pub filtered: Option<u64>,
    /// No change.
    pub ignored: Option<u64>,
    /// Used.
    pub accepted: Option<u64>,
}

/// A BGP session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BgpSnapshot {
    /// State of the session, or of its most advanced connection.
    pub state: BgpState,
    /// Why it is not established, or why it last went down.
    #[serde(serialize_with = "optional_text")]
    pub last_error: Option<LastError>,
    /// The message of the peer's operator in the NOTIFICATION behind this error (RFC 9003), with control characters escaped.
    pub message: Option<String>,
    /// The neighbour's address.
    pub neighbor_address: IpAddr,
    /// Its TCP port.
    pub neighbor_port: u16,
    /// Its AS number.
    #[serde(rename = "neighborAS")]
    pub neighbor_as: Asn,
    /// Our AS number towards it.
    #[serde(rename = "localAS")]
    pub local_as: Asn,
    /// The neighbour restarts and its routes are kept meanwhile (RFC 4724 §4.2).
    pub neighbor_restarting: bool,
    /// The timer that runs while the session is not established.
    pub waiting: Option<Waiting>,
    /// The negotiated properties, while the session is established.
    pub established: Option<EstablishedSnapshot>,
    /// The watch over the path to the neighbour, if there is one.
    pub bfd: Option<BfdSnapshot>,
}

/// States of a session: those of RFC 4271 §8.2.2, and three more of BIRD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum BgpState {
    /// Refuses connections.
    Idle,
    /// Our connection is being opened.
    Connect,
    /// Waits for the next attempt, and for the peer to connect.
    Active,
    /// Waits for the peer's OPEN.
    OpenSent,
    /// Waits for the KEEPALIVE that confirms the OPEN.
    OpenConfirm,
    /// Exchanges routes.
    Established,
    /// A connection is being closed.
    Close,
    /// Disabled.
    Down,
    /// Only waits for the peer to connect. CalicoNodeStatus does not know this state; it gets `Active` instead.
    Passive,
}

impl BgpState {
    /// The name known to readers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
            Self::Close => "Close",
            Self::Down => "Down",
            Self::Passive => "Passive",
        }
    }
}

impl From<bgp_core::session::State> for BgpState {
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

/// Why a session is or was down. Printed as class and text: `Socket: Connection refused`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// The class of the error.
    pub class: ErrorClass,
    /// A short description: the name of a NOTIFICATION or of a socket error.
    pub text: String,
}

impl fmt::Display for LastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.class.prefix(), self.text)
    }
}

/// The class of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// An error on our side, such as an invalid next hop or a lost interface.
    Misc,
    /// TCP.
    Socket,
    /// The peer sent a NOTIFICATION.
    Received,
    /// We sent a NOTIFICATION.
    Sent,
    /// A limit of ours stopped the session, such as a route limit.
    AutoDown,
}

impl ErrorClass {
    /// The text before the description.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Misc => "Error: ",
            Self::Socket => "Socket: ",
            Self::Received => "Received: ",
            Self::Sent => "BGP Error: ",
            Self::AutoDown => "Automatic shutdown: ",
        }
    }
}

/// The timer of a session that is not established.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "for", rename_all = "camelCase")]
pub enum Waiting {
    /// The end of the pause after an error.
    ErrorPause(Countdown),
    /// The next attempt to connect.
    Connect(Countdown),
}

/// A timer in whole seconds: the remaining and the total time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Countdown {
    /// Seconds until it expires.
    pub remaining_secs: u64,
    /// Total seconds.
    pub total_secs: u64,
}

/// An established session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EstablishedSnapshot {
    /// The peer's BGP identifier.
    #[serde(rename = "neighborID")]
    pub neighbor_id: RouterId,
    /// The peer's capabilities, with BIRD's names and order: see [`render::protocols`](crate::control::render::protocols).
    pub capabilities: NeighborCapabilities,
    /// The peer is in our AS.
    pub internal: bool,
    /// The peer need not be on the same link.
    pub multihop: bool,
    /// The peer is our route reflector client (RFC 4456).
    pub route_reflector_client: bool,
    /// Four-octet AS numbers were negotiated (RFC 6793).
    pub four_octet_as: bool,
    /// We may receive several paths for a prefix (RFC 7911).
    pub add_path_receive: bool,
    /// We may send several paths for a prefix.
    pub add_path_send: bool,
    /// Messages may be up to 65535 octets (RFC 8654).
    pub extended_messages: bool,
    /// Our end of the connection.
    pub source_address: IpAddr,
    /// The current number of routes, and the limit.
    pub route_limit: Option<RouteLimit>,
    /// Hold timer; `None` without a hold time.
    pub hold: Option<Countdown>,
    /// Keepalive timer; `None` without a hold time.
    pub keepalive: Option<Countdown>,
}

/// The current number of routes, and the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RouteLimit {
    /// Current number.
    pub routes: u64,
    /// The limit.
    pub limit: u64,
}

/// The capabilities of the peer's OPEN (RFC 5492).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NeighborCapabilities {
    /// RFC 2918.
    pub route_refresh: bool,
    /// RFC 7313.
    pub enhanced_route_refresh: bool,
    /// RFC 4724.
    pub graceful_restart: RestartSupport,
    /// RFC 9494.
    pub long_lived_restart: RestartSupport,
    /// RFC 6793.
    pub four_octet_as: bool,
    /// RFC 7911: can receive several paths.
    pub add_path_receive: bool,
    /// RFC 7911: can send several paths.
    pub add_path_send: bool,
    /// RFC 8654.
    pub extended_messages: bool,
}

/// The peer's support of graceful restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RestartSupport {
    /// None.
    #[default]
    None,
    /// Keeps routes while we restart.
    Aware,
    /// Can also restart itself.
    Able,
}

fn optional_text<S: Serializer>(
    value: &Option<LastError>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value
        .as_ref()
        .map(LastError::to_string)
        .serialize(serializer)
}
