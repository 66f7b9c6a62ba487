//! The header of a message: marker, length and type (RFC 4271 §4.1).

use std::fmt;

use super::context::MAX_MESSAGE_LEN;

/// Octets of the marker, length and type (RFC 4271 §4.1).
pub const HEADER_LEN: usize = 19;

/// A message type (RFC 4271 §4.1). Unknown values are preserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageType(pub u8);

#[expect(missing_docs, reason = "the names are the registry's own")]
impl MessageType {
    pub const OPEN: Self = Self(1);
    pub const UPDATE: Self = Self(2);
    pub const NOTIFICATION: Self = Self(3);
    pub const KEEPALIVE: Self = Self(4);
    pub const ROUTE_REFRESH: Self = Self(5);
}

impl MessageType {
    /// Shortest and longest message of this type, including the header, on a session with this limit; `None` for an unknown type.
    /// A ROUTE-REFRESH that is too short is allowed here, because its error handling depends on RFC 7313 §5.
    #[inline]
    pub(super) fn lengths(self, max_len: u16) -> Option<(u16, u16)> {
        // RFC 8654 §4: OPEN and KEEPALIVE are never extended.
        let short = max_len.min(MAX_MESSAGE_LEN);
        match self {
            Self::OPEN => Some((29, short)),
            Self::UPDATE => Some((23, max_len)),
            Self::NOTIFICATION => Some((21, max_len)),
            Self::KEEPALIVE => Some((19, 19)),
            Self::ROUTE_REFRESH => Some((19, max_len)),
            _ => None,
        }
    }

    /// Whether the type is known and allows this length.
    #[inline]
    pub(super) fn allows(self, len: u16, max_len: u16) -> bool {
        let lengths = self.lengths(max_len);
        lengths.is_some_and(|(shortest, longest)| shortest <= len && len <= longest)
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::OPEN => "OPEN",
            Self::UPDATE => "UPDATE",
            Self::NOTIFICATION => "NOTIFICATION",
            Self::KEEPALIVE => "KEEPALIVE",
            Self::ROUTE_REFRESH => "ROUTE-REFRESH",
            Self(other) => return write!(f, "message type {other}"),
        })
    }
}
