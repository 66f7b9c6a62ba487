//! ROUTE-REFRESH (RFC 2918) and its enhanced form (RFC 7313).
//!
//! The session checks whether the family was negotiated and whether the kind is valid now.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::read::{Malformed, Reader};
use super::{Context, ErrorCode, HEADER_LEN, MessageError, MessageType, frame, write};
use crate::types::AfiSafi;

/// The kind of a ROUTE-REFRESH: its third octet, reserved in RFC 2918, a subtype in RFC 7313 §3.2. Unknown values are preserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefreshKind(pub u8);

impl RefreshKind {
    /// A request for the routes of the receiver.
    pub const REQUEST: Self = Self(0);
    /// Beginning of the answer (BoRR).
    pub const BEGIN: Self = Self(1);
    /// End of the answer (EoRR).
    pub const END: Self = Self(2);
}

/// A ROUTE-REFRESH message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRefresh {
    /// The family, possibly one that was not negotiated.
    pub family: AfiSafi,
    /// A request, or a marker around an answer.
    pub kind: RefreshKind,
}

/// Octets of the body (RFC 2918 §3). A request may be longer, for example with filters of RFC 5291, which we never negotiate.
const BODY_LEN: usize = 4;

impl RouteRefresh {
    pub(super) fn decode(message: &Bytes, context: &Context) -> Result<Self, MessageError> {
        let body = &message[HEADER_LEN..];
        let mut refresh = Self::read(body).map_err(|Malformed| too_short(message, context))?;
        if !context.enhanced_refresh {
            // RFC 2918 §3: the octet is reserved and ignored.
            refresh.kind = RefreshKind::REQUEST;
        }
        if refresh.is_mark() && body.len() != BODY_LEN {
            return Err(invalid_length(message));
        }
        Ok(refresh)
    }

    fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let afi = reader.u16()?;
        let kind = RefreshKind(reader.u8()?);
        let safi = reader.u8()?;
        Ok(Self {
            family: AfiSafi { afi, safi },
            kind,
        })
    }

    fn is_mark(self) -> bool {
        matches!(self.kind, RefreshKind::BEGIN | RefreshKind::END)
    }

    pub(super) fn encode(self, out: &mut BytesMut) {
        write::message(out, MessageType::ROUTE_REFRESH, |out| {
            out.put_u16(self.family.afi);
            out.put_u8(self.kind.0);
            out.put_u8(self.family.safi);
        });
    }
}

impl fmt::Display for RouteRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RefreshKind::REQUEST => write!(f, "ROUTE-REFRESH {}", self.family),
            RefreshKind::BEGIN => write!(f, "ROUTE-REFRESH begin {}", self.family),
            RefreshKind::END => write!(f, "ROUTE-REFRESH end {}", self.family),
            RefreshKind(other) => write!(f, "ROUTE-REFRESH subtype {other} {}", self.family),
        }
    }
}

fn too_short(message: &Bytes, context: &Context) -> MessageError {
    if context.enhanced_refresh {
        return invalid_length(message);
    }
    frame::bad_length(MessageType::ROUTE_REFRESH, &message[16..18])
}

/// RFC 7313 §5: the data is the whole message.
fn invalid_length(message: &Bytes) -> MessageError {
    let reason = "exactly 4 octets behind the header";
    MessageError::new(ErrorCode::ROUTE_REFRESH, 1, HEADER_LEN, reason).with_data(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &[u8]) -> Bytes {
        let mut out = BytesMut::new();
        write::message(&mut out, MessageType::ROUTE_REFRESH, |out| {
            out.put_slice(body)
        });
        out.freeze()
    }

    fn context(enhanced_refresh: bool) -> Context {
        Context {
            enhanced_refresh,
            ..Context::default()
        }
    }

    /// R2918-3-01.
    #[test]
    fn r2918_3_01_reserved_octet_is_ignored() {
        let plain = RouteRefresh::decode(&message(&[0, 1, 2, 1]), &context(false)).unwrap();
        assert_eq!(plain.kind, RefreshKind::REQUEST);
        assert_eq!(plain.family, AfiSafi { afi: 1, safi: 1 });
    }

    /// R7313-5-01.
    #[test]
    fn r7313_5_01_length_of_a_mark() {
        for kind in [1, 2] {
            let long = message(&[0, 1, kind, 1, 0]);
            let error = RouteRefresh::decode(&long, &context(true)).expect_err("5 octets");
            assert_eq!(error.notification.code, ErrorCode::ROUTE_REFRESH);
            assert_eq!(error.notification.subcode, 1);
            assert_eq!(error.notification.data, long);
            assert!(RouteRefresh::decode(&long, &context(false)).is_ok());
        }
        let short = message(&[0, 1, 1]);
        let error = RouteRefresh::decode(&short, &context(true)).expect_err("3 octets");
        assert_eq!(error.notification.code, ErrorCode::ROUTE_REFRESH);
    }

    /// R4271-6.1-06.
    #[test]
    fn r4271_6_1_06_too_short_without_enhanced_refresh() {
        let error = RouteRefresh::decode(&message(&[0, 1]), &context(false)).expect_err("2 octets");
        assert_eq!(error.notification.code, ErrorCode::HEADER);
        assert_eq!(error.notification.subcode, 2);
        assert_eq!(&error.notification.data[..], [0, 21]);
    }

    /// R7313-5-02: the session gets it and ignores it.
    #[test]
    fn r7313_5_02_unknown_subtype_is_kept() {
        let odd = RouteRefresh::decode(&message(&[0, 2, 7, 1]), &context(true)).unwrap();
        assert_eq!(odd.kind, RefreshKind(7));
        let mut out = BytesMut::new();
        odd.encode(&mut out);
        assert_eq!(&out[HEADER_LEN..], [0, 2, 7, 1]);
    }
}
