//! Snapshots of protocols: BGP sessions, and the parts of the speaker that bring routes of their own.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::types::{Asn, RouterId};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::text::as_text;

/// A source or sink of routes: a BGP session, or a part of the speaker that brings routes of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProtocolSnapshot {
    /// A session name such as `Mesh_10_0_0_2`, or `kernel1`, `static1`, `direct1`, `device1`: readers know the origin of a
    /// route by these beginnings.
    #[serde(serialize_with = "as_text")]
    pub name: Arc<str>,
    /// What it is.
    pub kind: ProtocolKind,
    /// How far it is.
    pub state: ProtocolState,
    /// Since when `state` holds.
    #[serde(serialize_with = "as_text")]
    pub since: Timestamp,
    /// For people.
    pub description: Option<String>,
    /// Preference of its routes before anything of BGP is compared.
    pub preference: u32,
    /// Name of its import policy, as `show protocols all` prints it.
    pub input_filter: String,
    /// Name of its export policy.
    pub output_filter: String,
    /// Routes at this moment.
    pub routes: RouteCounts,
    /// Route changes since the protocol came up.
    pub changes: RouteChanges,
    /// What only BGP sessions have.
    pub bgp: Option<BgpSnapshot>,
}

impl ProtocolSnapshot {
    /// The last column of `show protocols`. A session that is down shows only its error: with none it has no sixth column, and
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

/// The kinds of protocols, by the words that BIRD has for them.
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

/// How far a protocol is; readers count a session as established if and only if this is `up`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolState {
    /// Switched off.
    Down,
    /// On its way up: every BGP state before Established.
    Start,
    /// Up, waits to be given its routes.
    Wait,
    /// Is given its routes.
    Feed,
    /// Established.
    Up,
    /// On its way down.
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

/// Route changes of a protocol since it came up. `None` is what cannot happen, or is not counted: printed as `---`.
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
    /// Not valid.
    pub rejected: Option<u64>,
    /// Refused by policy.
    pub filtered: Option<u64>,
    /// Changed nothing.
    pub ignored: Option<u64>,
    /// Used.
    pub accepted: Option<u64>,
}

/// A BGP session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BgpSnapshot {
    /// State of the session, or of its connection that got furthest.
    pub state: BgpState,
    /// Why it is not established, or why it last went down.
    #[serde(serialize_with = "optional_text")]
    pub last_error: Option<LastError>,
    /// What the peer's operator wrote in the NOTIFICATION that this error is (RFC 9003), fit to be printed.
    pub message: Option<String>,
    /// Where the neighbour is.
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
    /// What was agreed on, while the session is established.
    pub established: Option<EstablishedSnapshot>,
}

/// States of a session: those of RFC 4271 §8.2.2, and three words that BIRD has beyond them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum BgpState {
    /// Refuses connections.
    Idle,
    /// Waits for its own connection to come up.
    Connect,
    /// Waits for the next try, and for the peer to connect.
    Active,
    /// Waits for the peer's OPEN.
    OpenSent,
    /// Waits for the KEEPALIVE that confirms the OPEN.
    OpenConfirm,
    /// Exchanges routes.
    Established,
    /// A connection is being closed.
    Close,
    /// Switched off.
    Down,
    /// Only waits for the peer to connect. CalicoNodeStatus does not know the word; `Active` says the same to it.
    Passive,
}

impl BgpState {
    /// The word that readers know it by.
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
    /// What kind of thing went wrong.
    pub class: ErrorClass,
    /// What went wrong, in few words: the name of a NOTIFICATION or of a socket error.
    pub text: String,
}

impl fmt::Display for LastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.class.prefix(), self.text)
    }
}

/// What kind of thing went wrong with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Something on our side, such as an invalid next hop or a lost interface.
    Misc,
    /// TCP.
    Socket,
    /// The peer sent a NOTIFICATION.
    Received,
    /// We sent one.
    Sent,
    /// Stopped by a rule of ours, such as a route limit.
    AutoDown,
}

impl ErrorClass {
    /// What precedes the text.
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

/// What a session that is not established waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "for", rename_all = "camelCase")]
pub enum Waiting {
    /// The end of the pause after an error.
    ErrorPause(Countdown),
    /// The next try to connect.
    Connect(Countdown),
}

/// A timer: whole seconds left of whole seconds in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Countdown {
    /// Seconds until it expires.
    pub remaining_secs: u64,
    /// Seconds that it runs.
    pub total_secs: u64,
}

/// An established session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EstablishedSnapshot {
    /// The peer's BGP identifier.
    #[serde(rename = "neighborID")]
    pub neighbor_id: RouterId,
    /// What the peer can do, in BIRD's words and order: see [`render::protocols`](crate::control::render::protocols).
    pub capabilities: NeighborCapabilities,
    /// The peer is in our AS.
    pub internal: bool,
    /// The peer need not be on the same link.
    pub multihop: bool,
    /// We reflect routes to it (RFC 4456).
    pub route_reflector_client: bool,
    /// Both sides speak four-octet AS numbers (RFC 6793).
    pub four_octet_as: bool,
    /// We may receive several paths for a prefix (RFC 7911).
    pub add_path_receive: bool,
    /// We may send several paths for a prefix.
    pub add_path_send: bool,
    /// Messages may be up to 65535 octets (RFC 8654).
    pub extended_messages: bool,
    /// Our end of the connection.
    pub source_address: IpAddr,
    /// Routes held of routes allowed.
    pub route_limit: Option<RouteLimit>,
    /// Hold timer; `None` when none was agreed on.
    pub hold: Option<Countdown>,
    /// Keepalive timer; `None` when none was agreed on.
    pub keepalive: Option<Countdown>,
}

/// Routes held of routes allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RouteLimit {
    /// Held now.
    pub routes: u64,
    /// Allowed.
    pub limit: u64,
}

/// What the peer announced in its OPEN (RFC 5492).
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
    /// RFC 7911: it can receive several paths.
    pub add_path_receive: bool,
    /// RFC 7911: it can send several paths.
    pub add_path_send: bool,
    /// RFC 8654.
    pub extended_messages: bool,
}

/// How a peer takes part in graceful restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RestartSupport {
    /// Not at all.
    #[default]
    None,
    /// It keeps routes while we restart.
    Aware,
    /// It can also restart itself.
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
