//! A message of any type.

use std::fmt;

use bytes::BytesMut;

use super::context::{Context, MAX_EXTENDED_MESSAGE_LEN};
use super::frame::{self, Frame};
use super::header::{HEADER_LEN, MessageType};
use super::notification::{MessageError, Notification};
use super::open::Open;
use super::route_refresh::RouteRefresh;
use super::update::{Update, read_usual};
use super::write;

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

impl Message {
    /// The type.
    pub fn kind(&self) -> MessageType {
        match self {
            Self::Open(_) => MessageType::OPEN,
            Self::Update(_) => MessageType::UPDATE,
            Self::Notification(_) => MessageType::NOTIFICATION,
            Self::Keepalive => MessageType::KEEPALIVE,
            Self::RouteRefresh(_) => MessageType::ROUTE_REFRESH,
        }
    }

    /// Decodes the message in a frame from [`frame::take`].
    ///
    /// # Errors
    ///
    /// An error that ends the session, with the NOTIFICATION to send: see [`MessageError`].
    #[inline]
    pub fn decode(frame: Frame, context: &Context) -> Result<Self, MessageError> {
        // Nearly all messages. Moving their octets would cost as much as decoding them, so that comes last.
        if frame.kind == MessageType::UPDATE
            && let Some(notes) = read_usual(&frame.bytes, context)
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

    /// Appends the message with its header to `out`. An UPDATE is written as received.
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

/// One line for logs: the type in capitals, then the content.
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
