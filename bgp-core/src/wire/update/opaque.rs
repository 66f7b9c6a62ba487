//! Routes of families that are not routed here, as octets (RFC 4760), for an owner that lists the family in
//! [`SessionConfig::opaque_families`](crate::session::SessionConfig). The octets are not interpreted.
//!
//! A multiprotocol attribute of such a family is recorded among the rare parts; other attributes are decoded as usual.

use bytes::{BufMut, BytesMut};

use super::encode::{EMPTY_LEN, TooLong, for_session};
use crate::types::AfiSafi;
use crate::wire::attribute::{code, flag};
use crate::wire::{AttributeView, Context, MessageType, write};

/// Routes of one family in an UPDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpaqueRoutes<'a> {
    /// Announced, with the attributes of the UPDATE: an MP_REACH_NLRI (RFC 4760 §3).
    Reachable {
        /// The family.
        family: AfiSafi,
        /// The next hop field; at most 255 octets.
        next_hop: &'a [u8],
        /// The NLRI field.
        nlri: &'a [u8],
    },
    /// Withdrawn: an MP_UNREACH_NLRI (RFC 4760 §4); without NLRI, the End-of-RIB marker (RFC 4724 §2). Also an MP_REACH_NLRI
    /// whose routes are treated as withdrawn (RFC 7606 §2), with the octets that announced them.
    Unreachable {
        /// The family.
        family: AfiSafi,
        /// The NLRI field.
        nlri: &'a [u8],
    },
}

impl OpaqueRoutes<'_> {
    /// The family.
    pub fn family(&self) -> AfiSafi {
        match self {
            Self::Reachable { family, .. } | Self::Unreachable { family, .. } => *family,
        }
    }
}

/// Appends an UPDATE with such routes; `attributes` in canonical form apply to announced routes.
///
/// # Errors
///
/// The routes do not fit into one message, or the next hop has more than 255 octets; nothing was appended.
pub fn encode_opaque(
    context: &Context,
    attributes: AttributeView<'_>,
    routes: OpaqueRoutes<'_>,
    out: &mut BytesMut,
) -> Result<(), TooLong> {
    let mut value = Vec::new();
    let AfiSafi { afi, safi } = routes.family();
    value.put_u16(afi);
    value.put_u8(safi);
    let (code, nlri) = match routes {
        OpaqueRoutes::Reachable { next_hop, nlri, .. } => {
            value.put_u8(u8::try_from(next_hop.len()).map_err(|_| TooLong)?);
            value.put_slice(next_hop);
            value.put_u8(0);
            (code::MP_REACH_NLRI, nlri)
        }
        OpaqueRoutes::Unreachable { nlri, .. } => (code::MP_UNREACH_NLRI, nlri),
    };
    let attributes = match code {
        code::MP_REACH_NLRI => for_session(context, attributes),
        _ => (&[][..]).into(),
    };
    // Flags, code and a length of two octets before the value.
    let len = EMPTY_LEN + 4 + value.len() + nlri.len() + attributes.len();
    if len > context.send_limit() {
        return Err(TooLong);
    }
    write::message(out, MessageType::UPDATE, |out| {
        out.put_u16(0);
        write::len16(out, |out| {
            out.put_slice(&[flag::OPTIONAL | flag::EXTENDED_LENGTH, code]);
            write::len16(out, |out| {
                out.put_slice(&value);
                out.put_slice(nlri);
            });
            out.put_slice(&attributes);
        });
    });
    Ok(())
}
