//! NOTIFICATION (RFC 4271 §4.5), its codes and subcodes, and the shutdown communication (RFC 9003).
//!
//! Decoding cannot fail: a NOTIFICATION is never answered with a NOTIFICATION (RFC 4271 §6.4), so unknown codes and any data are
//! kept as received, and interpreted only for people. A NOTIFICATION of invalid length ends the stream with a [`MessageError`]
//! that is not answerable.

mod code;
mod name;

use std::borrow::Cow;
use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::text::Hex;
use super::write;
use super::{Context, HEADER_LEN, MessageType};

use name::name;

pub use code::{ErrorCode, cease};

/// The reason for the end of a session, sent to the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The error code.
    pub code: ErrorCode,
    /// The subcode; its meaning depends on the code, and 0 is unspecific.
    pub subcode: u8,
    /// The data; its meaning depends on code and subcode.
    pub data: Bytes,
}

impl Notification {
    /// The name of code and subcode, such as `Hold timer expired`, or the numbers if the registry has no name.
    pub fn name(&self) -> Cow<'static, str> {
        match name(self.code, self.subcode) {
            Some(name) => name.into(),
            None => match name(self.code, 0) {
                Some(name) => format!("{name}, subcode {}", self.subcode).into(),
                None => format!("Unknown error {}.{}", self.code.0, self.subcode).into(),
            },
        }
    }

    /// A NOTIFICATION without data.
    pub const fn new(code: ErrorCode, subcode: u8) -> Self {
        Self {
            code,
            subcode,
            data: Bytes::new(),
        }
    }

    /// A Cease with one of the subcodes in [`cease`], without data.
    pub const fn cease(subcode: u8) -> Self {
        Self::new(ErrorCode::CEASE, subcode)
    }

    /// A Cease with a text for the peer's operator (RFC 9003 §2), for [`cease::ADMIN_SHUTDOWN`] or [`cease::ADMIN_RESET`]. The
    /// text is truncated to 255 octets.
    pub fn shutdown(subcode: u8, text: &str) -> Self {
        let mut data = BytesMut::new();
        write::len8(&mut data, |out| {
            out.put_slice(write::cut(text, 255).as_bytes())
        });
        Self::cease(subcode).with_data(data.freeze())
    }

    /// Sets the data.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Bytes>) -> Self {
        self.data = data.into();
        self
    }

    /// Wraps the reason in a Hard Reset: the peer must not keep routes as stale (RFC 8538 §3.1).
    #[must_use]
    pub fn into_hard_reset(self) -> Self {
        let mut data = BytesMut::with_capacity(2 + self.data.len());
        data.put_u8(self.code.0);
        data.put_u8(self.subcode);
        data.put_slice(&self.data);
        Self::cease(cease::HARD_RESET).with_data(data.freeze())
    }

    /// Whether this is a Cease with this subcode.
    pub(crate) fn is_cease(&self, subcode: u8) -> bool {
        self.code == ErrorCode::CEASE && self.subcode == subcode
    }

    /// Whether this is a Hard Reset (RFC 8538 §3).
    pub fn is_hard_reset(&self) -> bool {
        self.is_cease(cease::HARD_RESET)
    }

    /// The reason within a Hard Reset; `None` if this is not a Hard Reset, or has no reason (RFC 8538 §3.2).
    pub fn hard_reset_reason(&self) -> Option<Self> {
        let [code, subcode, ..] = self.data[..] else {
            return None;
        };
        self.is_hard_reset()
            .then(|| Self::new(ErrorCode(code), subcode).with_data(self.data.slice(2..)))
    }

    /// The operator's text in an administrative shutdown or reset (RFC 9003 §2), also within a Hard Reset. Not escaped. `None` if
    /// there is none, or if its length or encoding is invalid.
    pub fn shutdown_communication(&self) -> Option<String> {
        if let Some(reason) = self.hard_reset_reason() {
            // One level only: a Hard Reset within a Hard Reset is not unwrapped.
            return reason.own_communication().map(str::to_owned);
        }
        self.own_communication().map(str::to_owned)
    }

    fn own_communication(&self) -> Option<&str> {
        let may_have_text = self.code == ErrorCode::CEASE
            && matches!(self.subcode, cease::ADMIN_SHUTDOWN | cease::ADMIN_RESET);
        let (len, text) = self.data.split_first()?;
        let text = text.get(..usize::from(*len))?;
        let text = std::str::from_utf8(text).ok()?;
        (may_have_text && !text.is_empty()).then_some(text)
    }

    /// Whether the data is exactly a communication of RFC 9003 §2, so that the text is complete.
    fn is_plain_communication(&self) -> bool {
        self.own_communication()
            .is_some_and(|text| text.len() + 1 == self.data.len())
    }

    pub(super) fn decode(message: &Bytes) -> Self {
        // A frame of this type has at least 21 octets.
        let octet = |at: usize| message.get(at).copied().unwrap_or_default();
        Self {
            code: ErrorCode(octet(HEADER_LEN)),
            subcode: octet(HEADER_LEN + 1),
            data: message.slice(message.len().min(HEADER_LEN + 2)..),
        }
    }

    /// Data beyond the peer's limit is truncated (RFC 8654 §5).
    pub(super) fn encode(&self, context: &Context, out: &mut BytesMut) {
        let room = context.send_limit() - HEADER_LEN - 2;
        write::message(out, MessageType::NOTIFICATION, |out| {
            out.put_u8(self.code.0);
            out.put_u8(self.subcode);
            out.put_slice(&self.data[..self.data.len().min(room)]);
        });
    }
}

