//! BGP messages to bytes and back. Knows nothing of sessions.
//!
//! Input: a byte stream per connection (a [`bytes::BytesMut`] that a reader fills) and a [`Context`] that says what the
//! two OPENs agreed on. Output: [`Message`] values, or a [`MessageError`] that *is* the NOTIFICATION to send. A broken
//! attribute never leaves the parser as an error: RFC 7606 is applied here, see [`Update`].

pub mod attribute;
pub mod capability;
pub mod frame;
mod next_hop;
pub mod nlri;
pub mod notification;
pub mod open;
mod read;
pub mod route_refresh;
mod text;
pub mod update;
mod write;

use std::fmt;

use bytes::BytesMut;

use crate::types::{Family, PerFamily};

pub use attribute::{AttributeView, Attributes};
pub use capability::{AddPathDirection, Capability, GracefulRestartFamily, LongLivedFamily};
pub use frame::{Frame, MessageType};
pub use nlri::Nlri;
pub use notification::{ErrorCode, MessageError, Notification};
pub use open::Open;
pub use route_refresh::{RefreshKind, RouteRefresh};
pub use update::{Fault, NextHop, Reachable, Update};

/// Octets of the marker, length and type (RFC 4271 §4.1).
pub const HEADER_LEN: usize = 19;
/// Largest message without the extended message capability (RFC 4271 §4.1).
pub const MAX_MESSAGE_LEN: u16 = 4096;
/// Largest message with it (RFC 8654 §3).
pub const MAX_EXTENDED_MESSAGE_LEN: u16 = 65535;

/// A message of any type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Type 1.
    Open(Open),
    /// Type 2.
    Update(Update),
    /// Type 3.
    Notification(Notification),
    /// Type 4.
    Keepalive,
    /// Type 5 (RFC 2918).
    RouteRefresh(RouteRefresh),
}

/// What the two ends of a session agreed on, as far as it changes how messages are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    /// AS numbers in AS_PATH and AGGREGATOR take four octets (RFC 6793 §3).
    pub four_octet_as: bool,
    /// NLRI that we receive carries path identifiers (RFC 7911 §3).
    pub add_path_receive: PerFamily<bool>,
    /// NLRI that we send carries path identifiers.
    pub add_path_send: PerFamily<bool>,
    /// Families whose routes are used; those of others are ignored (RFC 4760 §8).
    pub families: PerFamily<bool>,
    /// IPv4 routes may have IPv6 next hops (RFC 8950 §4).
    pub extended_next_hop: bool,
    /// Largest message that we accept: 4096 or 65535 (RFC 8654 §3).
    pub max_receive_len: u16,
    /// Largest message that we send.
    pub max_send_len: u16,
    /// The peer is in another AS: attributes that only mean something inside one are discarded (RFC 7606 §7.5, 7.9, 7.10).
    pub external: bool,
    /// Our side and the peer's may exchange enhanced route refresh messages (RFC 7313 §4).
    pub enhanced_refresh: bool,
}

impl Default for Context {
    /// What holds before the OPENs have been exchanged.
    fn default() -> Self {
        Self {
            four_octet_as: false,
            add_path_receive: PerFamily::default(),
            add_path_send: PerFamily::default(),
            families: PerFamily {
                ipv4: true,
                ipv6: false,
            },
            extended_next_hop: false,
            max_receive_len: MAX_MESSAGE_LEN,
            max_send_len: MAX_MESSAGE_LEN,
            external: true,
            enhanced_refresh: false,
        }
    }
}

impl Context {
    /// Octets of the longest message that we send. Every peer takes 4096 (RFC 4271 §4.1).
    fn send_limit(&self) -> usize {
        self.max_send_len.max(MAX_MESSAGE_LEN).into()
    }

    /// Octets of an AS number.
    fn asn_len(&self) -> usize {
        if self.four_octet_as { 4 } else { 2 }
    }

    /// Whether NLRI of this family carries path identifiers in what we receive.
    pub fn receives_path_ids(&self, family: Family) -> bool {
        self.add_path_receive[family]
    }
}

impl Message {
    /// Its type.
    pub fn kind(&self) -> MessageType {
        match self {
            Self::Open(_) => MessageType::OPEN,
            Self::Update(_) => MessageType::UPDATE,
            Self::Notification(_) => MessageType::NOTIFICATION,
            Self::Keepalive => MessageType::KEEPALIVE,
            Self::RouteRefresh(_) => MessageType::ROUTE_REFRESH,
        }
    }

    /// Reads the message in a frame, which [`frame::take`] has made.
    ///
    /// # Errors
    ///
    /// The NOTIFICATION to answer with, for whatever ends the session: see [`MessageError`].
    #[inline]
    pub fn decode(frame: Frame, context: &Context) -> Result<Self, MessageError> {
        // Nearly all messages. Moving their octets about would take as long as reading them does, so that is done last.
        if frame.kind == MessageType::UPDATE
            && let Some(notes) = update::read_usual(&frame.bytes, context)
        {
            return Ok(Self::Update(Update::new(frame.bytes, notes)));
        }
        Self::decode_any(frame, context)
    }

    #[inline(never)]
    fn decode_any(frame: Frame, context: &Context) -> Result<Self, MessageError> {
        let Frame { kind, bytes } = frame;
        if !(HEADER_LEN..=MAX_EXTENDED_MESSAGE_LEN.into()).contains(&bytes.len()) {
            return Err(frame::bad_length(kind, &[]));
        }
        match kind {
            MessageType::OPEN => Open::decode(&bytes, None).map(Self::Open),
            MessageType::UPDATE => match Update::decode(bytes, context) {
                Ok(update) => Ok(Self::Update(update)),
                Err(error) => Err(*error),
            },
            MessageType::NOTIFICATION => Ok(Self::Notification(Notification::decode(&bytes))),
            MessageType::KEEPALIVE => Ok(Self::Keepalive),
            MessageType::ROUTE_REFRESH => {
                RouteRefresh::decode(&bytes, context).map(Self::RouteRefresh)
            }
            MessageType(other) => Err(frame::unknown_type(other)),
        }
    }

    /// Appends the message, with its header, to `out`. An UPDATE is repeated as it was received.
    pub fn encode(&self, context: &Context, out: &mut BytesMut) {
        match self {
            Self::Open(open) => open.encode(out),
            Self::Update(update) => update.encode(out),
            Self::Notification(notification) => notification.encode(context, out),
            Self::Keepalive => write::message(out, MessageType::KEEPALIVE, |_| {}),
            Self::RouteRefresh(refresh) => refresh.encode(out),
        }
    }
}

/// One line for people: the type in capitals, then what it says.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(open) => open.fmt(f),
            Self::Update(update) => update.fmt(f),
            Self::Notification(notification) => write!(f, "NOTIFICATION {notification}"),
            Self::Keepalive => f.write_str("KEEPALIVE"),
            Self::RouteRefresh(refresh) => refresh.fmt(f),
        }
    }
}