/// The name of code and subcode, and the data in parentheses: the shutdown communication, the reason of a Hard Reset, or octets
/// in hex. Safe for a log line: control characters are escaped, long data is truncated.
impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        if let Some(reason) = self.hard_reset_reason() {
            return write!(f, " ({})", reason.without_inner_reset());
        }
        if self.is_plain_communication() {
            let text = self.own_communication().unwrap_or_default();
            return write!(f, " (\"{}\")", text.escape_debug());
        }
        if !self.data.is_empty() {
            write!(f, " ({})", Hex(&self.data))?;
        }
        Ok(())
    }
}

impl Notification {
    /// Nested Hard Resets are printed by name only, to avoid unbounded recursion.
    fn without_inner_reset(self) -> Self {
        if self.is_hard_reset() {
            Self::cease(cease::HARD_RESET)
        } else {
            self
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Notification {
    /// Serialized as `code`, `subcode`, `name`, and `communication` if there is one; other data as hex in `data`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Notification", 5)?;
        fields.serialize_field("code", &self.code)?;
        fields.serialize_field("subcode", &self.subcode)?;
        fields.serialize_field("name", &self.name())?;
        fields.serialize_field("communication", &self.shutdown_communication())?;
        fields.serialize_field("data", &super::text::to_hex(&self.data))?;
        fields.end()
    }
}

/// An error in a message that ends the session, with the NOTIFICATION to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageError {
    /// The NOTIFICATION to send before closing, if [`answerable`](Self::answerable).
    pub notification: Notification,
    /// `false` if the message itself was a NOTIFICATION: the connection is then closed without an answer (RFC 4271 §6.4).
    pub answerable: bool,
    /// Offset of the error in the message, octets.
    pub offset: usize,
    /// The expected content, for the log.
    pub reason: &'static str,
}

impl MessageError {
    pub(crate) fn new(code: ErrorCode, subcode: u8, offset: usize, reason: &'static str) -> Self {
        Self {
            notification: Notification::new(code, subcode),
            answerable: true,
            offset,
            reason,
        }
    }

    /// Copies `data`: an error must not keep a read buffer alive.
    pub(crate) fn with_data(mut self, data: &[u8]) -> Self {
        self.notification.data = Bytes::copy_from_slice(data);
        self
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.notification.name();
        write!(
            f,
            "{name}: expected {} at octet {}",
            self.reason, self.offset
        )
    }
}

impl std::error::Error for MessageError {}

#[cfg(test)]
mod tests;
